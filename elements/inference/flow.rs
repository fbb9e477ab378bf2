//! The bounded line of frames, events and queries between the sink pad, the workers and the source task.
//!
//! Everything serialised enters at the back and leaves at the front, in order. A waiting frame at any place
//! may be taken by a worker; the front only leaves once its frame is done. One lock guards the line, and it
//! is held only to move items: never while a model runs, a pad pushes or a query is answered.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::task::{Job, Task, Verdict, Work};
use crate::elements::provenance::now;
use crate::meta::{BatchContent, BatchMeta};
use crate::schedule::Skip;

#[derive(Debug)]
enum Item {
    Frame(Waiting),
    Event(gst::Event),
    /// A serialised query waits here for everything before it to leave; its own thread then asks downstream.
    Query(u64),
}

/// A buffer and the frames in it: itself, or those of a batch.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    arrived: u64,
    /// When there was room for it in the line.
    entered: u64,
    /// When it leaves at the latest, on the monotonic clock.
    deadline: Option<u64>,
    buffer: gst::Buffer,
    tasks: Vec<Task>,
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.tasks.iter().all(Task::is_settled)
    }

    fn is_waiting(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task.work, Work::Waiting(..)))
    }

    /// What is left of it where nobody wants frames: the events of a batch, if there are any.
    fn without_frames(mut self) -> Option<Self> {
        let mut batch = BatchMeta::take(self.buffer.make_mut())?;
        batch.items.retain(|item| !matches!(item.content, BatchContent::Frame(_)));
        self.tasks.clear();
        let events = !batch.items.is_empty();
        BatchMeta::set(self.buffer.make_mut(), batch);
        events.then_some(self)
    }
}

/// What leaves at the front.
pub(super) enum Output {
    Frame { buffer: gst::Buffer, arrived: u64, entered: u64, tasks: Vec<Task> },
    Event(gst::Event),
}

/// What a flush threw away.
pub(super) struct Dropped {
    pub(super) frames: u64,
    /// Sticky events that never left: they describe the stream and have to be kept on the source pad.
    pub(super) sticky: Vec<gst::Event>,
}

#[derive(Debug, Default)]
struct Line {
    items: VecDeque<Item>,
    /// Buffers in it, each with the frames of a batch or a single one.
    buffers: usize,
    /// The most buffers that are in it at once.
    capacity: usize,
    next_ticket: u64,
    /// Why nothing may enter: what downstream answered to the last push.
    refusal: Option<gst::FlowError>,
    flushing: bool,
    closed: bool,
}

impl Line {
    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Why no frame may enter.
    fn blocked(&self) -> Option<gst::FlowError> {
        if self.flushing { Some(gst::FlowError::Flushing) } else { self.refusal }
    }

    /// Why a buffer with these frames may not enter. A batch without any is events, as far as that goes.
    fn refuses(&self, tasks: &[Task]) -> Option<gst::FlowError> {
        self.blocked().filter(|why| !tasks.is_empty() || *why != gst::FlowError::Eos)
    }

    fn frames(&self) -> u64 {
        let frames = |item: &Item| match item {
            Item::Frame(buffer) => buffer.tasks.len() as u64,
            Item::Event(_) | Item::Query(_) => 0,
        };
        self.items.iter().map(frames).sum()
    }

    /// True when nothing at all may enter or leave. Downstream that wants no more frames still wants to hear
    /// that the stream ends.
    fn halted(&self) -> bool {
        self.blocked().is_some_and(|why| why != gst::FlowError::Eos)
    }

    fn clear(&mut self) -> Dropped {
        let frames = self.frames();
        self.buffers = 0;
        let events = self.items.drain(..).filter_map(|item| match item {
            Item::Event(event) if event.is_sticky() => Some(event),
            _ => None,
        });
        let sticky = events.collect();
        Dropped { frames, sticky }
    }

    /// Drops the frames; what there is beside them stays in its place.
    fn drop_frames(&mut self) -> Dropped {
        let frames = self.frames();
        let rest = std::mem::take(&mut self.items).into_iter().filter_map(|item| match item {
            Item::Frame(buffer) => buffer.without_frames().map(Item::Frame),
            other => Some(other),
        });
        self.items = rest.collect();
        self.buffers = self.items.iter().filter(|item| matches!(item, Item::Frame(_))).count();
        Dropped { frames, sticky: Vec::new() }
    }

    fn start(&mut self) -> Option<Job> {
        self.items.iter_mut().find_map(|item| match item {
            Item::Frame(frame) if frame.is_waiting() => Some(Job {
                key: frame.ticket,
                tasks: frame.tasks.iter_mut().filter_map(Task::start).collect(),
            }),
            _ => None,
        })
    }

    /// Settles what is at the front when it is to wait no longer; says until when it may wait.
    fn hurry(&mut self, now: u64) -> Option<u64> {
        let Some(Item::Frame(frame)) = self.items.front_mut() else { return None };
        let deadline = frame.deadline.filter(|_| !frame.is_done())?;
        if deadline > now {
            return Some(deadline);
        }
        for task in frame.tasks.iter_mut().filter(|task| !task.is_settled()) {
            task.work = Work::Settled(Verdict::Skipped(Skip::Timeout));
        }
        None
    }

    fn leave(&mut self) -> Option<Output> {
        match self.items.front()? {
            Item::Frame(frame) if frame.is_done() => {}
            Item::Event(_) => {}
            Item::Frame(_) | Item::Query(_) => return None,
        }
        match self.items.pop_front()? {
            Item::Frame(Waiting { buffer, arrived, entered, tasks, .. }) => {
                self.buffers -= 1;
                Some(Output::Frame { buffer, arrived, entered, tasks })
            }
            Item::Event(event) => Some(Output::Event(event)),
            Item::Query(_) => None,
        }
    }
}

/// The line.
#[derive(Debug)]
pub(super) struct Flow {
    line: Mutex<Line>,
    changed: Condvar,
}

impl Flow {
    /// A line that is closed: see [`Flow::open`].
    pub(super) fn new() -> Self {
        let line = Line { flushing: true, closed: true, ..Line::default() };
        Self { line: Mutex::new(line), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, line: MutexGuard<'a, Line>) -> MutexGuard<'a, Line> {
        self.changed.wait(line).unwrap_or_else(PoisonError::into_inner)
    }

    /// How many buffers the line holds at most.
    pub(super) fn capacity(&self) -> usize {
        self.lock().capacity
    }

    /// How many frames are in it now.
    pub(super) fn level(&self) -> u64 {
        self.lock().frames()
    }

    /// Lets workers wait for jobs and everything enter, at most `capacity` buffers at once.
    pub(super) fn open(&self, capacity: usize) {
        let mut line = self.lock();
        line.clear();
        line.capacity = capacity;
        (line.flushing, line.closed, line.refusal) = (false, false, None);
    }

    /// Drops what is in the line and sends the workers home.
    pub(super) fn close(&self) -> Dropped {
        let mut line = self.lock();
        (line.flushing, line.closed) = (true, true);
        self.changed.notify_all();
        line.clear()
    }

    /// Drops what is in the line and wakes whoever waits.
    pub(super) fn flush_start(&self) -> Dropped {
        let mut line = self.lock();
        line.flushing = true;
        self.changed.notify_all();
        line.clear()
    }

    /// Lets things enter again after [`Flow::flush_start`].
    pub(super) fn flush_stop(&self) {
        let mut line = self.lock();
        (line.flushing, line.refusal) = (false, None);
    }

    /// Remembers that downstream takes no more frames, drops those that wait and tells those who want to enter. The events
    /// of batches stay where it has only had enough.
    pub(super) fn refuse(&self, why: gst::FlowError) -> Dropped {
        let mut line = self.lock();
        line.refusal = Some(why);
        self.changed.notify_all();
        if why == gst::FlowError::Eos { line.drop_frames() } else { line.clear() }
    }

    /// Downstream that has had enough may take what begins anew.
    pub(super) fn try_again(&self) {
        self.lock().refusal.take_if(|why| *why == gst::FlowError::Eos);
    }

    /// What downstream answered when it took no more frames.
    pub(super) fn refusal(&self) -> Option<gst::FlowError> {
        self.lock().refusal
    }

    /// Forgets a refusal for being unlinked; true when there was one.
    pub(super) fn relinked(&self) -> bool {
        let mut line = self.lock();
        line.refusal.take_if(|why| *why == gst::FlowError::NotLinked).is_some()
    }

    /// Enters a buffer with the frames in it, after waiting for room. It waits `patience` nanoseconds for results, for
    /// ever when that is 0.
    pub(super) fn enter(
        &self,
        buffer: gst::Buffer,
        tasks: Vec<Task>,
        (arrived, patience): (u64, u64),
    ) -> Result<(), gst::FlowError> {
        let mut line = self.lock();
        while line.refuses(&tasks).is_none() && line.buffers >= line.capacity {
            line = self.wait(line);
        }
        if let Some(why) = line.refuses(&tasks) {
            return Err(why);
        }
        let (ticket, entered) = (line.ticket(), now());
        let deadline = (patience > 0).then(|| entered.saturating_add(patience));
        line.items.push_back(Item::Frame(Waiting { ticket, arrived, entered, deadline, buffer, tasks }));
        line.buffers += 1;
        self.changed.notify_all();
        Ok(())
    }

    /// Enters a serialised event; false when nothing may enter.
    pub(super) fn enter_event(&self, event: gst::Event) -> bool {
        let mut line = self.lock();
        if matches!(event.type_(), gst::EventType::StreamStart | gst::EventType::Segment) {
            line.refusal.take_if(|why| *why == gst::FlowError::Eos);
        }
        if line.halted() {
            return false;
        }
        line.items.push_back(Item::Event(event));
        self.changed.notify_all();
        true
    }

    /// Runs `ask` once everything that entered before has left, and holds back what enters after until it
    /// returns; false without asking when the line is or gets blocked.
    pub(super) fn in_turn(&self, ask: impl FnOnce() -> bool) -> bool {
        let mut line = self.lock();
        if line.halted() {
            return false;
        }
        let ticket = line.ticket();
        line.items.push_back(Item::Query(ticket));
        let is_first = |line: &Line| matches!(line.items.front(), Some(Item::Query(t)) if *t == ticket);
        while !line.halted() && !is_first(&line) {
            line = self.wait(line);
        }
        if line.halted() {
            return false;
        }
        drop(line);
        let answer = ask();
        let mut line = self.lock();
        if is_first(&line) {
            line.items.pop_front();
        }
        self.changed.notify_all();
        answer
    }

    /// The frames of the first buffer that waits, for a worker.
    pub(super) fn start(&self) -> Option<Job> {
        self.lock().start()
    }

    /// Brings frames back; they are dropped when the line was flushed, or did not wait any longer.
    pub(super) fn finish(&self, job: Job) {
        let mut line = self.lock();
        let place = line.items.iter_mut().find_map(|item| match item {
            Item::Frame(frame) if frame.ticket == job.key => Some(frame),
            _ => None,
        });
        let Some(frame) = place else { return };
        let running = frame.tasks.iter_mut().filter(|task| matches!(task.work, Work::Running));
        for (place, task) in running.zip(job.tasks) {
            *place = task;
        }
        self.changed.notify_all();
    }

    /// What leaves next; `None` when the line is flushing or refused.
    pub(super) fn leave(&self) -> Option<Output> {
        let mut line = self.lock();
        loop {
            if line.halted() {
                return None;
            }
            let until = line.hurry(now());
            if let Some(output) = line.leave() {
                self.changed.notify_all();
                return Some(output);
            }
            line = match until {
                None => self.wait(line),
                Some(until) => {
                    let left = Duration::from_nanos(until.saturating_sub(now()));
                    self.changed.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::task::{Channel, Look, Member};
    use super::*;
    use crate::elements::layout::Layout;

    fn task(work: impl FnOnce(gst::Buffer) -> Work) -> Vec<Task> {
        let channel = Arc::new(Channel::new(Arc::new(Member::new()), None));
        vec![Task { channel, work: work(gst::Buffer::new()) }]
    }

    fn settled(why: Skip) -> Vec<Task> {
        task(|_| Work::Settled(Verdict::Skipped(why)))
    }

    fn enter(flow: &Flow, tasks: Vec<Task>) -> Result<(), gst::FlowError> {
        flow.enter(gst::Buffer::new(), tasks, (0, 0))
    }

    fn frame(flow: &Flow, tasks: Vec<Task>) {
        enter(flow, tasks).unwrap();
    }

    fn finish(flow: &Flow, mut job: Job, why: Skip) {
        job.tasks[0].work = Work::Settled(Verdict::Skipped(why));
        flow.finish(job);
    }

    fn skipped(output: Option<Output>) -> Option<Skip> {
        match output? {
            Output::Frame { tasks, .. } => match tasks[..] {
                [Task { work: Work::Settled(Verdict::Skipped(why)), .. }] => Some(why),
                _ => None,
            },
            Output::Event(_) => None,
        }
    }

    fn opened(capacity: usize) -> Flow {
        gst::init().unwrap();
        let flow = Flow::new();
        flow.open(capacity);
        flow
    }

    fn infer() -> Vec<Task> {
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, 4, 4).build().unwrap();
        let layout = Arc::new(Layout::new(info).unwrap());
        let look = Look { layout, config: Arc::default(), time: 0, expires: None, budget: 0 };
        task(|buffer| Work::Waiting(buffer, look))
    }

    #[test]
    fn leaves_in_order_whatever_finishes_first() {
        let flow = opened(4);
        frame(&flow, infer());
        assert!(flow.enter_event(gst::event::Gap::new(gst::ClockTime::ZERO, None)));
        frame(&flow, infer());
        let (first, second) = (flow.start().unwrap(), flow.start().unwrap());
        assert!(flow.start().is_none());
        finish(&flow, second, Skip::Rate);
        finish(&flow, first, Skip::Gap);
        assert_eq!(skipped(flow.leave()), Some(Skip::Gap));
        assert!(matches!(flow.leave(), Some(Output::Event(_))));
        assert_eq!(skipped(flow.leave()), Some(Skip::Rate));
        assert_eq!(flow.level(), 0);
    }

    #[test]
    fn a_full_line_blocks_until_something_leaves() {
        let flow = opened(1);
        frame(&flow, settled(Skip::Gap));
        std::thread::scope(|scope| {
            let entering = scope.spawn(|| enter(&flow, settled(Skip::Rate)));
            assert!(matches!(flow.leave(), Some(Output::Frame { .. })));
            assert!(entering.join().unwrap().is_ok());
        });
        assert_eq!(flow.level(), 1);
    }

    #[test]
    fn a_flush_wakes_everybody_and_forgets_running_frames() {
        let flow = opened(1);
        frame(&flow, infer());
        let job = flow.start().unwrap();
        std::thread::scope(|scope| {
            let entering = scope.spawn(|| enter(&flow, settled(Skip::Rate)));
            let leaving = scope.spawn(|| flow.leave().is_none());
            let asking = scope.spawn(|| flow.in_turn(|| true));
            assert_eq!(flow.flush_start().frames, 1);
            assert_eq!(entering.join().unwrap(), Err(gst::FlowError::Flushing));
            assert!(leaving.join().unwrap());
            assert!(!asking.join().unwrap());
        });
        flow.flush_stop();
        finish(&flow, job, Skip::Age);
        frame(&flow, settled(Skip::Busy));
        assert_eq!(skipped(flow.leave()), Some(Skip::Busy));
    }

    #[test]
    fn a_query_is_asked_in_its_turn() {
        let flow = opened(2);
        frame(&flow, settled(Skip::Gap));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| flow.in_turn(|| flow.level() == 0));
            assert!(matches!(flow.leave(), Some(Output::Frame { .. })));
            assert!(asking.join().unwrap());
        });
    }

    #[test]
    fn downstream_that_has_enough_still_gets_the_end() {
        let flow = opened(2);
        frame(&flow, infer());
        assert!(flow.enter_event(gst::event::Gap::new(gst::ClockTime::ZERO, None)));
        assert_eq!(flow.refuse(gst::FlowError::Eos).frames, 1);
        assert_eq!(enter(&flow, infer()), Err(gst::FlowError::Eos));
        assert!(flow.enter_event(gst::event::Eos::new()));
        for expected in [gst::EventType::Gap, gst::EventType::Eos] {
            assert!(matches!(flow.leave(), Some(Output::Event(event)) if event.type_() == expected));
        }
        assert!(flow.enter_event(gst::event::StreamStart::new("next")));
        frame(&flow, infer());
    }

    #[test]
    fn a_refusal_reaches_those_who_enter() {
        let flow = opened(2);
        flow.refuse(gst::FlowError::NotLinked);
        assert_eq!(enter(&flow, settled(Skip::Gap)), Err(gst::FlowError::NotLinked));
        assert!(flow.leave().is_none());
        assert!(flow.relinked());
        frame(&flow, settled(Skip::Gap));
    }

    #[test]
    fn a_buffer_that_waited_too_long_leaves_without_its_result() {
        let flow = opened(2);
        for tasks in [infer(), infer()] {
            flow.enter(gst::Buffer::new(), tasks, (0, 1)).unwrap();
        }
        let running = flow.start().unwrap();
        assert_eq!(skipped(flow.leave()), Some(Skip::Timeout));
        finish(&flow, running, Skip::Age);
        assert_eq!(skipped(flow.leave()), Some(Skip::Timeout));
        assert!(flow.start().is_none());
    }
}
