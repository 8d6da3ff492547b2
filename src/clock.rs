//! The only place that reads the machine's clocks; everything else is given a time.

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
