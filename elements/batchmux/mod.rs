//! `nvpbatchmux`: gathers the frames of many streams into batches, without copying or scaling a pixel.
//!
//! Reads raw video in any memory on request pads `sink_%u`, whatever its size, format and rate, and makes
//! `multistream/x-nvp-batch` of it: buffers without memory whose [`BatchMeta`](crate::meta::BatchMeta) refers to the
//! frames and the events of each stream. `nvpinference` looks at a whole batch at once, and
//! [`nvpbatchdemux`](super::batchdemux) makes the streams of it again:
//!
//! ```text
//! gst-launch-1.0 nvpbatchmux name=mux ! nvpbatchdemux name=demux \
//!     nvptestsrc num-buffers=300 ! video/x-raw,width=640,height=360 ! mux.sink_0 \
//!     nvptestsrc num-buffers=300 seed=2 ! video/x-raw,width=320,height=240 ! mux.sink_1 \
//!     demux.src_0 ! queue ! nvpoverlay ! videoconvert ! autovideosink \
//!     demux.src_1 ! queue ! nvpoverlay ! videoconvert ! autovideosink
//! ```
//!
//! # When a batch leaves
//! When it has `batch-size` frames, or every stream that is waited for has one, or `max-latency` after its first frame
//! came; it has at most one frame of each stream. [`crate::batch`] says who is waited for and who comes first: streams
//! take turns, so that under overload all are served alike, and one that asks for less than its share gets it all.
//!
//! With `sync=pts` the running times of the frames in a batch lie within `sync-tolerance`. A frame without PTS goes with
//! any; one from the past leaves alone. Where some live streams come later than others (each says how much in its
//! latency), `max-latency` and `queue-size` have to be large enough for the others to wait; the muxer warns when they are
//! not, and says what is.
//!
//! # Live streams and files
//! Each stream is asked whether it is live. A live one never waits: when `queue-size` frames of it wait, the oldest is
//! dropped and counted. Any other one waits, and nothing of it is dropped. Both may be there at a time. So that a camera
//! of R frames a second loses nothing while a batch waits for slower ones, `queue-size` has to be above R times
//! `max-latency`: the defaults do below 50 frames a second. A pool that hands out few frames (a camera's driver, a
//! decoder) is asked to have `queue-size` + 2 to spare; with a model in between, whose line of batches is longer, it may
//! need more. Frames may be of any layout that `GstVideoMeta` describes.
//!
//! # Streams that come and go
//! Pads may be requested and released at any time. The end of a stream, or its pad's release, is told in the batches and
//! ends that stream alone; the output ends with the last stream (never with `keep-alive`, nor while there is no pad), and
//! begins again when a stream does. A flush empties one stream's queue. Caps may change between two frames.
//!
//! A stream that stalls is left out: one that is not live from the first batch on that had to leave without it, a live
//! one when it is silent. Its next frame brings it back.
//!
//! An element that fails upstream posts its error on the bus and ends its stream; what becomes of the pipeline is up to
//! the application. One that reads the error's source, takes that source out and goes on loses no frame of the others:
//! `examples/streams.rs` and `examples/streams.py` do so. `gst-launch-1.0` stops at any error.
//!
//! # Messages
//! Element messages, each with the number of the `pad`, the `stream-id` and the `name` of the stream, which is the pad's
//! `stream-name` or else the stream's id:
//!
//! | message | when | also |
//! |---|---|---|
//! | `nvp-stream-started` | a stream begins | |
//! | `nvp-stream-ended` | it has ended | `reason`: `eos` or `released` |
//! | `nvp-stream-silent` | no frame for `silence` | |
//! | `nvp-stream-resumed` | a silent stream speaks again | |
//! | `nvp-stream-dropping` | frames are dropped; at most once a second | `dropped`: how many since the last message; `reason`: `overflow` |
//! | `nvp-stream-refused` | frames come without caps and are dropped | `reason`: `no-caps` |
//!
//! # Why this is no `GstAggregator`
//! Without a live input that class waits for every pad, so that one stalled file would stop all; its pads' queues block
//! rather than drop; and whether it is live is decided once for all when it is made. Each stream here has its own answer
//! to all three. So the pads are the element's own, and one task pushes.

use gst::glib;
use gst::prelude::*;

mod imp;
mod intake;
mod output;
mod pad;
mod settings;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpBatchMux(ObjectSubclass<imp::NvpBatchMux>) @extends gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// A sink pad: its property `stream-name` is what the stream is called in provenance, JSON and messages.
    pub struct NvpBatchMuxPad(ObjectSubclass<pad::NvpBatchMuxPad>) @extends gst::Pad, gst::Object;
}

/// Which frames may leave together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "NvpBatchMuxSync")]
pub enum Sync {
    /// Any.
    #[default]
    #[enum_value(name = "Any", nick = "none")]
    None,
    /// Those whose running times are near one another.
    #[enum_value(name = "Those of about one running time", nick = "pts")]
    Pts,
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpbatchmux", gst::Rank::NONE, NvpBatchMux::static_type())
}
