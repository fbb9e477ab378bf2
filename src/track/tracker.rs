use std::collections::VecDeque;

use super::appearance::{Appearance, Scale};
use super::history::{History, Keeping, Live};
use super::kalman::{Transition, Turn};
use super::matching::{Gate, Matcher, embedding};
use super::rules::Rules;
use super::shared_motion::SharedMotion;
use super::tracked::{Moment, Seen, Tracked};
use super::{
    EndReason, Ended, Input, Observation, OnEpoch, Parameters, Past, Track, TrackPoint, TrackSegment,
    TrackState, Trajectory, nanoseconds,
};
use crate::detection::Detection;
use crate::geometry::BBox;

/// Two tracks that overlap more than this are of one object.
const DUPLICATE_IOU: f32 = 0.85;
/// Everything that can be seen.
const PICTURE: BBox = BBox::new(0.0, 0.0, 1.0, 1.0);
/// A gap between two frames that is longer than this and what lost tracks are kept for ends them all.
const LONGEST_GAP: u64 = 10_000_000_000;
/// What two detectors found is one object from this overlap on.
const SAME_OBJECT_IOU: f32 = 0.6;
/// What one detector found twice is one object from this overlap on.
const DOUBLE_IOU: f32 = 0.95;
/// Moves of the view that are remembered: more than a detector beside the stream can be behind.
const MOST_VIEWS: usize = 256;
/// A lost track is found again by its looks alone from this likeness on; 1 is what the same object usually has.
const LEAST_LIKENESS: f32 = 0.6;
/// How far from its predicted place, in its own sizes: at once, and more for each second that it was not seen.
const REACH: [f32; 2] = [1.5, 1.5];

/// How confident the stream's detections usually are.
#[derive(Clone, Copy, Debug, Default)]
struct Confidence {
    usual: f32,
}

impl Confidence {
    /// How much the mean of a frame moves it.
    const PACE: f32 = 0.05;

    /// Takes in the confidences of a frame's matched detections.
    fn learn(&mut self, matched: impl Iterator<Item = f32>) {
        let (sum, count) = matched.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
        if count > 0.0 {
            let pace = if self.usual == 0.0 { 1.0 } else { Self::PACE };
            self.usual += pace * (sum / count - self.usual);
        }
    }
}

/// Gives detections identities over time. See [the module](super) for the method.
///
/// A step allocates nothing once the largest number of tracks and detections has been seen.
#[derive(Debug, Default)]
pub struct Tracker {
    rules: Rules,
    /// By rising id.
    tracks: Vec<Tracked>,
    next_id: u64,
    /// Time of the last step.
    time: Option<u64>,
    epoch: u64,
    /// No detector has looked at a frame of this run yet.
    fresh: bool,
    refused: u64,
    confidence: Confidence,
    matcher: Matcher,
    shared_motion: SharedMotion,
    scale: Scale,
    /// The frame's observations in its view, but for those whose boxes are no boxes.
    seen: Vec<Seen>,
    /// Indices into `seen` that have no track yet.
    confident: Vec<usize>,
    doubtful: Vec<usize>,
    /// Indices of tracks, or into `seen`.
    chosen: Vec<usize>,
    kept: Vec<usize>,
    /// Memory of tracks that have ended.
    spare: Vec<Appearance>,
    reported: Vec<Track>,
    history: History,
    /// When the view moved, and from where: for observations of earlier frames.
    views: VecDeque<(u64, Turn)>,
}

impl Tracker {
    /// A tracker without tracks.
    pub fn new(parameters: Parameters) -> Self {
        Self { rules: Rules::new(parameters), fresh: true, ..Self::default() }
    }

    /// What it decides by.
    pub fn parameters(&self) -> &Parameters {
        &self.rules.common
    }

    /// Decides by other parameters from the next step on, for all classes. Tracks are kept.
    pub fn set_parameters(&mut self, parameters: Parameters) {
        self.rules = Rules::new(parameters);
    }

    /// Decides differently for some classes, by label: the three confidences, evidence, probation, patience, coast,
    /// reliability and `max_lost` of their parameters count.
    pub fn set_classes(&mut self, classes: impl Iterator<Item = (i32, Parameters)>) {
        self.rules.set_classes(classes);
    }

    /// How many detections began no track because there were [`Parameters::max_tracks`] already.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Ends all tracks and starts a new run: the time of the next step may be any. Ids go on rising.
    pub fn end_all(&mut self) {
        self.history.restart();
        self.end_where(EndReason::Restart, |_| true);
        self.history.forget_reasons();
        self.views.clear();
        self.time = None;
        self.fresh = true;
    }

    /// Handles a frame and gives the tracks that have something to say on it, by rising id: tentative and
    /// confirmed ones that were matched, coasted ones, and lost ones with [`Parameters::report_lost`].
    ///
    /// The box of a matched track is the filtered one. Time that goes backwards, or leaps by more than ten seconds and
    /// [`Parameters::max_lost`], ends all tracks. Detections whose boxes are empty, inverted, not finite or wholly
    /// outside the picture are not looked at, nor are those whose confidence is no number; more than 1 counts as 1.
    pub fn step(&mut self, input: &Input<'_>) -> &[Track] {
        let aspect = if input.aspect.is_finite() && input.aspect > 0.0 { input.aspect } else { 1.0 };
        if self.time.is_some_and(|last| input.time < last) {
            self.end_all();
        }
        self.enter(input);
        self.advance(input, aspect);
        if let Some(observations) = input.observations {
            self.bring(observations, input.time);
            if self.rules.common.shared_motion && input.to_previous.is_none() {
                self.share_motion(input.time);
            }
            self.associate(observations, input.time, aspect);
            self.begin(observations, input.time, aspect);
            self.end_missed(input.time);
            self.fresh = false;
        }
        self.report(input, aspect)
    }

    /// The tracks that ended on the last frame; tentative ones end without a word.
    pub fn ended(&self) -> &[Ended] {
        self.history.ended()
    }

    /// How many believed tracks live, reported or not.
    pub fn alive(&self) -> usize {
        self.tracks.iter().filter(|t| !t.is_tentative()).count()
    }

    /// Where tracks were on earlier frames, as it turned out on the last one: with [`Parameters::report_past`], by
    /// track and rising time.
    pub fn past(&self) -> &[Past] {
        self.history.past()
    }

    /// The way of a track that lives or ended on the last frame.
    pub fn trajectory(&self, id: u64) -> Option<&Trajectory> {
        self.history.trajectory(id)
    }

    /// Appends the ways of such tracks, as they are on the last frame.
    pub fn export(
        &self,
        ids: impl Iterator<Item = u64>,
        segments: &mut Vec<TrackSegment>,
        points: &mut Vec<TrackPoint>,
    ) {
        self.history.export(ids, segments, points);
    }

    /// Takes note of the view's epoch.
    fn enter(&mut self, input: &Input<'_>) {
        let Some(epoch) = input.epoch.filter(|epoch| *epoch != self.epoch) else { return };
        self.epoch = epoch;
        let followed = self.rules.common.follow_view && input.to_previous.is_some();
        match self.rules.common.on_epoch {
            OnEpoch::Keep => return,
            OnEpoch::Reassociate if followed => return,
            OnEpoch::Reassociate => {
                self.end_where(EndReason::BrokenByView, Tracked::is_tentative);
                self.tracks.iter_mut().for_each(|tracked| tracked.adrift = true);
            }
            OnEpoch::End => self.end_where(EndReason::BrokenByView, |_| true),
        }
        self.views.clear();
    }

    /// Moves all tracks to the time of the frame and into its view.
    fn advance(&mut self, input: &Input<'_>, aspect: f32) {
        let elapsed = self.time.map_or(0, |last| input.time - last);
        if elapsed > nanoseconds(self.rules.common.max_lost) + LONGEST_GAP {
            self.end_where(EndReason::Lost, |_| true);
        }
        let transition = Transition::new(&self.rules.common.motion, elapsed as f64 / 1e9);
        let turn = input.to_previous.as_ref().filter(|_| self.rules.common.follow_view).map(Turn::new);
        for tracked in &mut self.tracks {
            tracked.now = false;
            if let Some(turn) = &turn {
                tracked.follow(turn);
            }
            tracked.predict(&transition, aspect);
        }
        if let Some(turn) = turn {
            if self.views.len() == MOST_VIEWS {
                self.views.pop_front();
            }
            self.views.push_back((input.time, turn));
        }
        // A view that tears the picture apart may leave no box.
        self.end_where(EndReason::BrokenByView, |tracked| !tracked.track.bbox.is_valid());
        self.time = Some(input.time);
    }

    /// Brings the observations into the view of this frame and tells confident from doubtful ones.
    fn bring(&mut self, observations: &[Observation<'_>], time: u64) {
        self.seen.clear();
        for (index, Observation { detection, label, age, detector, .. }) in observations.iter().enumerate() {
            let there = time.saturating_sub(*age);
            let since = self.views.iter().filter(|(when, _)| *age > 0 && *when > there);
            let bbox = since.fold(detection.bbox, |bbox, (_, turn)| turn.bbox(&bbox));
            let confidence = detection.confidence.min(1.0);
            if bbox.is_valid() && bbox.meets(&PICTURE) && !detection.confidence.is_nan() {
                let detection = Detection { bbox, confidence, ..*detection };
                self.seen.push(Seen { index, detection, label: *label, age: *age, detector: *detector });
            }
        }
        self.drop_doubles();
        self.confident.clear();
        self.doubtful.clear();
        for (i, Seen { detection, label, .. }) in self.seen.iter().enumerate() {
            let Parameters { high_confidence, low_confidence, .. } = *self.rules.of(*label);
            if detection.confidence >= high_confidence {
                self.confident.push(i);
            } else if detection.confidence >= low_confidence {
                self.doubtful.push(i);
            }
        }
    }

    /// Leaves one observation of each object, the most confident, and no more than there can be tracks, twice.
    fn drop_doubles(&mut self) {
        let Self { seen, chosen, kept, rules, .. } = self;
        let most = 2 * rules.common.max_tracks as usize;
        chosen.clear();
        chosen.extend(0..seen.len());
        chosen.sort_unstable_by(|a, b| {
            seen[*b].detection.confidence.total_cmp(&seen[*a].detection.confidence).then(a.cmp(b))
        });
        kept.clear();
        for i in chosen.iter().copied() {
            if kept.len() < most && !kept.iter().any(|better| is_double(&seen[i], &seen[*better])) {
                kept.push(i);
            }
        }
        if kept.len() < seen.len() {
            kept.sort_unstable();
            for (to, from) in kept.iter().enumerate() {
                seen[to] = seen[*from];
            }
            seen.truncate(kept.len());
        }
    }

    /// Moves all tracks by what they have in common.
    fn share_motion(&mut self, time: u64) {
        let Self { shared_motion, matcher, tracks, seen, confident, .. } = self;
        let Some(to_previous) = shared_motion.find(matcher, tracks, seen, confident, time) else {
            return;
        };
        let turn = Turn::new(&to_previous);
        self.tracks.iter_mut().for_each(|tracked| tracked.follow(&turn));
    }

    fn associate(&mut self, observations: &[Observation<'_>], time: u64, aspect: f32) {
        let Parameters { iou, low_iou, tentative_iou, .. } = self.rules.common;
        let (mut confident, mut doubtful) =
            (std::mem::take(&mut self.confident), std::mem::take(&mut self.doubtful));
        let mut stage = |free: &mut Vec<usize>, least, fuse_score, takes_part: fn(&Tracked) -> bool| {
            let parameters =
                Parameters { fuse_score: fuse_score && self.rules.common.fuse_score, ..self.rules.common };
            let moment =
                Moment { time, aspect, parameters: &parameters, rules: &self.rules, scale: self.scale };
            let fit = |tracked: &Tracked, seen: &Seen| {
                tracked.similarity(seen, embedding(observations, seen), &moment)
            };
            let Self { matcher, tracks, seen, .. } = self;
            let pairs = matcher.overlapping(tracks, seen, free, Gate { least, margin: 0.0 }, takes_part, fit);
            take(tracks, seen, free, pairs, observations, &moment);
        };
        stage(&mut confident, iou, true, |t| !t.is_tentative() && !t.adrift);
        stage(&mut doubtful, low_iou, false, |t| !t.is_tentative() && !t.adrift && !t.missed);
        stage(&mut confident, tentative_iou, true, Tracked::is_tentative);
        self.recognise(&mut confident, observations, time, aspect);
        (self.confident, self.doubtful) = (confident, doubtful);
        self.learn_scale(observations);
    }

    /// Finds lost tracks by their looks where they may have got to in the meantime.
    fn recognise(&mut self, free: &mut Vec<usize>, observations: &[Observation<'_>], time: u64, aspect: f32) {
        if self.rules.common.appearance == 0.0 || observations.iter().all(|o| o.embedding.is_none()) {
            return;
        }
        let Self { matcher, tracks, seen, rules, scale, .. } = self;
        let parameters = &rules.common;
        let moment = Moment { time, aspect, parameters, rules, scale: *scale };
        let fit = |tracked: &Tracked, at: usize| {
            let seen = &seen[at];
            let likeness = embedding(observations, seen).and_then(|e| tracked.appearance.likeness(e, scale));
            let far = !tracked.adrift
                && tracked.distance(seen, aspect) > REACH[0] + REACH[1] * tracked.unseen(time);
            if far || tracked.kinship(seen, 0.0, parameters) == 0.0 { 0.0 } else { likeness.unwrap_or(0.0) }
        };
        let pairs = matcher.anywhere(
            tracks,
            free,
            LEAST_LIKENESS,
            |t| !t.is_tentative() && t.missed || t.adrift,
            fit,
        );
        // Where it was expected means nothing any more.
        pairs.iter().for_each(|(track, _)| tracks[*track].adrift = true);
        take(tracks, seen, free, pairs, observations, &moment);
        pairs.iter().for_each(|(track, _)| tracks[*track].recognised = true);
    }

    /// Learns how alike the same and other objects are in this stream.
    fn learn_scale(&mut self, observations: &[Observation<'_>]) {
        // One look a frame at a pair of neighbours in the list is enough in the long run.
        let mut last: Option<&[f32]> = None;
        for tracked in self.tracks.iter().filter(|t| t.now && !t.is_tentative()) {
            let Some(embedding) = tracked.taken.and_then(|index| observations[index].embedding) else {
                continue;
            };
            if let Some(cosine) = tracked.appearance_before {
                self.scale.same(cosine);
            }
            if let Some(cosine) = last.and_then(|other| tracked.appearance.cosine(other)) {
                self.scale.other(cosine);
            }
            last = Some(embedding);
        }
    }

    /// Begins tracks with the confident observations that found none.
    fn begin(&mut self, observations: &[Observation<'_>], time: u64, aspect: f32) {
        for i in 0..self.confident.len() {
            let seen = self.seen[self.confident[i]];
            if seen.detection.confidence < self.rules.of(seen.label).new_confidence {
                continue;
            }
            if self.tracks.len() >= self.rules.common.max_tracks as usize && !self.make_room() {
                self.refused += 1;
                continue;
            }
            self.next_id += 1;
            let state = if self.fresh { TrackState::Confirmed } else { TrackState::Tentative };
            let moment = Moment {
                time,
                aspect,
                parameters: &self.rules.common,
                rules: &self.rules,
                scale: self.scale,
            };
            let appearance = self.spare.pop().unwrap_or_default();
            let look = embedding(observations, &seen);
            self.tracks.push(Tracked::new(self.next_id, state, &seen, look, &moment, appearance));
        }
    }

    /// Ends the track that has been lost for longest; false where none is lost.
    fn make_room(&mut self) -> bool {
        let lost = self.tracks.iter().filter(|t| !t.now).min_by_key(|t| (t.matched, t.track.id));
        let Some(id) = lost.map(|t| t.track.id) else { return false };
        self.end_where(EndReason::Evicted, |t| t.track.id == id);
        true
    }

    /// Ends what a detector did not see for too long, and tracks of objects that others follow already.
    fn end_missed(&mut self, time: u64) {
        self.tracks.iter_mut().for_each(Tracked::look);
        self.confidence.learn(self.tracks.iter().filter(|t| t.now).map(|t| t.track.confidence));
        let rules = std::mem::take(&mut self.rules);
        let too_long = |t: &Tracked| {
            let Parameters { max_lost, patience, .. } = *rules.of(t.track.label);
            let longest = if t.is_tentative() { patience } else { max_lost };
            !t.now && time - t.matched > nanoseconds(longest)
        };
        self.end_where(EndReason::BrokenByView, |t| t.adrift && too_long(t));
        self.end_where(EndReason::Lost, too_long);
        self.rules = rules;
        self.chosen.clear();
        for (i, lost) in self.tracks.iter().enumerate().filter(|(_, t)| !t.now && !t.adrift) {
            let twin = |t: &Tracked| {
                let follows = t.now && !t.is_tentative() && t.track.label == lost.track.label;
                follows
                    && t.track.bbox.meets(&lost.track.bbox)
                    && t.track.bbox.iou(&lost.track.bbox) > DUPLICATE_IOU
            };
            if self.tracks.iter().any(twin) {
                self.chosen.push(i);
            }
        }
        while let Some(i) = self.chosen.pop() {
            let ended = self.tracks.remove(i);
            self.history.explain(ended.track.id, EndReason::Duplicate);
            self.spare.push(ended.into_memory());
        }
    }

    fn end_where(&mut self, reason: EndReason, ends: impl Fn(&Tracked) -> bool) {
        for ended in self.tracks.extract_if(.., |tracked| ends(tracked)) {
            self.history.explain(ended.track.id, reason);
            self.spare.push(ended.into_memory());
        }
    }

    fn report(&mut self, input: &Input<'_>, aspect: f32) -> &[Track] {
        let Self { tracks, rules, reported, confidence, history, .. } = self;
        let parameters = &rules.common;
        for tracked in &mut *tracks {
            tracked.report(rules.of(tracked.track.label), input.time, confidence.usual);
        }
        let Parameters { retention, report_past, ground, .. } = *parameters;
        let live = tracks.iter_mut().map(|t| Live { now: t.now, track: &mut t.track });
        history.step(input, aspect, &Keeping { retention, past: report_past, ground }, live);
        reported.clear();
        let told = |track: &&Track| track.state != TrackState::Lost || parameters.report_lost;
        reported.extend(tracks.iter().map(|tracked| &tracked.track).filter(told));
        reported
    }
}

/// True for an observation of the object that another one is of, whoever found it.
fn is_double(seen: &Seen, better: &Seen) -> bool {
    let (own, other) = (&seen.detection.bbox, &better.detection.bbox);
    let least = if seen.detector == better.detector { DOUBLE_IOU } else { SAME_OBJECT_IOU };
    seen.label == better.label && own.meets(other) && own.iou(other) > least
}

/// Gives the observations of `pairs` to their tracks; what is left of `free` has none.
fn take(
    tracks: &mut [Tracked],
    seen: &[Seen],
    free: &mut Vec<usize>,
    pairs: &[(usize, usize)],
    observations: &[Observation<'_>],
    moment: &Moment<'_>,
) {
    for (track, column) in pairs {
        let seen = &seen[free[*column]];
        tracks[*track].take(seen, embedding(observations, seen), moment);
        free[*column] = usize::MAX;
    }
    free.retain(|i| *i != usize::MAX);
}
