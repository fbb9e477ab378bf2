//! `nvppublish` reads the detections, tracks, signals, events, zones and provenance of the video that passes through it, and adds
//! nothing: it writes one line a frame to a file, to standard output or to a Unix socket.
//!
//! ```text
//! gst-launch-1.0 videotestsrc num-buffers=100 ! nvppublish location=out.jsonl ! autovideosink
//! ```
//!
//! The lines are JSON in schema `nvperception.frame/1` (`schema/nvperception.frame-1.schema.json`), or
//! MOTChallenge text of the tracks matched on the frame (`format=mot`). A line of JSON has all that the tracker tells:
//! how tracks move (`motion`), which of them `ended` and why, where they were on earlier frames (`past`), and the
//! `segments` of their trajectories, as far as its property `export` asks for them; all `signals`, and the `events`, each
//! when it changes or, with `event-snapshots`, on every frame that it lasts; and the `shapes`, zones and lines as they lie on
//! the frame. Video of any format and any memory passes; pixels are neither mapped nor copied, and no buffer is changed.
//!
//! # Where the lines go
//! `location` is a path, `-` for standard output (run `gst-launch-1.0 -q`, which prints there too; a file of
//! that name is `./-`), or `unix:PATH` for a stream socket that someone listens on. A file is truncated at start.
//! What cannot be opened is an error of the state change to PAUSED. No property but `stats` means anything else
//! before the next start: a change of one while the element runs is refused with a warning in the log.
//!
//! # Threads and losses
//! Lines wait in a queue of `queue-size` for a thread of the element's own, which hands each to the system at
//! once: a live reader sees a line when it is made.
//!
//! | | `policy=block` (default) | `policy=drop` |
//! |---|---|---|
//! | for | files, batch jobs | live video |
//! | queue full | the video waits | the oldest line is dropped and counted; `nvp-publish-overflow` once until the queue has been empty |
//! | end of stream, stop | everything is written first; an error when the reader takes nothing for 5 s | the same, for 0.5 s; what is left is counted and told in a warning |
//! | write fails: disk full, no standard output | error | error |
//! | socket peer gone | error | `nvp-publish-lost`, then tried again after 0.1 s, 0.2 s, ... up to 5 s while lines are dropped and counted, then `nvp-publish-back` |
//!
//! Each error says how many lines it cost. Element messages on the bus, each with `location` (string):
//! - `nvp-publish-overflow`: the reader is slower than the video.
//! - `nvp-publish-lost`: `reason` (string).
//! - `nvp-publish-back`: `dropped` (guint64) lines while the peer was away, `outage` (guint64) ns.
//!
//! The property `stats` tells the counts since the last start: `frames` accepted, `written`, `bytes`,
//! `dropped-overflow`, `dropped-disconnected`, `undelivered` (given up at the end or after an error),
//! `queue-level` (lines), `errors`, `reconnects`. At any time `frames` is the sum of `written`, both `dropped-`,
//! `undelivered`, `queue-level`, and one while a line is being written.

mod ffi;
mod frame;
mod imp;
mod queue;
mod sink;
mod writer;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The element `nvppublish`.
    pub struct Publish(ObjectSubclass<imp::Publish>) @extends gst::Element, gst::Object;
}

/// How a frame is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNvpPublishFormat")]
pub enum Format {
    /// One JSON object a line and frame.
    #[default]
    #[enum_value(name = "JSON lines, schema nvperception.frame/1", nick = "json")]
    Json,
    /// One row a track matched on the frame.
    #[enum_value(name = "MOTChallenge text of the tracks matched on the frame", nick = "mot")]
    Mot,
}

/// What happens when lines come faster than they can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstNvpPublishPolicy")]
pub enum Policy {
    /// The video waits: nothing is lost.
    #[default]
    #[enum_value(name = "The video waits for the writer, nothing is lost", nick = "block")]
    Block,
    /// The oldest waiting line is dropped and counted: the video never waits.
    #[enum_value(
        name = "The oldest waiting line is dropped and counted, the video never waits",
        nick = "drop"
    )]
    Drop,
}

/// Registers the element.
pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvppublish", gst::Rank::NONE, Publish::static_type())
}
