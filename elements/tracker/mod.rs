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

use gst::glib;
use gst::prelude::*;

mod clock;
mod imp;
mod names;
mod settings;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpTracker(ObjectSubclass<imp::NvpTracker>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvptracker", gst::Rank::NONE, NvpTracker::static_type())
}
