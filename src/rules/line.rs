//! Who crosses a line; [`Line`] says when that counts.

use super::define::{Anchor, Line, Mode};
use super::geometry::{Point, crossing, distance};
use super::names::{LINE, LINE_CLASS};
use super::objects::Seen;
use super::place::{Bound, Hold};
use super::zone::Sieve;

/// A path goes on over a gap of at most this many nanoseconds.
const MAX_GAP: u64 = 2_000_000_000;
/// How long a strict crossing has to last, in nanoseconds.
const SETTLE: u64 = 200_000_000;
/// How much farther a loose line reaches at each end, in parts of its first and last segment.
const REACH: f64 = 0.1;
/// A step farther than this is no way that an object went: in units of the frame's height, and in heights of its box.
const TELEPORT: (f64, f64) = (0.5, 3.0);

/// The path of a track, as far as it is not decided.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    /// Where it was, and when; nowhere while `known` is not set.
    known: bool,
    last: Point,
    time: u64,
    /// Crossings since it was last beyond the margin, forward less backward.
    pending: i32,
    /// Those of them that count already.
    counted: i32,
    /// It has been beyond the margin since it became known.
    armed: bool,
    /// Since when it has been beyond the margin with a crossing pending.
    beyond: Option<u64>,
    /// How often it crossed, forward and backward; and on which frame last.
    crossed: [u32; 2],
    now: [u64; 2],
}

/// A line and what was counted on it.
#[derive(Clone, Debug)]
pub(super) struct LineState {
    pub(super) line: Line,
    pub(super) bound: Bound,
    pub(super) sieve: Sieve,
    /// Its corners, with the ends where the mode puts them.
    points: Vec<Point>,
    paths: Vec<Path>,
    counts: [f64; 2],
    now: [f64; 2],
    by_class: Vec<[f64; 2]>,
}

impl LineState {
    pub(super) fn new(line: Line, classes: &[std::sync::Arc<str>]) -> Self {
        let several = if line.filter.classes.len() > 1 { line.filter.classes.len() } else { 0 };
        Self {
            bound: Bound::new(line.preset.as_ref()),
            sieve: Sieve::new(&line.filter, classes),
            points: stretched(&line),
            paths: Vec::new(),
            counts: [0.0; 2],
            now: [0.0; 2],
            by_class: vec![[0.0; 2]; several],
            line,
        }
    }

    /// Goes on with what another state of the same line has counted.
    pub(super) fn adopt(&mut self, old: Self) {
        let sieve = std::mem::replace(&mut self.sieve, old.sieve.clone());
        *self = Self { sieve, ..old };
    }

    pub(super) fn reserve(&mut self, slots: usize) {
        self.paths.resize(slots, Path::default());
    }

    pub(super) fn forget(&mut self, slot: usize) {
        self.paths[slot] = Path::default();
    }

    /// The line does not hold, or the stream begins anew: where anything went meanwhile is not known.
    pub(super) fn suspend(&mut self) {
        self.now = [0.0; 2];
        self.paths.iter_mut().for_each(|path| path.known = false);
    }

    /// No tracker looked at the frame: whether anything crosses is not known.
    pub(super) fn overlook(&mut self) {
        self.now = [f64::NAN; 2];
    }

    /// Takes in the objects of a frame.
    pub(super) fn update(&mut self, time: u64, aspect: f64, seen: &[Seen]) {
        self.now = [0.0; 2];
        for object in seen {
            if let Some(class) = self.sieve.class(object) {
                self.follow(object, class, time, aspect);
            }
        }
    }

    fn follow(&mut self, object: &Seen, class: usize, time: u64, aspect: f64) {
        let at = if self.line.anchor == Anchor::Center { object.center } else { object.foot };
        let path = &mut self.paths[object.slot];
        let (dx, dy) = ((at[0] - path.last[0]) * aspect, at[1] - path.last[1]);
        let farthest = TELEPORT.0.max(TELEPORT.1 * f64::from(object.height));
        let jumped = dx * dx + dy * dy > farthest * farthest;
        let goes_on = path.known && object.continued && time - path.time <= MAX_GAP && !jumped;
        let (crossed, now) = (path.crossed, path.now);
        if !goes_on {
            *path = Path { known: true, last: at, time, crossed, now, ..Path::default() };
        }
        let ways = self.points.windows(2).map(|pair| crossing(pair[0], pair[1], path.last, at));
        path.pending += ways.sum::<i32>();
        (path.last, path.time) = (at, time);
        // The distance is asked for where something depends on it.
        let undecided = path.pending != 0 || path.counted != 0;
        let beyond = (undecided || self.line.mode == Mode::Strict)
            && !self.points.windows(2).any(|pair| distance(pair[0], pair[1], at, aspect) <= self.line.margin);
        let count = path.decide(self.line.mode, time, beyond, object.firm);
        if count != 0 {
            self.count(object.slot, class, time, usize::from(count < 0));
        }
    }

    fn count(&mut self, slot: usize, class: usize, time: u64, direction: usize) {
        self.counts[direction] += 1.0;
        self.now[direction] += 1.0;
        self.by_class.get_mut(class).map(|counts| counts[direction] += 1.0).unwrap_or_default();
        self.paths[slot].crossed[direction] += 1;
        self.paths[slot].now[direction] = time;
    }

    /// How often a track has crossed.
    pub(super) fn crossed(&self, slot: usize, direction: usize) -> f64 {
        f64::from(self.paths[slot].crossed[direction])
    }

    /// 1 when a track crosses on this frame.
    pub(super) fn crosses(&self, slot: usize, direction: usize, now: u64) -> f64 {
        let path = &self.paths[slot];
        f64::from(u8::from(path.crossed[direction] > 0 && path.now[direction] == now))
    }

    /// Writes the facts of the line in their order.
    pub(super) fn tell(&self, facts: &mut [f64]) {
        let current = self.bound.hold == Hold::Current;
        let now = self.now.map(|count| if current { count } else { f64::NAN });
        let (whole, rest) = facts.split_at_mut(LINE.len());
        whole.copy_from_slice(&[
            self.counts[0],
            self.counts[1],
            now[0],
            now[1],
            f64::from(u8::from(current)),
        ]);
        for (to, counts) in rest.chunks_exact_mut(LINE_CLASS.len()).zip(&self.by_class) {
            to.copy_from_slice(counts);
        }
    }

    /// Forward and backward, to be drawn.
    pub(super) fn counts(&self) -> [f64; 2] {
        self.counts
    }
}

impl Path {
    /// What counts now: 1 forward, -1 backward, 0 nothing.
    fn decide(&mut self, mode: Mode, time: u64, beyond: bool, firm: bool) -> i32 {
        match mode {
            Mode::Balanced => {
                if !beyond {
                    return 0;
                }
                std::mem::take(&mut self.pending).signum()
            }
            Mode::Loose => {
                let open = self.pending.signum() - self.counted.signum();
                if self.counted == 0 || beyond {
                    self.counted = if beyond { 0 } else { self.pending };
                    self.pending = if beyond { 0 } else { self.pending };
                    return open.signum();
                }
                0
            }
            Mode::Strict => self.settle(time, beyond, firm),
        }
    }

    fn settle(&mut self, time: u64, beyond: bool, firm: bool) -> i32 {
        if !beyond {
            self.beyond = None;
            return 0;
        }
        if self.pending == 0 || !self.armed {
            (self.pending, self.armed, self.beyond) = (0, true, None);
            return 0;
        }
        let since = *self.beyond.get_or_insert(time);
        if !firm || time - since < SETTLE {
            return 0;
        }
        self.beyond = None;
        std::mem::take(&mut self.pending).signum()
    }
}

fn stretched(line: &Line) -> Vec<Point> {
    let mut points = line.points.clone();
    if line.mode == Mode::Loose {
        let beyond =
            |end: Point, next: Point| [0, 1].map(|axis| end[axis] + REACH * (end[axis] - next[axis]));
        let last = points.len() - 1;
        let (first, end) = (beyond(points[0], points[1]), beyond(points[last], points[last - 1]));
        (points[0], points[last]) = (first, end);
    }
    points
}
