//! What is known of the camera's view on a frame, and how it comes to be known.
//!
//! [`Estimator`] tells from the pixels how the camera moved between two frames, and [`decide`] what follows from it: whether
//! the camera moves or rests, when an epoch begins, and whether what was drawn on the view still holds.

mod binding;
mod coarse;
mod contrast;
mod corners;
mod features;
mod fit;
mod fusion;
mod health;
#[cfg(test)]
mod health_tests;
mod keyframe;
mod lk;
mod luma;
mod matching;
mod motion;
mod offset;
mod onvif;
mod part;
mod places;
#[cfg(test)]
mod places_tests;
mod policy;
mod presets;
mod register;
#[cfg(test)]
mod register_tests;
mod telemetry;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;
mod watch;
#[cfg(test)]
mod watch_tests;

pub use binding::{Binding, Sight, Standing};
pub use fusion::Telling;
pub use health::{Health, Trouble};
pub use keyframe::Keyframe;
pub use motion::{Estimate, Estimator, Evidence};
pub use onvif::{GenericSpace, OnvifError, pose as onvif_pose};
pub use part::PtzPart;
pub use places::{Places, Recognised, Sighting};
pub use policy::{Anchor, CameraMode, Cause, HOLD, Policy, Report, State, decide};
pub use presets::{MOST_PRESETS, Pose, Preset, PresetError, PresetFile, Tolerance};
pub use register::{Registrar, Registration, register};
pub use telemetry::{Apart, Camera, Ptz, Reading, Refusal, Telemetry};
pub use watch::{Look, News, Watch};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whether the camera moves.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Motion {
    /// Nobody can say; to be taken as moving.
    #[default]
    Unknown = 0,
    /// It stands still.
    Stable = 1,
    /// It moves.
    Moving = 2,
}

/// Where a frame lies in a move of the camera.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Between moves.
    #[default]
    Settled = 0,
    /// The first frame of a move.
    MoveStart = 1,
    /// Within a move.
    Moving = 2,
    /// The first frame after a move.
    MoveEnd = 3,
}

impl Phase {
    /// The phase of the next frame. The first and the last frame of a move are told from the rest.
    pub fn next(self, moves: bool) -> Self {
        match (self, moves) {
            (Self::Settled | Self::MoveEnd, true) => Self::MoveStart,
            (Self::MoveStart | Self::Moving, true) => Self::Moving,
            (Self::MoveStart | Self::Moving, false) => Self::MoveEnd,
            (Self::Settled | Self::MoveEnd, false) => Self::Settled,
        }
    }
}

/// Who says how the camera moves.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MotionSource {
    /// Nobody.
    #[default]
    None = 0,
    /// The camera itself.
    Telemetry = 1,
    /// The pixels.
    Inferred = 2,
    /// A file, or something else outside.
    External = 3,
}

/// Whether what was drawn on the view holds on a frame.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validity {
    /// It does.
    #[default]
    Valid = 0,
    /// Somewhat; see [`View::reason`].
    Degraded = 1,
    /// It does not.
    Invalid = 2,
}

/// What becomes of what is drawn on the view.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It stays as it is.
    #[default]
    Continue = 0,
    /// It stays, but is not to be relied on.
    Degrade = 1,
    /// It is led along by the view's `to_reference`.
    Compensate = 2,
    /// It ends: a new epoch begins.
    Segment = 3,
}

/// The camera's view on one frame. Homographies are row-major 3x3 and map this frame's normalised points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Number of discontinuities so far.
    pub epoch: u64,
    /// Number of changes of any kind so far.
    pub version: u64,
    /// Where the frame lies in a move.
    pub phase: Phase,
    /// Whether the camera moves.
    pub motion: Motion,
    /// Who says so.
    pub source: MotionSource,
    /// Confidence in the motion, in \[0, 1\].
    pub confidence: f32,
    /// To the previous frame's points, when known.
    pub to_previous: Option<[f32; 9]>,
    /// To the points of the epoch's reference frame, when known.
    pub to_reference: Option<[f32; 9]>,
    /// Whether what was drawn on the view holds.
    pub validity: Validity,
    /// Why it does not.
    pub reason: Option<Arc<str>>,
    /// How still the view is, in \[0, 1\].
    pub stability: f32,
    /// The camera's preset, when known.
    pub preset: Option<Arc<str>>,
    /// Where the camera's head points, when it says so.
    pub ptz: Option<Ptz>,
    /// What becomes of what is drawn on the view.
    pub decision: Decision,
}
