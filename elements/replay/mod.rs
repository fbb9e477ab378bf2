//! `nvpreplay` attaches recorded metadata to the buffers that pass: trackers and rules run again without a model.
//!
//! Reads a file, never pixels, so video of any format and memory passes; adds the detections, tracks, view,
//! signals, events, zones and provenance that the file holds for each frame:
//!
//! ```text
//! gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! nvpreplay location=out.jsonl ! nvpoverlay \
//!     ! videoconvert ! autovideosink
//! ```
//!
//! With public detections of a sequence no picture is needed at all:
//!
//! ```text
//! gst-launch-1.0 videotestsrc num-buffers=418 pattern=black ! video/x-raw,width=640,height=480,framerate=14/1 \
//!     ! nvpreplay location=MOT17-05/det/det.txt ! nvptracker ! nvppublish location=MOT17-05.txt format=mot ! fakesink
//! ```
//!
//! # Formats
//! | format | what a line holds |
//! |---|---|
//! | `json` | a frame as `nvppublish` writes it, schema `nvperception.frame/1` |
//! | `mot` | `frame,id,x,y,width,height,confidence,...`: frames from 1, pixels of the stream's size; id -1 is a detection, an id above 0 a confirmed track |
//! | `motion` | `frame a b c d e f`: frames from 0; `x' = a x + b y + c`, `y' = d x + e y + f` lead from the previous frame's pixels to this frame's, so the view's `to_previous` is the inverse |
//! | `ptz` | a header `time,pan,tilt,zoom`, then rows: seconds of PTS, degrees to the right and upwards, zoom ratio; they go to `nvpviewstate` as events `nvp-ptz` |
//!
//! The whole file is read when the element starts, lines in any order. A confidence outside \[0, 1\] is clamped and
//! counted, a second record of a frame passed over and counted; any other damage but a cut last line is an error that
//! names the line. A tracker behind recorded camera motion follows it; two `nvpreplay` in a row attach two files.
//!
//! # Which record belongs to which frame
//! JSON lines go by time where they and the buffer tell it: the nearest record within `tolerance` of the buffer's PTS.
//! Everything else goes by number: the frame's place in the stream by its time and the caps' rate, or a count of
//! buffers where one of these is missing. A frame inside the file's range without a record gets empty lists, since
//! nothing was found on it; one outside gets nothing.
//!
//! # Messages
//! `nvp-replay-done` at the end of the stream, with `records`, `matched`, `unmatched-buffers`, `unused-records`,
//! `clamped` and `duplicates` (guint64).

use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpReplay(ObjectSubclass<imp::NvpReplay>) @extends gst::Element, gst::Object;
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpReplayFormat")]
pub enum Format {
    /// As its first character says.
    #[default]
    #[enum_value(
        name = "As the first line looks: { is JSON, frame 0 with six numbers camera motion, time,pan,tilt,zoom poses, all else MOTChallenge text",
        nick = "auto"
    )]
    Auto,
    /// JSON lines.
    #[enum_value(name = "JSON lines of schema nvperception.frame/1", nick = "json")]
    Json,
    /// MOTChallenge text.
    #[enum_value(name = "MOTChallenge text: detections (id -1) and tracks", nick = "mot")]
    Mot,
    /// Camera motion.
    #[enum_value(
        name = "Camera motion: frame and an affine map from the previous frame's pixels",
        nick = "motion"
    )]
    Motion,
    /// Poses of a camera's head.
    #[enum_value(name = "Poses of a camera's head: time, pan, tilt and zoom", nick = "ptz")]
    Ptz,
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpreplay", gst::Rank::NONE, NvpReplay::static_type())
}
