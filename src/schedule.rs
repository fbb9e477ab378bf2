//! When a model is to run: which frames it looks at, how it backs off when it is too slow, and when it is given up.
//!
//! Times are nanoseconds. `time` is stream time, which decides on rates; `now` is a monotonic clock, which decides
//! on back-off and retries.

/// What becomes of the frames after one that took more than twice the time that there was for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: the model is cheap.
    #[default]
    Low,
    /// It pauses for 100 ms.
    Medium,
    /// It pauses for 500 ms.
    High,
}

impl Cost {
    /// The pause in nanoseconds after a run that took too long.
    pub const fn pause(self) -> u64 {
        match self {
            Self::Low => 0,
            Self::Medium => 100_000_000,
            Self::High => 500_000_000,
        }
    }
}

/// Why a frame is not inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The buffer says that it holds nothing new.
    Gap,
    /// It is one of those left out after each one that is inferred.
    Interval,
    /// The model ran less than the period of its highest rate ago.
    Rate,
    /// It was too old.
    Age,
    /// The model pauses after a run that took too long.
    Backoff,
    /// The model was switched off after failures.
    Disabled,
    /// A newer frame took its place while the model was busy.
    Busy,
    /// It was forwarded at once and its result comes with a later one, if at all.
    Async,
    /// There is no region to look at.
    NoRegion,
    /// The queue of the shared model was full.
    Queue,
    /// Its result took longer than there was time for.
    Timeout,
    /// Its pixels are of a kind that is not read.
    Format,
    /// The condition under which the model runs did not hold.
    Condition,
}

impl Skip {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Gap,
        Self::Interval,
        Self::Rate,
        Self::Age,
        Self::Backoff,
        Self::Disabled,
        Self::Busy,
        Self::Async,
        Self::NoRegion,
        Self::Queue,
        Self::Timeout,
        Self::Format,
        Self::Condition,
    ];

    /// The name used in provenance and statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Interval => "interval",
            Self::Rate => "rate",
            Self::Age => "age",
            Self::Backoff => "backoff",
            Self::Disabled => "disabled",
            Self::Busy => "busy",
            Self::Async => "async",
            Self::NoRegion => "no-region",
            Self::Queue => "queue",
            Self::Timeout => "timeout",
            Self::Format => "format",
            Self::Condition => "condition",
        }
    }
}

/// By what rules a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Frames to leave out after each one that is inferred.
    pub interval: u32,
    /// The most frames a second of stream time; 0 for no limit.
    pub max_fps: f64,
    /// What happens after a run that took more than twice its time.
    pub cost: Cost,
    /// Failures in a row after which the model is switched off; 0 when the first is the end of the stream.
    pub failure_threshold: u32,
    /// Nanoseconds after which a model that was switched off is tried again; 0 for never.
    pub retry_after: u64,
}

impl Schedule {
    /// Nanoseconds of stream time between frames that are inferred at the highest rate, if there is one.
    fn period(&self) -> Option<u64> {
        (self.max_fps > 0.0).then(|| (1e9 / self.max_fps) as u64)
    }

    /// Nanoseconds that there are for one run, for frames that come every `frame` nanoseconds.
    pub fn budget(&self, frame: u64) -> u64 {
        self.period().unwrap_or(0).max(frame.saturating_mul(u64::from(self.interval) + 1))
    }
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stream ends.
    Fatal,
    /// The model is tried on the next frame.
    Counted,
    /// The model has just been switched off.
    Disabled,
}

/// Decides frame by frame.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {
    position: u64,
    /// Stream time of the next frame that the rate allows, and of the last frame.
    due: Option<u64>,
    last: u64,
    paused_until: u64,
    failures: u32,
    disabled_at: Option<u64>,
}

impl Scheduler {
    /// Begins to count anew, as after a flush. A model that was switched off stays so.
    pub fn restart(&mut self) {
        (self.position, self.due, self.last) = (0, None, 0);
    }

    /// Whether the next frame is inferred.
    ///
    /// # Errors
    /// The reason why it is not.
    pub fn admit(&mut self, schedule: &Schedule, time: u64, now: u64) -> Result<(), Skip> {
        if let Some(since) = self.disabled_at
            && (schedule.retry_after == 0 || now.saturating_sub(since) < schedule.retry_after)
        {
            return Err(Skip::Disabled);
        }
        let turn = self.position.is_multiple_of(u64::from(schedule.interval) + 1);
        self.position += 1;
        if !turn {
            return Err(Skip::Interval);
        }
        if now < self.paused_until {
            return Err(Skip::Backoff);
        }
        self.keep_rate(schedule, time)?;
        // One at a time while it is not known whether the model works again.
        if self.disabled_at.is_some() {
            self.disabled_at = Some(now);
        }
        Ok(())
    }

    fn keep_rate(&mut self, schedule: &Schedule, time: u64) -> Result<(), Skip> {
        let Some(period) = schedule.period() else { return Ok(()) };
        // Time that runs backwards begins anew.
        let due = self.due.filter(|_| time >= self.last).unwrap_or(time);
        self.last = time;
        // Frames come at whole multiples of their own period: one that is a little early is meant.
        let slack = period / 16;
        if time.saturating_add(slack) < due {
            self.due = Some(due);
            return Err(Skip::Rate);
        }
        let next = due.saturating_add(period);
        self.due = Some(if next.saturating_add(slack) > time { next } else { time.saturating_add(period) });
        Ok(())
    }

    /// A run has ended well after `took` nanoseconds where there were `budget`. True when the model had been
    /// switched off and works again.
    pub fn succeeded(&mut self, schedule: &Schedule, now: u64, took: u64, budget: u64) -> bool {
        self.failures = 0;
        if budget > 0 && took > budget.saturating_mul(2) {
            self.paused_until = now.saturating_add(schedule.cost.pause());
        }
        self.disabled_at.take().is_some()
    }

    /// A run has failed.
    pub fn failed(&mut self, schedule: &Schedule, now: u64) -> Failure {
        if schedule.failure_threshold == 0 {
            return Failure::Fatal;
        }
        self.failures = self.failures.saturating_add(1);
        let was_off = self.disabled_at.is_some();
        if self.failures < schedule.failure_threshold {
            return Failure::Counted;
        }
        self.disabled_at = Some(now);
        if was_off { Failure::Counted } else { Failure::Disabled }
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn admitted(schedule: &Schedule, frame: u64, frames: u64) -> Vec<u64> {
        let mut scheduler = Scheduler::default();
        (0..frames).filter(|i| scheduler.admit(schedule, i * frame, i * frame).is_ok()).collect()
    }

    #[test]
    fn every_nth_frame_and_so_many_a_second() {
        assert_eq!(admitted(&Schedule { interval: 2, ..Schedule::default() }, 40 * MS, 8), [0, 3, 6]);
        let ten = Schedule { max_fps: 10.0, ..Schedule::default() };
        assert_eq!(admitted(&ten, 40 * MS, 11), [0, 3, 5, 8, 10]);
        assert_eq!(admitted(&ten, 200 * MS, 4), [0, 1, 2, 3]);
        assert_eq!(admitted(&Schedule { max_fps: 25.0, ..ten }, 40 * MS, 4), [0, 1, 2, 3]);
        assert_eq!(ten.budget(40 * MS), 100 * MS);
        assert_eq!(Schedule { interval: 4, ..Schedule::default() }.budget(40 * MS), 200 * MS);
    }

    #[test]
    fn time_that_runs_backwards_or_jumps_begins_anew() {
        let ten = Schedule { max_fps: 10.0, ..Schedule::default() };
        let mut scheduler = Scheduler::default();
        let times = [5000, 5040, 0, 40, 100, 90_000, 90_040, 90_100];
        let admitted = times.map(|t| scheduler.admit(&ten, t * MS, 0).is_ok());
        assert_eq!(admitted, [true, false, true, false, true, true, false, true]);
    }

    #[test]
    fn a_slow_run_is_followed_by_a_pause_that_its_cost_decides() {
        for (cost, pause) in [(Cost::Low, 0), (Cost::Medium, 100), (Cost::High, 500)] {
            let schedule = Schedule { cost, ..Schedule::default() };
            let mut scheduler = Scheduler::default();
            scheduler.succeeded(&schedule, 1000 * MS, 80 * MS, 40 * MS);
            assert_eq!(scheduler.admit(&schedule, 0, 1000 * MS), Ok(()), "twice is not more than twice");
            scheduler.succeeded(&schedule, 1000 * MS, 81 * MS, 40 * MS);
            let at = |scheduler: &mut Scheduler, ms: u64| scheduler.admit(&schedule, 0, (1000 + ms) * MS);
            assert_eq!(at(&mut scheduler, pause), Ok(()));
            if pause > 0 {
                assert_eq!(at(&mut scheduler, pause - 1), Err(Skip::Backoff));
            }
        }
    }

    #[test]
    fn failures_switch_the_model_off_until_it_is_tried_again() {
        let schedule = Schedule { failure_threshold: 2, retry_after: 100 * MS, ..Schedule::default() };
        let mut scheduler = Scheduler::default();
        assert_eq!(Scheduler::default().failed(&Schedule::default(), 0), Failure::Fatal);
        assert_eq!(scheduler.failed(&schedule, 0), Failure::Counted);
        assert!(!scheduler.succeeded(&schedule, 0, 1, 1), "in a row");
        assert_eq!(scheduler.failed(&schedule, 0), Failure::Counted);
        assert_eq!(scheduler.failed(&schedule, 0), Failure::Disabled);
        assert_eq!(scheduler.admit(&schedule, 0, 99 * MS), Err(Skip::Disabled));
        assert_eq!(scheduler.admit(&schedule, 0, 100 * MS), Ok(()));
        assert_eq!(scheduler.admit(&schedule, 0, 101 * MS), Err(Skip::Disabled), "one trial at a time");
        assert_eq!(scheduler.failed(&schedule, 110 * MS), Failure::Counted, "told once");
        assert_eq!(scheduler.admit(&schedule, 0, 209 * MS), Err(Skip::Disabled));
        assert_eq!(scheduler.admit(&schedule, 0, 210 * MS), Ok(()));
        assert!(scheduler.succeeded(&schedule, 220 * MS, 1, 1));
        assert_eq!(scheduler.admit(&schedule, 0, 221 * MS), Ok(()));
        let never = Schedule { retry_after: 0, ..schedule };
        assert_eq!(
            (scheduler.failed(&never, 0), scheduler.failed(&never, 0)),
            (Failure::Counted, Failure::Disabled)
        );
        assert_eq!(scheduler.admit(&never, 0, u64::MAX), Err(Skip::Disabled));
    }

    proptest! {
        #[test]
        fn no_more_frames_than_the_rate_allows(
            max_fps in 0.5..40.0f64,
            gaps in prop::collection::vec(1u64..200, 1..200),
        ) {
            let schedule = Schedule { max_fps, ..Schedule::default() };
            let mut scheduler = Scheduler::default();
            let (mut time, mut taken) = (0, 0u64);
            for gap in gaps {
                time += gap * MS;
                taken += u64::from(scheduler.admit(&schedule, time, 0).is_ok());
            }
            prop_assert!(taken as f64 <= time as f64 / 1e9 * max_fps * 1.07 + 1.0, "{taken} in {time}");
        }
    }
}
