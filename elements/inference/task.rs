//! What travels between the element and the threads that run its model.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::Times;
use super::flow::Flow;
use super::mailbox::Mailbox;
use super::model::Model;
use super::settings::{Regions, Settings};
use super::stats::Stats;
use super::trouble::Trouble;
use super::when::When;
use crate::cascade::{Cascade, Region};
use crate::detection::{Detections, Parent};
use crate::elements::layout::Layout;
use crate::elements::provenance::Feed;
use crate::gate::Gate;
use crate::model::{DecodeParams, DecodeReport};
use crate::schedule::{Schedule, Scheduler, Skip};

/// The settings in force, as frames carry them to the model.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) generation: u32,
    /// The serial of the model they are for.
    pub(super) model: u64,
    /// What the model is called in this element's results, when it was given a name.
    pub(super) model_id: Option<Arc<str>>,
    pub(super) parameters: DecodeParams,
    pub(super) schedule: Schedule,
    /// Nanoseconds; 0 for no limit.
    pub(super) max_age: u64,
    /// Nanoseconds that a buffer waits for its result; 0 for no limit.
    pub(super) response_timeout: u64,
    pub(super) regions: Regions,
    /// The condition under which it runs, if there is one.
    pub(super) when: Option<Arc<When>>,
}

impl Default for Config {
    fn default() -> Self {
        let Settings { schedule, regions, .. } = Settings::default();
        Self {
            generation: 0,
            model: 0,
            model_id: None,
            parameters: DecodeParams::default(),
            schedule,
            max_age: 0,
            response_timeout: 0,
            regions,
            when: None,
        }
    }
}

/// How a frame is to be looked at.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) layout: Arc<Layout>,
    pub(super) config: Arc<Config>,
    /// Running time of the frame in nanoseconds.
    pub(super) time: u64,
    /// When it gets too old, in nanoseconds of the monotonic clock.
    pub(super) expires: Option<u64>,
    /// Nanoseconds that there are for it.
    pub(super) budget: u64,
}

/// What the model said about one frame.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) model: Arc<Model>,
    pub(super) generation: u32,
    pub(super) schedule: Schedule,
    pub(super) detections: Detections,
    pub(super) times: Times,
    /// When work on the frame began and ended, on the monotonic clock.
    pub(super) span: (u64, u64),
    pub(super) budget: u64,
    /// Candidates that were no detections.
    pub(super) left_out: DecodeReport,
    /// Regions that were looked at, that were served by an earlier look, and that wait for their turn.
    pub(super) regions: [usize; 3],
    /// The objects that an earlier look serves, once all frames before this one are done: it may be on its way still.
    pub(super) recall: Vec<(Region, Parent)>,
    /// When the frame is, as looks at tracks are remembered.
    pub(super) time: u64,
}

/// How a frame fared.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The model ran.
    Inferred(Box<Report>),
    /// Left alone on purpose.
    Skipped(Skip),
    /// Could not be inferred.
    Failed(Trouble),
}

/// Where a frame is on its way through the model.
#[derive(Debug)]
pub(super) enum Work {
    Waiting(gst::Buffer, Look),
    /// In the hands of a worker.
    Running,
    Settled(Verdict),
}

/// One frame of one stream.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) channel: Arc<Channel>,
    pub(super) work: Work,
}

impl Task {
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.work, Work::Settled(_))
    }

    /// The frame for a worker; this task is then known to be running.
    pub(super) fn start(&mut self) -> Option<Self> {
        let Work::Waiting(..) = self.work else { return None };
        let work = std::mem::replace(&mut self.work, Work::Running);
        Some(Self { channel: self.channel.clone(), work })
    }
}

/// The frames of one buffer that a worker has.
#[derive(Debug)]
pub(super) struct Job {
    /// What whoever handed it out knows it by.
    pub(super) key: u64,
    pub(super) tasks: Vec<Task>,
}

/// What an element shares with whoever runs its model. Each lock is held for a moment only and none while another is
/// taken.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) flow: Flow,
    pub(super) config: Mutex<Arc<Config>>,
    pub(super) stats: Mutex<Stats>,
}

impl Member {
    pub(super) fn new() -> Self {
        Self { flow: Flow::new(), config: Mutex::default(), stats: Mutex::default() }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        lock(&self.config).clone()
    }

    pub(super) fn stats(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }
}

/// One stream of frames: what has to be remembered from frame to frame. An element has one, or one for each stream in
/// its batches.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) member: Arc<Member>,
    /// What people call the stream, where an element has several.
    pub(super) name: Option<Arc<str>>,
    pub(super) scheduler: Mutex<Scheduler>,
    /// Whether its frames are inferred by the condition.
    pub(super) gate: Mutex<Gate>,
    pub(super) cascade: Mutex<Cascade>,
    pub(super) feed: Feed,
    pub(super) mailbox: Mailbox,
    /// Its number in the pool: of its mailbox, or of the line that its frames are in.
    pub(super) seat: AtomicU64,
    /// Why frames failed since the last one that did not, as far as people were told.
    complaints: Mutex<Vec<String>>,
}

/// The most reasons for failures that people are told of until a frame does not fail.
const MOST_COMPLAINTS: usize = 8;

impl Channel {
    pub(super) fn new(member: Arc<Member>, name: Option<Arc<str>>) -> Self {
        let (scheduler, gate, cascade, feed, mailbox, seat, complaints) = Default::default();
        Self { member, name, scheduler, gate, cascade, feed, mailbox, seat, complaints }
    }

    /// Begins to count frames anew.
    pub(super) fn restart(&self) {
        lock(&self.scheduler).restart();
        *lock(&self.gate) = Gate::default();
    }

    /// Whether people are to be told of a failure: of each reason once, until a frame does not fail.
    pub(super) fn complains_first_of(&self, why: &str) -> bool {
        let mut complaints = lock(&self.complaints);
        let first = complaints.len() < MOST_COMPLAINTS && !complaints.iter().any(|known| known == why);
        if first {
            complaints.push(why.to_owned());
        }
        first
    }

    /// A frame did not fail.
    pub(super) fn forget_complaints(&self) {
        lock(&self.complaints).clear();
    }

    /// Its number in the pool.
    pub(super) fn seat(&self) -> u64 {
        self.seat.load(Ordering::Relaxed)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
