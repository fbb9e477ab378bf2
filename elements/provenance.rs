//! How elements sign the frames that they handled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::meta::{Origin, ProvenanceMeta};
use crate::provenance::Stage;

/// Nanoseconds on the process's monotonic clock.
pub(super) fn now() -> u64 {
    gst::get_timestamp().nseconds()
}

/// The stream as the first element sees it: names frames that have no origin yet.
#[derive(Debug, Default)]
pub(super) struct Feed(Mutex<(Arc<str>, u64)>);

impl Feed {
    fn with<R>(&self, f: impl FnOnce(&mut (Arc<str>, u64)) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new stream of this id begins at frame 0.
    pub(super) fn begin(&self, stream_id: &str) {
        self.with(|feed| *feed = (stream_id.into(), 0));
    }

    /// Appends a stage to the frame's provenance, and the origin when this is the first element to sign.
    pub(super) fn sign(&self, buffer: &mut gst::BufferRef, stage: Stage) {
        let origin = self.origin(&stage);
        ProvenanceMeta::append(buffer, || origin, stage);
    }

    /// As [`sign`](Self::sign), and calls the feed by this name, whoever signed before.
    pub(super) fn sign_as(&self, buffer: &mut gst::BufferRef, name: &Arc<str>, stage: Stage) {
        let origin = self.origin(&stage);
        ProvenanceMeta::append_renamed(buffer, || origin, name, stage);
    }

    /// Counts a frame that goes no further.
    pub(super) fn skip(&self) {
        self.with(|(_, next)| *next += 1);
    }

    /// The origin of the next frame, if nobody has told of it before.
    fn origin(&self, stage: &Stage) -> Origin {
        let (feed, sequence) = self.with(|(id, next)| {
            *next += 1;
            (id.clone(), *next - 1)
        });
        let received = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = now().saturating_sub(stage.start);
        Origin { feed, sequence, received: (received.as_nanos() as u64).saturating_sub(since) }
    }
}
