//! Between a stream that does not wait and the model beside it: the newest frame and the last result.
//!
//! The model holds one frame, one more waits, and their results wait for the next buffer: nothing else is kept,
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
    /// The result before that, when nobody came for it. There is no third: a buffer that brings a frame takes results.
    overtaken: Option<Finished>,
    /// Rises with each flush: a result of an earlier stream is not taken.
    stream: u64,
    open: bool,
}

impl Slots {
    /// What there is of frames and results.
    fn count(&self) -> u64 {
        let Self { waiting, away, finished, overtaken, .. } = self;
        let there = [waiting.is_some(), away.is_some(), finished.is_some(), overtaken.is_some()];
        there.into_iter().map(u64::from).sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Slots>);

impl Mailbox {
    /// Lets frames in.
    pub(super) fn open(&self) {
        let mut slots = lock(&self.0);
        *slots = Slots { open: true, stream: slots.stream + 1, ..Slots::default() };
    }

    /// Forgets everything; no frame gets in any more. Returns how many frames and results that were.
    pub(super) fn close(&self) -> u64 {
        self.forget(false)
    }

    /// Forgets everything; a result that is still brought is not taken. Returns how many frames and results that were.
    pub(super) fn flush(&self) -> u64 {
        self.forget(true)
    }

    fn forget(&self, go_on: bool) -> u64 {
        let mut slots = lock(&self.0);
        let (open, stream) = (slots.open && go_on, slots.stream + 1);
        let former = std::mem::replace(&mut *slots, Slots { open, stream, ..Slots::default() });
        drop(slots);
        former.count()
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

    /// Takes the last result out, and first one that it overtook before anybody came for it.
    pub(super) fn collect(&self) -> (Option<Finished>, Option<Finished>) {
        let mut slots = lock(&self.0);
        (slots.overtaken.take(), slots.finished.take())
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

    /// Brings a result. One that comes too late is none: then true.
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
        slots.overtaken = slots.finished.replace(Finished { pts: away.pts, verdict });
        late
    }
}

#[cfg(test)]
mod tests {
    use super::super::task::Member;
    use super::*;
    use crate::elements::layout::Layout;

    fn channel() -> Arc<Channel> {
        gst::init().unwrap();
        let channel = Channel::new(Arc::new(Member::new()), None);
        channel.mailbox.open();
        Arc::new(channel)
    }

    fn put(channel: &Channel, number: u64) -> bool {
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, 4, 4).build().unwrap();
        let layout = Arc::new(Layout::new(info).unwrap());
        let look = Look { layout, config: Arc::default(), time: 0, expires: None, budget: 0 };
        let mut buffer = gst::Buffer::new();
        buffer.make_mut().set_pts(gst::ClockTime::from_nseconds(number));
        channel.mailbox.put(buffer, look, 0)
    }

    fn finish(channel: &Channel, mut job: Job) {
        job.tasks[0].work = Work::Settled(Verdict::Skipped(Skip::NoRegion));
        assert!(!channel.mailbox.finish(job, 0));
    }

    fn collected(channel: &Channel) -> [Option<u64>; 2] {
        let (overtaken, last) = channel.mailbox.collect();
        [overtaken, last].map(|result| result.map(|result| result.pts.unwrap().nseconds()))
    }

    #[test]
    fn a_result_that_is_overtaken_is_told_of() {
        let channel = channel();
        assert!(!put(&channel, 1));
        let first = channel.mailbox.start(&channel).unwrap();
        assert!(!put(&channel, 2));
        finish(&channel, first);
        let second = channel.mailbox.start(&channel).unwrap();
        finish(&channel, second);
        assert_eq!(collected(&channel), [Some(1), Some(2)]);
        assert_eq!(collected(&channel), [None; 2]);
    }

    #[test]
    fn all_that_is_forgotten_is_counted() {
        let channel = channel();
        for go_on in [true, false] {
            put(&channel, 1);
            let away = channel.mailbox.start(&channel).unwrap();
            assert!(!put(&channel, 2) && put(&channel, 3));
            assert_eq!(if go_on { channel.mailbox.flush() } else { channel.mailbox.close() }, 2);
            finish(&channel, away);
            assert_eq!((collected(&channel), channel.mailbox.flush()), ([None; 2], 0));
        }
    }
}
