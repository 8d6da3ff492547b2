//! Times as Django REST framework writes them: ISO 8601, with microseconds where there are any.

use jiff::Timestamp;
use jiff::tz::Offset;

/// Seconds and microseconds since the Unix epoch.
pub(super) fn written(seconds: i64, micros: u32) -> String {
    let whole = Offset::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or_default());
    if micros == 0 { format!("{whole}Z") } else { format!("{whole}.{micros:06}Z") }
}

/// Microseconds since the Unix epoch.
pub(super) fn of_micros(micros: i64) -> String {
    written(micros.div_euclid(1_000_000), u32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{of_micros, written};

    #[test]
    fn microseconds_are_told_where_there_are_any() {
        assert_eq!(written(1_704_283_200, 123_456), "2024-01-03T12:00:00.123456Z");
        assert_eq!(written(1_704_283_200, 0), "2024-01-03T12:00:00Z");
        assert_eq!(of_micros(1_704_283_200_000_001), "2024-01-03T12:00:00.000001Z");
        assert_eq!(of_micros(-1), "1969-12-31T23:59:59.999999Z");
    }
}
