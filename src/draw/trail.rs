//! Where tracks have been.

use std::collections::HashMap;
use std::time::Duration;

use super::line::{Line, draw_line};
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
}
