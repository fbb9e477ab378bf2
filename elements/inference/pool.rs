//! The threads that run a model, and the queue of those who want it to look at their frames.
//!
//! An element has a pool of its own, or shares one with others: see [`instance`](super::instance). Who waits gets a
//! place in the queue; the frame itself stays where it is until a worker comes for it, so a flush takes it back
//! without a word to the pool.
// Locks: `table`, `spare`, `model` and `settings` are never held together, nor while a user is asked for a frame.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use super::NvpInference;
use super::engine::Engine;
use super::model::Model;
use super::settings::Settings;
use super::task::{Channel, Job, Member, Task, Work, lock};
use super::trouble::Trouble;
use super::worker::work;
use crate::coordinator::{Admission, Coordinator, Effort, Patience, Place, Policy, Turn};
use crate::elements::provenance::now;

/// Who has frames for the model.
#[derive(Clone, Debug)]
pub(super) enum User {
    /// An element whose frames wait for their results.
    Line(Arc<Member>),
    /// A stream whose frames go on at once.
    Mailbox(Arc<Channel>),
}

impl User {
    /// The frames that wait first; `None` when they were flushed or did not wait.
    pub(super) fn start(&self) -> Option<Job> {
        match self {
            Self::Line(member) => member.flow.start(),
            Self::Mailbox(channel) => channel.mailbox.start(channel),
        }
    }

    /// Brings them back. True when it was too late for a stream that did not wait.
    pub(super) fn finish(&self, job: Job) -> bool {
        match self {
            Self::Line(member) => {
                member.flow.finish(job);
                false
            }
            Self::Mailbox(channel) => channel.mailbox.finish(job, now()),
        }
    }

    fn patience(&self) -> Patience {
        match self {
            Self::Line(_) => Patience::Waits,
            Self::Mailbox(_) => Patience::GoesOn,
        }
    }
}

/// A place in a batch.
pub(super) struct Ticket {
    place: Place,
    pub(super) user: User,
}

struct Table {
    coordinator: Coordinator,
    users: BTreeMap<u64, User>,
    places: Vec<Place>,
    closed: bool,
}

/// What the pool and its threads share.
pub(super) struct Queue {
    table: Mutex<Table>,
    changed: Condvar,
    /// Engines of a model that was loaded while playing, one for each worker that still has an older one.
    spare: Mutex<Vec<Engine>>,
}

impl Queue {
    fn new(policy: Policy) -> Self {
        let coordinator = Coordinator::new(policy);
        let table = Table { coordinator, users: BTreeMap::new(), places: Vec::new(), closed: false };
        Self { table: Mutex::new(table), changed: Condvar::new(), spare: Mutex::default() }
    }

    /// Replaces `batch` by the next one, after waiting for it; returns when it left, or `None` when the queue is closed.
    pub(super) fn next(&self, batch: &mut Vec<Ticket>) -> Option<u64> {
        batch.clear();
        let mut table = lock(&self.table);
        while !table.closed {
            let now = now();
            let until = match table.coordinator.turn(now) {
                Turn::Take => {
                    let Table { coordinator, users, places, .. } = &mut *table;
                    coordinator.take(now, places);
                    let user = |place: &Place| {
                        Some(Ticket { place: *place, user: users.get(&place.stream)?.clone() })
                    };
                    batch.extend(places.iter().filter_map(user));
                    return Some(now);
                }
                Turn::WaitUntil(until) => Some(until),
                Turn::Idle => None,
            };
            table = match until {
                None => self.changed.wait(table).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = Duration::from_nanos(until.saturating_sub(now));
                    self.changed.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        None
    }

    /// Counts what a batch took.
    pub(super) fn count(&self, effort: Effort) {
        lock(&self.table).coordinator.count(effort);
    }

    /// A batch is done; so many of its results came too late.
    pub(super) fn finish(&self, batch: &[Ticket], late: usize) {
        let mut table = lock(&self.table);
        table.coordinator.finish(batch.iter().map(|ticket| ticket.place.stream), now());
        table.coordinator.timed_out(late);
        drop(table);
        self.changed.notify_all();
    }

    /// The newer model that was loaded meanwhile takes the place of `engine`, when a frame is meant for it.
    pub(super) fn renew(&self, engine: &mut Engine, tasks: &mut [Task]) {
        let serial = engine.model.serial;
        let meant = |task: &Task| matches!(&task.work, Work::Waiting(_, look) if look.config.model != serial);
        if !tasks.iter().any(meant) {
            return;
        }
        let spare = lock(&self.spare).pop_if(|spare| spare.model.serial > serial);
        if let Some(newer) = spare {
            *engine = newer;
        }
        for Task { channel, work } in tasks {
            // Settings for one model are no use to another.
            if let Work::Waiting(_, look) = work
                && look.config.model != engine.model.serial
            {
                look.config = channel.member.config();
            }
        }
    }

    fn close(&self) {
        lock(&self.table).closed = true;
        self.changed.notify_all();
    }
}

/// A loaded model and the threads that run it. They end with it.
pub(super) struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    /// What others know it by, when it is shared.
    pub(super) name: Option<Arc<str>>,
    /// The settings that the model was loaded with.
    settings: Mutex<Arc<Settings>>,
    model: Mutex<Arc<Model>>,
    /// The elements that it was loaded for.
    elements: Mutex<Vec<glib::WeakRef<NvpInference>>>,
}

impl Pool {
    /// Starts a thread for each engine, of which there is at least one.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(engines: Vec<Engine>, settings: &Settings, owner: &str) -> Result<Self, Trouble> {
        let model = engines[0].model.clone();
        let sharing = &settings.sharing;
        let batch = model.batch.min(settings.load.batch_size as usize);
        let (capacity, max_latency) =
            (sharing.queue_capacity as usize, u64::from(sharing.max_latency) * 1_000_000);
        let policy = Policy { batch, workers: engines.len(), max_latency, capacity };
        let queue = Arc::new(Queue::new(policy));
        let mut pool = Self {
            queue,
            threads: Vec::new(),
            name: sharing.instance.clone(),
            settings: Mutex::new(Arc::new(settings.clone())),
            model: Mutex::new(model),
            elements: Mutex::default(),
        };
        let owner = pool.name.as_deref().unwrap_or(owner);
        for (i, engine) in engines.into_iter().enumerate() {
            let queue = pool.queue.clone();
            let thread = std::thread::Builder::new().name(format!("{owner}:infer{i}"));
            let thread = thread.spawn(move || work(&queue, engine)).map_err(|error| {
                Trouble::new(&gst::ResourceError::NoSpaceLeft, format!("Cannot start a thread: {error}"))
            })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// The model in force.
    pub(super) fn model(&self) -> Arc<Model> {
        lock(&self.model).clone()
    }

    /// The settings that it was loaded with.
    pub(super) fn settings(&self) -> Arc<Settings> {
        lock(&self.settings).clone()
    }

    pub(super) fn workers(&self) -> usize {
        self.threads.len()
    }

    /// Lets another model take over between two batches.
    pub(super) fn hand_over(&self, engines: Vec<Engine>, settings: &Settings) {
        let model = engines[0].model.clone();
        let former = std::mem::replace(&mut *lock(&self.queue.spare), engines);
        drop(former);
        *lock(&self.model) = model;
        *lock(&self.settings) = Arc::new(settings.clone());
    }

    /// One more element uses it.
    pub(super) fn enlist(&self, element: &NvpInference) {
        let others: Vec<_> = self.others(element).iter().map(ObjectExt::downgrade).collect();
        let mut elements = lock(&self.elements);
        *elements = others;
        elements.push(element.downgrade());
    }

    /// The other elements that it was loaded for, as far as they are there.
    pub(super) fn others(&self, element: &NvpInference) -> Vec<NvpInference> {
        let elements = lock(&self.elements).clone();
        elements.iter().filter_map(glib::WeakRef::upgrade).filter(|other| other != element).collect()
    }

    /// A user that has at most `limit` buffers in the queue and in the model at once; returns its number.
    pub(super) fn join(&self, user: User, limit: usize) -> u64 {
        let mut table = lock(&self.queue.table);
        let seat = table.coordinator.join(limit);
        table.users.insert(seat, user);
        seat
    }

    /// The user has no more frames. Returns when none of its frames is in the model any more.
    pub(super) fn leave(&self, seat: u64) {
        let mut table = lock(&self.queue.table);
        table.coordinator.withdraw(seat);
        self.queue.changed.notify_all();
        while table.coordinator.running(seat) > 0 {
            table = self.queue.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table.coordinator.leave(seat);
        let user = table.users.remove(&seat);
        drop(table);
        drop(user);
    }

    /// The user has no more frames; those that are in the model end as they may.
    pub(super) fn retire(&self, seat: u64) {
        let mut table = lock(&self.queue.table);
        table.coordinator.leave(seat);
        let user = table.users.remove(&seat);
        drop(table);
        drop(user);
        self.queue.changed.notify_all();
    }

    /// The user has a buffer more. False when the queue has no place for it.
    pub(super) fn submit(&self, seat: u64) -> bool {
        let mut table = lock(&self.queue.table);
        let Some(patience) = table.users.get(&seat).map(User::patience) else { return false };
        let admission = table.coordinator.submit(seat, patience, now());
        drop(table);
        self.queue.changed.notify_all();
        admission != Admission::Rejected
    }

    /// What the user has in the queue is not wanted any more.
    pub(super) fn withdraw(&self, seat: u64) {
        lock(&self.queue.table).coordinator.withdraw(seat);
        self.queue.changed.notify_all();
    }

    /// A user did not wait for so many results any longer.
    pub(super) fn timed_out(&self, frames: usize) {
        lock(&self.queue.table).coordinator.timed_out(frames);
    }

    /// Nanoseconds that a frame may wait for those of others, 0 when the model is not shared.
    pub(super) fn max_formation(&self) -> u64 {
        self.name.as_ref().map_or(0, |_| lock(&self.queue.table).coordinator.policy().max_latency)
    }

    /// Adds what is counted of all users together.
    pub(super) fn describe(&self, stats: &mut gst::Structure) {
        let table = lock(&self.queue.table);
        let counts = table.coordinator.counts().clone();
        let (fill, users) = (table.coordinator.fill_ratio(), table.coordinator.streams());
        let (waiting, running) = table.coordinator.in_flight();
        drop(table);
        for (name, count) in [
            ("users", users as u64),
            ("batches", counts.batches),
            ("runs", counts.runs),
            ("pictures", counts.pictures),
            ("submitted", counts.submitted),
            ("rejected", counts.rejected),
            ("timed-out", counts.timed_out),
            ("in-flight", (waiting + running) as u64),
        ] {
            stats.set(format!("instance-{name}"), count);
        }
        stats.set("instance-fill-ratio", fill);
        for (name, histogram) in [("formation", &counts.formation), ("processing", &counts.processing)] {
            for (suffix, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                stats.set(format!("instance-{name}-{suffix}"), histogram.quantile(quantile));
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
