//! Between a stream that does not wait and the worker beside it: the newest frame and the last result.
//!
//! The worker holds one frame, one more waits, and one result waits for the next buffer: nothing else is kept,
//! however slow the model is.

use std::sync::{Condvar, Mutex};

use super::flow::Verdict;
use super::worker::{Look, lock};

/// What became of a frame.
pub(super) struct Finished {
    /// The stream that it was of, see [`Mailbox::flush`].
    pub(super) stream: u64,
    /// The frame's PTS.
    pub(super) pts: Option<gst::ClockTime>,
    pub(super) verdict: Verdict,
}

#[derive(Default)]
struct Slots {
    waiting: Option<(gst::Buffer, Look)>,
    finished: Option<Finished>,
    stream: u64,
    open: bool,
}

#[derive(Default)]
pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    changed: Condvar,
}

impl Mailbox {
    /// Lets the worker wait for frames.
    pub(super) fn open(&self) {
        let mut slots = lock(&self.slots);
        *slots = Slots { open: true, stream: slots.stream + 1, ..Slots::default() };
    }

    /// Forgets everything and sends the worker home.
    pub(super) fn close(&self) {
        let mut slots = lock(&self.slots);
        *slots = Slots { stream: slots.stream + 1, ..Slots::default() };
        self.changed.notify_all();
    }

    /// Forgets everything; a result that the worker still brings is not taken. Returns how many frames and
    /// results that were.
    pub(super) fn flush(&self) -> u64 {
        let mut slots = lock(&self.slots);
        slots.stream += 1;
        let (waiting, finished) = (slots.waiting.take(), slots.finished.take());
        drop(slots);
        u64::from(waiting.is_some()) + u64::from(finished.is_some())
    }

    /// Puts the newest frame in and takes the last result out. True when a frame had to give way.
    pub(super) fn exchange(&self, buffer: gst::Buffer, look: Look) -> (Option<Finished>, bool) {
        let mut slots = lock(&self.slots);
        let older = if slots.open { slots.waiting.replace((buffer, look)) } else { None };
        let finished = slots.finished.take();
        self.changed.notify_one();
        drop(slots);
        (finished, older.is_some())
    }

    /// Takes the last result out.
    pub(super) fn collect(&self) -> Option<Finished> {
        lock(&self.slots).finished.take()
    }

    /// The next frame to infer; `None` when the mailbox is closed.
    pub(super) fn take(&self) -> Option<(u64, gst::Buffer, Look)> {
        let mut slots = lock(&self.slots);
        loop {
            if !slots.open {
                return None;
            }
            if let Some((buffer, look)) = slots.waiting.take() {
                return Some((slots.stream, buffer, look));
            }
            slots = self.changed.wait(slots).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Brings a result. One that nobody took is replaced.
    pub(super) fn give(&self, finished: Finished) {
        let mut slots = lock(&self.slots);
        if finished.stream == slots.stream {
            slots.finished = Some(finished);
        }
    }
}
