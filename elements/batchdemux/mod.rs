//! `nvpbatchdemux`: makes the streams of a batch again.
//!
//! Reads the batches of [`nvpbatchmux`](super::batchmux), with whatever elements in between have attached to the frames,
//! and gives the frames and events of the stream that went in on `sink_N` out on `src_N`, as they came and in their order:
//!
//! ```text
//! gst-launch-1.0 nvpbatchmux name=mux ! nvpinference model=builtin:testscene ! nvpbatchdemux name=demux \
//!     nvptestsrc num-buffers=300 ! mux.sink_0   nvptestsrc num-buffers=300 seed=2 ! mux.sink_1 \
//!     demux.src_0 ! queue ! nvptracker ! nvppublish location=0.jsonl ! fakesink \
//!     demux.src_1 ! queue ! nvptracker ! nvppublish location=1.jsonl ! fakesink
//! ```
//!
//! A pad is added with the first event of its stream and removed after its EOS, which a stream whose pad was released
//! gets, too. One thread serves all pads, as with `tee`: put a `queue` behind each. Where streams are files, one may be
//! ahead of another when sinks preroll, are sought in PAUSED or wait for the clock, and the queues need room for that
//! (`max-size-time=0` and enough buffers, or a `multiqueue`, which grows), or the muxer `sync=pts`, which keeps the streams
//! together.
//!
//! # One branch does not stop the others
//! What a branch answers is its own affair while another one goes on: frames for a branch that is not linked, is being
//! flushed, has had enough or has failed are dropped and counted, and it gets its frames again as soon as it takes them.
//! Upstream hears of it when all have failed, or all have had enough. Element messages, each with the number of the `pad`,
//! the `stream-id` and the `name` of the stream:
//!
//! | message | when | also |
//! |---|---|---|
//! | `nvp-stream-dropping` | frames of a stream begin to be dropped | `reason`: `not-linked`, `eos` or `error` |
//! | `nvp-stream-resumed` | the branch takes them again | |
//!
//! # What goes upstream
//! Seeks, requests for key frames, QoS and questions about duration, position and seeking go to the stream's own source.
//! A stream's flush empties that branch alone, at once: what was batched before its end is dropped.

use gst::glib;
use gst::prelude::*;

mod branch;
mod imp;

glib::wrapper! {
    /// See the [module's page](self).
    pub struct NvpBatchDemux(ObjectSubclass<imp::NvpBatchDemux>) @extends gst::Element, gst::Object;
}

pub(super) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "nvpbatchdemux", gst::Rank::NONE, NvpBatchDemux::static_type())
}
