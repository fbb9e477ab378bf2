//! Whose frames a shared model looks at next, and when: the frames of several streams become batches.
//!
//! A stream announces each frame; what it gets is a place in one queue, oldest first. A batch leaves when it is full,
//! when nobody is left who could add to it, or [`Policy::max_latency`] after its first frame began to wait. A stream has
//! at most so many frames in the queue and in the model at once, so that none takes the places of the others: the next
//! one is announced, but gets its place only when an earlier one is done.
//!
//! A batch takes no more than its worker's share of what all streams may have in the model. Were it to take
//! all that waits, the streams that come late would find a worker for themselves and be served more often than
//! the others.
//!
//! A stream that would not wait is rejected while the queue is full ([`Policy::capacity`]). Those that were rejected are let
//! in first, in their order, so that none finds the queue full time and again where others come just in time. One
//! that does not come back for a second loses its turn.
//!
//! Times are nanoseconds of a monotonic clock.

use std::collections::{BTreeMap, VecDeque};

use crate::stats::Histogram;

/// By what rules batches are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most frames of one batch, at least 1.
    pub batch: usize,
    /// Batches that are in the model at once, at least 1.
    pub workers: usize,
    /// Nanoseconds after which a batch leaves though it is not full, counted from when its first frame began to wait.
    pub max_latency: u64,
    /// Frames in the queue from which on those that would not wait are rejected; 0 for no limit but those of the streams.
    pub capacity: usize,
}

/// Nanoseconds for which the turn of a rejected stream is kept.
const TURN_KEPT: u64 = 1_000_000_000;

/// What a stream does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It waits: its frames are not to be lost. The limits of all such streams bound the queue.
    Waits,
    /// It goes on without a result.
    GoesOn,
}

/// What became of an announced frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is in the queue.
    Queued,
    /// It gets its place when an earlier frame of its stream is done.
    Held,
    /// The queue is full, or there is no such stream.
    Rejected,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing waits.
    Idle,
    /// It waits for more frames, at most until this time.
    WaitUntil(u64),
    /// A batch leaves.
    Take,
}

/// A place in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose frame it is for.
    pub stream: u64,
    /// When it began to wait in the queue.
    pub since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    /// The most frames in the queue and in the model.
    limit: usize,
    queued: usize,
    running: usize,
    /// Announced beyond the limit.
    held: usize,
    /// Would not wait for a place.
    goes_on: bool,
    /// Worth waiting for: it has had a frame in the queue since a batch last waited for it in vain.
    active: bool,
}

impl Stream {
    fn may_add(&self) -> bool {
        self.queued + self.running < self.limit
    }
}

/// What a batch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Nanoseconds.
    pub took: u64,
    /// Runs of the model.
    pub runs: u64,
    /// Pictures in them.
    pub pictures: u64,
}

/// What was counted and timed.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Batches that left.
    pub batches: u64,
    /// Runs of the model for them: more than one where a batch had more pictures than a run takes.
    pub runs: u64,
    /// Pictures in the runs: a frame may have several, or none.
    pub pictures: u64,
    /// Frames that were announced and not rejected.
    pub submitted: u64,
    /// Frames that found the queue full.
    pub rejected: u64,
    /// Frames whose stream did not wait for the result any longer.
    pub timed_out: u64,
    /// Nanoseconds from when the first frame of a batch began to wait until the batch left.
    pub formation: Histogram,
    /// Nanoseconds that a batch was in the model.
    pub processing: Histogram,
}

/// Makes batches.
#[derive(Clone, Debug)]
pub struct Coordinator {
    policy: Policy,
    streams: BTreeMap<u64, Stream>,
    queue: VecDeque<Place>,
    /// Streams that were rejected and whose turn it is before others, and when that was last.
    rejected: VecDeque<Place>,
    next: u64,
    counts: Counts,
}

impl Coordinator {
    /// Without streams.
    pub fn new(policy: Policy) -> Self {
        let policy = Policy { batch: policy.batch.max(1), workers: policy.workers.max(1), ..policy };
        let (streams, queue, rejected, counts) = Default::default();
        Self { policy, streams, queue, rejected, next: 0, counts }
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A stream with at most `limit` (at least 1) frames in the queue and in the model at once. Returns its number,
    /// which no other stream ever gets.
    pub fn join(&mut self, limit: usize) -> u64 {
        self.next += 1;
        let stream =
            Stream { limit: limit.max(1), queued: 0, running: 0, held: 0, goes_on: false, active: false };
        self.streams.insert(self.next, stream);
        self.next
    }

    /// The stream has ended: what it has in the queue is forgotten. What it has in the model ends as it may.
    pub fn leave(&mut self, stream: u64) {
        self.queue.retain(|place| place.stream != stream);
        self.rejected.retain(|place| place.stream != stream);
        self.streams.remove(&stream);
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// How many frames of a stream are in the model.
    pub fn running(&self, stream: u64) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.running)
    }

    /// Frames in the queue, and frames in the model.
    pub fn in_flight(&self) -> (usize, usize) {
        (self.queue.len(), self.streams.values().map(|stream| stream.running).sum())
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Announces a frame.
    pub fn submit(&mut self, stream: u64, patience: Patience, now: u64) -> Admission {
        let full = patience == Patience::GoesOn && self.is_full_for(stream, now);
        let Some(state) = self.streams.get_mut(&stream) else { return self.reject() };
        if full {
            match self.rejected.iter_mut().find(|place| place.stream == stream) {
                Some(place) => place.since = now,
                None => self.rejected.push_back(Place { stream, since: now }),
            }
            return self.reject();
        }
        self.rejected.retain(|place| place.stream != stream);
        self.counts.submitted += 1;
        (state.active, state.goes_on) = (true, patience == Patience::GoesOn);
        if !state.may_add() {
            state.held += 1;
            return Admission::Held;
        }
        state.queued += 1;
        self.queue.push_back(Place { stream, since: now });
        Admission::Queued
    }

    /// True when there is no room for a stream's frame beside those that have a place or are to get one, and those of streams
    /// whose turn it is before.
    fn is_full_for(&mut self, stream: u64, now: u64) -> bool {
        if self.policy.capacity == 0 {
            return false;
        }
        self.rejected.retain(|place| now.saturating_sub(place.since) <= TURN_KEPT);
        let before = self.rejected.iter().take_while(|place| place.stream != stream).count();
        let held: usize = self.streams.values().filter(|s| s.goes_on).map(|s| s.held).sum();
        self.queue.len() + held + before >= self.policy.capacity
    }

    fn reject(&mut self) -> Admission {
        self.counts.rejected += 1;
        Admission::Rejected
    }

    /// Forgets what a stream announced and what is not in the model yet, as for a flush.
    pub fn withdraw(&mut self, stream: u64) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        (state.queued, state.held, state.active) = (0, 0, false);
        self.queue.retain(|place| place.stream != stream);
    }

    /// The most frames of the next batch: a worker's share of what all active streams may have in the model.
    fn share(&self) -> usize {
        let active = self.streams.values().filter(|stream| stream.active);
        let most: usize = active.map(|stream| stream.limit).sum();
        (most / self.policy.workers).clamp(1, self.policy.batch)
    }

    /// What a worker that has nothing to do does next.
    pub fn turn(&self, now: u64) -> Turn {
        let Some(first) = self.queue.front() else { return Turn::Idle };
        let leaves_at = first.since.saturating_add(self.policy.max_latency);
        let awaited = || self.streams.values().any(|stream| stream.active && stream.may_add());
        if self.queue.len() >= self.share() || leaves_at <= now || !awaited() {
            return Turn::Take;
        }
        Turn::WaitUntil(leaves_at)
    }

    /// Puts the next batch into `batch`, which is cleared: nothing unless [`turn`](Self::turn) says that one leaves.
    pub fn take(&mut self, now: u64, batch: &mut Vec<Place>) {
        batch.clear();
        if self.turn(now) != Turn::Take {
            return;
        }
        let share = self.share();
        let in_vain = self.queue.len() < share;
        batch.extend(self.queue.drain(..share.min(self.queue.len())));
        for place in batch.iter() {
            if let Some(stream) = self.streams.get_mut(&place.stream) {
                stream.queued -= 1;
                stream.running += 1;
            }
        }
        if in_vain {
            self.streams.values_mut().filter(|stream| stream.may_add()).for_each(|s| s.active = false);
        }
        self.counts.batches += 1;
        let oldest = batch.first().map_or(now, |place| place.since);
        self.counts.formation.record(now.saturating_sub(oldest));
    }

    /// Counts what a batch took.
    pub fn count(&mut self, effort: Effort) {
        self.counts.runs += effort.runs;
        self.counts.pictures += effort.pictures;
        self.counts.processing.record(effort.took);
    }

    /// A batch with frames of these streams is done.
    pub fn finish(&mut self, batch: impl IntoIterator<Item = u64>, now: u64) {
        for stream in batch {
            let Some(state) = self.streams.get_mut(&stream) else { continue };
            state.running = state.running.saturating_sub(1);
            if state.held > 0 && state.may_add() {
                state.held -= 1;
                state.queued += 1;
                self.queue.push_back(Place { stream, since: now });
            }
        }
    }

    /// Streams did not wait for so many results any longer.
    pub fn timed_out(&mut self, frames: usize) {
        self.counts.timed_out += frames as u64;
    }

    /// Pictures in the runs of the model, as a share of those there was room for; 0 before the first.
    pub fn fill_ratio(&self) -> f64 {
        let room = self.counts.runs as f64 * self.policy.batch as f64;
        if room > 0.0 { self.counts.pictures as f64 / room } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn policy(batch: usize, workers: usize) -> Policy {
        Policy { batch, workers, max_latency: 10 * MS, capacity: 0 }
    }

    fn of(streams: usize, limit: usize, policy: Policy) -> (Coordinator, Vec<u64>) {
        let mut coordinator = Coordinator::new(policy);
        let ids = (0..streams).map(|_| coordinator.join(limit)).collect();
        (coordinator, ids)
    }

    fn taken(coordinator: &mut Coordinator, now: u64) -> Vec<u64> {
        let mut batch = Vec::new();
        coordinator.take(now, &mut batch);
        batch.iter().map(|place| place.stream).collect()
    }

    fn done(coordinator: &mut Coordinator, streams: &[u64], now: u64) {
        coordinator.count(Effort { took: 1, runs: 1, pictures: streams.len() as u64 });
        coordinator.finish(streams.iter().copied(), now);
    }

    /// All streams have had their first frame in the model.
    fn awake(streams: usize, limit: usize, policy: Policy) -> (Coordinator, Vec<u64>) {
        let (mut coordinator, ids) = of(streams, limit, policy);
        for id in &ids {
            coordinator.submit(*id, Patience::Waits, 0);
            assert_eq!(taken(&mut coordinator, 0), [*id]);
        }
        done(&mut coordinator, &ids, 0);
        (coordinator, ids)
    }

    #[test]
    fn a_lone_stream_never_waits_for_others() {
        let (mut coordinator, ids) = of(2, 1, policy(8, 1));
        assert_eq!(coordinator.turn(5), Turn::Idle);
        assert_eq!(coordinator.submit(ids[0], Patience::Waits, 5), Admission::Queued);
        assert_eq!(coordinator.turn(5), Turn::Take);
        assert_eq!(taken(&mut coordinator, 5), [ids[0]]);
    }

    #[test]
    fn a_batch_leaves_when_all_are_in_or_it_is_full_or_at_its_time() {
        let (mut all, ids) = awake(3, 1, policy(8, 1));
        all.submit(ids[0], Patience::Waits, 7);
        assert_eq!(all.turn(8), Turn::WaitUntil(7 + 10 * MS));
        all.submit(ids[2], Patience::Waits, 9);
        assert_eq!(taken(&mut all, 9), [0u64; 0]);
        assert_eq!(taken(&mut all, 7 + 10 * MS), [ids[0], ids[2]], "the second is late");
        done(&mut all, &[ids[0], ids[2]], 0);
        all.submit(ids[2], Patience::Waits, 20 * MS);
        all.submit(ids[0], Patience::Waits, 20 * MS);
        assert_eq!(taken(&mut all, 20 * MS), [ids[2], ids[0]], "it is not waited for again");
        all.submit(ids[1], Patience::Waits, 20 * MS);
        assert_eq!(taken(&mut all, 20 * MS), [ids[1]], "all others are in the model");

        let (mut full, ids) = awake(3, 1, policy(2, 1));
        full.submit(ids[1], Patience::Waits, 1);
        assert_eq!(full.turn(1), Turn::WaitUntil(1 + 10 * MS));
        full.submit(ids[0], Patience::Waits, 2);
        assert_eq!(taken(&mut full, 2), [ids[1], ids[0]]);
        done(&mut full, &[ids[1], ids[0]], 3);
        assert_eq!(full.fill_ratio(), 5.0 / 4.0, "three in a run that has two places, then two");
    }

    #[test]
    fn a_stream_has_no_more_in_the_model_than_its_limit() {
        let (mut coordinator, ids) = of(1, 2, policy(8, 1));
        let submit = |c: &mut Coordinator| c.submit(ids[0], Patience::Waits, 3);
        assert_eq!(submit(&mut coordinator), Admission::Queued);
        assert_eq!(submit(&mut coordinator), Admission::Queued);
        assert_eq!(submit(&mut coordinator), Admission::Held);
        assert_eq!(taken(&mut coordinator, 3), [ids[0], ids[0]]);
        assert_eq!((coordinator.running(ids[0]), coordinator.turn(9)), (2, Turn::Idle));
        done(&mut coordinator, &[ids[0], ids[0]], 4);
        assert_eq!(coordinator.in_flight(), (1, 0));
        coordinator.withdraw(ids[0]);
        assert_eq!((coordinator.in_flight(), coordinator.turn(u64::MAX)), ((0, 0), Turn::Idle));
    }

    #[test]
    fn a_full_queue_rejects_those_who_go_on() {
        let (mut coordinator, ids) = of(3, 1, Policy { capacity: 2, ..policy(8, 1) });
        assert_eq!(coordinator.submit(ids[0], Patience::GoesOn, 0), Admission::Queued);
        assert_eq!(coordinator.submit(ids[1], Patience::Waits, 0), Admission::Queued);
        assert_eq!(coordinator.submit(ids[2], Patience::GoesOn, 0), Admission::Rejected);
        assert_eq!(coordinator.submit(ids[2], Patience::Waits, 0), Admission::Queued);
        assert_eq!((coordinator.counts().submitted, coordinator.counts().rejected), (3, 1));
        assert_eq!(coordinator.submit(99, Patience::Waits, 0), Admission::Rejected);
    }

    #[test]
    fn who_was_turned_away_comes_first_until_it_does_not_come() {
        let (mut coordinator, ids) = of(3, 1, Policy { capacity: 1, ..policy(1, 1) });
        let submit = |c: &mut Coordinator, stream: usize, now| c.submit(ids[stream], Patience::GoesOn, now);
        assert_eq!(submit(&mut coordinator, 0, 0), Admission::Queued);
        assert_eq!(submit(&mut coordinator, 1, 0), Admission::Rejected);
        assert_eq!(submit(&mut coordinator, 2, 0), Admission::Rejected);
        assert_eq!(taken(&mut coordinator, 0), [ids[0]]);
        assert_eq!(submit(&mut coordinator, 2, 1), Admission::Rejected, "the other one was first");
        assert_eq!(submit(&mut coordinator, 1, 2), Admission::Queued);
        done(&mut coordinator, &ids[..1], 3);
        assert_eq!(taken(&mut coordinator, 3), [ids[1]]);
        assert_eq!(submit(&mut coordinator, 0, 4), Admission::Rejected, "the third waits for its turn");
        assert_eq!(submit(&mut coordinator, 0, 4 + TURN_KEPT), Admission::Queued, "it does not come");
        coordinator.leave(ids[2]);
        assert_eq!(coordinator.rejected, []);
    }

    #[test]
    fn a_stream_that_leaves_takes_its_frames_along() {
        let (mut coordinator, ids) = awake(2, 1, policy(2, 1));
        coordinator.submit(ids[0], Patience::Waits, 0);
        coordinator.submit(ids[1], Patience::Waits, 0);
        coordinator.leave(ids[0]);
        assert_eq!(taken(&mut coordinator, 0), [ids[1]]);
        coordinator.leave(ids[1]);
        done(&mut coordinator, &[ids[1]], 1);
        assert_eq!((coordinator.streams(), coordinator.in_flight()), (0, (0, 0)));
    }

    /// Workers whose time is so much a batch and so much a frame, and streams that always have a frame. Returns how
    /// many frames of each stream were done.
    fn served(
        streams: usize,
        policy: Policy,
        (batch_time, frame_time): (u64, u64),
        batches: usize,
    ) -> Vec<u64> {
        let (mut coordinator, ids) = of(streams, 1, policy);
        for id in &ids {
            coordinator.submit(*id, Patience::Waits, 0);
        }
        let mut done = vec![0; streams];
        let mut running: Vec<(u64, Vec<Place>)> = Vec::new();
        let (mut now, mut batch) = (0, Vec::new());
        for _ in 0..batches {
            while running.len() < policy.workers {
                coordinator.take(now, &mut batch);
                if batch.is_empty() {
                    break;
                }
                running.push((now + batch_time + frame_time * batch.len() as u64, batch.clone()));
            }
            let first = (0..running.len()).min_by_key(|i| running[*i].0).unwrap();
            let (end, batch) = running.remove(first);
            now = end;
            coordinator.finish(batch.iter().map(|place| place.stream), now);
            for place in &batch {
                done[place.stream as usize - 1] += 1;
                coordinator.submit(place.stream, Patience::Waits, now);
            }
        }
        done
    }

    /// Cameras at one rate that do not wait: of each the newest frame takes the place of one that waits. Returns how many
    /// frames of each were done in so many milliseconds.
    fn served_beside(streams: usize, policy: Policy, (period, run): (u64, u64), length: u64) -> Vec<u64> {
        let (mut coordinator, ids) = of(streams, 1, policy);
        let (mut done, mut waits, mut running) = (vec![0; streams], vec![false; streams], Vec::new());
        let index = |place: &Place| place.stream as usize - 1;
        for ms in 0..length {
            let now = ms * MS;
            for (_, batch) in running.extract_if(.., |(end, _): &mut (u64, Vec<Place>)| *end <= now) {
                coordinator.finish(batch.iter().map(|place| place.stream), now);
                batch.iter().for_each(|place| done[index(place)] += 1);
            }
            for (stream, id) in ids.iter().enumerate() {
                if (ms + 7 * stream as u64).is_multiple_of(period) && !waits[stream] {
                    waits[stream] = coordinator.submit(*id, Patience::GoesOn, now) != Admission::Rejected;
                }
            }
            while running.len() < policy.workers {
                let mut batch = Vec::new();
                coordinator.take(now, &mut batch);
                if batch.is_empty() {
                    break;
                }
                batch.iter().for_each(|place| waits[index(place)] = false);
                running.push((now + run * MS, batch));
            }
        }
        done
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Submit(usize, bool),
        Withdraw(usize),
        Take,
        Finish,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..5usize, any::<bool>()).prop_map(|(stream, waits)| Step::Submit(stream, waits)),
            1 => (0..5usize).prop_map(Step::Withdraw),
            4 => Just(Step::Take),
            4 => Just(Step::Finish),
            3 => (0..15u64).prop_map(|ms| Step::Pass(ms * MS)),
        ]
    }

    proptest! {
        #[test]
        fn streams_that_always_have_a_frame_are_served_alike(
            streams in 1..20usize, batch in 1..10usize, workers in 1..5usize,
            batch_time in 0..5u64, frame_time in 1..5u64,
        ) {
            let done = served(streams, policy(batch, workers), (batch_time * MS, frame_time * MS), 400);
            let (least, most) = (done.iter().min().unwrap(), done.iter().max().unwrap());
            prop_assert!(most - least <= 3, "{done:?}");
        }

        #[test]
        fn of_streams_that_do_not_wait_none_is_starved(
            streams in 1..20usize, batch in 1..6usize, workers in 1..3usize, capacity in 0..8usize,
            period in 10..60u64, run in 1..80u64,
        ) {
            let policy = Policy { capacity, ..policy(batch, workers) };
            let done = served_beside(streams, policy, (period, run), 4000);
            let (least, most) = (done.iter().min().unwrap(), done.iter().max().unwrap());
            // At one rate some always come just after others, and a queue that is short loses theirs now and then.
            prop_assert!(*most <= 3 * least + 9, "{done:?}");
        }

        #[test]
        fn limits_hold_and_nothing_is_lost_or_served_twice(
            steps in prop::collection::vec(step(), 0..300),
            limit in 1..4usize, batch in 1..5usize, workers in 1..3usize, capacity in 0..8usize,
        ) {
            let policy = Policy { capacity, ..policy(batch, workers) };
            let (mut coordinator, ids) = of(5, limit, policy);
            let (mut now, mut served, mut withdrawn) = (0, 0, 0);
            let (mut taken, mut running) = (Vec::new(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Submit(stream, waits) => {
                        let patience = if waits { Patience::Waits } else { Patience::GoesOn };
                        let (waiting, _) = coordinator.in_flight();
                        let admission = coordinator.submit(ids[stream], patience, now);
                        let full = capacity > 0 && waiting >= capacity && !waits;
                        prop_assert!(admission == Admission::Rejected || !full);
                        prop_assert!(admission != Admission::Rejected || (capacity > 0 && !waits));
                        prop_assert!(coordinator.rejected.len() <= ids.len());
                    }
                    Step::Withdraw(stream) => {
                        let state = coordinator.streams[&ids[stream]];
                        withdrawn += state.queued + state.held;
                        coordinator.withdraw(ids[stream]);
                    }
                    Step::Take => {
                        let late = coordinator.queue.front().is_some_and(|p| p.since + policy.max_latency <= now);
                        coordinator.take(now, &mut taken);
                        prop_assert!(taken.len() <= batch);
                        prop_assert!(taken.is_sorted_by_key(|place| place.since), "oldest first");
                        prop_assert!(!late || !taken.is_empty(), "nobody waits longer for a batch");
                        if !taken.is_empty() {
                            running.push_back(taken.clone());
                        }
                    }
                    Step::Finish => {
                        let Some(batch) = running.pop_front() else { continue };
                        served += batch.len();
                        coordinator.finish(batch.iter().map(|place| place.stream), now);
                    }
                    Step::Pass(time) => now += time,
                }
                for stream in coordinator.streams.values() {
                    prop_assert!(stream.queued + stream.running <= limit);
                    prop_assert!(stream.held == 0 || !stream.may_add());
                }
            }
            let held: usize = coordinator.streams.values().map(|stream| stream.held).sum();
            let (waiting, inside) = coordinator.in_flight();
            prop_assert_eq!(coordinator.counts().submitted as usize, served + withdrawn + held + waiting + inside);
        }
    }
}
