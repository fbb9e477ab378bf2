//! The bounded line of frames, events and queries between the sink pad, the workers and the source task.
//!
//! Everything serialised enters at the back and leaves at the front, in order. A waiting frame at any place
//! may be taken by a worker; the front only leaves once its frame is done. One lock guards the line, and it
//! is held only to move items: never while a model runs, a pad pushes or a query is answered.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::trouble::Trouble;
use super::worker::{Look, Report};
use crate::schedule::Skip;

/// What a worker gets: a frame and how to look at it.
pub(super) struct Job {
    pub(super) ticket: u64,
    pub(super) buffer: gst::Buffer,
    pub(super) look: Look,
}

/// How a frame fared.
pub(super) enum Verdict {
    /// The model ran.
    Inferred(Box<Report>),
    /// Left alone on purpose.
    Skipped(Skip),
    /// Could not be inferred.
    Failed(Trouble),
}

/// What is to be done with a frame that enters.
pub(super) enum Order {
    Infer(Look),
    Skip(Skip),
}

enum Stage {
    Waiting(Look),
    Running,
    Done(gst::Buffer, Verdict),
}

enum Item {
    Frame {
        ticket: u64,
        arrived: u64,
        buffer: Option<gst::Buffer>,
        stage: Stage,
    },
    Event(gst::Event),
    /// A serialised query waits here for everything before it to leave; its own thread then asks downstream.
    Query(u64),
}

/// What leaves at the front.
pub(super) enum Output {
    Frame { buffer: gst::Buffer, arrived: u64, verdict: Verdict },
    Event(gst::Event),
}

/// What a flush threw away.
pub(super) struct Dropped {
    pub(super) frames: usize,
    /// Sticky events that never left: they describe the stream and have to be kept on the source pad.
    pub(super) sticky: Vec<gst::Event>,
}

#[derive(Default)]
struct Line {
    items: VecDeque<Item>,
    frames: usize,
    /// The most frames that are in it at once.
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

    /// True when nothing at all may enter or leave. Downstream that wants no more frames still wants to hear
    /// that the stream ends.
    fn halted(&self) -> bool {
        self.blocked().is_some_and(|why| why != gst::FlowError::Eos)
    }

    fn clear(&mut self) -> Dropped {
        let events = self.items.drain(..).filter_map(|item| match item {
            Item::Event(event) if event.is_sticky() => Some(event),
            _ => None,
        });
        let sticky = events.collect();
        Dropped { frames: std::mem::take(&mut self.frames), sticky }
    }

    fn start_waiting(&mut self) -> Option<Job> {
        self.items.iter_mut().find_map(|item| match item {
            Item::Frame { ticket, buffer, stage: stage @ Stage::Waiting(_), .. } => {
                let Stage::Waiting(look) = std::mem::replace(stage, Stage::Running) else { return None };
                Some(Job { ticket: *ticket, buffer: buffer.take()?, look })
            }
            _ => None,
        })
    }

    fn leave(&mut self) -> Option<Output> {
        match self.items.front()? {
            Item::Frame { stage: Stage::Done(..), .. } | Item::Event(_) => {}
            Item::Frame { .. } | Item::Query(_) => return None,
        }
        match self.items.pop_front()? {
            Item::Frame { arrived, stage: Stage::Done(buffer, verdict), .. } => {
                self.frames -= 1;
                Some(Output::Frame { buffer, arrived, verdict })
            }
            Item::Event(event) => Some(Output::Event(event)),
            Item::Frame { .. } | Item::Query(_) => None,
        }
    }
}

/// The line.
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

    /// How many frames the line holds at most.
    pub(super) fn capacity(&self) -> usize {
        self.lock().capacity
    }

    /// How many frames are in it now.
    pub(super) fn level(&self) -> usize {
        self.lock().frames
    }

    /// Lets workers wait for jobs and everything enter, at most `capacity` frames at once.
    pub(super) fn open(&self, capacity: usize) {
        let mut line = self.lock();
        line.clear();
        line.capacity = capacity;
        (line.flushing, line.closed, line.refusal) = (false, false, None);
    }

    /// Drops what is in the line and sends the workers home.
    pub(super) fn close(&self) {
        let mut line = self.lock();
        line.clear();
        (line.flushing, line.closed) = (true, true);
        self.changed.notify_all();
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

    /// Remembers that downstream takes no more frames, drops those that wait and tells those who want to enter.
    pub(super) fn refuse(&self, why: gst::FlowError) -> Dropped {
        let mut line = self.lock();
        line.refusal = Some(why);
        self.changed.notify_all();
        if why != gst::FlowError::Eos {
            return line.clear();
        }
        line.items.retain(|item| !matches!(item, Item::Frame { .. }));
        Dropped { frames: std::mem::take(&mut line.frames), sticky: Vec::new() }
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

    /// Enters a frame, after waiting for room.
    pub(super) fn enter(&self, buffer: gst::Buffer, order: Order, now: u64) -> Result<(), gst::FlowError> {
        let mut line = self.lock();
        while line.blocked().is_none() && line.frames >= line.capacity {
            line = self.wait(line);
        }
        if let Some(why) = line.blocked() {
            return Err(why);
        }
        let (buffer, stage) = match order {
            Order::Infer(look) => (Some(buffer), Stage::Waiting(look)),
            Order::Skip(reason) => (None, Stage::Done(buffer, Verdict::Skipped(reason))),
        };
        let ticket = line.ticket();
        line.items.push_back(Item::Frame { ticket, arrived: now, buffer, stage });
        line.frames += 1;
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

    /// The next frame to infer; `None` when the line is closed.
    pub(super) fn take(&self) -> Option<Job> {
        let mut line = self.lock();
        loop {
            if line.closed {
                return None;
            }
            if let Some(job) = line.start_waiting() {
                return Some(job);
            }
            line = self.wait(line);
        }
    }

    /// Brings a frame back; it is dropped when the line was flushed meanwhile.
    pub(super) fn finish(&self, ticket: u64, buffer: gst::Buffer, verdict: Verdict) {
        let mut line = self.lock();
        let place = line.items.iter_mut().find_map(|item| match item {
            Item::Frame { ticket: t, stage, .. } if *t == ticket => Some(stage),
            _ => None,
        });
        if let Some(stage) = place {
            *stage = Stage::Done(buffer, verdict);
            self.changed.notify_all();
        }
    }

    /// What leaves next; `None` when the line is flushing or refused.
    pub(super) fn leave(&self) -> Option<Output> {
        let mut line = self.lock();
        loop {
            if line.halted() {
                return None;
            }
            if let Some(output) = line.leave() {
                self.changed.notify_all();
                return Some(output);
            }
            line = self.wait(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::elements::layout::Layout;

    fn frame(flow: &Flow, order: Order) {
        flow.enter(gst::Buffer::new(), order, 0).unwrap();
    }

    fn opened(capacity: usize) -> Flow {
        gst::init().unwrap();
        let flow = Flow::new();
        flow.open(capacity);
        flow
    }

    fn infer() -> Order {
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Gray8, 4, 4).build().unwrap();
        let layout = Arc::new(Layout::new(info).unwrap());
        Order::Infer(Look { layout, config: Arc::default(), time: 0, expires: None, budget: 0 })
    }

    #[test]
    fn leaves_in_order_whatever_finishes_first() {
        let flow = opened(4);
        frame(&flow, infer());
        assert!(flow.enter_event(gst::event::Gap::new(gst::ClockTime::ZERO, None)));
        frame(&flow, infer());
        let (first, second) = (flow.take().unwrap(), flow.take().unwrap());
        flow.finish(second.ticket, second.buffer, Verdict::Skipped(Skip::Rate));
        flow.finish(first.ticket, first.buffer, Verdict::Skipped(Skip::Gap));
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(match flow.leave() {
                Some(Output::Frame { verdict: Verdict::Skipped(why), .. }) => why.as_str(),
                Some(Output::Event(_)) => "event",
                _ => "other",
            });
        }
        assert_eq!(seen, ["gap", "event", "rate"]);
        assert_eq!(flow.level(), 0);
    }

    #[test]
    fn a_full_line_blocks_until_something_leaves() {
        let flow = opened(1);
        frame(&flow, Order::Skip(Skip::Gap));
        std::thread::scope(|scope| {
            let entering = scope.spawn(|| flow.enter(gst::Buffer::new(), Order::Skip(Skip::Rate), 0));
            assert!(matches!(flow.leave(), Some(Output::Frame { .. })));
            assert!(entering.join().unwrap().is_ok());
        });
        assert_eq!(flow.level(), 1);
    }

    #[test]
    fn a_flush_wakes_everybody_and_forgets_running_frames() {
        let flow = opened(1);
        frame(&flow, infer());
        let job = flow.take().unwrap();
        std::thread::scope(|scope| {
            let entering = scope.spawn(|| flow.enter(gst::Buffer::new(), Order::Skip(Skip::Rate), 0));
            let leaving = scope.spawn(|| flow.leave().is_none());
            let asking = scope.spawn(|| flow.in_turn(|| true));
            assert_eq!(flow.flush_start().frames, 1);
            assert_eq!(entering.join().unwrap(), Err(gst::FlowError::Flushing));
            assert!(leaving.join().unwrap());
            assert!(!asking.join().unwrap());
        });
        flow.flush_stop();
        flow.finish(job.ticket, job.buffer, Verdict::Skipped(Skip::Age));
        frame(&flow, Order::Skip(Skip::Busy));
        assert!(matches!(flow.leave(), Some(Output::Frame { verdict: Verdict::Skipped(Skip::Busy), .. })));
    }

    #[test]
    fn a_query_is_asked_in_its_turn() {
        let flow = opened(2);
        frame(&flow, Order::Skip(Skip::Gap));
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
        assert_eq!(flow.enter(gst::Buffer::new(), infer(), 0), Err(gst::FlowError::Eos));
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
        assert_eq!(flow.enter(gst::Buffer::new(), Order::Skip(Skip::Gap), 0), Err(gst::FlowError::NotLinked));
        assert!(flow.leave().is_none());
        assert!(flow.relinked());
        frame(&flow, Order::Skip(Skip::Gap));
    }
}
