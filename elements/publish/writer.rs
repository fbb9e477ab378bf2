//! The thread that writes the lines.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::queue::Queue;
use super::sink::Sink;
use super::{Policy, ffi};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the writer has to tell.
#[derive(Debug)]
pub(super) enum Notice {
    /// Writing has failed for good.
    Failed { error: io::Error, undelivered: u64 },
    /// The reader did not take the last lines in time.
    Undelivered(u64),
    /// The peer is gone; it will be looked for.
    Lost(io::Error),
    /// The peer is back.
    Back { dropped: u64, outage: Duration },
}

/// A running writer thread. Dropping it writes what waits and joins the thread.
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a thread of this name; `tell` is called on it, with no lock held.
    pub(super) fn start(
        name: String,
        queue: Queue,
        sink: Sink,
        tell: impl Fn(Notice) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(queue);
        let shared = queue.clone();
        let thread = thread::Builder::new().name(name).spawn(move || {
            ffi::block_sigpipe();
            run(&shared, sink, &tell);
            shared.ended();
        })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.take();
        if let Some(thread) = thread.filter(|t| t.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn run(queue: &Queue, mut sink: Sink, tell: &dyn Fn(Notice)) {
    let mut pause = FIRST_PAUSE;
    while let Some(line) = queue.next_line() {
        let Err(error) = sink.write_all(&line, queue.give_up()) else {
            pause = FIRST_PAUSE;
            queue.written(line);
            continue;
        };
        let live = queue.policy() == Policy::Drop;
        let given_up = queue.give_up().load(Ordering::Acquire);
        if !live || !given_up && !sink.can_reopen() {
            let undelivered = queue.failing(line);
            return tell(Notice::Failed { error, undelivered });
        }
        if given_up {
            return tell(Notice::Undelivered(queue.failing(line)));
        }
        queue.away(line);
        tell(Notice::Lost(error));
        if !reconnect(queue, &mut sink, &mut pause, tell) {
            return;
        }
    }
}

/// Looks for the peer, each time after twice the pause; false when the queue is closed first.
fn reconnect(queue: &Queue, sink: &mut Sink, pause: &mut Duration, tell: &dyn Fn(Notice)) -> bool {
    let since = Instant::now();
    while queue.pause(*pause) {
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        if sink.reopen().is_ok() {
            let dropped = queue.back();
            tell(Notice::Back { dropped, outage: since.elapsed() });
            return true;
        }
    }
    false
}
