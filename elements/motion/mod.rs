//! `nvpmotion`: tells without a model what moves, and keeps still pictures from the models behind it.
//!
//! Reads pixels and the view of a buffer ([`ViewMeta`](crate::meta::ViewMeta), if there is one) and adds what moves as
//! detections of class `motion` ([`DetectionMeta`](crate::meta::DetectionMeta)), signals
//! ([`SignalMeta`](crate::meta::SignalMeta)) and a provenance stage:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpmotion ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! [`crate::motion`] says how it tells. A camera that moves needs `nvpviewstate` before it, so that the street that passes by is
//! no motion; one that shakes by less than a pixel of its small picture does not.
//!
//! # Signals
//! | signal | |
//! |---|---|
//! | `motion.level` | the part of the picture that moves, 0 to 1; not known while there is nothing to compare with, as on the first frame and on a view that nobody can follow |
//! | `motion.count` | regions that move |
//! | `motion.active` | 1 while something moves, for `gate-hold` after, and while that is not known; else 0 |
//!
//! Each is fresh for `signal-ttl`, and with `signal-store` (default) for all elements of the pipeline. `signal-prefix` takes the
//! place of `motion`, so that the cameras of a pipeline do not speak with one voice.
//!
//! # Saving inference
//! A model runs on what moves alone with `run-when`:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpmotion detections=false \
//!     ! nvpinference model=yolox_nano.onnx run-when='motion.active > 0' ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! or looks at the regions alone with `region=detections region-classes=motion`. Where all that follows may rest, this element's
//! `gate` marks still frames as gaps, which no model looks at, or drops them and sends a gap event in the place of each. While
//! it is closed a frame passes every `gate-interval`.
//!
//! Trackers follow all detections: with a model besides, `detections=false` keeps the regions out of the tracks.
//!
//! # Messages
//! | element message | fields | |
//! |---|---|---|
//! | `nvp-motion` | `state` (`began`, `ended`), `level` (float), `running-time` (ns) | a region was seen, or none for `gate-hold`; the end of the stream ends motion too, without `level` and `running-time` |

use gst::glib;
use gst::prelude::*;

mod imp;
mod settings;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpMotion(ObjectSubclass<imp::NvpMotion>) @extends gst::Element, gst::Object;
}

/// What becomes of frames on which nothing moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpMotionGate")]
pub enum Gate {
    /// They pass as all others.
    #[default]
    #[enum_value(name = "They pass as all others", nick = "open")]
    Open,
    /// They pass with the flag GAP.
    #[enum_value(name = "They pass with the flag GAP, so that no model looks at them", nick = "flag")]
    Flag,
    /// They are dropped.
    #[enum_value(name = "They are dropped, and a gap event is sent for each", nick = "drop")]
    Drop,
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpmotion", gst::Rank::NONE, NvpMotion::static_type())
}
