//! What waits of one stream.

use std::collections::VecDeque;

/// Names a stream of a [`Former`](super::Former); never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(pub(super) u64);

/// What became of a stream's frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were taken in.
    pub accepted: u64,
    /// Frames that left in a batch.
    pub served: u64,
    /// Live frames that were dropped for newer ones.
    pub overflow: u64,
    /// Frames that were dropped by a flush or with their stream.
    pub flushed: u64,
    /// Frames that were dropped because nobody wanted any more.
    pub unwanted: u64,
}

/// A frame or an event of a stream, in its order.
#[derive(Debug)]
enum Waiting<F, E> {
    Frame {
        frame: F,
        /// When it is, if it says so.
        time: Option<u64>,
        /// When it came.
        arrived: u64,
    },
    Event(E),
}

/// The queue of one stream.
#[derive(Debug)]
pub(super) struct Line<F, E> {
    waiting: VecDeque<Waiting<F, E>>,
    frames: usize,
    /// When its first frame came, or the one that had to go for it: a stream does not wait less for losing frames.
    since: u64,
    /// Where it stands among the streams that have frames: lower is earlier.
    pub(super) turn: u64,
    pub(super) live: bool,
    pub(super) ended: bool,
    /// Its end has left.
    pub(super) over: bool,
    /// Not waited for until it has a frame again.
    pub(super) left_out: bool,
    /// Silent, and said to be.
    pub(super) silent: bool,
    /// Somebody has been told of this stream.
    pub(super) known: bool,
    /// When its last frame came, or the stream itself.
    pub(super) last: u64,
    pub(super) counts: Counts,
}

impl<F, E> Line<F, E> {
    pub(super) fn new(live: bool, now: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            frames: 0,
            since: now,
            turn: 0,
            live,
            ended: false,
            over: false,
            left_out: false,
            silent: false,
            known: false,
            last: now,
            counts: Counts::default(),
        }
    }

    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    pub(super) fn events(&self) -> usize {
        self.waiting.len() - self.frames
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True when an event waits that no frame is in front of.
    pub(super) fn has_event_in_front(&self) -> bool {
        matches!(self.waiting.front(), Some(Waiting::Event(_)))
    }

    /// The first frame's time, if it says so, and since when the stream waits.
    pub(super) fn first(&self) -> Option<(Option<u64>, u64)> {
        self.head().map(|(time, _)| (time, self.since))
    }

    /// The first frame's time and when it came.
    fn head(&self) -> Option<(Option<u64>, u64)> {
        self.waiting.iter().find_map(|waiting| match waiting {
            Waiting::Frame { time, arrived, .. } => Some((*time, *arrived)),
            Waiting::Event(_) => None,
        })
    }

    pub(super) fn push_event(&mut self, event: E) {
        self.waiting.push_back(Waiting::Event(event));
    }

    /// Takes a frame in; where there is no room for it the oldest one goes, and the events in front of that stay.
    pub(super) fn push_frame(&mut self, frame: F, time: Option<u64>, now: u64, capacity: usize) -> Option<F> {
        if self.frames == 0 {
            self.since = now;
        }
        self.waiting.push_back(Waiting::Frame { frame, time, arrived: now });
        self.frames += 1;
        self.counts.accepted += 1;
        self.last = now;
        if self.frames <= capacity {
            return None;
        }
        let oldest = self.waiting.iter().position(|w| matches!(w, Waiting::Frame { .. }))?;
        let Some(Waiting::Frame { frame, .. }) = self.waiting.remove(oldest) else { return None };
        self.frames -= 1;
        self.counts.overflow += 1;
        Some(frame)
    }

    /// Takes the next event out that no frame is in front of.
    pub(super) fn take_event(&mut self) -> Option<E> {
        if !self.has_event_in_front() {
            return None;
        }
        match self.waiting.pop_front() {
            Some(Waiting::Event(event)) => Some(event),
            _ => None,
        }
    }

    /// Takes the first frame out, once there are no more events in front of it.
    pub(super) fn take_frame(&mut self) -> Option<F> {
        if self.has_event_in_front() {
            return None;
        }
        let Some(Waiting::Frame { frame, .. }) = self.waiting.pop_front() else { return None };
        self.frames -= 1;
        self.counts.served += 1;
        self.since = self.head().map_or(self.since, |(_, arrived)| arrived);
        Some(frame)
    }

    /// Drops the frames that wait, which nobody wants; the events stay.
    pub(super) fn drop_frames(&mut self) {
        self.counts.unwanted += std::mem::take(&mut self.frames) as u64;
        self.waiting.retain(|waiting| matches!(waiting, Waiting::Event(_)));
    }

    /// Drops the frames that wait, and the events that are not to be kept.
    pub(super) fn clear(&mut self, keep: impl Fn(&E) -> bool) {
        self.counts.flushed += std::mem::take(&mut self.frames) as u64;
        self.waiting.retain(|waiting| matches!(waiting, Waiting::Event(event) if keep(event)));
        // An end that waited is gone with what was in front of it.
        self.ended = self.over;
    }
}
