//! `nvpviewstate`: says on every frame where the camera looks.
//!
//! Reads the pixels of raw video (I420, YV12, NV12, NV21, YUY2, the RGB family and GRAY8), the camera's telemetry, or both, and
//! adds one [`ViewMeta`](crate::meta::ViewMeta) and a provenance stage; the pixels stay as they are and are never copied:
//!
//! ```text
//! gst-launch-1.0 nvptestsrc camera=ptz detections=noisy num-buffers=900 ! nvpviewstate learn-presets=8 ! nvptracker \
//!     ! nvpoverlay show-view=grid ! videoconvert ! autovideosink
//! ```
//!
//! Each view says whether the camera moves and with what confidence, by which homography the frame leads to the previous
//! one and to the reference view of its epoch, and whether what was drawn on the view (zones, lines, trails) still holds.
//! `nvptracker`, `nvpevents` and `nvpoverlay` follow it.
//!
//! # Who tells
//! | `estimator` | |
//! |---|---|
//! | `visual` (default) | corners followed from frame to frame; their motion is the camera's only where corners all over the picture share it and hardly any stand still instead: traffic is not the camera. Corners on detections and tracks that the buffer has already are left out |
//! | `ptz` | the camera's own pan, tilt and zoom; with `field-of-view` they become homographies, without it moves are told but no way to follow them |
//! | `both` | pixels where they can tell, telemetry where they cannot (dark, bare or blurred pictures); where they contradict each other over a second, the confidence is halved and the view degraded (`telemetry-disagrees`) |
//! | `none` | nobody: the motion is unknown, which is to be taken as moving |
//!
//! About once a second while the camera rests, and when a move has lost the way, the frame is found in the epoch's reference
//! picture directly, so neither drift nor a creeping pan goes unseen. So it is after an interruption (frames of another size,
//! frames that could not be read, a change of `estimator`): a picture in which the reference is not to be found is invalid
//! (`reference-lost`), and a new epoch when half a second has not brought it back.
//!
//! # Telemetry
//! Pan in degrees to the right, tilt in degrees upwards, zoom as a ratio of the widest, each at a running time. What lies between
//! two poses is interpolated, after the last one it goes on for as long as these were apart, and further from a frame than
//! `telemetry-max-age` nothing is known. It comes by
//! - the action signal `ptz` (pan, tilt, zoom: gdouble; running time: guint64, or GST_CLOCK_TIME_NONE for now), which returns
//!   whether it was taken,
//! - custom events `nvp-ptz` from either side, with the numbers `pan`, `tilt` and `zoom`, and `running-time`: a whole number of
//!   nanoseconds from 0 (guint64 or any other type of integer); without it, or as GST_CLOCK_TIME_NONE, the pose is of now,
//! - `nvpreplay` with a file of poses,
//! - ONVIF metadata (`application/x-onvif-metadata`) on the request pad `telemetry`; its generic units are those of `onvif-pan`,
//!   `onvif-tilt` and `onvif-zoom`.
//!
//! What an event or a document leaves out of a pose is as it was told last; nothing is known before pan and tilt have each been
//! told once, and a zoom that was never told is 1. Poses may come ahead of the video: up to 4096 wait for their frames.
//!
//! What cannot be used is refused: one warning a run, and a count in `stats`.
//!
//! # What becomes of what is drawn on the view
//! By how far the frame lies from the epoch's reference view:
//!
//! | decision | when | validity |
//! |---|---|---|
//! | continue | it is the reference view | valid |
//! | compensate | it is moved, and `to_reference` is to be relied on (`compensate-...`) | valid |
//! | degrade | it is moved more, or less surely; the motion cannot be told; or something ails the picture | degraded: `rotation`, `zoom`, `low-confidence`, `motion-unclear`, `no-texture`, `motion-unknown`, `no-telemetry`, `telemetry-disagrees`, `frozen`, `blank`, `covered`, `blurred`, `exposure` |
//! | segment | it is beyond the bounds of an epoch (`segment-...`), another picture, or a new stream | a new epoch; invalid (`moving`) until the camera settles |
//!
//! A move opens one epoch at most; its reference is the view on which the camera settles, and on the way there is no
//! `to_reference`. A cut is a move of one frame, and cuts in a row, as a move shows at low frame rates, are one: the frame after
//! that compares with the one before is the reference. Small shakes about one place are no motion: frames read stable and have
//! their small `to_previous`. With `camera-mode=fixed` the camera never moves, and only a restart of the stream opens an epoch.
//!
//! # Presets
//! When the camera settles on a known view, that view's name is the epoch's `preset`, and `to_reference` leads to the picture it
//! was known by, so that what was drawn there holds again. Views are known from a file (`presets`):
//!
//! ```json
//! {"version": 1, "presets": [
//!   {"name": "door", "ptz": {"pan": 10, "tilt": -5, "zoom": 2}, "tolerance": {"pan": 1, "tilt": 1, "zoom": 0.05}},
//!   {"name": "yard", "image": "yard.png"}]}
//! ```
//!
//! with a pose, a picture (beside the file, in any format that GStreamer reads), or both; or learned (`learn-presets`): a view on
//! which the camera has rested for a second is `view-1`, `view-2`, ... from then on. Where many pictures are known, they are looked
//! through some a frame, and the view that is known a few frames late begins an epoch of its own.
//!
//! # Scene health
//! With `scene-health` (default) frozen, blank, covered, blurred and suddenly brighter or darker pictures are told, after half a
//! second at most but for the frozen ones (`frozen-after`), and until a second after they are well again.
//!
//! # Messages
//! On the bus, as element messages with `epoch` and `running-time` (guint64): `nvp-view-epoch` (`reason`: `cut`, `move`, `restart` or
//! `preset`; `preset` where it is known), which goes downstream as a custom event before its frame, too; `nvp-view-degraded`
//! (`reason`, `validity`) when a view is valid no more or for another reason; `nvp-view-recovered` when it is again; and
//! `nvp-view-preset` (`preset`).

use gst::glib;
use gst::prelude::*;

mod imp;
mod presets;
mod report;
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
