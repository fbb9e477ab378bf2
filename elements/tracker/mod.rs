//! `nvptracker`: gives detected objects identities over time.
//!
//! Reads the [`DetectionMeta`](crate::meta::DetectionMeta) of all models on a buffer and adds one
//! [`TrackMeta`](crate::meta::TrackMeta) and a provenance stage; it never looks at pixels, so any memory passes:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolox_nano.onnx \
//!     ! nvptracker ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! Time steps come from the buffers' running time, so neither the frame rate nor left-out frames nor `interval` nor a
//! detector beside the stream need tuning. A buffer without detections metadata was not looked at and is predicted; one
//! with an empty list had nothing in view. A buffer without PTS counts as one frame of the caps' rate after its
//! predecessor. A flush, a jump back in time or a gap of more than ten seconds ends all tracks; ids are never used
//! again, stay below 2^53 and are unique within the run that the metadata name.
//!
//! Tracks follow the camera: by the [`ViewMeta`](crate::meta::ViewMeta) of the buffer, and where there is none by what
//! all tracks have in common (`shared-motion`). When a new epoch begins, `on-epoch` decides: tracks go on, end, or, where
//! the view jumps and no transform leads across, wait to be recognised; each says whether it goes on, was found again or was broken off (`continuity`).
//!
//! With a re-identification model between detector and tracker, looks tell people apart and find them again:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolox_nano.onnx \
//!     ! nvpinference model=osnet.onnx region=detections ! nvptracker ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! Several detectors may look at the stream: classes of one name are one class, and what two of them find in one place
//! is one object. Where a detector cannot decide between classes, the track's is decided by vote (`class-voting`).
//! Classes may have settings of their own: `class-settings="person: max-lost=5; car: coast=1"`.
//!
//! | a track is | when | in JSON and MOT text |
//! |---|---|---|
//! | tentative | seen too briefly to be believed (`evidence`, `probation`; ends after `patience`) | JSON |
//! | confirmed | believed and seen on this frame | both |
//! | coasted | not seen, but likely to be where it is predicted (`coast`, `reliability`) | both |
//! | lost | not seen for longer; found again within `max-lost` | with `export=lost` JSON |
//!
//! `algorithm` follows the rules of other trackers instead, to compare with; [`crate::track`] says what each idea is and
//! where it comes from.
//!
//! Each track says how it moves ([`TrackMotion`](crate::track::TrackMotion)): its way, displacement, speed and
//! direction since the current view began, free of the camera's motion, and whether it keeps its place. With
//! `ground-homography` it says so in metres too, in the epoch of the view in which that is set and while the camera's
//! moves are known. How long an object has been there is the track's age.
//!
//! What else the metadata tell is up to `export`:
//!
//! | flag | what |
//! |---|---|
//! | `lost` | tracks in state lost, too |
//! | `past` | where tracks were on earlier frames, once that is known: the tentative frames of a track when it is confirmed, and straight lines through the gaps of one that is found again; at most 255 frames back, 1024 rows a frame |
//! | `ended` (default) | believed tracks that ended on this frame, and why |
//! | `trajectories` | the segments and points of those (implies `ended`) |
//! | `live-trajectories` | the segments and points of all tracks on the frame, on every frame |
//!
//! A trajectory has a segment for each epoch of the view, or part of it between moves that nobody knows, and reaches
//! back as far as `trajectory-age` with `trajectory-points` at most. A report needs a frame to ride on: tracks that a
//! flush ended are told on the next frame (reason `restart`), and tracks alive at the end of the stream have no end;
//! `stats` counts them as `alive`, and with `live-trajectories` the last frame has their ways.

use gst::glib;
use gst::prelude::*;

mod classes;
mod export;
mod flags;
mod ground;
mod imp;
mod looks;
mod settings;

pub use flags::{Algorithm, Export, OnEpoch};

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpTracker(ObjectSubclass<imp::NvpTracker>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvptracker", gst::Rank::NONE, NvpTracker::static_type())
}
