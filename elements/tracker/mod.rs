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
//! Where the buffer has a [`ViewMeta`](crate::meta::ViewMeta), tracks follow the camera's motion.
//!
//! Time steps come from the buffers' running time, so neither the frame rate nor left-out frames need
//! tuning. A buffer without detections metadata (with `nvpinference interval=N`, say) is predicted; one with an
//! empty list had nothing in view. A buffer without PTS counts as one frame of the caps' rate after its
//! predecessor. A flush or a jump in time ends all tracks; ids are never used again. See
//! [`crate::track`] for the algorithm and what the states mean.
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
mod clock;
mod export;
mod flags;
mod ground;
mod imp;
mod looks;
mod names;
mod settings;

pub use flags::{Algorithm, Export, OnEpoch};

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpTracker(ObjectSubclass<imp::NvpTracker>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvptracker", gst::Rank::NONE, NvpTracker::static_type())
}
