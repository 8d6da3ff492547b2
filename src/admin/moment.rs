//! Times as people read them.

use jiff::Timestamp;

/// Seconds since the Unix epoch, in UTC: `2026-11-30 19:04:05`.
pub(super) fn told(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S").to_string()
}
