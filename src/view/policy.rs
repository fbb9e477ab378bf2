//! What to make of the camera's motion: one function from what was known and what is reported to what holds now.

use std::sync::Arc;

use super::fusion::{Fusion, Happening, Telling};
use super::offset::{Offset, shift};
use super::telemetry::{Camera, Ptz};
use super::{Decision, Estimate, Evidence, Motion, MotionSource, Validity, View};
use crate::homography::{IDENTITY, compose, inverse};

/// Whether the camera may move at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraMode {
    /// It never does: whatever is reported, it stands still.
    Fixed,
    /// It may, and is not taken to stand still for want of data.
    #[default]
    Observed,
}

/// Thresholds of [`decide`]. Lengths are in units of the frame's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Whether the camera may move at all.
    pub mode: CameraMode,
    /// From side to side, in degrees; 0 when unknown. Without it displacement stands for angles.
    pub field_of_view: f64,
    /// A new epoch begins beyond this pan or tilt since the reference view, in degrees, where the field of view is known,
    pub segment_angle: f64,
    /// or beyond this change of the zoom ratio,
    pub segment_zoom: f64,
    /// or beyond this displacement of the picture's centre.
    pub segment_displacement: f64,
    /// What is drawn on the view is led along with it at this confidence at least,
    pub compensate_confidence: f64,
    /// up to this rotation since the reference view, in degrees,
    pub compensate_rotation: f64,
    /// and up to this change of the zoom ratio; else it is degraded.
    pub compensate_zoom: f64,
    /// A move begins when the picture has gone this far from where it rested. What goes slower than
    /// that in a quarter of a second is no move.
    pub move_start: f64,
    /// A move ends when the picture goes slower than this, in its sides a second, for [`HOLD`].
    pub move_stop: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: CameraMode::default(),
            field_of_view: 0.0,
            segment_angle: 15.0,
            segment_zoom: 0.3,
            segment_displacement: 0.25,
            compensate_confidence: 0.8,
            compensate_rotation: 5.0,
            compensate_zoom: 0.1,
            move_start: 0.0045,
            move_stop: 0.015,
        }
    }
}

/// How long a camera must go slowly to have stopped, in nanoseconds: at usual rates the second slow frame.
pub const HOLD: u64 = 60_000_000;
/// How fast it is forgotten where a resting picture has wandered, in seconds.
const FORGET: f64 = 0.25;
/// A view this near to its reference is the reference.
const SAME: f64 = 0.002;
/// A view this near to its reference can be known by it.
const NEAR: f64 = 0.05;
/// The speed, in sides a second, at which the stability is a half.
const HALF_STABLE: f64 = 0.05;

/// What is reported of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Running time in nanoseconds.
    pub time: u64,
    /// What the pixels say, where somebody looks at them.
    pub estimate: Option<Estimate>,
    /// What the camera says.
    pub telling: Telling,
    /// Width over height of the picture as displayed.
    pub aspect: f64,
    /// Where the frame that [`State::is_reference`] was true of last is seen.
    pub anchor: Anchor,
    /// What ails the picture.
    pub trouble: Option<&'static str>,
    /// Whether the stream begins anew.
    pub restart: bool,
}

/// What comes of looking for the picture of an epoch's reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Anchor {
    /// Nobody looked, or what is not found says nothing: the way from frame to frame was known all along.
    #[default]
    Unasked,
    /// The way to it.
    Found {
        /// Row-major homography from this frame's normalised points.
        way: [f64; 9],
        /// Confidence in it, in \[0, 1\].
        confidence: f32,
    },
    /// It is nowhere to be found, and nobody knows what happened since it was seen.
    Lost,
}

/// Why an epoch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The stream began anew.
    Restart,
    /// It is another picture.
    Cut,
    /// The camera moved too far from the reference view, or on ways that nobody could follow.
    Move,
    /// The view turned out to be a known one.
    Preset,
}

impl Cause {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Cut => "cut",
            Self::Move => "move",
            Self::Preset => "preset",
        }
    }
}

/// What is known of the camera after a frame.
#[derive(Clone, Debug, Default)]
pub struct State {
    view: View,
    cause: Option<Cause>,
    time: Option<u64>,
    fusion: Fusion,
    disagrees: bool,
    /// To the reference view while at rest, and during a move to where this frame lies; `None` once the way is lost.
    reference: Option<[f64; 9]>,
    /// From the frame on which the epoch settled to its reference: another frame where the view was known before.
    base: Option<[f64; 9]>,
    /// Where the camera said that it looks on that frame.
    home: Option<Ptz>,
    /// Whether this frame is the one on which the epoch settled.
    fresh: bool,
    /// Whether the epoch's reference is still to come: the view on which the camera settles.
    pending: bool,
    /// How many steps in a row are known since the last cut, while the epoch's reference is to come.
    cut: Option<u32>,
    /// How often the reference was not found while the camera rested.
    losses: u32,
    /// How far the resting picture has wandered lately.
    wander: Option<[f64; 9]>,
    /// When the picture last moved faster than a resting one.
    fast: u64,
    /// When the way to the reference was last looked for.
    checked: u64,
    /// Sum and number of the confidences of the last move.
    trust: (f64, u32),
    /// Smoothed speed in sides a second.
    speed: f64,
}

/// How often the way of a resting picture to its reference is looked for, in nanoseconds.
const CHECK: u64 = 1_000_000_000;
/// A resting picture in which the reference was looked for in vain so often is another one.
const MOST_LOSSES: u32 = 3;
/// Steps in a row by which what follows a cut is one picture, even if it moves.
const STEADY: u32 = 5;

impl State {
    /// The view of the frame decided on last.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Why the epoch of the frame decided on last began with it.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Whether the frame decided on last is one that others are to be led back to.
    pub fn is_reference(&self) -> bool {
        self.fresh
    }

    /// The best guess of the way to the reference's picture, where finding it would help with the next frame: now and then
    /// while the camera rests, more often while nobody knows the way back, and at once where it is `doubted`.
    pub fn due_anchor(&mut self, time: u64, doubted: bool) -> Option<[f64; 9]> {
        let lost = self.reference.is_none();
        let rests = self.view.motion == Motion::Stable;
        let due = match (lost, doubted) {
            (true, _) => CHECK / 5,
            (false, true) => 0,
            (false, false) => CHECK,
        };
        let asked = lost || rests || doubted;
        if self.pending || self.time.is_none() || !asked || time.saturating_sub(self.checked) < due {
            return None;
        }
        self.checked = time;
        let back = self.base.map_or(Some(IDENTITY), |base| inverse(&base));
        Some(back.zip(self.reference).map_or(IDENTITY, |(back, reference)| compose(&back, &reference)))
    }

    /// The reference that was decided on last is the view of a preset, and `to_reference` the way to what was drawn on it.
    pub fn recognise(&mut self, preset: Arc<str>, to_reference: [f64; 9], confidence: f32) {
        if !self.fresh {
            self.begin(Some(Cause::Preset));
            self.view.version += 1;
            self.view.decision = Decision::Segment;
        }
        self.view.preset = Some(preset);
        (self.base, self.reference) = (Some(to_reference), Some(to_reference));
        self.view.to_reference = Some(to_reference.map(|v| v as f32));
        self.trust = (confidence.into(), 1);
    }

    /// Whether the epoch's reference is known and the frame lies on it, or hardly off it.
    pub fn rests(&self) -> bool {
        !self.pending && self.reference.is_some_and(|reference| shift(&reference) <= NEAR)
    }

    /// The epoch's view is a preset from now on, as it is.
    pub fn name(&mut self, preset: Arc<str>) {
        self.view.preset = Some(preset);
        self.view.version += 1;
    }
}

/// Why a view is not simply valid.
mod reason {
    pub(super) const UNTOLD: &str = "motion-unknown";
    pub(super) const SILENT: &str = "no-telemetry";
    pub(super) const BLIND: &str = "no-texture";
    pub(super) const UNCLEAR: &str = "motion-unclear";
    pub(super) const DISAGREES: &str = "telemetry-disagrees";
    pub(super) const MOVING: &str = "moving";
    pub(super) const CONFIDENCE: &str = "low-confidence";
    pub(super) const ROTATION: &str = "rotation";
    pub(super) const ZOOM: &str = "zoom";
    pub(super) const LOST: &str = "reference-lost";
}

/// What holds after a frame. The first frame of a stream, and each that restarts it, begins an epoch; so do a cut, the
/// frame on which a move goes beyond what [`Policy`] lets one epoch have, the end of a move that nobody could follow, and a
/// frame that is found to be of another view after nobody could look. Within one move, and within cuts that follow each
/// other, there is one such epoch at most: its reference is the view on which the camera settles, and until then it has no
/// `to_reference`.
pub fn decide(previous: &State, report: &Report, policy: &Policy) -> State {
    let mut next = previous.clone();
    let dt = previous.time.map_or(0.0, |time| report.time.saturating_sub(time) as f64 / 1e9);
    next.time = Some(report.time);
    (next.fresh, next.cause) = (false, None);
    let first = previous.time.is_none();
    if first || report.restart {
        next.begin((!first).then_some(Cause::Restart));
        next.fusion = Fusion::default();
    }
    match policy.mode {
        CameraMode::Fixed => next.stand(!first && !report.restart),
        CameraMode::Observed => next.observe(report, policy, dt),
    }
    next.finish(previous, report, policy, dt);
    next
}

impl State {
    /// A new epoch with this frame as its reference; without a cause it is the very first.
    fn begin(&mut self, cause: Option<Cause>) {
        self.view.epoch += u64::from(cause.is_some());
        self.cause = cause;
        (self.trust, self.speed) = ((0.0, 0), 0.0);
        self.view.to_previous = None;
        self.settle();
    }

    /// The same where the way from the frame before is known.
    fn begin_at_rest(&mut self, cause: Cause) {
        let to_previous = self.view.to_previous;
        self.begin(Some(cause));
        self.view.to_previous = to_previous;
    }

    /// A new epoch whose reference is to come, unless that is so already.
    fn leave(&mut self, cause: Cause) {
        if !self.pending {
            self.view.epoch += 1;
            self.cause = Some(cause);
        }
        (self.pending, self.reference, self.base) = (true, None, None);
        (self.home, self.view.preset) = (None, None);
    }

    /// This frame is the epoch's reference.
    fn settle(&mut self) {
        (self.fresh, self.pending) = (true, false);
        (self.cut, self.losses) = (None, 0);
        (self.reference, self.base, self.wander) = (Some(IDENTITY), None, Some(IDENTITY));
        self.home = None;
        self.checked = self.time.unwrap_or_default();
        self.view.preset = None;
    }

    fn set(&mut self, motion: Motion, confidence: f32, to_previous: Option<[f64; 9]>) {
        self.view.motion = motion;
        self.view.confidence = confidence;
        self.view.to_previous = to_previous.map(|h| h.map(|v| v as f32));
    }

    /// A camera that cannot move.
    fn stand(&mut self, follows: bool) {
        (self.view.source, self.view.ptz) = (MotionSource::None, None);
        self.reference = Some(IDENTITY);
        (self.pending, self.cut) = (false, None);
        self.disagrees = false;
        self.set(Motion::Stable, 1.0, follows.then_some(IDENTITY));
    }

    fn observe(&mut self, report: &Report, policy: &Policy, dt: f64) {
        let camera = Camera { field_of_view: policy.field_of_view, aspect: report.aspect };
        let sense = self.fusion.sense(report.estimate.as_ref(), report.telling, &camera, dt);
        (self.view.source, self.view.ptz) = (sense.source, self.fusion.ptz());
        self.disagrees = sense.disagrees;
        match sense.happening {
            Happening::Untold => self.set(Motion::Unknown, 0.0, None),
            Happening::Cut => {
                self.leave(Cause::Cut);
                (self.cut, self.wander) = (Some(0), Some(IDENTITY));
                (self.trust, self.speed) = ((0.0, 0), 0.0);
                self.set(Motion::Unknown, 0.0, None);
            }
            // Nothing speaks for a change: what rested rests, and what moved does so on unknown ways.
            Happening::Unclear if self.view.motion == Motion::Moving => self.wander(report.time, 0.0),
            Happening::Unclear => self.set(Motion::Stable, 0.0, None),
            Happening::Wanders => self.wander(report.time, sense.confidence),
            Happening::Known(step) => self.follow(report.time, step, sense.confidence, policy, dt),
        }
        let known = matches!(sense.happening, Happening::Known(_));
        self.cut = self.cut.map(|steps| if known { steps + 1 } else { 0 });
        if !self.pending && !self.fresh {
            self.anchor(report, &camera, policy);
        }
    }

    fn wander(&mut self, time: u64, confidence: f32) {
        self.reference = None;
        self.fast = time;
        self.set(Motion::Moving, confidence, None);
    }

    /// Where the frame lies to its reference, seen or told directly, is surer than the sum of all steps.
    fn anchor(&mut self, report: &Report, camera: &Camera, policy: &Policy) {
        match report.anchor {
            Anchor::Found { way, confidence } => {
                // What is enough to rely on is as good as any.
                let confidence = f64::from(confidence);
                let sure = if confidence >= policy.compensate_confidence { 1.0 } else { confidence };
                self.losses = 0;
                self.trust = (sure, 1);
                self.lie(&way);
            }
            Anchor::Lost => self.lose(),
            Anchor::Unasked => {
                let ways = self.home.zip(self.view.ptz).filter(|_| report.estimate.is_none());
                let Some(way) = ways.and_then(|(home, ptz)| camera.way(&ptz, &home)) else { return };
                let sure = f64::from(self.view.confidence);
                if sure > self.trust() {
                    self.trust = (sure, 1);
                }
                self.lie(&way);
            }
        }
    }

    /// Takes over the way to the frame on which the epoch settled.
    fn lie(&mut self, way: &[f64; 9]) {
        let way = self.base.map_or(*way, |base| compose(&base, way));
        let apart = self.reference.and_then(|reference| inverse(&reference));
        let apart = apart.map_or(f64::INFINITY, |back| shift(&compose(&back, &way)));
        // What lies within the shakes of a resting picture is no drift.
        if self.view.motion == Motion::Moving || apart > SAME {
            self.reference = Some(way);
        }
    }

    /// The reference is not to be seen where it ought to be, nor anywhere else.
    fn lose(&mut self) {
        self.reference = None;
        self.losses += u32::from(self.view.motion == Motion::Stable);
        if self.losses >= MOST_LOSSES {
            self.begin_at_rest(Cause::Cut);
        }
    }

    /// Mean confidence of the way to the reference.
    fn trust(&self) -> f64 {
        self.trust.0 / f64::from(self.trust.1.max(1))
    }

    /// Takes over a known way from the frame before.
    fn follow(&mut self, time: u64, step: [f64; 9], confidence: f32, policy: &Policy, dt: f64) {
        let speed = if dt > 0.0 { shift(&step) / dt } else { 0.0 };
        let part = (dt / 1.0).min(1.0);
        self.speed += part * (speed - self.speed);
        let moved = self.view.motion == Motion::Moving;
        let moves = if moved {
            if speed > policy.move_stop {
                self.fast = time;
            }
            time.saturating_sub(self.fast) < HOLD
        } else {
            let wander = compose(&self.wander.unwrap_or(IDENTITY), &step);
            let begins = shift(&wander) > policy.move_start;
            if begins {
                self.fast = time;
                self.trust = (0.0, 0);
                // The way began before it was seen to.
                self.reference = self.reference.map(|reference| compose(&reference, &wander));
                self.wander = None;
            } else {
                let keep = (-dt / FORGET).exp();
                let faded: [f64; 9] = std::array::from_fn(|i| IDENTITY[i] + keep * (wander[i] - IDENTITY[i]));
                self.wander = Some(faded);
            }
            begins
        };
        if moved {
            self.reference = self.reference.map(|reference| compose(&reference, &step));
        }
        if moves {
            self.trust = (self.trust.0 + f64::from(confidence), self.trust.1 + 1);
        } else if moved {
            self.wander = Some(IDENTITY);
        }
        self.set(if moves { Motion::Moving } else { Motion::Stable }, confidence, Some(step));
    }

    /// What follows from the motion: phase, epoch, validity, version.
    fn finish(&mut self, previous: &Self, report: &Report, policy: &Policy, dt: f64) {
        let moves = self.view.motion == Motion::Moving;
        self.view.phase = previous.view.phase.next(moves);
        let stops = previous.view.motion == Motion::Moving && !moves && self.cause.is_none();
        if self.pending {
            let rests = self.view.motion == Motion::Stable && self.view.to_previous.is_some();
            if self.cut.map_or(stops || rests, |steps| rests || steps >= STEADY) {
                self.settle();
            }
        } else if stops && self.reference.is_none() {
            self.come_to_rest();
        }
        if self.is_away(report.aspect, policy) && !self.pending {
            self.segment(moves);
        }
        let home = Some(self.base.unwrap_or(IDENTITY));
        if self.home.is_none() && !moves && !self.pending && self.reference == home {
            self.home = self.view.ptz;
        }
        let known = self.reference.filter(|_| !self.pending);
        self.view.to_reference = known.map(|h| h.map(|v| v as f32));
        let (decision, validity, why) = self.verdict(known.as_ref(), report, policy);
        let opened = self.cause.is_some();
        self.view.decision = if opened { Decision::Segment } else { decision };
        self.view.validity = validity;
        if self.view.reason.as_deref() != why {
            self.view.reason = why.map(Arc::from);
        }
        let idle = dt > 0.0 && !moves && self.view.to_previous.is_none();
        if idle {
            self.speed -= self.speed * dt.min(1.0);
        }
        self.view.stability = match self.view.motion {
            Motion::Unknown => 0.0,
            _ => (1.0 / (1.0 + (self.speed / HALF_STABLE).powi(2))) as f32,
        };
        let (now, then) = (&self.view, &previous.view);
        let same = now.epoch == then.epoch
            && now.motion == then.motion
            && now.phase == then.phase
            && now.validity == then.validity
            && now.reason == then.reason
            && now.preset == then.preset
            && now.to_reference == then.to_reference;
        self.view.version += u64::from(!same && previous.time.is_some());
    }

    /// The end of a move that nobody could follow: it may have led back to where it began.
    fn come_to_rest(&mut self) {
        let back = self.home.zip(self.view.ptz).is_some_and(|(home, ptz)| home.apart(&ptz).is_none());
        if back {
            self.reference = Some(self.base.unwrap_or(IDENTITY));
            self.trust = (self.view.confidence.into(), 1);
            return;
        }
        self.begin_at_rest(Cause::Move);
    }

    fn is_away(&self, aspect: f64, policy: &Policy) -> bool {
        // A reference view is not away from itself, however small the bounds are.
        let moved = self.reference.filter(|h| *h != IDENTITY);
        let camera = Camera { field_of_view: policy.field_of_view, aspect };
        let zoom = self.home.map_or(1.0, |home| home.zoom);
        let seen = moved.map(|h| Offset::of(&h, &camera, zoom)).is_some_and(|offset| {
            let angle = policy.field_of_view > 0.0 && offset.angle > policy.segment_angle;
            angle || offset.zoom > policy.segment_zoom || offset.displacement > policy.segment_displacement
        });
        let told = self.home.zip(self.view.ptz).is_some_and(|(home, ptz)| {
            let apart = home.apart(&ptz);
            apart.angle > policy.segment_angle || apart.zoom > policy.segment_zoom
        });
        seen || told
    }

    /// A new epoch beyond the bounds of the last; its reference is this frame, or that on which the move ends.
    fn segment(&mut self, moves: bool) {
        self.leave(Cause::Move);
        if !moves {
            self.settle();
        }
    }

    fn verdict(
        &self,
        reference: Option<&[f64; 9]>,
        report: &Report,
        policy: &Policy,
    ) -> (Decision, Validity, Option<&'static str>) {
        let degraded = |why| (Decision::Degrade, Validity::Degraded, Some(why));
        if self.pending {
            return (Decision::Degrade, Validity::Invalid, Some(reason::MOVING));
        }
        if let Some(trouble) = report.trouble {
            return degraded(trouble);
        }
        let Some(reference) = reference else {
            return (Decision::Degrade, Validity::Invalid, Some(reason::LOST));
        };
        match (self.view.motion, self.view.to_previous) {
            (Motion::Unknown, _) if report.estimate.is_none() && report.telling == Telling::Silent => {
                return degraded(reason::SILENT);
            }
            (Motion::Unknown, _) if self.fresh && report.estimate.is_some() | self.view.ptz.is_some() => {
                // The first frame of an epoch needs no way back.
                return (Decision::Continue, Validity::Valid, None);
            }
            (Motion::Unknown, _) if self.view.source == MotionSource::None => {
                return degraded(reason::UNTOLD);
            }
            (Motion::Unknown, _) if report.estimate.is_some_and(|e| e.evidence == Evidence::First) => {
                return degraded(reason::UNTOLD);
            }
            (Motion::Unknown, _) => return degraded(reason::BLIND),
            (_, None) if self.view.confidence == 0.0 => return degraded(reason::UNCLEAR),
            _ => {}
        }
        if self.disagrees {
            return degraded(reason::DISAGREES);
        }
        if shift(reference) <= SAME {
            return (Decision::Continue, Validity::Valid, None);
        }
        let camera = Camera { field_of_view: 0.0, aspect: report.aspect };
        let offset = Offset::of(reference, &camera, 1.0);
        if self.trust() < policy.compensate_confidence {
            degraded(reason::CONFIDENCE)
        } else if offset.rotation > policy.compensate_rotation {
            degraded(reason::ROTATION)
        } else if offset.zoom > policy.compensate_zoom {
            degraded(reason::ZOOM)
        } else {
            (Decision::Compensate, Validity::Valid, None)
        }
    }
}
