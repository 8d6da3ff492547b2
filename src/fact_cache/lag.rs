//! How late changes are learnt: from their commit until nothing allows by the old fact here any more.
//!
//! Nobody tells when a transaction committed. But it was after the look before began, which did not see it, and after its rows
//! were written: the shorter of the two is what is measured, so that a clock that is wrong or a transaction that was long open
//! do not make it longer, and nothing makes it too short.

use crate::telemetry::counters::{BOUNDS, Latency, LatencyTotal};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::time::Duration;

/// What was measured. One writer: whoever follows the changes.
#[derive(Debug, Default)]
pub struct Lag(Latency);

impl Lag {
    /// A look found changes, the oldest of them written `age` ago where that is known, which the one that began `before` ago
    /// had not seen.
    pub fn learnt(&self, age: Option<Duration>, before: Duration) {
        self.0.observe(age.map_or(before, |age| age.min(before)));
    }

    /// How often changes were learnt.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total().count()
    }

    /// All that was measured since the start.
    #[must_use]
    pub fn total(&self) -> LatencyTotal {
        let mut total = LatencyTotal::default();
        self.0.add_to(&mut total);
        total
    }
}

impl Collector for Lag {
    #[allow(clippy::cast_precision_loss)]
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let total = self.total();
        let mut buckets: Vec<(f64, u64)> =
            BOUNDS.iter().zip(total.buckets).map(|(bound, count)| (*bound as f64 / 1e6, count)).collect();
        buckets.push((f64::INFINITY, total.above));
        let help = "Time from a change's commit until its old fact allowed nothing, at most";
        let (sum, count) = (total.sum_ns as f64 / 1e9, total.count());
        encoder
            .encode_descriptor("postern_revocation_lag_seconds", help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::Lag;
    use std::time::Duration;

    #[test]
    fn the_shorter_bound_counts() {
        let lag = Lag::default();
        let (short, long) = (Duration::from_millis(3), Duration::from_millis(80));
        lag.learnt(Some(short), long);
        lag.learnt(Some(Duration::from_secs(3600)), long);
        lag.learnt(None, long);
        assert_eq!((lag.count(), lag.total().sum_ns), (3, 163_000_000));
    }
}
