//! Where tracks have been.

use std::collections::HashMap;
use std::time::Duration;

use super::line::{Line, draw_line};
use super::{Canvas, Ink, Mask};
use crate::homography::{apply, inverse};
use crate::track::Continuity;

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
    continuity: Continuity,
}

impl Trail {
    const EMPTY: Self = Self {
        points: [Point { x: 0.0, y: 0.0, time: 0 }; POINTS],
        oldest: 0,
        len: 0,
        continuity: Continuity::Continued,
    };

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

    /// Moves all points; false when one goes nowhere.
    fn carry(&mut self, view: &[f64; 9]) -> bool {
        (0..self.len).all(|i| {
            let point = &mut self.points[(self.oldest + i) % POINTS];
            let [x, y] = apply(view, [f64::from(point.x), f64::from(point.y)]);
            (point.x, point.y) = (x as f32, y as f32);
            x.is_finite() && y.is_finite()
        })
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
    /// The epoch of the view.
    epoch: Option<u64>,
}

/// How the camera's view lies to that of the frame before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sight {
    /// Number of the view's jumps so far; `None` when nobody counts them.
    pub epoch: Option<u64>,
    /// Row-major homography from the frame's normalised points to the previous frame's, when known.
    pub to_previous: Option<[f32; 9]>,
    /// The camera moves, or may move, and nobody knows how.
    pub moved_unknown: bool,
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

    /// Brings the trails into the view of this frame. Where it jumped, or moved by nobody knows how much, they begin
    /// anew.
    pub(super) fn follow(&mut self, sight: &Sight) {
        let jumped = sight.epoch.is_some() && self.epoch.is_some() && sight.epoch != self.epoch;
        self.epoch = sight.epoch.or(self.epoch);
        let from_previous = sight.to_previous.map(|h| inverse(&h.map(f64::from)));
        match from_previous {
            _ if jumped => self.trails.clear(),
            Some(None) => self.trails.clear(),
            Some(Some(view)) => self.trails.retain(|_, trail| trail.carry(&view)),
            None if sight.moved_unknown => self.trails.clear(),
            None => {}
        }
    }

    /// Adds where a track is now, in units of the frame. One that was found again elsewhere begins its trail anew.
    pub(super) fn push(&mut self, id: u64, x: f32, y: f32, continuity: Continuity) {
        if let Some(trail) = self.trails.get_mut(&id) {
            if continuity != Continuity::Continued && continuity != trail.continuity {
                trail.len = 0;
            }
            trail.continuity = continuity;
        }
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        if self.trails.len() >= TRAILS && !self.trails.contains_key(&id) {
            return;
        }
        let point = Point { x, y, time: self.now };
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
        // Far outside the frame nothing of a trail shows; keeping it near bounds the work of drawing it.
        let near = |v: f32| v.clamp(-1.0, 2.0);
        let place = |point: Point| (near(point.x) * scale.0, near(point.y) * scale.1);
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
            trails.push(1, 0.5, 0.5, Continuity::Continued);
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
            trails.push(1, 0.5, 0.5, Continuity::Continued);
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
            trails.push(1, 0.5, 0.5, Continuity::Continued);
            times(&trails, 1).len()
        };
        assert_eq!(add("a", SECOND), 1);
        assert_eq!(add("a", SECOND + 1), 2);
        assert_eq!(add("b", SECOND + 2), 1);
        assert_eq!(add("b", SECOND + 3), 2);
        assert_eq!(add("b", SECOND), 1);
    }

    #[test]
    fn trails_follow_the_view() {
        let mut trails = Trails::default();
        let pan = [1.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let moved = Sight { epoch: Some(1), to_previous: Some(pan), moved_unknown: false };
        for i in 0..4 {
            trails.advance("run", i * SECOND / 4, LENGTH);
            if i > 0 {
                trails.follow(&moved);
            }
            trails.push(1, 0.7 - 0.1 * i as f32, 0.5, Continuity::Continued);
        }
        let trail = trails.trails[&1].clone();
        assert!((0..4).all(|i| (trail.get(i).x - 0.4).abs() < 1e-6), "{trail:?}");
        trails.push(1, 0.4, 0.5, Continuity::Reassociated);
        assert_eq!(trails.trails[&1].len, 1, "found again elsewhere");
        trails.follow(&Sight { to_previous: Some(pan), ..Sight::default() });
        assert_eq!(trails.trails[&1].len, 1, "who does not count epochs has not changed them");
        for broken in [
            Sight { epoch: Some(2), ..moved },
            Sight { to_previous: None, moved_unknown: true, ..moved },
            Sight { to_previous: Some([0.0; 9]), ..Sight::default() },
        ] {
            let mut trails = trails.clone();
            trails.follow(&broken);
            assert!(trails.trails.is_empty(), "{broken:?}");
        }
    }

    #[test]
    fn the_number_of_trails_is_bounded() {
        let mut trails = Trails::default();
        trails.advance("run", 0, LENGTH);
        (0..10_000).for_each(|id| trails.push(id, 0.5, 0.5, Continuity::Continued));
        trails.push(0, f32::NAN, 0.5, Continuity::Continued);
        assert_eq!(trails.trails.len(), TRAILS);
        assert_eq!(times(&trails, 0), [0]);
    }
}
