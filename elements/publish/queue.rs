//! The bounded queue of lines between the streaming thread and the writer thread.
//!
//! Line buffers go round: the streaming thread takes a spare one, fills and pushes it, and the writer gives it
//! back. In the steady state nothing is allocated.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::Policy;

/// Counts since the queue was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Lines accepted.
    pub(super) frames: u64,
    pub(super) written: u64,
    pub(super) bytes: u64,
    pub(super) dropped_overflow: u64,
    pub(super) dropped_disconnected: u64,
    pub(super) undelivered: u64,
    pub(super) errors: u64,
    pub(super) reconnects: u64,
}

/// What became of a pushed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// It waits to be written, or was counted as dropped.
    Accepted,
    /// It waits, and it is the first since the queue was empty that took another one's place.
    Overflow,
}

/// Why the queue does not take a line, or cannot be drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Flushing,
    /// The writer has failed, and has said so.
    Failed,
    /// The reader takes nothing; the lines still wait.
    Stalled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Lines are written.
    Up,
    /// Lines are dropped until the peer is back.
    Away,
    /// The writer has failed and is about to say so.
    Failing,
    /// The writer has ended.
    Ended,
}

struct Inner {
    lines: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    link: Link,
    writing: bool,
    flushing: bool,
    closing: bool,
    overflowing: bool,
    counters: Counters,
    /// `dropped_disconnected` when the peer went away.
    dropped_before: u64,
}

impl Inner {
    fn idle(&self) -> bool {
        self.lines.is_empty() && !self.writing
    }

    fn recycle(&mut self, mut line: Vec<u8>) {
        line.clear();
        self.spare.push(line);
    }

    /// Gives up `line` and all that wait; how many these are.
    fn discard(&mut self, line: Vec<u8>) -> u64 {
        self.writing = false;
        self.recycle(line);
        let waiting = self.lines.len() as u64;
        while let Some(line) = self.lines.pop_front() {
            self.recycle(line);
        }
        waiting + 1
    }
}

pub(super) struct Queue {
    capacity: usize,
    policy: Policy,
    inner: Mutex<Inner>,
    /// Signalled for the writer: a line to write, or the end.
    work: Condvar,
    /// Signalled for everyone else: any change of the writer's.
    progress: Condvar,
    give_up: AtomicBool,
}

impl Queue {
    pub(super) fn new(capacity: usize, policy: Policy) -> Self {
        let inner = Inner {
            lines: VecDeque::with_capacity(capacity),
            spare: Vec::with_capacity(capacity + 2),
            link: Link::Up,
            writing: false,
            flushing: false,
            closing: false,
            overflowing: false,
            counters: Counters::default(),
            dropped_before: 0,
        };
        Self {
            capacity,
            policy,
            inner: Mutex::new(inner),
            work: Condvar::new(),
            progress: Condvar::new(),
            give_up: AtomicBool::new(false),
        }
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    /// Counts so far, and how many lines wait.
    pub(super) fn counters(&self) -> (Counters, usize) {
        let inner = self.lock();
        (inner.counters, inner.lines.len())
    }

    /// An empty line to fill.
    pub(super) fn spare(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Hands a line to the writer. With [`Policy::Block`] this waits for room until the queue is told to flush.
    pub(super) fn push(&self, line: Vec<u8>) -> Result<Push, Refused> {
        let full = |inner: &mut Inner| inner.lines.len() >= self.capacity;
        let mut inner = self.wait(|inner| match inner.link {
            Link::Failing => true,
            Link::Up => self.policy == Policy::Block && full(inner) && !inner.flushing,
            Link::Away | Link::Ended => false,
        });
        if inner.link == Link::Ended || inner.flushing {
            inner.recycle(line);
            return Err(if inner.link == Link::Ended { Refused::Failed } else { Refused::Flushing });
        }
        inner.counters.frames += 1;
        if inner.link == Link::Away {
            inner.counters.dropped_disconnected += 1;
            inner.recycle(line);
            return Ok(Push::Accepted);
        }
        let overflow = full(&mut inner);
        if overflow && let Some(oldest) = inner.lines.pop_front() {
            inner.counters.dropped_overflow += 1;
            inner.recycle(oldest);
        }
        inner.lines.push_back(line);
        self.work.notify_one();
        let first = overflow && !inner.overflowing;
        inner.overflowing |= overflow;
        Ok(if first { Push::Overflow } else { Push::Accepted })
    }

    /// Waits until all lines are written. When the reader takes nothing for a while, [`Policy::Block`] makes that
    /// an error of the writer's, and [`Policy::Drop`] leaves the lines where they are.
    pub(super) fn drain(&self) -> Result<(), Refused> {
        let settled = |inner: &Inner| {
            inner.link == Link::Ended || inner.flushing || inner.link != Link::Failing && inner.idle()
        };
        if !self.settle(settled) {
            if self.policy == Policy::Drop {
                return Err(Refused::Stalled);
            }
            self.give_up.store(true, Ordering::Release);
            drop(self.wait(|inner| !settled(inner)));
        }
        let inner = self.lock();
        match inner.link {
            Link::Ended => Err(Refused::Failed),
            _ if inner.flushing => Err(Refused::Flushing),
            _ => Ok(()),
        }
    }

    /// While flushing nothing waits and nothing is accepted. What was accepted before is still written.
    pub(super) fn set_flushing(&self, flushing: bool) {
        self.lock().flushing = flushing;
        self.progress.notify_all();
    }

    /// Lets the writer write what waits and end; gives up when the reader takes nothing for a while.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_all();
        if !self.settle(|inner| inner.link == Link::Ended) {
            self.give_up.store(true, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn wait(&self, condition: impl FnMut(&mut Inner) -> bool) -> MutexGuard<'_, Inner> {
        self.progress.wait_while(self.lock(), condition).unwrap()
    }

    /// Waits until `done`; false when no line was written for too long.
    fn settle(&self, done: impl Fn(&Inner) -> bool) -> bool {
        let patience = match self.policy {
            Policy::Block => Duration::from_secs(5),
            Policy::Drop => Duration::from_millis(500),
        };
        let mut inner = self.lock();
        loop {
            let written = inner.counters.written;
            let stuck = |inner: &mut Inner| !done(inner) && inner.counters.written == written;
            let (next, wait) = self.progress.wait_timeout_while(inner, patience, stuck).unwrap();
            if done(&next) {
                return true;
            }
            if wait.timed_out() {
                return false;
            }
            inner = next;
        }
    }
}

/// The writer's side.
impl Queue {
    /// The next line to write; `None` at the end.
    pub(super) fn next_line(&self) -> Option<Vec<u8>> {
        let nothing = |inner: &mut Inner| inner.lines.is_empty() && !inner.closing;
        let mut inner = self.work.wait_while(self.lock(), nothing).unwrap();
        let line = inner.lines.pop_front()?;
        inner.writing = true;
        inner.overflowing &= !inner.lines.is_empty();
        self.progress.notify_all();
        Some(line)
    }

    /// Set when the line being written is to be abandoned.
    pub(super) fn give_up(&self) -> &AtomicBool {
        &self.give_up
    }

    pub(super) fn written(&self, line: Vec<u8>) {
        let mut inner = self.lock();
        inner.writing = false;
        inner.counters.written += 1;
        inner.counters.bytes += line.len() as u64;
        inner.recycle(line);
        self.progress.notify_all();
    }

    /// The peer went away with `line`: from now on lines are dropped.
    pub(super) fn away(&self, line: Vec<u8>) {
        let mut inner = self.lock();
        inner.link = Link::Away;
        inner.dropped_before = inner.counters.dropped_disconnected;
        inner.counters.errors += 1;
        inner.counters.dropped_disconnected += inner.discard(line);
        self.progress.notify_all();
    }

    /// The peer is back; how many lines it missed.
    pub(super) fn back(&self) -> u64 {
        let mut inner = self.lock();
        inner.link = Link::Up;
        inner.counters.reconnects += 1;
        inner.counters.dropped_disconnected - inner.dropped_before
    }

    /// Writing `line` failed for good; how many lines are lost. Whoever waits goes on waiting until
    /// [`Queue::ended`], so that the failure can be told first.
    pub(super) fn failing(&self, line: Vec<u8>) -> u64 {
        let mut inner = self.lock();
        inner.link = Link::Failing;
        inner.counters.errors += 1;
        let lost = inner.discard(line);
        inner.counters.undelivered += lost;
        lost
    }

    pub(super) fn ended(&self) {
        self.lock().link = Link::Ended;
        self.progress.notify_all();
    }

    /// Waits for `pause`; false at once when the queue is being closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let (inner, _) = self.work.wait_timeout_while(self.lock(), pause, |inner| !inner.closing).unwrap();
        !inner.closing
    }
}
