//! Forms batches: see the [module's page](super).

use std::collections::{BTreeMap, VecDeque};

use super::Policy;
use super::line::{Counts, Line, StreamKey};
use crate::stats::Histogram;

/// The most events of a stream that wait; more have to wait outside.
const MOST_EVENTS: usize = 256;

/// What an event means for the forming of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    None,
    /// The stream begins, perhaps again: frames are to be expected.
    Begin,
    /// The stream ends: it is not waited for.
    End,
}

/// What became of something that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed<F> {
    /// The frame that had to go for it.
    pub dropped: Option<F>,
    /// True when the stream had been said to be silent, and is not any more.
    pub resumed: bool,
}

/// Why something was not taken in; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// The stream's queue is full: try again when frames of it have left.
    Full(T),
    /// There is no such stream any more.
    Gone(T),
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A batch is to leave.
    Leave,
    /// Nothing before this time, unless something is pushed; `None` for however long.
    Wait(Option<u64>),
}

/// One thing in a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Form<F, E> {
    /// A frame.
    Frame(F),
    /// An event.
    Event(E),
}

/// What a batch is like that has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Frames in it.
    pub frames: usize,
    /// Nanoseconds since the first of them had arrived.
    pub waited: u64,
}

/// Forms batches of frames `F` and events `E` of many streams. All times are nanoseconds on one clock, but for those of
/// frames, which are on the streams' own.
#[derive(Debug)]
pub struct Former<F, E> {
    policy: Policy,
    /// Streams are expected to speak.
    watching: bool,
    lines: BTreeMap<StreamKey, Line<F, E>>,
    /// Last words of streams that are gone.
    parting: VecDeque<(StreamKey, E)>,
    next_key: u64,
    next_turn: u64,
    /// When the last batch left.
    left_at: u64,
    batches: u64,
    frames: u64,
    /// Frames that there was room for, in batches with any.
    room: u64,
    formation: Histogram,
    /// Of streams that are gone.
    gone: Counts,
    /// Kept for its memory.
    order: Vec<(u64, StreamKey)>,
}

impl<F, E> Former<F, E> {
    /// A former without streams.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            watching: true,
            lines: BTreeMap::new(),
            parting: VecDeque::new(),
            next_key: 0,
            next_turn: 0,
            left_at: 0,
            batches: 0,
            frames: 0,
            room: 0,
            formation: Histogram::new(),
            gone: Counts::default(),
            order: Vec::new(),
        }
    }

    /// Changes the rules from the next batch on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Begins to watch for silence as if all streams had just spoken, or stops it: nobody speaks while time stands still.
    /// A new former watches.
    pub fn watch(&mut self, watching: bool, now: u64) {
        self.watching = watching;
        self.lines.values_mut().for_each(|line| line.last = line.last.max(now));
    }

    /// Adds a stream. A `live` one loses old frames rather than wait.
    pub fn add(&mut self, live: bool, now: u64) -> StreamKey {
        let key = StreamKey(self.next_key);
        self.next_key += 1;
        self.lines.insert(key, Line::new(live, now));
        key
    }

    /// Says whether a stream is live, once that is known.
    pub fn set_live(&mut self, key: StreamKey, live: bool) {
        if let Some(line) = self.lines.get_mut(&key) {
            line.live = live;
        }
    }

    /// Removes a stream with all that waits of it. Its last `word` leaves in its place, where anything of the stream has
    /// left before and its end has not.
    pub fn remove(&mut self, key: StreamKey, word: E) {
        let Some(mut line) = self.lines.remove(&key) else { return };
        let told = line.known && !line.over;
        line.clear(|_| false);
        self.gone.add(&line.counts);
        if told {
            self.parting.push_back((key, word));
        }
    }

    /// Drops the frames that wait of a stream, and the events that are not to be kept; the stream then goes on.
    pub fn flush(&mut self, key: StreamKey, keep: impl Fn(&E) -> bool) {
        if let Some(line) = self.lines.get_mut(&key) {
            line.clear(keep);
        }
    }

    /// Drops the frames that wait of all streams, because nobody wants any more; events, ends among them, go on.
    pub fn drop_frames(&mut self) {
        self.lines.values_mut().for_each(Line::drop_frames);
    }

    /// Takes a frame in. `time` says when it is, if it says so.
    ///
    /// # Errors
    /// When there is no room for it, or no such stream.
    pub fn push_frame(
        &mut self,
        key: StreamKey,
        frame: F,
        time: Option<u64>,
        now: u64,
    ) -> Result<Pushed<F>, Refused<F>> {
        let Some(line) = self.lines.get_mut(&key) else { return Err(Refused::Gone(frame)) };
        let capacity = self.policy.capacity.max(1);
        if line.frames() >= capacity && !line.live {
            return Err(Refused::Full(frame));
        }
        if line.frames() == 0 {
            line.turn = self.next_turn;
            self.next_turn += 1;
        }
        let dropped = line.push_frame(frame, time, now, capacity);
        line.left_out = false;
        Ok(Pushed { dropped, resumed: std::mem::take(&mut line.silent) })
    }

    /// Takes an event in.
    ///
    /// # Errors
    /// When there is no room for it, or no such stream.
    pub fn push_event(&mut self, key: StreamKey, event: E, mark: Mark) -> Result<Pushed<F>, Refused<E>> {
        let Some(line) = self.lines.get_mut(&key) else { return Err(Refused::Gone(event)) };
        if line.events() >= MOST_EVENTS {
            return Err(Refused::Full(event));
        }
        match mark {
            Mark::None => {}
            Mark::Begin => (line.ended, line.over) = (false, false),
            Mark::End => line.ended = true,
        }
        line.push_event(event);
        Ok(Pushed { dropped: None, resumed: false })
    }

    /// What is to be done at `now`.
    pub fn next(&self, now: u64) -> Next {
        let with_frames = self.lines.values().filter(|line| line.frames() > 0);
        let Some(due) = with_frames.clone().filter_map(|line| self.due(line)).min() else {
            let events = !self.parting.is_empty() || self.lines.values().any(Line::has_event_in_front);
            return if events { Next::Leave } else { Next::Wait(self.silence_due()) };
        };
        // By time, the frame to begin with may be of a stream that has none yet.
        let full = self.policy.tolerance.is_none() && with_frames.count() >= self.batch_size();
        if full || now >= due || !self.lines.values().any(Line::is_waited_for) {
            return Next::Leave;
        }
        Next::Wait(Some(self.silence_due().map_or(due, |silence| silence.min(due))))
    }

    /// Appends a batch to `out`: last words first, then stream by stream in the order in which they are served.
    pub fn take(&mut self, now: u64, out: &mut Vec<(StreamKey, Form<F, E>)>) -> Left {
        out.extend(self.parting.drain(..).map(|(key, word)| (key, Form::Event(word))));
        self.line_up();
        let size = self.batch_size();
        let latest = self.latest();
        let late = self.lines.values().filter_map(|line| self.due(line)).any(|due| now >= due);
        let mut first = now;
        let mut frames = 0;
        for (_, key) in self.order.drain(..) {
            let Some(line) = self.lines.get_mut(&key) else { continue };
            let before = out.len();
            out.extend(std::iter::from_fn(|| line.take_event()).map(|event| (key, Form::Event(event))));
            if late && line.is_waited_for() && frames < size {
                line.left_out = !line.live;
            }
            let head =
                line.first().filter(|(time, _)| frames < size && time.is_none_or(|time| time <= latest));
            if let (Some((_, since)), Some(frame)) = (head, head.and_then(|_| line.take_frame())) {
                out.push((key, Form::Frame(frame)));
                out.extend(std::iter::from_fn(|| line.take_event()).map(|event| (key, Form::Event(event))));
                first = first.min(since);
                frames += 1;
                line.turn = self.next_turn;
                self.next_turn += 1;
            }
            line.known |= out.len() > before;
            line.over |= line.ended && line.is_empty();
        }
        self.left_at = now;
        let left = Left { frames, waited: now - first };
        self.count(&left, size);
        left
    }

    /// Appends the streams that have become silent by now, each once until it speaks again. They are not waited for.
    pub fn silent(&mut self, now: u64, out: &mut Vec<StreamKey>) {
        let silence = self.silence();
        for (key, line) in &mut self.lines {
            if line.silent_at(silence).is_some_and(|at| now >= at) {
                (line.silent, line.left_out) = (true, true);
                out.push(*key);
            }
        }
    }

    /// True when there are streams and all of them have ended and left.
    pub fn is_over(&self) -> bool {
        !self.lines.is_empty() && self.parting.is_empty() && self.lines.values().all(|line| line.over)
    }

    /// True when nothing waits of a stream.
    pub fn is_drained(&self, key: StreamKey) -> bool {
        self.lines.get(&key).is_none_or(Line::is_empty)
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.lines.len()
    }

    /// What became of a stream's frames, and how many of them wait.
    pub fn counts(&self, key: StreamKey) -> Option<(Counts, usize)> {
        self.lines.get(&key).map(|line| (line.counts, line.frames()))
    }

    /// What became of the frames of all streams, those that are gone too.
    pub fn total(&self) -> Counts {
        let mut total = self.gone;
        self.lines.values().for_each(|line| total.add(&line.counts));
        total
    }

    /// Batches that left with frames, and the frames in them.
    pub fn batches(&self) -> (u64, u64) {
        (self.batches, self.frames)
    }

    /// Frames in batches that had any, in parts of those that there was room for; 0 before the first.
    pub fn fill(&self) -> f64 {
        if self.room == 0 { 0.0 } else { self.frames as f64 / self.room as f64 }
    }

    /// Nanoseconds from the arrival of a batch's first frame until it left.
    pub fn formation(&self) -> &Histogram {
        &self.formation
    }

    /// When a batch with the stream's first frame has to leave.
    fn due(&self, line: &Line<F, E>) -> Option<u64> {
        let (_, since) = line.first()?;
        let since = if line.live { since } else { since.max(self.left_at) };
        Some(since.saturating_add(self.policy.max_latency))
    }

    /// As [`Policy::silence`].
    fn silence(&self) -> u64 {
        if self.watching { self.policy.silence } else { 0 }
    }

    fn silence_due(&self) -> Option<u64> {
        self.lines.values().filter_map(|line| line.silent_at(self.silence())).min()
    }

    fn batch_size(&self) -> usize {
        match self.policy.batch_size {
            0 => self.lines.values().filter(|line| !line.ended || line.frames() > 0).count().max(1),
            size => size,
        }
    }

    /// The latest time of a frame that goes with the earliest one.
    fn latest(&self) -> u64 {
        let Some(tolerance) = self.policy.tolerance else { return u64::MAX };
        let earliest = self.lines.values().filter_map(|line| line.first()?.0).min();
        earliest.map_or(u64::MAX, |time| time.saturating_add(tolerance))
    }

    /// Puts the streams in the order in which they are served; those without frames, whose events leave all the same,
    /// come last.
    fn line_up(&mut self) {
        let turn = |line: &Line<F, E>| if line.frames() > 0 { line.turn } else { u64::MAX };
        self.order.extend(self.lines.iter().map(|(key, line)| (turn(line), *key)));
        self.order.sort_unstable();
    }

    fn count(&mut self, left: &Left, size: usize) {
        if left.frames == 0 {
            return;
        }
        self.batches += 1;
        self.frames += left.frames as u64;
        self.room += size as u64;
        self.formation.record(left.waited);
    }
}

impl<F, E> Line<F, E> {
    /// True when a batch waits for a frame of this stream.
    fn is_waited_for(&self) -> bool {
        self.frames() == 0 && !self.ended && !self.left_out
    }

    /// When it will have been silent for so long, unless it has been said to be.
    fn silent_at(&self, silence: u64) -> Option<u64> {
        let counts = silence > 0 && self.frames() == 0 && !self.ended && !self.silent;
        counts.then(|| self.last.saturating_add(silence))
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.served += other.served;
        self.overflow += other.overflow;
        self.flushed += other.flushed;
        self.unwanted += other.unwanted;
    }
}
