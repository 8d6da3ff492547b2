//! Counting on the hot path: each worker writes counters of its own, and only the scrape adds them up.
//!
//! A [`Count`] has one writer, so adding is a load and a store without a locked instruction; readers may see it a moment
//! late. Where a counter has several writers (the control plane), [`Count::add_shared`] is for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows (or, as a gauge, is set).
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one; only the owning thread may.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`; only the owning thread may.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds one from any thread.
    pub fn inc_shared(&self) {
        self.add_shared(1);
    }

    /// Adds `n` from any thread.
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number as far as it is visible here.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the latency buckets, in microseconds.
pub const BOUNDS: [u64; 16] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// A latency histogram of one writer.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [Count; BOUNDS.len()],
    above: Count,
    sum_ns: Count,
}

impl Latency {
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| micros <= *bound);
        at.and_then(|at| self.buckets.get(at)).unwrap_or(&self.above).inc();
        self.sum_ns.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds what was counted to a sum over workers.
    pub fn add_to(&self, total: &mut LatencyTotal) {
        for (sum, bucket) in total.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.get();
        }
        total.above += self.above.get();
        total.sum_ns += self.sum_ns.get();
    }
}

/// The sum of several [`Latency`]s.
#[derive(Clone, Debug, Default)]
pub struct LatencyTotal {
    /// Counts by bucket, not cumulative.
    pub buckets: [u64; BOUNDS.len()],
    pub above: u64,
    /// All durations together, in nanoseconds.
    pub sum_ns: u64,
}

impl LatencyTotal {
    /// The bound in microseconds below which so large a share of them is; `None` where there are none, or it is above all bounds.
    #[must_use]
    pub fn within(&self, percent: u64) -> Option<u64> {
        let (count, mut seen) = (self.count(), 0);
        let mut counted = BOUNDS.iter().zip(self.buckets).filter(|_| count > 0);
        counted.find_map(|(bound, bucket)| {
            seen += bucket;
            (seen * 100 >= count * percent).then_some(*bound)
        })
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.above
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, LatencyTotal};
    use std::time::Duration;

    #[test]
    fn durations_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let latency = Latency::default();
        for micros in [0, 25, 26, 30_000_000, 30_000_001] {
            latency.observe(Duration::from_micros(micros));
        }
        let mut total = LatencyTotal::default();
        latency.add_to(&mut total);
        assert_eq!(total.buckets.first(), Some(&2));
        assert_eq!(total.buckets.get(1), Some(&1));
        assert_eq!(total.buckets.last(), Some(&1));
        assert_eq!((total.above, total.count()), (1, 5));
    }
}
