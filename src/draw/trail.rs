//! Where tracks have been.

use std::collections::HashMap;
use std::time::Duration;

use super::{Canvas, Ink, Mask};

/// Points kept of each trail.
const POINTS: usize = 64;
/// Trails kept; further tracks get none until one of these expires.
const TRAILS: usize = 512;

/// A place in units of the frame, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Point {
    x: f32,
    y: f32,
    time: u64,
}

/// The last places of one track: a ring.
#[derive(Clone, Debug)]
struct Trail {
    points: [Point; POINTS],
    oldest: usize,
    len: usize,
}

impl Trail {
    const EMPTY: Self = Self { points: [Point { x: 0.0, y: 0.0, time: 0 }; POINTS], oldest: 0, len: 0 };

    fn get(&self, i: usize) -> Point {
        self.points[(self.oldest + i) % POINTS]
    }

    fn newest_first(&self) -> impl Iterator<Item = Point> {
        (0..self.len).rev().map(|i| self.get(i))
    }

    /// Adds a point. The newest one is replaced while it is closer than `spacing` to the one before it, so
    /// that the ring spans the trail's length at any frame rate.
    fn push(&mut self, point: Point, spacing: u64) {
        if self.len >= 2 && self.get(self.len - 1).time - self.get(self.len - 2).time < spacing {
            self.len -= 1;
        }
        if self.len == POINTS {
            self.oldest = (self.oldest + 1) % POINTS;
            self.len -= 1;
        }
        self.points[(self.oldest + self.len) % POINTS] = point;
        self.len += 1;
    }

    fn expire(&mut self, before: u64) {
        while self.len > 0 && self.get(0).time < before {
            self.oldest = (self.oldest + 1) % POINTS;
            self.len -= 1;
        }
    }
}

/// The trails of a run, by track id. Bounded in number, points and time.
#[derive(Clone, Debug, Default)]
pub(super) struct Trails {
    trails: HashMap<u64, Trail>,
    run: String,
    /// Running time of the last frame, in nanoseconds.
    now: u64,
    /// How far back the trails reach, in nanoseconds.
    length: u64,
}

impl Trails {
    /// Begins a frame: forgets what is older than `length`, and everything in a new run or when time jumps back.
    pub(super) fn advance(&mut self, run: &str, now: u64, length: Duration) {
        if self.run != run || now < self.now {
            self.trails.clear();
            self.run.clear();
            self.run.push_str(run);
        }
        self.now = now;
        self.length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let before = now.saturating_sub(self.length);
        self.trails.retain(|_, trail| {
            trail.expire(before);
            trail.len > 0
        });
    }

    /// Adds where a track is now, in units of the frame.
    pub(super) fn push(&mut self, id: u64, x: f32, y: f32) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        if self.trails.len() >= TRAILS && !self.trails.contains_key(&id) {
            return;
        }
        // Far outside the frame nothing of a trail shows; keeping it near bounds the work of drawing it.
        let point = Point { x: x.clamp(-1.0, 2.0), y: y.clamp(-1.0, 2.0), time: self.now };
        let spacing = self.length / (POINTS as u64 - 1);
        self.trails.entry(id).or_insert(Trail::EMPTY).push(point, spacing);
    }

    /// Draws a track's trail, `width` pixels thick at its head and thinner with age.
    pub(super) fn draw(&self, id: u64, width: f32, canvas: &mut Canvas<'_, '_>, mask: &mut Mask, ink: &Ink) {
        let Some(trail) = self.trails.get(&id) else { return };
        let scale = (canvas.width() as f32, canvas.height() as f32);
        let vertex = |p: Point| {
            let fresh = 1.0 - (self.now - p.time) as f32 / self.length.max(1) as f32;
            Vertex { x: p.x * scale.0, y: p.y * scale.1, radius: (width / 2.0 * fresh).max(0.5) }
        };
        let mut points = trail.newest_first().map(vertex);
        let Some(mut from) = points.next() else { return };
        for to in points {
            // Shorter steps are the jitter of a box at rest.
            if (to.x - from.x).hypot(to.y - from.y) < width {
                continue;
            }
            draw_segment(canvas, mask, from, to, ink);
            from = to;
        }
    }
}

/// A joint of a stroke, in pixels.
#[derive(Clone, Copy, Debug)]
struct Vertex {
    x: f32,
    y: f32,
    radius: f32,
}

/// Draws a line with round ends, as thick as its vertices, two rows at a time.
fn draw_segment(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, a: Vertex, b: Vertex, ink: &Ink) {
    let reach = a.radius.max(b.radius) + 1.0;
    let top = (a.y.min(b.y) - reach).max(0.0) as i32 & !1;
    let bottom = (a.y.max(b.y) + reach).min(canvas.height() as f32) as i32;
    for y in (top..=bottom).step_by(2) {
        let Some((left, right)) = extent(a, b, y as f32 + 1.0, reach + 1.0) else { continue };
        let left = left.max(0.0) as i32 & !1;
        let right = right.min(canvas.width() as f32) as i32 + 1;
        if left >= right {
            continue;
        }
        mask.reset((right - left) as usize, 2);
        for dy in 0..2 {
            cover(mask.row_mut(dy), left as f32 + 0.5, (y + dy as i32) as f32 + 0.5, a, b);
        }
        canvas.mask(left, y, mask, ink);
    }
}

/// The columns that a segment may touch within `reach` of the height `y`.
fn extent(a: Vertex, b: Vertex, y: f32, reach: f32) -> Option<(f32, f32)> {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let (mut from, mut to) = (0.0, 1.0);
    if dy.abs() > f32::EPSILON {
        let (s, t) = ((y - reach - a.y) / dy, (y + reach - a.y) / dy);
        (from, to) = (s.min(t).max(0.0), s.max(t).min(1.0));
    }
    if from > to {
        return None;
    }
    let (s, t) = (a.x + from * dx, a.x + to * dx);
    Some((s.min(t) - reach, s.max(t) + reach))
}

/// How much of each pixel of a row a segment covers, from its distance to the pixel's centre.
fn cover(row: &mut [u8], x: f32, y: f32, a: Vertex, b: Vertex) {
    let (dx, dy, dr) = (b.x - a.x, b.y - a.y, b.radius - a.radius);
    let inverse = 1.0 / (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    let py = y - a.y;
    for (i, out) in row.iter_mut().enumerate() {
        let px = x + i as f32 - a.x;
        let along = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
        let (ex, ey) = (px - along * dx, py - along * dy);
        let distance = (ex * ex + ey * ey).sqrt();
        let covered = a.radius + along * dr + 0.5 - distance;
        *out = (covered.clamp(0.0, 1.0) * 255.0) as u8;
    }
}
