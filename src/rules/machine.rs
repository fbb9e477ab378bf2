//! From a condition that holds or fails to an event with a beginning and an end.

use super::define::Timing;

/// Where an event may be in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    Idle,
    /// The condition holds, for not long enough yet.
    Potential,
    /// It is one.
    Confirmed,
    /// It has ended, and there is no other before this time.
    Cooldown(u64),
    /// It has ended, and the condition has to fail before there is another, and this time has to come.
    Spent(u64),
}

/// What a step comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing new.
    Same,
    /// It became potential.
    Began,
    /// It is an event now.
    Confirmed,
    /// It was confirmed and is over.
    Ended {
        /// It had lasted as long as it may.
        full: bool,
    },
    /// It came to nothing.
    Cancelled,
}

/// One machine: of a rule, or of a rule and an object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    pub(super) phase: Phase,
    /// When the condition began to hold, when it held last, and when that was long enough.
    pub(super) start: u64,
    pub(super) last: u64,
    pub(super) confirmed: Option<u64>,
}

impl Machine {
    /// True while there is something that may become or is an event.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Potential | Phase::Confirmed)
    }

    /// Takes in whether the condition holds. Times do not go back.
    pub(super) fn step(&mut self, timing: &Timing, now: u64, holds: bool) -> Step {
        self.rest(now, holds);
        match self.phase {
            Phase::Idle if holds => self.begin(timing, now),
            Phase::Potential => self.wait(timing, now, holds),
            Phase::Confirmed => self.last_out(timing, now, holds),
            _ => Step::Same,
        }
    }

    fn rest(&mut self, now: u64, holds: bool) {
        if let (Phase::Spent(until), false) = (self.phase, holds) {
            self.phase = Phase::Cooldown(until);
        }
        if let Phase::Cooldown(until) = self.phase
            && now >= until
        {
            self.phase = Phase::Idle;
        }
    }

    fn begin(&mut self, timing: &Timing, now: u64) -> Step {
        *self = Self { phase: Phase::Potential, start: now, last: now, confirmed: None };
        match timing.hold {
            0 => self.confirm(now),
            _ => Step::Began,
        }
    }

    fn confirm(&mut self, now: u64) -> Step {
        (self.phase, self.confirmed) = (Phase::Confirmed, Some(now));
        Step::Confirmed
    }

    fn wait(&mut self, timing: &Timing, now: u64, holds: bool) -> Step {
        if holds {
            self.last = now;
            return if now - self.start >= timing.hold { self.confirm(now) } else { Step::Same };
        }
        if now - self.last > timing.gap {
            self.phase = Phase::Idle;
            return Step::Cancelled;
        }
        Step::Same
    }

    fn last_out(&mut self, timing: &Timing, now: u64, holds: bool) -> Step {
        if let Some(end) =
            timing.maximum.map(|length| self.start.saturating_add(length)).filter(|end| now >= *end)
        {
            // It may have been confirmed later than it may last.
            self.last = end.max(self.confirmed.unwrap_or(end));
            let until = self.last.saturating_add(timing.cooldown);
            let over = timing.rearm || !holds;
            self.phase = if over { Phase::Cooldown(until) } else { Phase::Spent(until) };
            return Step::Ended { full: true };
        }
        if holds {
            self.last = now;
            return Step::Same;
        }
        if now - self.last > timing.gap {
            self.phase = Phase::Cooldown(now.saturating_add(timing.cooldown));
            return Step::Ended { full: false };
        }
        Step::Same
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn timing(hold: u64, gap: u64, cooldown: u64, maximum: Option<u64>) -> Timing {
        let seconds = |s: u64| s * SECOND;
        Timing {
            hold: seconds(hold),
            gap: seconds(gap),
            cooldown: seconds(cooldown),
            maximum: maximum.map(seconds),
            rearm: false,
        }
    }

    /// What each second comes to: `-` nothing, `p` began, `C` confirmed, `e` ended, `f` ended for its length, `x` cancelled.
    fn play(timing: &Timing, holds: &str) -> String {
        let mut machine = Machine::default();
        let step = |(i, c)| match machine.step(timing, i as u64 * SECOND, c == '1') {
            Step::Same => '-',
            Step::Began => 'p',
            Step::Confirmed => 'C',
            Step::Ended { full: false } => 'e',
            Step::Ended { full: true } => 'f',
            Step::Cancelled => 'x',
        };
        holds.chars().enumerate().map(step).collect()
    }

    #[test]
    fn machines_walk_as_told() {
        let (plain, held) = (timing(0, 0, 0, None), timing(2, 0, 0, None));
        assert_eq!(play(&plain, "0110"), "-C-e");
        assert_eq!(play(&held, "01101110"), "-p-xp-Ce");
        assert_eq!(play(&timing(2, 1, 0, None), "1010100100"), "p-C---ep-x");
        assert_eq!(play(&timing(0, 0, 3, None), "10101010"), "Ce--Ce--");
        assert_eq!(play(&timing(0, 0, 0, Some(2)), "11111011"), "C-f---C-");
        assert_eq!(play(&Timing { rearm: true, ..timing(0, 0, 1, Some(2)) }, "111111"), "C-fC-f");
        assert_eq!(play(&timing(0, 0, 0, Some(0)), "1111011"), "Cf---Cf", "an edge");
        assert_eq!(play(&timing(0, 0, 0, Some(0)), "10101"), "CfCfC", "as often as it comes");
    }

    #[test]
    fn an_event_is_as_long_as_its_condition_held() {
        let mut machine = Machine::default();
        let timing = timing(1, 2, 0, None);
        for (i, holds) in [true, true, false, true, false, false, false].into_iter().enumerate() {
            machine.step(&timing, i as u64 * SECOND, holds);
        }
        assert_eq!((machine.start, machine.confirmed, machine.last), (0, Some(SECOND), 3 * SECOND));
    }

    proptest! {
        /// Whatever happens, events are confirmed and end by turns.
        #[test]
        fn beginnings_and_ends_alternate(
            holds in "[01]{0,60}", hold in 0..4u64, gap in 0..4u64, cooldown in 0..4u64, maximum in prop::option::of(0..9u64),
        ) {
            let said: String = play(&timing(hold, gap, cooldown, maximum), &holds).replace(['-', 'p', 'x'], "").replace('f', "e");
            prop_assert!(!said.replace("Ce", "").contains("e") && said.replace("Ce", "").len() <= 1, "{said}");
        }
    }
}
