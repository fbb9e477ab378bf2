//! A gate that a condition opens: frames pass while it holds, for a while after, and now and then while it is closed.
//!
//! Times are nanoseconds of stream time.

/// How long a gate stays open, and how long it may be closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// It stays open for so long after the condition held last.
    pub hold: u64,
    /// A frame passes when none has for so long; 0 for never.
    pub idle: u64,
}

/// Why a frame passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The condition holds.
    Holds,
    /// It held a moment ago.
    Held,
    /// None has passed for long.
    Idle,
}

/// The gate of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    /// When the condition held last, when a frame passed last, and when the last frame was.
    held: Option<u64>,
    passed: Option<u64>,
    last: u64,
}

impl Gate {
    /// Whether a frame passes, and why. A frame that does is told to [`Gate::passed`] unless something else stops it.
    pub fn ask(&mut self, holds: bool, time: u64, times: &Times) -> Option<Pass> {
        if time < self.last {
            *self = Self::default();
        }
        self.last = time;
        if holds {
            self.held = Some(time);
            return Some(Pass::Holds);
        }
        if times.hold > 0 && self.held.is_some_and(|held| time - held <= times.hold) {
            return Some(Pass::Held);
        }
        // The first frame begins the wait.
        let since = *self.passed.get_or_insert(time);
        (times.idle > 0 && time - since >= times.idle).then_some(Pass::Idle)
    }

    /// A frame has passed.
    pub fn passed(&mut self, time: u64) {
        self.passed = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(times: Times, frames: &[(u64, bool)]) -> Vec<Option<Pass>> {
        let mut gate = Gate::default();
        let ask = |&(time, holds): &(u64, bool)| {
            let pass = gate.ask(holds, time, &times);
            if pass.is_some() {
                gate.passed(time);
            }
            pass
        };
        frames.iter().map(ask).collect()
    }

    #[test]
    fn it_stays_open_for_a_while() {
        let frames = [(0, false), (1, true), (2, false), (3, false), (4, false), (5, true), (6, false)];
        use Pass::{Held, Holds};
        let strict = [None, Some(Holds), None, None, None, Some(Holds), None];
        assert_eq!(run(Times::default(), &frames), strict);
        let patient = [None, Some(Holds), Some(Held), Some(Held), None, Some(Holds), Some(Held)];
        assert_eq!(run(Times { hold: 2, idle: 0 }, &frames), patient);
    }

    #[test]
    fn it_opens_now_and_then() {
        let frames: Vec<_> = (0..8).map(|time| (time, time == 4)).collect();
        let passed = run(Times { hold: 0, idle: 3 }, &frames);
        let times: Vec<_> = (0..8).filter(|i| passed[*i].is_some()).collect();
        assert_eq!(times, [3, 4, 7]);
        assert_eq!(passed[3], Some(Pass::Idle));
    }

    #[test]
    fn one_that_something_else_stops_is_still_due() {
        let mut gate = Gate::default();
        let times = Times { hold: 0, idle: 3 };
        let asked = [0, 1, 2, 3, 4].map(|time| gate.ask(false, time, &times));
        assert_eq!(asked, [None, None, None, Some(Pass::Idle), Some(Pass::Idle)]);
    }

    #[test]
    fn time_that_runs_backwards_begins_anew() {
        let frames = [(100, true), (101, false), (5, false), (6, false)];
        let passed = run(Times { hold: 10, idle: 0 }, &frames);
        assert_eq!(passed, [Some(Pass::Holds), Some(Pass::Held), None, None]);
    }

    proptest! {
        #[test]
        fn it_is_never_closed_for_longer_than_agreed(
            gaps in prop::collection::vec((1u64..50, any::<bool>()), 1..100),
            hold in 0u64..100,
            idle in 1u64..100,
        ) {
            let mut time = 0;
            let frames: Vec<_> = gaps.iter().map(|(gap, holds)| { time += gap; (time, *holds) }).collect();
            let passed = run(Times { hold, idle }, &frames);
            let mut last = frames[0].0;
            for ((time, holds), pass) in frames.into_iter().zip(passed) {
                prop_assert!(!holds || pass == Some(Pass::Holds));
                prop_assert!(pass.is_some() || time - last < idle);
                if pass.is_some() { last = time; }
            }
        }
    }
}
