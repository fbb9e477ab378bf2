//! `nvpinference`: runs a detector on the frames that pass.
//!
//! Reads raw video (see the pad templates for the formats; no `videoconvert` or `videoscale` is needed
//! before it) and adds [`DetectionMeta`](crate::meta::DetectionMeta) and a provenance stage to every
//! buffer it infers:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpinference model=yolox_nano.onnx \
//!     ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! # The model
//! It is understood when the element goes to READY, before any frame: its family, input size, colour
//! order, normalisation, resizing and class names come from the properties, from a description beside it
//! (`MODEL.json` or `MODEL.onnx.json`, or `model-config`), from its own ONNX metadata, and from its shapes, in this order. See
//! [`crate::model`] for the families. A dry run then checks it. What was assumed is one line of the log at
//! level INFO and one element message `nvp-model-loaded`; what is ambiguous is an error that names the
//! choices.
//!
//! `model=builtin:testscene` is a small detector that is part of the plugin (persons, bicycles, cars and buses, 320x192).
//! It was trained on the scene of `nvptestsrc` and knows nothing else: on real video it finds nothing of use.
//!
//! ```text
//! gst-launch-1.0 nvptestsrc ! nvpinference model=builtin:testscene ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! # ONNX Runtime
//! The library is loaded at run time, once for the whole process. It is looked for in: the property
//! `onnxruntime`, the variable `ORT_DYLIB_PATH`, the plugin's own folder,
//! `${XDG_DATA_HOME:-~/.local/share}/nvperception/` (where `make deps` puts it), and the system's libraries.
//!
//! # Timing
//! Frames enter a bounded line; a worker infers them while the source task pushes earlier ones, and they
//! leave in their order with the events and queries between them. A full line blocks upstream, so nothing is
//! dropped. The latency answer holds the model's measured time. With `interval=N` one buffer is inferred and
//! the next N pass without detections.
//!
//! # Messages
//! `nvp-model-loaded` with the fields `model`, `sha256`, `family`, `provider`, `runtime` and `summary` (strings),
//! `width`, `height` and `classes` (guint), `assumptions` (a list of strings) and `dry-run` (guint64,
//! nanoseconds); `nvp-model-nonfinite` when outputs are NaN or infinite (once a stream, with `candidates`, the
//! number of those left out of the first such frame).

use gst::glib;
use gst::prelude::*;

mod builtin;
mod engine;
mod flow;
mod imp;
mod layout;
mod onnx;
mod settings;
mod source;
mod stats;
mod worker;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpInference(ObjectSubclass<imp::NvpInference>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpinference", gst::Rank::NONE, NvpInference::static_type())
}
