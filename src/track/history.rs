//! What became of the tracks: their trajectories, the rows of earlier frames that become known, and their ends.
//!
//! The tracker tells it the tracks of each frame; what is missing from them has ended.

use std::collections::VecDeque;

use super::export::{Closed, EndReason, Ended, Past, PastKind, TrackPoint, TrackSegment};
use super::trajectory::{Change, Ground, Moment, Retention, Trajectory};
use super::{Input, Track, TrackState};
use crate::geometry::BBox;
use crate::homography::{IDENTITY, apply, apply_box, compose, inverse};

/// Frames whose gaps are filled: rows of a longer gap begin that many frames ago.
const MOST_FRAMES: usize = 256;
/// Rows of a tentative track that are kept for the case that it is believed.
const MOST_TENTATIVE: usize = 64;
/// Rows of earlier frames that one frame tells at most.
const MOST_ROWS: usize = 1024;

/// Whether a track is there on a frame, and seen.
pub(super) struct Live<'a> {
    pub(super) track: &'a mut Track,
    /// Matched on this frame.
    pub(super) now: bool,
}

/// How much a history keeps and what it tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) retention: Retention,
    /// Tell rows of earlier frames.
    pub(super) past: bool,
    /// From normalised points of the reference view to metres.
    pub(super) ground: Option<[f64; 9]>,
}

/// The histories of all tracks. A step allocates nothing once the largest number of tracks has been seen and
/// each place for one has been full.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Of the tracks that live, by rising id.
    entries: Vec<Entry>,
    /// Of those that ended on this frame, with their ends in the same order.
    gone: Vec<Entry>,
    ended: Vec<Ended>,
    past: Vec<Past>,
    /// Of tracks that a restart ended, until there is a frame to tell it on.
    waiting: Vec<Entry>,
    spare: Vec<Entry>,
    /// Tracks that end on this frame for another reason than being lost.
    reasons: Vec<(u64, EndReason)>,
    /// The last frames, and how the view got there from the one before: to that one's points.
    frames: VecDeque<(u64, Option<[f64; 9]>)>,
    epoch: Option<u64>,
    ground: Calibration,
    time: u64,
}

#[derive(Debug, Default)]
struct Entry {
    track: Track,
    /// Of the last frame that it lived on.
    time: u64,
    trajectory: Trajectory,
    /// The frames on which it was tentative.
    early: Vec<Row>,
    /// When it was matched last; its box is carried along with the view. `None` when no way leads there.
    matched: Option<Row>,
}

/// A track's box on a frame.
#[derive(Clone, Copy, Debug)]
struct Row {
    time: u64,
    bbox: BBox,
    confidence: f32,
}

impl History {
    /// Handles a frame, once the tracks are what they are on it. Fills in [`Track::motion`].
    pub(super) fn step<'a>(
        &mut self,
        input: &Input<'_>,
        aspect: f32,
        keeping: &Keeping,
        live: impl Iterator<Item = Live<'a>>,
    ) {
        let moment = self.moment(input, aspect, keeping);
        self.recycle();
        for entry in &mut self.entries {
            entry.follow(&moment);
        }
        let mut at = 0;
        for Live { track, now } in live {
            while self.entries.get(at).is_some_and(|entry| entry.track.id < track.id) {
                self.end(at);
            }
            if self.entries.get(at).is_none_or(|entry| entry.track.id != track.id) {
                let mut entry = self.spare.pop().unwrap_or_default();
                entry.begin(track.id, &moment.retention);
                self.entries.insert(at, entry);
            }
            let entry = &mut self.entries[at];
            if now {
                entry.trajectory.see(&moment, &track.bbox, track.continuity);
                if keeping.past {
                    entry.recall(track, moment.time, &self.frames, &mut self.past);
                }
            }
            track.motion = entry.trajectory.motion();
            (entry.track, entry.time) = (*track, moment.time);
            at += 1;
        }
        while at < self.entries.len() {
            self.end(at);
        }
        self.reasons.clear();
    }

    /// Says why a track that is missing from the next step has ended; otherwise it was lost.
    pub(super) fn explain(&mut self, id: u64, reason: EndReason) {
        self.reasons.push((id, reason));
    }

    /// Ends all tracks: the next step belongs to another run, and tells of them.
    pub(super) fn restart(&mut self) {
        self.waiting.append(&mut self.entries);
        self.frames.clear();
        self.reasons.clear();
        self.ground.restart();
        self.epoch = None;
        self.time = 0;
    }

    /// Takes back what was explained: what has ended so has ended for another reason.
    pub(super) fn forget_reasons(&mut self) {
        self.reasons.clear();
    }

    /// The believed tracks that ended on the last frame.
    pub(super) fn ended(&self) -> &[Ended] {
        &self.ended
    }

    /// The rows of earlier frames that became known on the last one, by track and time.
    pub(super) fn past(&self) -> &[Past] {
        &self.past
    }

    /// The trajectory of a track that lives or ended on the last frame.
    pub(super) fn trajectory(&self, id: u64) -> Option<&Trajectory> {
        let living = self.entries.binary_search_by_key(&id, |entry| entry.track.id);
        let entry = match living {
            Ok(at) => Some(&self.entries[at]),
            Err(_) => self.gone.iter().find(|entry| entry.track.id == id),
        };
        entry.map(|entry| &entry.trajectory)
    }

    /// Appends the segments and points of tracks, as they are on the last frame.
    pub(super) fn export(
        &self,
        ids: impl Iterator<Item = u64>,
        segments: &mut Vec<TrackSegment>,
        points: &mut Vec<TrackPoint>,
    ) {
        // Times of a run that a restart ended say nothing of this one's: they count from the track's own end.
        for id in ids {
            let Some(trajectory) = self.trajectory(id) else { continue };
            let last = trajectory.segments().map(|(segment, _)| segment.until).max().unwrap_or(0);
            let now = self.time.max(last);
            for (segment, of_it) in trajectory.segments() {
                let first = points.len();
                let point =
                    |p: &super::Point| TrackPoint { before: now.saturating_sub(p.time), x: p.x, y: p.y };
                points.extend(of_it.map(point));
                segments.push(TrackSegment {
                    track: id,
                    epoch: segment.epoch,
                    since: now.saturating_sub(segment.since),
                    until: now.saturating_sub(segment.until),
                    opened: segment.opened,
                    closed: segment.closed,
                    compensations: segment.compensations,
                    count: (points.len() - first) as u32,
                    first: first as u64,
                    transform: segment.transform,
                    motion: segment.motion,
                    reserved: 0,
                });
            }
        }
    }

    /// Makes room for what this frame ends, and takes in what a restart did.
    fn recycle(&mut self) {
        self.spare.append(&mut self.gone);
        self.ended.clear();
        self.past.clear();
        for at in 0..self.waiting.len() {
            let track = self.waiting[at].track;
            self.waiting[at].trajectory.close(Closed::Ended);
            if track.state != TrackState::Tentative {
                self.ended.push(Ended { track, reason: EndReason::Restart, reserved: 0 });
            }
        }
        self.gone.append(&mut self.waiting);
    }

    fn end(&mut self, at: usize) {
        let mut entry = self.entries.remove(at);
        entry.trajectory.close(Closed::Ended);
        let told = self.reasons.iter().find(|(id, _)| *id == entry.track.id);
        let reason = told.map_or(EndReason::Lost, |(_, reason)| *reason);
        if entry.track.state != TrackState::Tentative {
            let state = if reason == EndReason::Lost { TrackState::Lost } else { entry.track.state };
            let since = self.time - entry.time;
            let age = entry.track.age + since;
            let since_match = entry.track.since_match + since;
            let track = Track { state, age, since_match, ..entry.track };
            self.ended.push(Ended { track, reason, reserved: 0 });
        }
        self.gone.push(entry);
    }

    /// What this frame is to the trajectories.
    fn moment(&mut self, input: &Input<'_>, aspect: f32, keeping: &Keeping) -> Moment {
        let first = self.frames.is_empty();
        let other_epoch =
            !first && input.epoch.is_some() && self.epoch.is_some() && input.epoch != self.epoch;
        self.epoch = input.epoch.or(self.epoch);
        let to_previous = input.to_previous.map(|h| h.map(f64::from));
        let both = to_previous.and_then(|h| Some((h, inverse(&h)?)));
        let change = match both {
            _ if first => Change::Still,
            _ if other_epoch => Change::Broken(Closed::Epoch),
            Some((to_previous, _)) if to_previous == IDENTITY => Change::Still,
            Some((to_previous, from_previous)) => Change::Moved(to_previous, from_previous),
            None if to_previous.is_some() || input.moved_unknown => Change::Broken(Closed::View),
            None => Change::Still,
        };
        if matches!(change, Change::Broken(_)) {
            self.frames.clear();
        }
        if self.frames.len() == MOST_FRAMES {
            self.frames.pop_front();
        }
        self.frames.reserve(MOST_FRAMES - self.frames.len());
        let moved = if let Change::Moved(to_previous, _) = change { Some(to_previous) } else { None };
        self.frames.push_back((input.time, moved));
        self.time = input.time;
        let epoch = self.epoch.unwrap_or(0);
        let to_reference = input.to_reference.map(|h| h.map(f64::from));
        let ground = self.ground.step(keeping.ground, input.epoch, to_reference.as_ref(), &change);
        let retention = keeping.retention;
        Moment { time: input.time, aspect: f64::from(aspect), epoch, change, ground, retention }
    }
}

impl Entry {
    fn begin(&mut self, id: u64, retention: &Retention) {
        self.track = Track { id, ..Track::default() };
        self.trajectory.begin(retention);
        self.early.clear();
        self.matched = None;
    }

    fn follow(&mut self, moment: &Moment) {
        self.trajectory.follow(moment);
        match &moment.change {
            Change::Still => {}
            Change::Moved(_, from_previous) => {
                self.matched = self
                    .matched
                    .and_then(|row| Some(Row { bbox: apply_box(from_previous, &row.bbox)?, ..row }));
            }
            Change::Broken(_) => self.matched = None,
        }
    }

    /// Tells what its earlier frames were, now that it is seen on this one.
    fn recall(
        &mut self,
        track: &Track,
        time: u64,
        frames: &VecDeque<(u64, Option<[f64; 9]>)>,
        past: &mut Vec<Past>,
    ) {
        let now = Row { time, bbox: track.bbox, confidence: track.confidence };
        if track.state == TrackState::Tentative {
            if self.early.len() < MOST_TENTATIVE {
                self.early.push(now);
            }
        } else {
            let begun = past.len();
            let room = MOST_ROWS.saturating_sub(past.len());
            past.extend(self.early.drain(..).take(room).map(|row| Past {
                id: track.id,
                before: time - row.time,
                bbox: row.bbox,
                confidence: row.confidence,
                kind: PastKind::Tentative,
            }));
            if let Some(before) = self.matched {
                fill(track.id, &before, &now, frames, past);
            }
            past[begun..].sort_unstable_by_key(|row| std::cmp::Reverse(row.before));
        }
        self.matched = Some(now);
    }
}

/// Adds the rows of the frames between two sights of a track; both boxes are in the view of now.
fn fill(id: u64, before: &Row, now: &Row, frames: &VecDeque<(u64, Option<[f64; 9]>)>, past: &mut Vec<Past>) {
    let gap = (now.time - before.time) as f64;
    let mut there = IDENTITY;
    let mut moved = None;
    for (time, to_previous) in frames.iter().rev() {
        if let Some(step) = moved {
            there = compose(&step, &there);
        }
        moved = *to_previous;
        if *time <= before.time || past.len() >= MOST_ROWS {
            return;
        }
        if *time >= now.time {
            continue;
        }
        let part = ((*time - before.time) as f64 / gap) as f32;
        let Some(bbox) = apply_box(&there, &blend(&before.bbox, &now.bbox, part)) else { return };
        let confidence = before.confidence.min(now.confidence);
        past.push(Past { id, before: now.time - time, bbox, confidence, kind: PastKind::Interpolated });
    }
}

fn blend(a: &BBox, b: &BBox, part: f32) -> BBox {
    let mix = |a: f32, b: f32| a + (b - a) * part;
    BBox::new(mix(a.x_min, b.x_min), mix(a.y_min, b.y_min), mix(a.x_max, b.x_max), mix(a.y_max, b.y_max))
}

/// The way to the ground, as far as the view is one that it was measured in.
#[derive(Clone, Copy, Debug, Default)]
struct Calibration {
    /// As it was given.
    given: Option<[f64; 9]>,
    /// The epoch that it was given in: another one's reference is another view.
    epoch: Option<u64>,
    /// From the points of now to metres, while every move since then is known.
    now: Option<[f64; 9]>,
    moved: bool,
}

impl Calibration {
    fn step(
        &mut self,
        given: Option<[f64; 9]>,
        epoch: Option<u64>,
        to_reference: Option<&[f64; 9]>,
        change: &Change,
    ) -> Option<Ground> {
        if given != self.given {
            *self = Self { given, epoch, now: given, moved: false };
        } else {
            match change {
                Change::Still => {}
                Change::Moved(to_previous, _) => {
                    self.now = self.now.map(|h| compose(&h, to_previous));
                    self.moved = true;
                }
                Change::Broken(_) => self.now = None,
            }
        }
        self.epoch = self.epoch.or(epoch);
        let given = self.given.as_ref()?;
        if epoch.is_some() && epoch != self.epoch {
            self.now = None;
            return None;
        }
        if let Some(to_reference) = to_reference {
            self.now = Some(compose(given, to_reference));
        }
        let to_metres = self.now.filter(|h| h.iter().all(|v| v.is_finite()))?;
        // The middle of the lower edge of the reference view is ground if anything is. Composing scales a
        // homography, perhaps by a negative number, so the side is told by the same point in this view.
        let [x, y] = match to_reference.map(inverse) {
            Some(Some(from_reference)) => apply(&from_reference, [0.5, 1.0]),
            _ => [0.5, 1.0],
        };
        let depth = to_metres[6] * x + to_metres[7] * y + to_metres[8];
        (depth != 0.0 && depth.is_finite()).then(|| Ground { to_metres, side: depth.signum() })
    }

    /// The stream may go on from anywhere: what the camera had moved by then is not known any more.
    fn restart(&mut self) {
        if self.moved {
            self.now = None;
        }
    }
}
