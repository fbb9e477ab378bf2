//! `nvpviewstate`: says on every frame where the camera looks.
//!
//! Reads the pixels of raw video (I420, YV12, NV12, NV21, YUY2, the RGB family and GRAY8) and adds one
//! [`ViewMeta`](crate::meta::ViewMeta) and a provenance stage; the pixels stay as they are and are never copied:
//!
//! ```text
//! gst-launch-1.0 nvptestsrc camera=ptz detections=noisy num-buffers=300 ! nvpviewstate ! nvptracker \
//!     ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! Each view says whether the camera moves and with what confidence, by which homography the frame leads to the previous
//! one and to the reference view of its epoch, and whether what was drawn on the view (zones, lines, trails) still holds.
//! `nvptracker` and `nvpoverlay` follow it.
//!
//! With `estimator=visual` (default) the motion is told by corners followed from frame to frame. It is the camera's only
//! where corners all over the picture share it and hardly any stand still instead: traffic is not the camera. Where the
//! buffer has detections or tracks already, corners on them are left out. With `estimator=none` nobody looks, and the
//! motion is unknown.
//!
//! | `camera-mode` | |
//! |---|---|
//! | `observed` (default) | the camera may move; where nobody can tell, its motion is unknown, which is to be taken as moving |
//! | `fixed` | it never moves: pixels are not looked at, and only a restart of the stream opens an epoch |
//!
//! What becomes of what is drawn on the view, by how far the frame lies from the epoch's reference view:
//!
//! | action | when | validity |
//! |---|---|---|
//! | continue | it is the reference view | valid |
//! | compensate | it is moved, and `to_reference` is to be relied on (`compensate-...`) | valid |
//! | degrade | it is moved more, or less surely; or the motion cannot be told | degraded: `rotation`, `zoom`, `low-confidence`, `motion-unclear`, `no-texture`, `motion-unknown` |
//! | segment | it is beyond the bounds of an epoch (`segment-...`), another picture, or a new stream | a new epoch; invalid (`moving`) until the camera settles |
//!
//! A move opens one epoch at most; its reference is the view on which the camera settles, and on the way there is no
//! `to_reference`. Small shakes about one place are no motion: frames read stable and have their small `to_previous`.
//!
//! Messages on the bus, as element messages: `nvp-view-epoch` (`epoch`, `running-time`, `reason`: `cut`, `move` or
//! `restart`), `nvp-view-degraded` (`reason`, `validity`, `epoch`, `running-time`) when a view is valid no more or for another
//! reason, and `nvp-view-recovered` (`epoch`, `running-time`) when it is again.

use gst::glib;
use gst::prelude::*;

mod imp;
mod presets;
mod settings;
mod telemetry;

use crate::view;

/// What the message, and the event downstream, of a new epoch are called.
const EPOCH: &str = "nvp-view-epoch";

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpViewState(ObjectSubclass<imp::NvpViewState>) @extends gst::Element, gst::Object;
}

/// Who tells the camera's motion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpViewStateEstimator")]
pub enum Estimator {
    /// Nobody.
    #[enum_value(name = "Nobody", nick = "none")]
    None,
    /// The pixels.
    #[default]
    #[enum_value(name = "The pixels", nick = "visual")]
    Visual,
    /// The camera.
    #[enum_value(name = "The camera, by its telemetry", nick = "ptz")]
    Ptz,
    /// Both.
    #[enum_value(name = "Both: pixels where they can tell, and telemetry where they cannot", nick = "both")]
    Both,
}

/// Whether the camera may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpViewStateCameraMode")]
pub enum CameraMode {
    /// It never does.
    #[enum_value(name = "It never moves", nick = "fixed")]
    Fixed,
    /// It may.
    #[default]
    #[enum_value(name = "It may move, and is not taken to stand still for want of data", nick = "observed")]
    Observed,
}

impl From<CameraMode> for view::CameraMode {
    fn from(mode: CameraMode) -> Self {
        match mode {
            CameraMode::Fixed => Self::Fixed,
            CameraMode::Observed => Self::Observed,
        }
    }
}

impl From<view::CameraMode> for CameraMode {
    fn from(mode: view::CameraMode) -> Self {
        match mode {
            view::CameraMode::Fixed => Self::Fixed,
            view::CameraMode::Observed => Self::Observed,
        }
    }
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpviewstate", gst::Rank::NONE, NvpViewState::static_type())
}
