use std::collections::VecDeque;

use super::history::{History, Keeping, Live};
use super::kalman::{BoxFilter, Transition, followed};
use super::{
    EndReason, Ended, Input, Observation, Parameters, Past, Track, TrackPoint, TrackSegment, TrackState,
    Trajectory,
};
use crate::assignment::Assignment;
use crate::geometry::BBox;

/// Two tracks that overlap more than this are of one object.
const DUPLICATE_IOU: f32 = 0.85;
const NANOSECONDS: f32 = 1e9;
/// Moves of the view that are remembered: more than a detector beside the stream can be behind.
const MOST_VIEWS: usize = 256;

/// Gives detections identities over time. See [the module](super) for the method.
///
/// A step allocates nothing once the largest number of tracks and detections has been seen. Embeddings are
/// not used yet.
#[derive(Debug, Default)]
pub struct Tracker {
    parameters: Parameters,
    /// By rising id.
    tracks: Vec<Tracked>,
    next_id: u64,
    /// Time of the last step.
    time: Option<u64>,
    /// No detector has looked at a frame of this run yet.
    fresh: bool,
    assignment: Assignment,
    /// Indices into the frame's observations that have no track yet.
    confident: Vec<usize>,
    doubtful: Vec<usize>,
    /// Indices of the tracks that take part in a stage.
    candidates: Vec<usize>,
    reported: Vec<Track>,
    history: History,
    /// When the view moved, and from where: for observations of earlier frames.
    views: VecDeque<(u64, [f32; 9])>,
    /// The observations' boxes in the view of this frame.
    boxes: Vec<BBox>,
}

#[derive(Debug)]
struct Tracked {
    track: Track,
    filter: BoxFilter,
    born: u64,
    matched: u64,
    /// A detector looked at an earlier frame and did not see it.
    missed: bool,
    /// Matched on this frame.
    now: bool,
}

impl Tracked {
    fn is_tentative(&self) -> bool {
        self.track.state == TrackState::Tentative
    }

    /// How well an observation, whose box is `bbox` in this view, fits; 0 for another class.
    fn fit(&self, observation: &Observation<'_>, bbox: &BBox, fuse_score: bool) -> f32 {
        let detection = &observation.detection;
        let named = observation.label >= 0;
        let same =
            self.track.label == observation.label && (named || self.track.class_id == detection.class_id);
        if !same {
            return 0.0;
        }
        let iou = self.earlier(observation.age).iou(bbox);
        if fuse_score { iou * detection.confidence } else { iou }
    }

    fn predict(&mut self, transition: &Transition, aspect: f32) {
        self.filter.predict(transition, aspect);
        self.place(self.filter.bbox());
    }

    /// Where it was `age` nanoseconds ago, as it moves now.
    fn earlier(&self, age: u64) -> BBox {
        let (b, [vx, vy]) = (self.track.bbox, self.track.velocity);
        let (x, y) = (vx * seconds(age), vy * seconds(age));
        BBox::new(b.x_min - x, b.y_min - y, b.x_max - x, b.y_max - y)
    }

    fn place(&mut self, bbox: BBox) {
        self.track.bbox = bbox;
        self.track.velocity = self.filter.velocity();
    }
}

/// How one stage associates.
struct Stage {
    least: f32,
    fuse_score: bool,
}

impl Tracker {
    /// A tracker without tracks.
    pub fn new(parameters: Parameters) -> Self {
        Self { parameters: parameters.clamped(), fresh: true, ..Self::default() }
    }

    /// What it decides by.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Decides by other parameters from the next step on. Tracks are kept.
    pub fn set_parameters(&mut self, parameters: Parameters) {
        self.parameters = parameters.clamped();
    }

    /// Ends all tracks and starts a new run: the time of the next step may be any. Ids go on rising.
    pub fn end_all(&mut self) {
        self.history.restart();
        self.tracks.clear();
        self.views.clear();
        self.time = None;
        self.fresh = true;
    }

    /// Handles a frame and gives the tracks that have something to say on it, by rising id: tentative and
    /// confirmed ones that were matched, coasted ones, and lost ones with [`Parameters::report_lost`].
    ///
    /// The box of a matched track is the filtered one. Time that goes backwards ends all tracks.
    /// Detections whose boxes are empty, inverted or not finite are not looked at.
    pub fn step(&mut self, input: &Input<'_>) -> &[Track] {
        let aspect = if input.aspect.is_finite() && input.aspect > 0.0 { input.aspect } else { 1.0 };
        if self.time.is_some_and(|last| input.time < last) {
            self.end_all();
        }
        self.advance(input, aspect);
        if let Some(observations) = input.observations {
            self.bring(observations, input.time);
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

    /// Moves all tracks to the time of the frame and into its view.
    fn advance(&mut self, input: &Input<'_>, aspect: f32) {
        let elapsed = self.time.map_or(0, |last| input.time - last);
        let transition = Transition::new(&self.parameters.motion, elapsed as f64 / f64::from(NANOSECONDS));
        for tracked in &mut self.tracks {
            tracked.now = false;
            if let Some(to_previous) = &input.to_previous {
                tracked.filter.follow_view(to_previous);
            }
            tracked.predict(&transition, aspect);
        }
        if let Some(to_previous) = input.to_previous {
            if self.views.len() == MOST_VIEWS {
                self.views.pop_front();
            }
            self.views.push_back((input.time, to_previous));
        }
        // A view that tears the picture apart may leave no box.
        self.tracks.retain(|t| {
            let kept = t.track.bbox.is_valid();
            if !kept {
                self.history.explain(t.track.id, EndReason::BrokenByView);
            }
            kept
        });
        self.time = Some(input.time);
    }

    /// Brings the boxes of observations into the view of this frame.
    fn bring(&mut self, observations: &[Observation<'_>], time: u64) {
        self.boxes.clear();
        for Observation { detection, age, .. } in observations {
            let seen = time.saturating_sub(*age);
            let since = self.views.iter().filter(|(when, _)| *age > 0 && *when > seen);
            self.boxes
                .push(since.fold(detection.bbox, |bbox, (_, to_previous)| followed(&bbox, to_previous)));
        }
    }

    fn associate(&mut self, observations: &[Observation<'_>], time: u64, aspect: f32) {
        self.sort(observations);
        let Parameters { iou, low_iou, tentative_iou, fuse_score, .. } = self.parameters;
        let (mut confident, mut doubtful) =
            (std::mem::take(&mut self.confident), std::mem::take(&mut self.doubtful));
        self.stage(&Stage { least: iou, fuse_score }, observations, &mut confident, time, aspect, |t| {
            !t.is_tentative()
        });
        self.stage(
            &Stage { least: low_iou, fuse_score: false },
            observations,
            &mut doubtful,
            time,
            aspect,
            |t| !t.is_tentative() && !t.missed,
        );
        self.stage(
            &Stage { least: tentative_iou, fuse_score },
            observations,
            &mut confident,
            time,
            aspect,
            Tracked::is_tentative,
        );
        (self.confident, self.doubtful) = (confident, doubtful);
    }

    /// Tells confident observations from doubtful ones.
    fn sort(&mut self, observations: &[Observation<'_>]) {
        let Parameters { high_confidence, low_confidence, .. } = self.parameters;
        self.confident.clear();
        self.doubtful.clear();
        for (i, Observation { detection, .. }) in observations.iter().enumerate() {
            if !self.boxes[i].is_valid() {
                continue;
            }
            if detection.confidence >= high_confidence {
                self.confident.push(i);
            } else if detection.confidence >= low_confidence {
                self.doubtful.push(i);
            }
        }
    }

    /// Associates the tracks that `takes_part` accepts and that have no partner with the `free` observations;
    /// those that find a track leave `free`.
    fn stage(
        &mut self,
        stage: &Stage,
        observations: &[Observation<'_>],
        free: &mut Vec<usize>,
        time: u64,
        aspect: f32,
        takes_part: impl Fn(&Tracked) -> bool,
    ) {
        self.candidates.clear();
        self.assignment.clear(free.len());
        for (i, tracked) in self.tracks.iter().enumerate().filter(|(_, t)| !t.now && takes_part(t)) {
            for (column, observation) in free.iter().enumerate() {
                let bbox = &self.boxes[*observation];
                let fit = tracked.fit(&observations[*observation], bbox, stage.fuse_score);
                if fit > stage.least {
                    self.assignment.allow(column, Assignment::UNMATCHED - f64::from(fit - stage.least));
                }
            }
            self.assignment.end_row();
            self.candidates.push(i);
        }
        for (row, column) in self.assignment.solve() {
            let tracked = &mut self.tracks[self.candidates[row]];
            let bbox = self.boxes[free[column]];
            tracked.take(&observations[free[column]], &bbox, &self.parameters, time, aspect);
            free[column] = usize::MAX;
        }
        free.retain(|i| *i != usize::MAX);
    }

    /// Begins tracks with the confident observations that found none.
    fn begin(&mut self, observations: &[Observation<'_>], time: u64, aspect: f32) {
        for i in &self.confident {
            let observation = &observations[*i];
            if observation.detection.confidence < self.parameters.new_confidence {
                continue;
            }
            self.next_id += 1;
            let state = if self.fresh { TrackState::Confirmed } else { TrackState::Tentative };
            let bbox = self.boxes[*i];
            let tracked =
                Tracked::new(self.next_id, state, observation, bbox, &self.parameters, time, aspect);
            self.tracks.push(tracked);
        }
    }

    /// Ends what a detector did not see for too long, and tracks of objects that others follow already.
    fn end_missed(&mut self, time: u64) {
        let longest = nanoseconds(self.parameters.max_lost);
        for tracked in &mut self.tracks {
            tracked.missed = !tracked.now;
        }
        self.tracks.retain(|t| t.now || !t.is_tentative() && time - t.matched <= longest);
        self.candidates.clear();
        for (i, lost) in self.tracks.iter().enumerate().filter(|(_, t)| !t.now) {
            let twin = |t: &&Tracked| {
                t.now && !t.is_tentative() && t.track.bbox.iou(&lost.track.bbox) > DUPLICATE_IOU
            };
            if self.tracks.iter().filter(|t| t.track.label == lost.track.label).any(|t| twin(&t)) {
                self.candidates.push(i);
            }
        }
        for i in self.candidates.drain(..).rev() {
            let gone = self.tracks.remove(i);
            self.history.explain(gone.track.id, EndReason::Duplicate);
        }
    }

    fn report(&mut self, input: &Input<'_>, aspect: f32) -> &[Track] {
        let (time, coast) = (input.time, nanoseconds(self.parameters.coast));
        for Tracked { track, born, matched, now, .. } in &mut self.tracks {
            track.age = time - *born;
            track.since_match = time - *matched;
            track.state = match track.state {
                TrackState::Tentative => TrackState::Tentative,
                _ if *now => TrackState::Confirmed,
                _ if track.since_match <= coast => TrackState::Coasted,
                _ => TrackState::Lost,
            };
        }
        let Parameters { retention, report_past, ground, .. } = self.parameters;
        let live = self.tracks.iter_mut().map(|t| Live { now: t.now, track: &mut t.track });
        self.history.step(input, aspect, &Keeping { retention, past: report_past, ground }, live);
        self.reported.clear();
        for Tracked { track, .. } in &self.tracks {
            if track.state != TrackState::Lost || self.parameters.report_lost {
                self.reported.push(*track);
            }
        }
        &self.reported
    }
}

impl Tracked {
    fn new(
        id: u64,
        state: TrackState,
        observation: &Observation<'_>,
        bbox: BBox,
        parameters: &Parameters,
        time: u64,
        aspect: f32,
    ) -> Self {
        let Observation { detection, label, .. } = observation;
        let track = Track {
            id,
            bbox,
            confidence: detection.confidence,
            class_id: detection.class_id,
            label: *label,
            state,
            ..Track::default()
        };
        let filter = BoxFilter::new(&bbox, &parameters.motion, aspect);
        Self { track, filter, born: time, matched: time, missed: false, now: true }
    }

    fn take(
        &mut self,
        observation: &Observation<'_>,
        bbox: &BBox,
        parameters: &Parameters,
        time: u64,
        aspect: f32,
    ) {
        let detection = &observation.detection;
        self.filter.update(bbox, seconds(observation.age), &parameters.motion, aspect);
        self.place(self.filter.bbox());
        (self.matched, self.now) = (time, true);
        self.track.confidence = detection.confidence;
        self.track.class_id = detection.class_id;
        if time - self.born >= nanoseconds(parameters.probation) {
            self.track.state = TrackState::Confirmed;
        }
    }
}

fn seconds(nanoseconds: u64) -> f32 {
    nanoseconds as f32 / NANOSECONDS
}

fn nanoseconds(seconds: f32) -> u64 {
    (f64::from(seconds) * f64::from(NANOSECONDS)) as u64
}
