//! The only place that reads the machine's clocks; everything else is given a time. And how people say how long something is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for durations and deadlines.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Time since the Unix epoch (zero on a clock set before it), for stamps and expiries.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The day of now, in UTC.
#[must_use]
pub fn today() -> jiff::civil::Date {
    let now = jiff::Timestamp::from_second(unix_seconds()).unwrap_or_default();
    now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// Whole seconds since the Unix epoch.
#[must_use]
pub fn unix_seconds() -> i64 {
    i64::try_from(unix().as_secs()).unwrap_or(i64::MAX)
}

/// Reads a whole number of seconds, minutes, hours, days or weeks, more than none and at most a hundred years, in seconds.
///
/// # Errors
/// What is wrong, for an error message.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    const CENTURY: i64 = 100 * 366 * 86_400;
    let read = || {
        let unit = text.chars().last()?;
        let number: i64 = text.strip_suffix(unit).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        number.checked_mul(seconds).filter(|total| (1..=CENTURY).contains(total))
    };
    read().ok_or_else(|| "a number and a unit, such as 90s, 15m, 12h, 30d or 8w".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("1w", 604_800)] {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
        for bad in ["", "d", "30", "-1d", "+1d", "1.5h", "0s", "1 d", "30days", "1é", "99999999999999999999d", "40000d"]
        {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
