//! `nvpreplay` attaches recorded metadata to the buffers that pass: trackers and rules run again without a model.
//!
//! Reads a file, never pixels, so video of any format and memory passes; adds the detections, tracks and provenance
//! that the file holds for each frame:
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
//! JSON lines as `nvppublish` writes them (schema `nvperception.frame/1`), and MOTChallenge text, where rows with id -1
//! are detections and those with an id above 0 confirmed tracks, with boxes in pixels of the stream's size. The whole
//! file is read when the element starts. A confidence outside \[0, 1\] is clamped and counted, a second record of a
//! frame passed over and counted; any other damage but a cut last line is an error that names the line.
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
        name = "JSON lines when the first line begins with {, else MOTChallenge text",
        nick = "auto"
    )]
    Auto,
    /// JSON lines.
    #[enum_value(name = "JSON lines of schema nvperception.frame/1", nick = "json")]
    Json,
    /// MOTChallenge text.
    #[enum_value(name = "MOTChallenge text: detections (id -1) and tracks", nick = "mot")]
    Mot,
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpreplay", gst::Rank::NONE, NvpReplay::static_type())
}
