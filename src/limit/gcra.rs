//! The generic cell rate algorithm (ITU-T I.371, in its virtual scheduling form), as governor does it, over one number.
//!
//! That number is the theoretical arrival time, the moment at which the whole quota is free again. It lies ahead of now by
//! one interval for each request that counts; when it would lie further ahead than the quota reaches, the request waits.
//! Who keeps the number is the caller's business: the [`table`](super::table) here, a script in Redis
//! ([`shared`](super::shared)) for all replicas.

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota as Rate, RateLimiter};
use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

/// So many at once, and from then on one in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    burst: NonZeroU32,
    /// Nanoseconds.
    interval: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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
        Self { burst: count, interval: (nanoseconds / u64::from(count.get())).max(1) }
    }

    /// The same, but only so many at once.
    #[must_use]
    pub const fn with_burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// One share of it, where so many share it: never less than one at once.
    #[must_use]
    pub fn divided(self, by: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(self.burst.get() / by.get()).unwrap_or(NonZeroU32::MIN);
        Self { burst, interval: self.interval.saturating_mul(u64::from(by.get())) }
    }

    #[must_use]
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// Between one and the next.
    #[must_use]
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Judges a request at `now` (nanoseconds from any beginning). `free` is when the whole quota is free, as the last call
    /// said. The new moment comes with the verdict, where the request counts.
    #[must_use]
    pub fn judge(self, free: u64, now: u64) -> (Verdict, u64) {
        // An interval is never zero; where it were, nothing would pass.
        let Some(rate) = Rate::with_period(self.interval()) else { return (Verdict::Wait(Duration::MAX), free) };
        let number = Number { free, next: Cell::new(free) };
        let time = Time { now: Duration::from_nanos(now), begun: Cell::new(false) };
        let limiter: RateLimiter<NotKeyed, Number, Time, StateInformationMiddleware> =
            RateLimiter::new(rate.allow_burst(self.burst), number, time);
        match limiter.check() {
            Ok(state) => {
                let next = limiter.into_state_store().next.get();
                let reset = Duration::from_nanos(next.saturating_sub(now));
                (Verdict::Pass { remaining: state.remaining_burst_capacity(), reset }, next)
            }
            Err(until) => (Verdict::Wait(until.wait_time_from(Duration::from_nanos(now))), free),
        }
    }
}

/// The one number, for as long as governor looks at it.
struct Number {
    free: u64,
    next: Cell<u64>,
}

impl StateStore for Number {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (judged, next) = judge(Some(self.free.into()))?;
        self.next.set(next.into());
        Ok(judged)
    }
}

/// A limiter asks for the time first when it is made, which is when its time begins: at zero.
struct Time {
    now: Duration,
    begun: Cell<bool>,
}

impl Clock for Time {
    type Instant = Duration;

    fn now(&self) -> Duration {
        if self.begun.replace(true) { self.now } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::{Quota, Verdict};
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

    #[test]
    fn shares_of_a_quota_are_no_more_than_the_quota() {
        let quota = Quota::new(NonZeroU32::new(10).unwrap(), Duration::from_secs(60));
        let third = quota.divided(NonZeroU32::new(3).unwrap());
        assert_eq!((third.burst().get(), third.interval()), (3, Duration::from_secs(18)));
        let tiny = quota.divided(NonZeroU32::new(100).unwrap());
        assert_eq!((tiny.burst().get(), tiny.interval()), (1, Duration::from_secs(600)));
    }

    proptest! {
        /// The algorithm as the recommendation writes it, and the numbers that callers are told.
        #[test]
        fn it_is_virtual_scheduling(count in 1_u32..50, period in 1_u64..100,
                                    pauses in proptest::collection::vec(0_u64..3_000_000_000, 1..100)) {
            let quota = Quota::new(NonZeroU32::new(count).unwrap(), Duration::from_secs(period));
            let reach = quota.interval * u64::from(count);
            let (mut now, mut free) = (0, 0);
            for pause in pauses {
                now += pause;
                let expected = free.max(now) + quota.interval;
                let (verdict, next) = quota.judge(free, now);
                let ahead = expected - now;
                if ahead > reach {
                    prop_assert_eq!((verdict, next), (Verdict::Wait(Duration::from_nanos(ahead - reach)), free));
                } else {
                    let remaining = u32::try_from((reach - ahead) / quota.interval).unwrap();
                    let reset = Duration::from_nanos(ahead);
                    prop_assert_eq!((verdict, next), (Verdict::Pass { remaining, reset }, expected));
                }
                free = next;
            }
        }
    }
}
