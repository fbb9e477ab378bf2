//! Where a track has been and how it moved, free of the camera's motion.
//!
//! A trajectory is made of segments, each within one view. Points keep the coordinates of their segment's first
//! frame, and one homography a segment leads from there to the view of now: a move of the camera costs the same
//! however many points there are. Where the view changes and nobody can say how, the segment is closed, and the
//! next sight of the object opens another; no way leads across.
//!
//! A box jitters though its object stands, and adding up its steps would make any object walk. So an object has
//! moved when its foot point is [`START`] object sizes away from where it was at rest, and from then on its way is
//! made of steps of [`STEP`] sizes and the rest of the way to where it is; it is at rest again when it has made no
//! step for [`REST`] seconds. One size is the square root of the box's area in the displayed picture. A detector
//! errs by some 0.08 sizes ([`Motion::measurement`](super::Motion::measurement)), which leaves `START` six standard
//! deviations away, and `REST` at the speed of a tenth of a size a second, far below that of a pedestrian (1.4).

use std::collections::VecDeque;

use super::export::{Closed, Continuity, Opened, TrackMotion};
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply, compose};

/// How far from its place, in sizes, an object at rest has moved.
pub(super) const START: f64 = 0.5;
/// The length of a moving object's steps, in sizes.
pub(super) const STEP: f64 = 0.25;
/// How long an object without a step has to be seen until it is at rest, in seconds.
pub(super) const REST: f64 = 2.0;
/// Over how many seconds speed and direction are averaged: the weight of a move falls by e in that time.
pub(super) const WINDOW: f64 = 0.5;
/// Segments kept of a trajectory; the oldest go first.
pub(super) const MOST_SEGMENTS: usize = 16;

/// How much of a trajectory is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// How far back it reaches, in seconds, 0 to 86400.
    pub age: f32,
    /// How many points it has at most, 2 to 4096. They are spread over the age.
    pub points: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: 60.0, points: 64 }
    }
}

impl Retention {
    /// The values within their documented ranges; what is not a number becomes the default.
    pub(super) fn clamped(self) -> Self {
        let age = if self.age.is_nan() { Self::default().age } else { self.age.clamp(0.0, 86_400.0) };
        Self { age, points: self.points.clamp(2, 4096) }
    }

    fn age_ns(&self) -> u64 {
        (f64::from(self.age) * 1e9) as u64
    }

    /// The distance of points in time.
    fn spacing(&self) -> u64 {
        self.age_ns() / (self.points as u64 - 1)
    }
}

/// A place and when it was, in units of the first frame of its segment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Running time in nanoseconds.
    pub time: u64,
    /// Of the foot point.
    pub x: f32,
    /// Of the foot point.
    pub y: f32,
}

/// A part of a trajectory that lies in one view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// The view's epoch; 0 when nobody counts them.
    pub epoch: u64,
    /// Why it was opened.
    pub opened: Opened,
    /// Why it was closed.
    pub closed: Closed,
    /// Running time of its first point, kept or not.
    pub since: u64,
    /// Running time of its last point.
    pub until: u64,
    /// How many times the camera's motion was taken out.
    pub compensations: u32,
    /// From its first frame's points to the view of now, or of when it was closed.
    pub transform: [f64; 9],
    /// How the object moved in it.
    pub motion: TrackMotion,
    /// How many points of it are kept.
    len: usize,
}

/// How the view changed from the frame before to this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// It did not.
    Still,
    /// Along these homographies: from this frame's points to the previous one's, and back.
    Moved([f64; 9], [f64; 9]),
    /// So that no way leads across.
    Broken(Closed),
}

/// What a frame is to the trajectories.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) time: u64,
    /// Width over height of the displayed picture.
    pub(super) aspect: f64,
    pub(super) epoch: u64,
    pub(super) change: Change,
    /// From this frame's points to metres on the ground.
    pub(super) ground: Option<Ground>,
    pub(super) retention: Retention,
}

/// The way from a frame to the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ground {
    /// From the frame's points to metres.
    pub(super) to_metres: [f64; 9],
    /// The sign of the third coordinate on this side of the horizon.
    pub(super) side: f64,
}

impl Ground {
    /// Where a point of the picture is on the ground; `None` at the horizon and above.
    fn place(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let h = &self.to_metres;
        let depth = (h[6] * x + h[7] * y + h[8]) * self.side;
        let place = apply(h, [x, y]);
        (depth > 0.0 && finite(place)).then_some(place)
    }
}

/// What an object did on a frame, as its picture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing that counts.
    Resting,
    /// It moves, less than a step so far.
    Going,
    /// It made a step.
    Stepped,
    /// It came to rest.
    Arrived,
}

/// A way in one kind of coordinates, as far as it was walked.
#[derive(Clone, Copy, Debug)]
struct Walk {
    since: u64,
    /// Where it began, in the coordinates that places are kept in.
    first: [f64; 2],
    /// Where the last step led to.
    anchor: [f64; 2],
    /// Where the object was seen last.
    last: [f64; 2],
    /// The way up to the anchor.
    walked: f64,
    /// The way up to where it is.
    path: f64,
    /// Weighted sums of the moves of late and of the seconds they took.
    moves: [f64; 2],
    seconds: f64,
    max_speed: f64,
}

impl Walk {
    fn new(place: [f64; 2], time: u64) -> Self {
        Self {
            since: time,
            first: place,
            anchor: place,
            last: place,
            walked: 0.0,
            path: 0.0,
            moves: [0.0; 2],
            seconds: 0.0,
            max_speed: 0.0,
        }
    }

    /// Notes a move that took `dt` seconds, between places of the same coordinates.
    fn shift(&mut self, from: [f64; 2], to: [f64; 2], dt: f64) {
        if dt <= 0.0 {
            return;
        }
        let keep = (-dt / WINDOW).exp();
        let move_ = between(from, to);
        self.moves = [self.moves[0] * keep + move_[0], self.moves[1] * keep + move_[1]];
        self.seconds = self.seconds * keep + dt;
    }

    /// Notes what the object did `far` from the anchor; `place` is where it is, as places are kept.
    fn go(&mut self, doing: Doing, place: [f64; 2], far: f64) {
        match doing {
            Doing::Resting => return,
            Doing::Going => self.path = self.path.max(self.walked + far),
            Doing::Stepped => {
                self.walked += far;
                self.path = self.path.max(self.walked);
                self.anchor = place;
            }
            Doing::Arrived => {
                self.walked = self.path;
                self.anchor = place;
                return;
            }
        }
        if self.seconds >= WINDOW / 2.0 {
            self.max_speed = self.max_speed.max(self.speed());
        }
    }

    /// Speed of late.
    fn speed(&self) -> f64 {
        if self.seconds > 0.0 { length(self.moves) / self.seconds } else { 0.0 }
    }

    fn mean_speed(&self, time: u64) -> f64 {
        let elapsed = seconds(time - self.since);
        if elapsed > 0.0 { self.path / elapsed } else { 0.0 }
    }
}

/// Where a track has been and how it moves. The last segment is open while [`Segment::closed`] says so.
#[derive(Clone, Debug, Default)]
pub struct Trajectory {
    /// By time.
    segments: VecDeque<Segment>,
    /// Of all segments, by time.
    points: VecDeque<Point>,
    open: Option<Open>,
}

/// What is known of the open segment only.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// From the view of now to the segment's first frame.
    back: [f64; 9],
    /// Time of the last step.
    stepped: u64,
    moving: bool,
    walk: Walk,
    ground: Option<Walk>,
}

impl Trajectory {
    /// The segments with their points, by time.
    pub fn segments(&self) -> impl Iterator<Item = (&Segment, impl Iterator<Item = &Point>)> {
        self.segments.iter().scan(0, |first, segment| {
            let from = *first;
            *first += segment.len;
            Some((segment, self.points.range(from..*first)))
        })
    }

    /// How the object moves in the view of now.
    pub fn motion(&self) -> TrackMotion {
        match (&self.open, self.segments.back()) {
            (Some(_), Some(segment)) => segment.motion,
            _ => TrackMotion::UNKNOWN,
        }
    }

    /// Forgets everything but keeps the memory, and takes all that it will need.
    pub(super) fn begin(&mut self, retention: &Retention) {
        self.segments.clear();
        self.points.clear();
        self.points.reserve(retention.points + 1);
        self.open = None;
    }

    /// Goes on to another frame: into its view, and away from what is too old.
    pub(super) fn follow(&mut self, moment: &Moment) {
        match &moment.change {
            Change::Still => {}
            Change::Moved(to_previous, from_previous) => self.carry(to_previous, from_previous),
            Change::Broken(why) => self.close(*why),
        }
        let oldest = moment.time.saturating_sub(moment.retention.age_ns());
        while self.points.front().is_some_and(|point| point.time < oldest) {
            self.forget();
        }
    }

    fn carry(&mut self, to_previous: &[f64; 9], from_previous: &[f64; 9]) {
        let (Some(open), Some(segment)) = (&mut self.open, self.segments.back_mut()) else { return };
        let (back, transform) =
            (compose(&open.back, to_previous), compose(from_previous, &segment.transform));
        if back.iter().chain(&transform).all(|v| v.is_finite()) {
            (open.back, segment.transform) = (back, transform);
            segment.compensations = segment.compensations.saturating_add(1);
        } else {
            self.close(Closed::View);
        }
    }

    /// Closes the open segment, if there is one.
    pub(super) fn close(&mut self, why: Closed) {
        if let (Some(_), Some(segment)) = (self.open.take(), self.segments.back_mut()) {
            segment.closed = why;
        }
    }

    /// Notes where the object was seen on a frame that was followed to. A box that leads nowhere is not noted.
    pub(super) fn see(&mut self, moment: &Moment, bbox: &BBox, continuity: Continuity) {
        let foot = [f64::from(bbox.center().0), f64::from(bbox.y_max)];
        let size = (f64::from(bbox.width()) * moment.aspect * f64::from(bbox.height())).sqrt();
        if !finite(foot) || !size.is_finite() || size <= 0.0 {
            return;
        }
        let ground = moment.ground.and_then(|ground| ground.place(foot));
        let Some(mut open) = self.open else {
            self.open(moment, foot, ground, continuity);
            return;
        };
        let Some(segment) = self.segments.back_mut() else { return };
        let place = apply(&open.back, foot);
        let carried = [open.walk.anchor, open.walk.last].map(|p| apply(&segment.transform, p));
        if !finite(place) || !carried.into_iter().all(finite) {
            return;
        }
        let [anchor, last] = carried;
        let dt = seconds(moment.time - segment.until);
        open.walk.shift(last, foot, dt);
        open.walk.last = place;
        let [dx, dy] = between(anchor, foot);
        let far = (dx * moment.aspect).hypot(dy) / size;
        let resting = seconds(moment.time - open.stepped) >= REST;
        let doing = match open.moving {
            moving if far > if moving { STEP } else { START } => Doing::Stepped,
            true if resting => Doing::Arrived,
            true => Doing::Going,
            false => Doing::Resting,
        };
        match doing {
            Doing::Stepped => (open.moving, open.stepped) = (true, moment.time),
            Doing::Arrived => open.moving = false,
            Doing::Going | Doing::Resting => {}
        }
        open.walk.go(doing, place, length([dx, dy]));
        open.ground = match (open.ground, ground) {
            (Some(mut walk), Some(place)) => {
                walk.shift(walk.last, place, dt);
                walk.last = place;
                let far = length(between(walk.anchor, place));
                walk.go(doing, place, far);
                Some(walk)
            }
            (None, Some(place)) => Some(Walk::new(place, moment.time)),
            (_, None) => None,
        };
        segment.until = moment.time;
        segment.motion = open.motion(segment, foot, moment, resting && !open.moving);
        self.open = Some(open);
        self.keep(moment, place);
    }

    fn open(&mut self, moment: &Moment, foot: [f64; 2], ground: Option<[f64; 2]>, continuity: Continuity) {
        let opened = match self.segments.back().map(|segment| segment.closed) {
            None => Opened::Born,
            Some(_) if continuity == Continuity::Reassociated => Opened::Reassociated,
            Some(Closed::Epoch) => Opened::Epoch,
            Some(_) => Opened::View,
        };
        if self.segments.len() == MOST_SEGMENTS {
            let gone = self.segments.pop_front().map_or(0, |segment| segment.len);
            self.points.drain(..gone);
        }
        let time = moment.time;
        let open = Open {
            back: IDENTITY,
            stepped: time,
            moving: false,
            walk: Walk::new(foot, time),
            ground: ground.map(|place| Walk::new(place, time)),
        };
        let mut segment = Segment {
            epoch: moment.epoch,
            opened,
            closed: Closed::Open,
            since: time,
            until: time,
            compensations: 0,
            transform: IDENTITY,
            motion: TrackMotion::UNKNOWN,
            len: 0,
        };
        segment.motion = open.motion(&segment, foot, moment, false);
        self.segments.push_back(segment);
        self.open = Some(open);
        self.keep(moment, foot);
    }

    /// Keeps a point of the open segment. The newest one is replaced while it is nearer in time than the spacing to
    /// the one before it, so that the points span the age at any frame rate.
    fn keep(&mut self, moment: &Moment, [x, y]: [f64; 2]) {
        let Retention { points, .. } = moment.retention;
        let Some(segment) = self.segments.back_mut() else { return };
        let len = self.points.len();
        if segment.len >= 2
            && self.points[len - 1].time - self.points[len - 2].time < moment.retention.spacing()
        {
            self.points.pop_back();
            segment.len -= 1;
        }
        segment.len += 1;
        self.points.push_back(Point { time: moment.time, x: x as f32, y: y as f32 });
        while self.points.len() > points {
            self.forget();
        }
    }

    /// Forgets the oldest point, and closed segments of which nothing is left.
    fn forget(&mut self) {
        self.points.pop_front();
        while let Some(segment) = self.segments.front_mut() {
            if segment.len > 0 {
                segment.len -= 1;
                break;
            }
            self.segments.pop_front();
        }
        if self.segments.len() > 1 && self.segments[0].len == 0 {
            self.segments.pop_front();
        }
    }
}

impl Open {
    /// How the object moves, with its foot point at `foot` in the view of now.
    fn motion(&self, segment: &Segment, foot: [f64; 2], moment: &Moment, stationary: bool) -> TrackMotion {
        let Walk { first, anchor, path, .. } = self.walk;
        let here = |moving: [f64; 2], resting: [f64; 2]| if self.moving { moving } else { resting };
        let carry = |place| apply(&segment.transform, place);
        let displacement =
            if path > 0.0 { between(carry(first), here(foot, carry(anchor))) } else { [0.0; 2] };
        let [x, y] = self.walk.moves;
        let turn = y.atan2(x * moment.aspect).to_degrees().rem_euclid(360.0) as f32;
        let mut motion = TrackMotion {
            stationary: u32::from(stationary),
            path: path as f32,
            displacement: narrow(displacement),
            mean_speed: self.walk.mean_speed(moment.time) as f32,
            max_speed: self.walk.max_speed as f32,
            direction: if self.moving { turn % 360.0 } else { f32::NAN },
            ..TrackMotion::UNKNOWN
        };
        if let Some(walk) = &self.ground {
            motion.ground = narrow(walk.last);
            let displacement =
                if walk.path > 0.0 { between(walk.first, here(walk.last, walk.anchor)) } else { [0.0; 2] };
            motion.ground_displacement = narrow(displacement);
            motion.ground_path = walk.path as f32;
            motion.ground_speed = if self.moving { walk.speed() as f32 } else { 0.0 };
            motion.ground_mean_speed = walk.mean_speed(moment.time) as f32;
            motion.ground_max_speed = walk.max_speed as f32;
        }
        motion
    }
}

fn between(from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    [to[0] - from[0], to[1] - from[1]]
}

fn length([x, y]: [f64; 2]) -> f64 {
    x.hypot(y)
}

fn finite([x, y]: [f64; 2]) -> bool {
    x.is_finite() && y.is_finite()
}

fn narrow([x, y]: [f64; 2]) -> [f32; 2] {
    [x as f32, y as f32]
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
