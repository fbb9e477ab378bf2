//! Where tracks have been.

use std::collections::HashMap;
use std::time::Duration;

use super::{Canvas, Ink, Mask};

/// Points kept of each trail.
const POINTS: usize = 64;
/// Trails kept; further tracks get none until one of these expires.
const TRAILS: usize = 512;
/// Half the thickness of the thinnest line, in pixels.
const MIN_RADIUS: f32 = 0.5;

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
    /// Begins a frame: forgets what is older than `length`, and everything in a new run or when time jumps
    /// back.
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
        // Shorter steps are the jitter of a box at rest; longer ones would make the masks large.
        let step = 4.0 * width;
        let Some(head) = trail.len.checked_sub(1) else { return };
        let place = |point: Point| (point.x * scale.0, point.y * scale.1);
        let mut from = place(trail.get(head));
        for i in (0..head).rev() {
            let point = trail.get(i);
            let to = place(point);
            let distance = (to.0 - from.0).hypot(to.1 - from.1);
            if distance < if i == 0 { width } else { step } {
                continue;
            }
            let fresh = 1.0 - (self.now - point.time) as f32 / self.length.max(1) as f32;
            let radius = (width / 2.0 * fresh).max(MIN_RADIUS);
            let pieces = (distance / step).max(1.0) as usize;
            let at = |i: usize| {
                let t = i as f32 / pieces as f32;
                (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1))
            };
            for i in 0..pieces {
                draw_line(canvas, mask, &Line { from: at(i), to: at(i + 1), radius }, ink);
            }
            from = to;
        }
    }
}

/// A line with round ends, in pixels.
#[derive(Clone, Copy, Debug)]
struct Line {
    from: (f32, f32),
    to: (f32, f32),
    radius: f32,
}

fn draw_line(canvas: &mut Canvas<'_, '_>, mask: &mut Mask, line: &Line, ink: &Ink) {
    let reach = line.radius + 0.5;
    let span = |a: f32, b: f32, size: usize| {
        let first = (a.min(b) - reach).floor().max(0.0) as i32 & !1;
        let end = (a.max(b) + reach).ceil().min(size as f32) as i32;
        (first, usize::try_from(end - first).unwrap_or(0))
    };
    let (x, width) = span(line.from.0, line.to.0, canvas.width());
    let (y, height) = span(line.from.1, line.to.1, canvas.height());
    if width == 0 || height == 0 {
        return;
    }
    mask.reset(width, height);
    for i in 0..mask.height() {
        cover(mask.row_mut(i), x as f32 + 0.5, (y + i as i32) as f32 + 0.5, line);
    }
    canvas.mask(x, y, mask, ink);
}

/// How much of each pixel of a row a line covers. (`x`, `y`) is the centre of the first pixel.
///
/// The edge falls with the square of the distance: it is 1, 1/2 and 0 where a linear one would be, half a
/// pixel inside of the radius, on it and half a pixel outside, and needs no root. The forms of clamp and of
/// rounding to an integer are those that compile to a few vector instructions.
#[allow(clippy::manual_clamp)]
fn cover(row: &mut [u8], x: f32, y: f32, line: &Line) {
    let (dx, dy) = (line.to.0 - line.from.0, line.to.1 - line.from.1);
    let inverse = 1.0 / (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    let (px, py) = (x - line.from.0, y - line.from.1);
    let reach = (line.radius + 0.5) * (line.radius + 0.5);
    let slope = 255.0 / (2.0 * line.radius);
    // 2^23: the low bits of such a number are its integer part.
    const INTEGER: f32 = 8_388_608.0;
    for (i, out) in row.iter_mut().enumerate() {
        let px = px + i as i32 as f32;
        let along = ((px * dx + py * dy) * inverse).max(0.0).min(1.0);
        let (ex, ey) = (px - along * dx, py - along * dy);
        let covered = (reach - ex * ex - ey * ey) * slope;
        *out = (covered.max(0.0).min(255.0) + INTEGER).to_bits() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const LENGTH: Duration = Duration::from_secs(2);

    fn times(trails: &Trails, id: u64) -> Vec<u64> {
        let trail = &trails.trails[&id];
        (0..trail.len).map(|i| trail.get(i).time).collect()
    }

    #[test]
    fn points_older_than_the_length_go() {
        let mut trails = Trails::default();
        for now in 0..5 {
            trails.advance("run", now * SECOND, LENGTH);
            trails.push(1, 0.5, 0.5);
        }
        assert_eq!(times(&trails, 1), [2 * SECOND, 3 * SECOND, 4 * SECOND]);
        trails.advance("run", 7 * SECOND, LENGTH);
        assert!(trails.trails.is_empty());
    }

    #[test]
    fn a_fast_stream_keeps_the_whole_length() {
        let mut trails = Trails::default();
        for i in 0..1000 {
            trails.advance("run", i * SECOND / 240, LENGTH);
            trails.push(1, 0.5, 0.5);
        }
        let times = times(&trails, 1);
        assert_eq!(times.last(), Some(&(999 * SECOND / 240)));
        assert!(times.len() <= POINTS && times[times.len() - 1] - times[0] > 19 * SECOND / 10);
    }

    #[test]
    fn a_new_run_or_time_begins_anew() {
        let mut trails = Trails::default();
        let mut add = |run: &str, now: u64| {
            trails.advance(run, now, LENGTH);
            trails.push(1, 0.5, 0.5);
            times(&trails, 1).len()
        };
        assert_eq!(add("a", SECOND), 1);
        assert_eq!(add("a", SECOND + 1), 2);
        assert_eq!(add("b", SECOND + 2), 1);
        assert_eq!(add("b", SECOND + 3), 2);
        assert_eq!(add("b", SECOND), 1);
    }

    #[test]
    fn the_number_of_trails_is_bounded() {
        let mut trails = Trails::default();
        trails.advance("run", 0, LENGTH);
        (0..10_000).for_each(|id| trails.push(id, 0.5, 0.5));
        trails.push(0, f32::NAN, 0.5);
        assert_eq!(trails.trails.len(), TRAILS);
        assert_eq!(times(&trails, 0), [0]);
    }

    #[test]
    fn coverage_falls_across_the_edge() {
        let line = Line { from: (-10.0, 0.0), to: (10.0, 0.0), radius: 1.5 };
        let at = |y: f32| {
            let mut pixel = [0];
            cover(&mut pixel, 0.0, y, &line);
            pixel[0]
        };
        assert_eq!([at(0.0), at(1.0), at(2.0), at(-2.5)], [255, 255, 0, 0]);
        // (2^2 - 1.5^2) / 3 of 255
        assert_eq!(at(1.5), 149);
    }
}
