//! Times as people write and read them; everywhere else they are seconds since the Unix epoch.

use jiff::Timestamp;

/// A time as RFC 3339 in UTC: `2027-01-31T12:00:00Z`.
#[must_use]
pub fn stamp(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// The same of microseconds since the Unix epoch.
#[must_use]
pub fn stamp_micros(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// Reads an RFC 3339 time, with any offset.
///
/// # Errors
/// What is wrong, for an error message.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let time: Timestamp =
        text.parse().map_err(|_| "a time such as 2027-01-31T12:00:00Z (RFC 3339, with its offset)".to_owned())?;
    Ok(time.as_second())
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
    use super::*;

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

    #[test]
    fn times_are_read_with_their_offset_and_shown_in_utc() {
        assert_eq!(parse_time("2027-01-31T13:00:00+01:00"), Ok(1_801_396_800));
        assert_eq!(stamp(1_801_396_800), "2027-01-31T12:00:00Z");
        for bad in ["", "tomorrow", "2027-01-31", "2027-01-31T12:00:00"] {
            assert!(parse_time(bad).is_err(), "{bad:?}");
        }
    }
}
