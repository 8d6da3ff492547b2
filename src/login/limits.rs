//! How often passwords may be tried: by client address, and by user.
//!
//! The first limit is the configured one and counts every request of an address (IPv6 by /64) to the endpoints that take
//! passwords. The second is generous and counts attempts on one user, or on an identifier that means nobody, from addresses
//! that did not log this user in lately: who guesses from many addresses runs dry, and locks nobody out of their own.
//! Both are governor's, over tables that end.

use crate::clock;
use crate::id::UserId;
use crate::limit::Who;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Keys of one limit that are remembered; newcomers beyond that share one.
const CAPACITY: usize = 100_000;
/// A full table is looked through at most this often.
const SWEEP: Duration = Duration::from_secs(1);
/// Attempts on one user from strange addresses: so many at once, and as many in each hour.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(100).unwrap();
const HOUR: Duration = Duration::from_secs(3600);
/// Successes that are remembered.
const SUCCESSES: usize = 50_000;
/// For how long.
const RECENT: Duration = Duration::from_secs(30 * 86_400);

/// The process's own clock, as governor wants it.
#[derive(Clone, Copy, Debug)]
struct Ours;

impl Clock for Ours {
    type Instant = Instant;

    fn now(&self) -> Instant {
        clock::monotonic()
    }
}

/// Who is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user.
    User(UserId),
    /// An identifier that means nobody, as a keyed hash.
    Nobody(u64),
    /// All beyond the table's end.
    Crowd,
}

impl Subject {
    /// An identifier that means nobody, whatever its case.
    #[must_use]
    pub fn unknown(identifier: &str) -> Self {
        static HASHER: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);
        Self::Nobody(HASHER.hash_one(identifier.to_lowercase()))
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// So many in each period.
    pub limit: u32,
    /// The period.
    pub period: Duration,
    /// So many would pass now.
    pub remaining: u32,
}

struct Table<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Ours, StateInformationMiddleware>,
    crowd: K,
    capacity: usize,
    swept: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn new(quota: Quota, crowd: K, capacity: usize) -> Self {
        let limiter =
            RateLimiter::<_, _, _, StateInformationMiddleware>::new(quota, DashMapStateStore::default(), Ours);
        Self { limiter, crowd, capacity, swept: Mutex::new(clock::monotonic()) }
    }

    /// How many more would pass, or how long to wait.
    fn count(&self, key: &K) -> Result<u32, Duration> {
        let key = if self.has_room() { key } else { &self.crowd };
        match self.limiter.check_key(key) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(until) => Err(until.wait_time_from(Ours.now())),
        }
    }

    /// Whether one more key may be remembered.
    fn has_room(&self) -> bool {
        if self.limiter.len() < self.capacity {
            return true;
        }
        let mut swept = self.swept.lock();
        let now = Ours.now();
        if now.saturating_duration_since(*swept) < SWEEP {
            return false;
        }
        *swept = now;
        self.limiter.retain_recent();
        self.limiter.len() < self.capacity
    }
}

fn quota(count: NonZeroU32, period: Duration) -> Option<Quota> {
    Quota::with_period(period.checked_div(count.get())?).map(|quota| quota.allow_burst(count))
}

/// All limits of logins.
pub struct Limits {
    addresses: Option<(NonZeroU32, Duration, Table<Who>)>,
    subjects: Option<Table<Subject>>,
    successes: Cache<(UserId, Who), Instant>,
}

impl Limits {
    /// So many requests of one address in such a time; `None` limits nothing, users neither.
    #[must_use]
    pub fn new(throttle: Option<(NonZeroU32, Duration)>) -> Self {
        Self::with_capacity(throttle, CAPACITY)
    }

    fn with_capacity(throttle: Option<(NonZeroU32, Duration)>, capacity: usize) -> Self {
        let addresses = throttle
            .and_then(|(count, period)| Some((count, period, Table::new(quota(count, period)?, Who::Crowd, capacity))));
        let subjects = throttle.and_then(|_| Some(Table::new(quota(ATTEMPTS, HOUR)?, Subject::Crowd, capacity)));
        Self { addresses, subjects, successes: Cache::new(SUCCESSES) }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// How long to wait, and the limit.
    pub fn request(&self, client: IpAddr) -> Result<Option<State>, (Duration, State)> {
        let Some((limit, period, table)) = &self.addresses else { return Ok(None) };
        let state = |remaining| State { limit: limit.get(), period: *period, remaining };
        match table.count(&Who::address(client)) {
            Ok(remaining) => Ok(Some(state(remaining))),
            Err(wait) => Err((wait, state(0))),
        }
    }

    /// Counts an attempt on a user, unless they logged in from there lately.
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&self, subject: Subject, client: IpAddr) -> Result<(), Duration> {
        let Some(table) = &self.subjects else { return Ok(()) };
        if let Subject::User(user) = subject
            && let Some(at) = self.successes.get(&(user, Who::address(client)))
            && Ours.now().saturating_duration_since(at) < RECENT
        {
            return Ok(());
        }
        table.count(&subject).map(|_| ())
    }

    /// A user logged in from an address.
    pub fn succeeded(&self, user: UserId, client: IpAddr) {
        self.successes.insert((user, Who::address(client)), Ours.now());
    }

    /// Keys that are remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        let addresses = self.addresses.as_ref().map_or(0, |(_, _, table)| table.limiter.len());
        addresses + self.subjects.as_ref().map_or(0, |table| table.limiter.len())
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, Limits, Subject};
    use crate::id::UserId;
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn limits(count: u32, capacity: usize) -> Limits {
        Limits::with_capacity(NonZeroU32::new(count).map(|count| (count, Duration::from_secs(86_400))), capacity)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_quota_and_an_ipv6_subscriber_one() {
        let limits = limits(2, 100);
        assert_eq!(limits.request(address("192.0.2.1")).unwrap().unwrap().remaining, 1);
        assert_eq!(limits.request(address("::ffff:192.0.2.1")).unwrap().unwrap().remaining, 0);
        let (wait, state) = limits.request(address("192.0.2.1")).unwrap_err();
        assert!(wait > Duration::from_secs(43_000) && state.limit == 2);
        for (text, passes) in
            [("2001:db8::1", true), ("2001:db8::ffff:2", true), ("2001:db8::3", false), ("2001:db8:0:1::1", true)]
        {
            assert_eq!(limits.request(address(text)).is_ok(), passes, "{text}");
        }
        assert!(Limits::new(None).request(address("192.0.2.1")).unwrap().is_none());
    }

    /// Many addresses, one victim; whoever logged in from home before is not locked out by it.
    #[test]
    fn who_guesses_from_many_addresses_runs_dry_and_locks_nobody_out() {
        let limits = limits(20, 10_000);
        let (ann, bob) = (UserId::generate(), UserId::generate());
        limits.succeeded(ann, address("198.51.100.1"));
        let mut passed = 0;
        for n in 0..200_u32 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
            passed += u32::from(limits.attempt(Subject::User(ann), from).is_ok());
        }
        assert_eq!(passed, ATTEMPTS.get());
        assert!(limits.attempt(Subject::User(ann), address("198.51.100.1")).is_ok());
        assert!(limits.attempt(Subject::User(ann), address("198.51.100.2")).is_err());
        assert!(limits.attempt(Subject::User(bob), address("198.51.100.2")).is_ok());
    }

    #[test]
    fn an_identifier_that_means_nobody_runs_dry_too_whatever_its_case() {
        let limits = limits(20, 10_000);
        let spellings = ["nobody@example.org", "NOBODY@example.org"];
        let passed =
            (0..200).filter(|n| limits.attempt(Subject::unknown(spellings[n % 2]), address("10.0.0.1")).is_ok());
        assert_eq!(passed.count(), 100);
    }

    #[test]
    fn a_flood_of_addresses_and_names_does_not_grow_the_tables() {
        let limits = limits(1, 1_000);
        for n in 0..20_000_u32 {
            let _ = limits.request(IpAddr::V4(n.into()));
            let _ = limits.attempt(Subject::unknown(&n.to_string()), IpAddr::V4(n.into()));
        }
        assert!(limits.len() <= 2_002, "{}", limits.len());
    }
}
