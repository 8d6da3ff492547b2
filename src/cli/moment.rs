//! Times as people write and read them; everywhere else they are seconds since the Unix epoch.

pub use crate::clock::parse_duration;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_and_shown_in_utc() {
        assert_eq!(parse_time("2027-01-31T13:00:00+01:00"), Ok(1_801_396_800));
        assert_eq!(stamp(1_801_396_800), "2027-01-31T12:00:00Z");
        for bad in ["", "tomorrow", "2027-01-31", "2027-01-31T12:00:00"] {
            assert!(parse_time(bad).is_err(), "{bad:?}");
        }
    }
}
