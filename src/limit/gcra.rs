//! The generic cell rate algorithm (ITU-T I.371, in its virtual scheduling form): one number remembers everything.
//!
//! That number is the theoretical arrival time, the moment at which the whole quota is free again. It lies ahead of now by
//! one interval for each request that counts; when it would lie further ahead than the quota reaches, the request waits.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many at once, and from then on one in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    /// Nanoseconds.
    interval: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass {
        /// So many more would pass now.
        remaining: u32,
        /// When all would pass again.
        reset: Duration,
    },
    /// It would pass after this time.
    Wait(Duration),
}

impl Quota {
    /// `count` in each `period`, and all of them at once for whoever has been away for so long.
    #[must_use]
    pub fn new(count: NonZeroU32, period: Duration) -> Self {
        let nanoseconds = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        Self { burst: count.get(), interval: (nanoseconds / u64::from(count.get())).max(1) }
    }

    /// The same, but only so many at once.
    #[must_use]
    pub const fn with_burst(self, burst: NonZeroU32) -> Self {
        Self { burst: burst.get(), ..self }
    }

    /// Judges a request at `now` (nanoseconds from any beginning). `free` is when the whole quota is free, as the last call
    /// said. The new moment comes with the verdict, where the request counts.
    #[must_use]
    pub fn judge(self, free: u64, now: u64) -> (Verdict, u64) {
        let reach = self.interval.saturating_mul(u64::from(self.burst));
        let next = free.max(now).saturating_add(self.interval);
        let ahead = next.saturating_sub(now);
        if ahead > reach {
            return (Verdict::Wait(Duration::from_nanos(ahead - reach)), free);
        }
        let remaining = u32::try_from((reach - ahead) / self.interval).unwrap_or(self.burst);
        (Verdict::Pass { remaining, reset: Duration::from_nanos(ahead) }, next)
    }
}

#[cfg(test)]
mod tests {
    use super::{Quota, Verdict};
    use governor::clock::FakeRelativeClock;
    use governor::{Quota as Theirs, RateLimiter};
    use proptest::prelude::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_one_in_each_interval() {
        let quota = Quota::new(NonZeroU32::new(3).unwrap(), Duration::from_secs(60));
        let mut free = 0;
        let mut ask = |now: u64| {
            let (verdict, next) = quota.judge(free, now * SECOND);
            free = next;
            verdict
        };
        let pass = |remaining, reset| Verdict::Pass { remaining, reset: Duration::from_secs(reset) };
        assert_eq!([ask(1), ask(1), ask(1)], [pass(2, 20), pass(1, 40), pass(0, 60)]);
        assert_eq!(ask(1), Verdict::Wait(Duration::from_secs(20)));
        assert_eq!(ask(20), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(ask(21), pass(0, 60));
        assert_eq!(ask(200), pass(2, 20));
    }

    proptest! {
        /// governor's limiter, which others have tried for long, says the same of any quota and any sequence of pauses.
        #[test]
        fn governor_says_the_same(count in 1_u32..50, period in 1_u64..100, pauses in proptest::collection::vec(0_u64..3_000_000_000, 1..100)) {
            let count = NonZeroU32::new(count).unwrap();
            let period = Duration::from_secs(period);
            let quota = Quota::new(count, period);
            let clock = FakeRelativeClock::default();
            let theirs = Theirs::with_period(Duration::from_nanos(quota.interval)).unwrap().allow_burst(count);
            let theirs = RateLimiter::direct_with_clock(theirs, clock.clone());
            let (mut now, mut free) = (0, 0);
            for pause in pauses {
                now += pause;
                clock.advance(Duration::from_nanos(pause));
                let (verdict, next) = quota.judge(free, now);
                free = next;
                prop_assert_eq!(matches!(verdict, Verdict::Pass { .. }), theirs.check().is_ok());
            }
        }
    }
}
