//! When each frame is: exact, whatever the rate.

const SECOND: u128 = 1_000_000_000;

/// The times of frames at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameClock {
    /// Frames a second as a fraction; 0/1 for a single frame.
    rate: (u32, u32),
    /// Time in nanoseconds and number of the frame that this rate began with.
    base: (u64, u64),
}

impl FrameClock {
    pub(super) fn new(rate: (u32, u32), base: (u64, u64)) -> Self {
        Self { rate, base }
    }

    /// The same rate with frame 0 at time 0.
    pub(super) fn rebased(self) -> Self {
        Self { base: (0, 0), ..self }
    }

    /// True when there is one frame only.
    pub(super) fn is_still(&self) -> bool {
        self.rate.0 == 0
    }

    /// The time at which a frame begins; `None` after the end of time.
    pub(super) fn time(&self, number: u64) -> Option<u64> {
        let (n, d) = (u128::from(self.rate.0), u128::from(self.rate.1));
        if n == 0 {
            return Some(self.base.0);
        }
        let since = u128::from(number.checked_sub(self.base.1)?) * SECOND * d / n;
        // The largest value means that there is no time.
        u64::try_from(since + u128::from(self.base.0)).ok().filter(|time| *time < u64::MAX)
    }

    /// The frame of this time: the last one that begins at it or before, or the first of those that begin together.
    pub(super) fn number(&self, time: u64) -> u64 {
        let (n, d) = (u128::from(self.rate.0), u128::from(self.rate.1));
        if n == 0 {
            return self.base.1;
        }
        let since = u128::from(time.saturating_sub(self.base.0));
        // A frame's time is rounded down, so it may begin up to a nanosecond later than it says.
        let last = ((since + 1) * n).div_ceil(SECOND * d).saturating_sub(1);
        let first = (last * SECOND * d / n * n).div_ceil(SECOND * d);
        u64::try_from(first).unwrap_or(u64::MAX).saturating_add(self.base.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thirds_of_a_second() {
        let clock = FrameClock::new((30, 1), (0, 0));
        assert_eq!([0, 1, 2, 3].map(|n| clock.time(n)), [0, 33_333_333, 66_666_666, 100_000_000].map(Some));
        assert_eq!(clock.number(33_333_332), 0);
        assert_eq!(clock.number(33_333_333), 1);
        assert_eq!(clock.time(u64::MAX), None);
    }

    #[test]
    fn another_rate_goes_on() {
        let clock = FrameClock::new((25, 1), (100_000_000, 3));
        assert_eq!((clock.time(4), clock.number(140_000_000), clock.time(2)), (Some(140_000_000), 4, None));
    }

    proptest! {
        #[test]
        fn a_frame_is_found_at_its_time(n in 1..1_000_000_000u32, d in 1..100_000u32, number in 0..1_000_000u64) {
            let clock = FrameClock::new((n, d), (0, 0));
            if let Some(time) = clock.time(number) {
                let found = clock.number(time);
                // Beyond a frame a nanosecond several begin at one time.
                prop_assert!(found == number || (found < number && clock.time(found) == Some(time)));
            }
        }
    }
}
