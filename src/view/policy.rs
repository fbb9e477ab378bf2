//! What to make of the camera's motion: one function from what was known and what is reported to what holds now.

use std::sync::Arc;

use super::{Estimate, Evidence, Motion, MotionSource, Validity, View};
use crate::homography::{IDENTITY, apply, compose};

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
/// The speed, in sides a second, at which the stability is a half.
const HALF_STABLE: f64 = 0.05;

/// What is reported of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Running time in nanoseconds.
    pub time: u64,
    /// What the pixels say; the default where nobody looks.
    pub estimate: Estimate,
    /// Who says so.
    pub source: MotionSource,
    /// Whether the stream begins anew.
    pub restart: bool,
}

/// What becomes of what is drawn on the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It stays as it is.
    #[default]
    Continue,
    /// It stays, but is not to be relied on.
    Degrade,
    /// It is led along by the view's `to_reference`.
    Compensate,
    /// It ends: a new epoch begins.
    Segment,
}

impl Action {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Degrade => "degrade",
            Self::Compensate => "compensate",
            Self::Segment => "segment",
        }
    }
}

/// What is known of the camera after a frame.
#[derive(Clone, Debug, Default)]
pub struct State {
    view: View,
    action: Action,
    time: Option<u64>,
    /// To the reference view while at rest, and during a move to where this frame lies; `None` once the way is lost.
    reference: Option<[f64; 9]>,
    /// Whether this frame is the epoch's reference.
    fresh: bool,
    /// Whether the epoch's reference is still to come: the view on which the camera settles.
    pending: bool,
    /// How far the resting picture has wandered lately.
    wander: Option<[f64; 9]>,
    /// When the picture last moved faster than a resting one.
    fast: u64,
    /// Sum and number of the confidences of the last move.
    trust: (f64, u32),
    /// Smoothed speed in sides a second.
    speed: f64,
}

impl State {
    /// The view of the frame decided on last.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What was decided on it.
    pub fn action(&self) -> Action {
        self.action
    }
}

/// Why a view is not simply valid.
mod reason {
    pub(super) const UNTOLD: &str = "motion-unknown";
    pub(super) const BLIND: &str = "no-texture";
    pub(super) const UNCLEAR: &str = "motion-unclear";
    pub(super) const MOVING: &str = "moving";
    pub(super) const CONFIDENCE: &str = "low-confidence";
    pub(super) const ROTATION: &str = "rotation";
    pub(super) const ZOOM: &str = "zoom";
    pub(super) const LOST: &str = "reference-lost";
}

/// How far a motion takes the points between the centre and the corners, at most.
fn shift(h: &[f64; 9]) -> f64 {
    let points = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]];
    let far = |p: [f64; 2]| {
        let [x, y] = apply(h, p);
        (x - p[0]).hypot(y - p[1])
    };
    points.into_iter().map(far).fold(0.0, f64::max)
}

/// How the picture lies to its reference view.
struct Pose {
    displacement: f64,
    /// Degrees of pan or tilt, whichever is more; 0 without a field of view.
    angle: f64,
    /// Degrees about the axis of sight.
    rotation: f64,
    /// Change of the zoom ratio: 0.1 for a tenth larger or smaller.
    zoom: f64,
}

impl Pose {
    fn of(h: &[f64; 9], field_of_view: f64) -> Self {
        let at = |x, y| apply(h, [x, y]);
        let ([x, y], [rx, ry], [dx, dy]) = (at(0.5, 0.5), at(0.51, 0.5), at(0.5, 0.51));
        let (ax, ay, bx, by) = (rx - x, ry - y, dx - x, dy - y);
        let ratio = ((ax * by - ay * bx).abs().sqrt() / 0.01).max(1e-9);
        let tangent = (field_of_view.to_radians() / 2.0).tan();
        let angle = |by: f64| (2.0 * by * tangent).atan().to_degrees().abs();
        Self {
            displacement: (x - 0.5).hypot(y - 0.5),
            angle: if field_of_view > 0.0 { angle(x - 0.5).max(angle(y - 0.5)) } else { 0.0 },
            rotation: (ay - bx).atan2(ax + by).to_degrees().abs(),
            zoom: ratio.max(1.0 / ratio) - 1.0,
        }
    }
}

/// What holds after a frame. The first frame of a stream, and each that restarts it, begins an epoch; so do a cut, the
/// frame on which a move goes beyond what [`Policy`] lets one epoch have, and the end of a move that nobody could follow.
/// Within one move there is one such epoch at most: its reference is the view on which the camera settles, and until then
/// it has no `to_reference`.
pub fn decide(previous: &State, report: &Report, policy: &Policy) -> State {
    let mut next = previous.clone();
    let dt = previous.time.map_or(0.0, |time| report.time.saturating_sub(time) as f64 / 1e9);
    next.time = Some(report.time);
    next.fresh = false;
    next.view.source = report.source;
    let restarted = previous.time.is_none() || report.restart;
    if restarted {
        next.begin(previous.time.is_some());
    }
    if policy.mode == CameraMode::Fixed {
        next.stand(!restarted);
    } else {
        next.observe(report, policy, dt);
    }
    next.finish(previous, policy, dt);
    next
}

impl State {
    /// A new epoch with this frame as its reference, unless it is the very first.
    fn begin(&mut self, count: bool) {
        self.view.epoch += u64::from(count);
        self.fresh = true;
        (self.reference, self.wander, self.pending) = (Some(IDENTITY), Some(IDENTITY), false);
        (self.trust, self.speed) = ((0.0, 0), 0.0);
        self.view.to_previous = None;
    }

    fn set(&mut self, motion: Motion, confidence: f32, to_previous: Option<[f64; 9]>) {
        self.view.motion = motion;
        self.view.confidence = confidence;
        self.view.to_previous = to_previous.map(|h| h.map(|v| v as f32));
    }

    /// A camera that cannot move.
    fn stand(&mut self, follows: bool) {
        self.view.source = MotionSource::None;
        self.reference = Some(IDENTITY);
        self.pending = false;
        self.set(Motion::Stable, 1.0, follows.then_some(IDENTITY));
    }

    fn observe(&mut self, report: &Report, policy: &Policy, dt: f64) {
        let Estimate { evidence, to_previous, confidence, .. } = report.estimate;
        match evidence {
            Evidence::First | Evidence::Blind => self.set(Motion::Unknown, 0.0, None),
            Evidence::Cut => {
                self.begin(true);
                self.set(Motion::Unknown, 0.0, None);
            }
            // Nothing speaks for a change: what rested rests, and what moved does so on unknown ways.
            Evidence::Unclear if self.view.motion == Motion::Moving => {
                self.reference = None;
                self.fast = report.time;
                self.set(Motion::Moving, 0.0, None);
            }
            Evidence::Unclear => self.set(Motion::Stable, 0.0, None),
            Evidence::Still | Evidence::Moves => {
                self.follow(report.time, to_previous.unwrap_or(IDENTITY), confidence, policy, dt);
            }
        }
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
    fn finish(&mut self, previous: &Self, policy: &Policy, dt: f64) {
        let moves = self.view.motion == Motion::Moving;
        self.view.phase = previous.view.phase.next(moves);
        let settles = previous.view.motion == Motion::Moving && !moves;
        let cut = self.view.epoch != previous.view.epoch;
        if settles && !cut {
            if self.pending {
                (self.reference, self.pending) = (Some(IDENTITY), false);
            } else if self.reference.is_none() {
                let to_previous = self.view.to_previous;
                self.begin(true);
                self.view.to_previous = to_previous;
            }
        }
        // A reference view is not away from itself, however small the bounds are.
        let moved = self.reference.filter(|h| *h != IDENTITY);
        let pose = moved.map(|h| Pose::of(&h, policy.field_of_view));
        let away = pose.as_ref().is_some_and(|pose| {
            let angle = policy.field_of_view > 0.0 && pose.angle > policy.segment_angle;
            angle || pose.zoom > policy.segment_zoom || pose.displacement > policy.segment_displacement
        });
        if away && !self.pending {
            self.view.epoch += 1;
            self.pending = moves;
            self.reference = (!moves).then_some(IDENTITY);
        }
        let known = self.reference.filter(|_| !self.pending);
        self.view.to_reference = known.map(|h| h.map(|v| v as f32));
        let (action, validity, why) = self.verdict(known.as_ref(), policy);
        let opened = previous.time.is_some() && self.view.epoch != previous.view.epoch;
        self.action = if opened { Action::Segment } else { action };
        self.view.validity = validity;
        if self.view.reason.as_deref() != why {
            self.view.reason = why.map(Arc::from);
        }
        let idle = dt > 0.0 && self.view.motion != Motion::Moving && self.view.to_previous.is_none();
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
            && now.to_reference == then.to_reference;
        self.view.version += u64::from(!same && previous.time.is_some());
    }

    fn verdict(
        &self,
        reference: Option<&[f64; 9]>,
        policy: &Policy,
    ) -> (Action, Validity, Option<&'static str>) {
        let degraded = |why| (Action::Degrade, Validity::Degraded, Some(why));
        if self.pending {
            return (Action::Degrade, Validity::Invalid, Some(reason::MOVING));
        }
        let Some(reference) = reference else {
            return (Action::Degrade, Validity::Invalid, Some(reason::LOST));
        };
        match (self.view.motion, self.view.to_previous) {
            (Motion::Unknown, _) if self.view.source == MotionSource::None => {
                return degraded(reason::UNTOLD);
            }
            // The first frame of an epoch needs no way back.
            (Motion::Unknown, _) if self.fresh => {
                return (Action::Continue, Validity::Valid, None);
            }
            (Motion::Unknown, _) => return degraded(reason::BLIND),
            (_, None) if self.view.confidence == 0.0 => return degraded(reason::UNCLEAR),
            _ => {}
        }
        if shift(reference) <= SAME {
            return (Action::Continue, Validity::Valid, None);
        }
        let pose = Pose::of(reference, 0.0);
        let trust = self.trust.0 / f64::from(self.trust.1.max(1));
        if trust < policy.compensate_confidence {
            degraded(reason::CONFIDENCE)
        } else if pose.rotation > policy.compensate_rotation {
            degraded(reason::ROTATION)
        } else if pose.zoom > policy.compensate_zoom {
            degraded(reason::ZOOM)
        } else {
            (Action::Compensate, Validity::Valid, None)
        }
    }
}
