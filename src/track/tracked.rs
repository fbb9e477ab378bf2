//! One object as the tracker knows it.

use super::appearance::{Appearance, Scale};
use super::kalman::{BoxFilter, Transition, Turn};
use super::rules::Rules;
use super::votes::Votes;
use super::{Continuity, Parameters, Track, TrackState, nanoseconds, seconds};
use crate::detection::Detection;
use crate::geometry::BBox;

/// A detection in the view of the tracker's frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its index in the frame's observations.
    pub(super) index: usize,
    /// Where it was detected, in this frame's view.
    pub(super) detection: Detection,
    pub(super) label: i32,
    /// Nanoseconds since it was there.
    pub(super) age: u64,
    /// Who found it.
    pub(super) detector: u32,
}

/// What every decision about a pair needs to know of the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) time: u64,
    /// Width over height of the picture as displayed.
    pub(super) aspect: f32,
    /// For the association, the same for all classes.
    pub(super) parameters: &'a Parameters,
    pub(super) rules: &'a Rules,
    pub(super) scale: Scale,
}

/// A track with all that the tracker remembers of it.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) track: Track,
    pub(super) filter: BoxFilter,
    pub(super) born: u64,
    pub(super) matched: u64,
    /// A detector looked at an earlier frame and did not see it.
    pub(super) missed: bool,
    /// Matched on this frame.
    pub(super) now: bool,
    /// The view has jumped since it was seen: its place means nothing.
    pub(super) adrift: bool,
    /// Found by its looks alone.
    pub(super) recognised: bool,
    /// The index of the observation that it took last, on its frame, and how alike that was to what was known.
    pub(super) taken: Option<usize>,
    pub(super) appearance_before: Option<f32>,
    /// Sum of the confidences it was seen with.
    evidence: f32,
    /// How often a detector looked since it began, and how often it was seen.
    looks: u32,
    matches: u32,
    recent: Recent,
    votes: Votes,
    pub(super) appearance: Appearance,
    /// The filter as of the last match, in this frame's view, for [`Parameters::walk_gaps`].
    anchor: BoxFilter,
}

/// How far back the direction of motion is taken from, in nanoseconds.
const DIRECTION: u64 = 1_000_000_000;
/// Moves of as many sizes tell a direction for certain: those up to the last observation, and from it on.
const CERTAIN: [f32; 2] = [1.0, 0.2];

impl Tracked {
    /// A track that begins with an observation; `appearance` lends its memory.
    pub(super) fn new(
        id: u64,
        state: TrackState,
        seen: &Seen,
        embedding: Option<&[f32]>,
        moment: &Moment<'_>,
        mut appearance: Appearance,
    ) -> Self {
        let Detection { bbox, confidence, class_id } = seen.detection;
        let track = Track { id, bbox, confidence, class_id, label: seen.label, state, ..Track::default() };
        let filter = BoxFilter::new(&bbox, &moment.parameters.motion, moment.aspect);
        if let Some(embedding) = embedding {
            appearance.learn(embedding, confidence, &moment.scale);
        }
        let mut recent = Recent::default();
        recent.push(moment.time, bbox.center());
        let mut votes = Votes::default();
        votes.cast(seen.label, seen.detection.class_id, confidence, 0.0);
        Self {
            track,
            filter,
            born: moment.time,
            matched: moment.time,
            missed: false,
            now: true,
            adrift: false,
            recognised: false,
            taken: Some(seen.index),
            appearance_before: None,
            evidence: confidence,
            looks: 0,
            matches: 0,
            recent,
            votes,
            appearance,
            anchor: filter,
        }
    }

    pub(super) fn is_tentative(&self) -> bool {
        self.track.state == TrackState::Tentative
    }

    /// Not seen on this frame, but probably still where it is expected: within the picture, and either no detector
    /// has looked since, or the track was seen lately, on most looks, and not with much less confidence than is
    /// `usual` in this stream.
    fn is_there(&self, parameters: &Parameters, time: u64, usual: f32) -> bool {
        let (x, y) = self.track.bbox.center();
        let within = |v: f32| v > 0.0 && v < 1.0;
        let matches = self.matches as f32;
        let reliable = matches >= parameters.reliability * self.looks as f32
            && self.evidence >= LEAST_OF_USUAL * usual * matches;
        let patience = parameters.coast * (matches / SEASONED).min(1.0);
        let lately = !self.missed || reliable && self.unseen(time) <= patience;
        !self.adrift && lately && within(x) && within(y)
    }

    /// Says how it stands on this frame.
    pub(super) fn report(&mut self, parameters: &Parameters, time: u64, usual: f32) {
        self.track.age = time - self.born;
        self.track.since_match = time - self.matched;
        self.track.state = match self.track.state {
            TrackState::Tentative => TrackState::Tentative,
            _ if self.now => TrackState::Confirmed,
            _ if self.is_there(parameters, time, usual) => TrackState::Coasted,
            _ => TrackState::Lost,
        };
        self.track.continuity = match () {
            () if self.adrift => Continuity::BrokenByView,
            () if self.now && self.recognised => Continuity::Reassociated,
            () => Continuity::Continued,
        };
    }

    /// From where it is expected to an observation, in its own sizes.
    pub(super) fn distance(&self, seen: &Seen, aspect: f32) -> f32 {
        let (own, other) = (&self.track.bbox, &seen.detection.bbox);
        let ((x, y), (u, v)) = (own.center(), other.center());
        ((u - x) * aspect).hypot(v - y) / (own.width() * aspect * own.height()).sqrt()
    }

    /// What is left of it, to be used again.
    pub(super) fn into_memory(self) -> Appearance {
        let mut appearance = self.appearance;
        appearance.clear();
        appearance
    }

    /// Seconds since it was seen.
    pub(super) fn unseen(&self, time: u64) -> f32 {
        seconds(time - self.matched)
    }

    /// True once it was seen more than twice.
    pub(super) fn moves_are_known(&self) -> bool {
        self.matches > 2
    }

    pub(super) fn predict(&mut self, transition: &Transition, aspect: f32) {
        self.filter.predict(transition, aspect);
        self.place();
    }

    /// Carries everything from the previous frame's view into this one's.
    pub(super) fn follow(&mut self, turn: &Turn) {
        self.filter.follow(turn);
        self.anchor.follow(turn);
        self.recent.follow(turn);
        self.place();
    }

    fn place(&mut self) {
        self.track.bbox = self.filter.bbox();
        self.track.velocity = self.filter.velocity();
    }

    /// Around all places where it may have been in the last `age` nanoseconds, as it moves now.
    pub(super) fn reach(&self, age: u64) -> BBox {
        let (now, then) = (&self.track.bbox, self.earlier(age));
        BBox::new(
            now.x_min.min(then.x_min),
            now.y_min.min(then.y_min),
            now.x_max.max(then.x_max),
            now.y_max.max(then.y_max),
        )
    }

    /// Where it was `age` nanoseconds ago, as it moves now.
    fn earlier(&self, age: u64) -> BBox {
        let (b, [vx, vy]) = (self.track.bbox, self.track.velocity);
        let (x, y) = (vx * seconds(age), vy * seconds(age));
        BBox::new(b.x_min - x, b.y_min - y, b.x_max - x, b.y_max - y)
    }

    /// How well an observation fits, in units of IoU: 0 for what cannot be the same object.
    pub(super) fn similarity(&self, seen: &Seen, embedding: Option<&[f32]>, moment: &Moment<'_>) -> f32 {
        let Moment { time, aspect, parameters: p, .. } = *moment;
        let (own, other) = (self.earlier(seen.age), &seen.detection.bbox);
        let iou = own.iou(other);
        if iou <= 0.0 {
            return 0.0;
        }
        let mut similarity = iou * self.kinship(seen, iou, p);
        if p.height > 0.0 {
            let shared = own.y_max.min(other.y_max) - own.y_min.max(other.y_min);
            let both = own.y_max.max(other.y_max) - own.y_min.min(other.y_min);
            similarity *= if p.height == 1.0 { shared / both } else { (shared / both).powf(p.height) };
        }
        let mut against = p.staleness * self.unseen(time);
        if p.size > 0.0 {
            against += p.size * self.filter.size_surprise(other, &p.motion, aspect);
        }
        similarity *= (-against).exp();
        if p.fuse_score {
            similarity *= seen.detection.confidence;
        }
        if similarity > 0.0 && p.momentum > 0.0 {
            similarity += p.momentum * seen.detection.confidence * self.recent.agreement(other, aspect);
        }
        if similarity > 0.0 && p.appearance > 0.0 {
            similarity += p.appearance
                * embedding.and_then(|e| self.appearance.likeness(e, &moment.scale)).map_or(0.0, |l| l - 0.5);
        }
        similarity
    }

    /// 1 for an observation of the track's class, less for another one that may be the same object, or 0.
    pub(super) fn kinship(&self, seen: &Seen, iou: f32, parameters: &Parameters) -> f32 {
        let named = seen.label >= 0;
        let same =
            self.track.label == seen.label && (named || self.track.class_id == seen.detection.class_id);
        match same {
            true => 1.0,
            false if parameters.class_voting && iou >= ANOTHER_CLASS_IOU => ANOTHER_CLASS,
            false => 0.0,
        }
    }

    /// A detector looked at this frame: counts what it saw of this track.
    pub(super) fn look(&mut self) {
        self.looks += 1;
        self.matches += u32::from(self.now);
        self.missed = !self.now;
    }

    /// Takes in the observation that it was associated with.
    pub(super) fn take(&mut self, seen: &Seen, embedding: Option<&[f32]>, moment: &Moment<'_>) {
        let Moment { time, aspect, parameters, .. } = *moment;
        let Detection { bbox, confidence, class_id } = seen.detection;
        if self.adrift {
            self.filter = BoxFilter::new(&bbox, &parameters.motion, aspect);
            self.recent = Recent::default();
        } else {
            if parameters.walk_gaps && self.missed {
                self.walk_gap(&bbox, moment);
            }
            let age = seconds(seen.age);
            self.filter.update(&bbox, age, &parameters.motion, aspect);
        }
        self.place();
        self.recent.push(time, bbox.center());
        self.votes.cast(seen.label, class_id, confidence, self.unseen(time));
        (self.track.label, self.track.class_id) = self.votes.winner();
        self.taken = Some(seen.index);
        self.appearance_before = embedding.and_then(|e| self.appearance.cosine(e));
        if let Some(embedding) = embedding {
            self.appearance.learn(embedding, confidence, &moment.scale);
        }
        (self.matched, self.now, self.adrift, self.recognised) = (time, true, false, false);
        self.track.confidence = confidence;
        self.evidence += confidence;
        self.anchor = self.filter;
        let rules = moment.rules.of(self.track.label);
        let believed = self.evidence >= rules.evidence && time - self.born >= nanoseconds(rules.probation);
        if believed {
            self.track.state = TrackState::Confirmed;
        }
    }

    /// Takes the gap since the last match as walked in a straight line at an even pace (Cao et al., the
    /// observation-centric re-update of OC-SORT).
    fn walk_gap(&mut self, bbox: &BBox, moment: &Moment<'_>) {
        let Moment { time, aspect, parameters, .. } = *moment;
        let (from, gap) = (self.anchor.bbox(), f64::from(self.unseen(time)));
        let steps = (gap / STRIDE).ceil().clamp(1.0, MOST_STRIDES);
        let transition = Transition::new(&parameters.motion, gap / steps);
        self.filter = self.anchor;
        for step in 1..=steps as u32 {
            let part = f64::from(step) / steps;
            self.filter.predict(&transition, aspect);
            if part < 1.0 {
                let mix = |a: f32, b: f32| a + (b - a) * part as f32;
                let on_the_way = BBox::new(
                    mix(from.x_min, bbox.x_min),
                    mix(from.y_min, bbox.y_min),
                    mix(from.x_max, bbox.x_max),
                    mix(from.y_max, bbox.y_max),
                );
                self.filter.update(&on_the_way, 0.0, &parameters.motion, aspect);
            }
        }
    }
}

/// A track that was matched so often may coast for as long as any.
const SEASONED: f32 = 10.0;
/// The least mean confidence of a track that may coast, in units of what is usual.
const LEAST_OF_USUAL: f32 = 0.9;
/// Seconds between the points of a gap that is walked, and the most of them.
const STRIDE: f64 = 0.04;
const MOST_STRIDES: f64 = 50.0;
/// An observation of another class has to overlap so much, and counts for as much of its similarity.
const ANOTHER_CLASS_IOU: f32 = 0.6;
const ANOTHER_CLASS: f32 = 0.6;

/// Where the object was observed lately, for the direction of its motion (the momentum of OC-SORT).
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// The oldest first; the last is the last observation.
    points: [(u64, [f32; 2]); Self::POINTS],
    len: usize,
}

impl Recent {
    const POINTS: usize = 10;

    fn push(&mut self, time: u64, (x, y): (f32, f32)) {
        // The last point gives way to its successor until it is far enough from the one before.
        let near = |last: usize| last >= 1 && self.points[last].0 - self.points[last - 1].0 < DIRECTION / 8;
        if self.len > 0 && near(self.len - 1) {
            self.len -= 1;
        }
        let old = |points: &[(u64, [f32; 2])]| points.len() > 1 && time - points[1].0 >= DIRECTION;
        while self.len == Self::POINTS || old(&self.points[..self.len]) {
            self.points.copy_within(1..self.len, 0);
            self.len -= 1;
        }
        self.points[self.len] = (time, [x, y]);
        self.len += 1;
    }

    fn follow(&mut self, turn: &Turn) {
        for (_, point) in &mut self.points[..self.len] {
            *point = turn.point(*point);
        }
    }

    /// How well the way to a box agrees with the way up to the last observation: from 1/2 for the same direction to
    /// -1/2 for the opposite one, less where a direction is uncertain.
    fn agreement(&self, bbox: &BBox, aspect: f32) -> f32 {
        let [(_, first), .., (_, last)] = self.points[..self.len] else { return 0.0 };
        let size = (bbox.width() * aspect * bbox.height()).sqrt();
        let (x, y) = bbox.center();
        let way =
            |from: [f32; 2], to: [f32; 2]| [(to[0] - from[0]) * aspect / size, (to[1] - from[1]) / size];
        let (before, after) = (way(first, last), way(last, [x, y]));
        let lengths = [before[0].hypot(before[1]), after[0].hypot(after[1])];
        let product = lengths[0] * lengths[1];
        if product < 1e-6 {
            return 0.0;
        }
        let cosine = (before[0] * after[0] + before[1] * after[1]) / product;
        let certain = (lengths[0] / CERTAIN[0]).min(1.0) * (lengths[1] / CERTAIN[1]).min(1.0);
        certain * (0.5 - cosine.clamp(-1.0, 1.0).acos() / std::f32::consts::PI)
    }
}
