//! Between a stream that does not wait and the model beside it: the newest frame and the last result.
//!
//! The model holds one frame, one more waits, and one result waits for the next buffer: nothing else is kept,
//! however slow the model is.

use std::sync::{Arc, Mutex};

use super::task::{Channel, Job, Look, Task, Verdict, Work, lock};
use crate::schedule::Skip;

/// What became of a frame.
#[derive(Debug)]
pub(super) struct Finished {
    /// The frame's PTS.
    pub(super) pts: Option<gst::ClockTime>,
    pub(super) verdict: Verdict,
}

/// A frame and when it came.
#[derive(Debug)]
struct Letter {
    buffer: gst::Buffer,
    look: Look,
    arrived: u64,
}

/// What is known of a frame that is in the model.
#[derive(Debug)]
struct Away {
    pts: Option<gst::ClockTime>,
    /// When nobody waits for it any more, on the monotonic clock.
    deadline: Option<u64>,
}

#[derive(Debug, Default)]
struct Slots {
    waiting: Option<Letter>,
    away: Option<Away>,
    finished: Option<Finished>,
    /// Rises with each flush: a result of an earlier stream is not taken.
    stream: u64,
    open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Slots>);

impl Mailbox {
    /// Lets frames in.
    pub(super) fn open(&self) {
        let mut slots = lock(&self.0);
        *slots = Slots { open: true, stream: slots.stream + 1, ..Slots::default() };
    }

    /// Forgets everything; no frame gets in any more.
    pub(super) fn close(&self) {
        let mut slots = lock(&self.0);
        *slots = Slots { stream: slots.stream + 1, ..Slots::default() };
    }

    /// Forgets everything; a result that is still brought is not taken. Returns how many frames and results that were.
    pub(super) fn flush(&self) -> u64 {
        let mut slots = lock(&self.0);
        slots.stream += 1;
        let (waiting, finished) = (slots.waiting.take(), slots.finished.take());
        drop(slots);
        u64::from(waiting.is_some()) + u64::from(finished.is_some())
    }

    /// Puts the newest frame in. True when an older one had to give way.
    pub(super) fn put(&self, buffer: gst::Buffer, look: Look, arrived: u64) -> bool {
        let mut slots = lock(&self.0);
        let letter = slots.open.then_some(Letter { buffer, look, arrived });
        let older = std::mem::replace(&mut slots.waiting, letter);
        drop(slots);
        older.is_some()
    }

    /// Takes the frame that waits out again.
    pub(super) fn retract(&self) {
        let letter = lock(&self.0).waiting.take();
        drop(letter);
    }

    /// Takes the last result out.
    pub(super) fn collect(&self) -> Option<Finished> {
        lock(&self.0).finished.take()
    }

    /// The frame that waits, as a job.
    pub(super) fn start(&self, channel: &Arc<Channel>) -> Option<Job> {
        let mut slots = lock(&self.0);
        let Letter { buffer, look, arrived } = slots.waiting.take()?;
        let patience = look.config.response_timeout;
        let deadline = (patience > 0).then(|| arrived.saturating_add(patience));
        slots.away = Some(Away { pts: buffer.pts(), deadline });
        let task = Task { channel: channel.clone(), work: Work::Waiting(buffer, look) };
        Some(Job { key: slots.stream, tasks: vec![task] })
    }

    /// Brings a result. One that nobody took is replaced, one that comes too late is none. True when it came too late.
    pub(super) fn finish(&self, job: Job, now: u64) -> bool {
        let mut slots = lock(&self.0);
        let away = slots.away.take().filter(|_| job.key == slots.stream);
        let (Some(away), Some(Task { work: Work::Settled(verdict), .. })) =
            (away, job.tasks.into_iter().next())
        else {
            return false;
        };
        let late = away.deadline.is_some_and(|deadline| now > deadline);
        let verdict = if late { Verdict::Skipped(Skip::Timeout) } else { verdict };
        let former = slots.finished.replace(Finished { pts: away.pts, verdict });
        drop(slots);
        drop(former);
        late
    }
}
