//! Wall-clock times as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// A point in time in nanoseconds since the Unix epoch, without leap seconds.
///
/// As text it is RFC 3339 in UTC with microseconds, `2026-03-01T12:00:00.250000Z`; finer digits are cut off.
/// Any RFC 3339 time from 1970 to 2554 can be read, whatever its offset and number of digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub u64,
);

/// A text that is no RFC 3339 time between 1970 and 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time between 1970 and 2554")
    }
}

impl std::error::Error for InvalidTimestamp {}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / SECOND, self.0 % SECOND / 1000);
        let (year, month, day) = civil_from_days(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text.as_bytes()).ok_or(InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|e| serde::de::Error::custom(format_args!("{text:?} is {e}")))
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let at = |range: std::ops::Range<usize>| digits(&date_time[range]);
    let punctuation = [date_time[4], date_time[7], date_time[13], date_time[16]];
    if punctuation != *b"--::" || !matches!(date_time[10], b'T' | b't' | b' ') {
        return None;
    }
    let days = days_from_civil(at(0..4)?, at(5..7)?, at(8..10)?)?;
    let (hour, minute, second) = (at(11..13)?, at(14..16)?, at(17..19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let local = days * DAY + hour * 3600 + minute * 60 + second;
    let seconds = local.checked_add_signed(-offset(zone)?)?;
    seconds.checked_mul(SECOND)?.checked_add(nanos).map(Timestamp)
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + u64::from(c - b'0')))
}

/// Splits `.123Z` into nanoseconds and what follows them; digits beyond the ninth are cut off.
fn fraction(text: &[u8]) -> Option<(u64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = text.iter().take_while(|c| c.is_ascii_digit()).count();
    let (fraction, zone) = text.split_at(length);
    let kept = &fraction[..length.min(9)];
    let scale = 10u64.pow(9 - kept.len() as u32);
    (length > 0).then_some((digits(kept)? * scale, zone))
}

/// Seconds that a zone lies ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let sign = match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i64)
}

/// Year, month and day of a day counted from 1970-01-01. The year is taken to begin in March, so that the leap
/// day is its last (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + EPOCH;
    let (era, day_of_era) = (shifted / DAYS_OF_400_YEARS, shifted % DAYS_OF_400_YEARS);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`]; `None` for a day that does not exist or lies before 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) {
        return None;
    }
    let march_year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * DAYS_OF_400_YEARS + day_of_era).checked_sub(EPOCH)?;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let text = |seconds: u64| Timestamp(seconds * SECOND).to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(text(1_000_000_000), "2001-09-09T01:46:40.000000Z");
        assert_eq!(Timestamp(1_999).to_string(), "1970-01-01T00:00:00.000001Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), "2554-07-21T23:34:33.709551Z");
    }

    #[test]
    fn offsets_and_digits_are_read() {
        let ns = |text: &str| text.parse::<Timestamp>().map(|t| t.0);
        assert_eq!(ns("2001-09-09T03:46:40.5+02:00"), Ok(1_000_000_000_500_000_000));
        assert_eq!(ns("2001-09-08t20:16:40-05:30"), Ok(1_000_000_000_000_000_000));
        assert_eq!(ns("1970-01-01T00:00:00.1234567899Z"), Ok(123_456_789));
    }

    #[test]
    fn impossible_times_are_refused() {
        for text in [
            "",
            "2001-09-09",
            "2001-09-09T01:46:40",
            "2001-09-09T01:46:40.Z",
            "2001-02-29T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-00-01T00:00:00Z",
            "2001-01-00T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-01-01T00:00:00Z",
            "2001-01-01T00:00:00+0100",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_keeps_microseconds(ns in any::<u64>()) {
            prop_assert_eq!(Timestamp(ns).to_string().parse(), Ok(Timestamp(ns - ns % 1000)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}[.0-9+Z:-]{0,12}|.{0,30}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
