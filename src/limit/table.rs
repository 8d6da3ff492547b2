//! Who came when, for all limits together, in bounded memory.
//!
//! A shard that is full drops what is over: an entry whose quota is free again says nothing that its absence does not say.
//! Where even that is not enough, newcomers share one quota of each limit, so that a flood of keys neither grows the
//! table nor opens the limit, and whoever was known before keeps their own.

use super::gcra::{Quota, Verdict};
use crate::id::{OrgId, UserId};
use ahash::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Keys that are remembered, in all.
const CAPACITY: usize = 256 * 1024;
const SHARDS: usize = 16;
/// A full shard is looked through at most this often.
const SWEEP: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    User(UserId),
    /// This organization, whoever asks for it.
    Organization(OrgId),
    /// This address, or for IPv6 its /64: that is what one subscriber has.
    Address(IpAddr),
    /// A name that means nobody, as a keyed hash.
    Name(u64),
    /// All who came when the table was full.
    Crowd,
}

impl Who {
    /// The key of a client's address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

/// What one number is remembered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub limit: u64,
    pub who: Who,
}

pub struct Limits {
    shards: Box<[Mutex<Shard>]>,
    capacity: usize,
    hasher: RandomState,
    start: Instant,
}

#[derive(Default)]
struct Shard {
    /// When each key's quota is free again.
    free: HashMap<Key, u64, RandomState>,
    swept: u64,
}

impl Limits {
    /// An empty table; times are counted from `start`.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self::with_capacity(start, CAPACITY)
    }

    fn with_capacity(start: Instant, capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, capacity: capacity.div_ceil(SHARDS), hasher: RandomState::new(), start }
    }

    /// Judges a request and counts it, where it passes.
    #[must_use]
    pub fn spend(&self, key: Key, quota: Quota, now: Instant) -> Verdict {
        let now = self.since_start(now);
        let Some(shard) = self.shard(&key) else { return Verdict::Wait(Duration::from_secs(1)) };
        let mut shard = shard.lock();
        let key = shard.place(key, self.capacity, now);
        let free = shard.free.get(&key).copied().unwrap_or_default();
        let (verdict, next) = quota.judge(free, now);
        if next != free {
            shard.free.insert(key, next);
        }
        verdict
    }

    /// Takes back that a request was counted, where it still shows.
    pub fn give_back(&self, key: Key, quota: Quota) {
        let interval = u64::try_from(quota.interval().as_nanos()).unwrap_or(u64::MAX);
        if let Some(shard) = self.shard(&key)
            && let Some(free) = shard.lock().free.get_mut(&key)
        {
            *free = free.saturating_sub(interval);
        }
    }

    /// What would become of a request, without counting it.
    #[must_use]
    pub fn peek(&self, key: Key, quota: Quota, now: Instant) -> Verdict {
        let now = self.since_start(now);
        let Some(shard) = self.shard(&key) else { return Verdict::Wait(Duration::from_secs(1)) };
        let mut shard = shard.lock();
        let key = shard.place(key, self.capacity, now);
        quota.judge(shard.free.get(&key).copied().unwrap_or_default(), now).0
    }

    /// Keys that are remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().free.len()).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, key: &Key) -> Option<&Mutex<Shard>> {
        let at = self.hasher.hash_one(key) % (SHARDS as u64);
        self.shards.get(usize::try_from(at).ok()?)
    }
}

impl Shard {
    /// The key itself where it is known or there is room for it, else the crowd's.
    fn place(&mut self, key: Key, capacity: usize, now: u64) -> Key {
        if self.free.len() < capacity || self.free.contains_key(&key) {
            return key;
        }
        if now.saturating_sub(self.swept) >= SWEEP {
            self.swept = now;
            self.free.retain(|_, free| *free > now);
        }
        if self.free.len() < capacity { key } else { Key { who: Who::Crowd, ..key } }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Limits, SHARDS, Who};
    use crate::clock;
    use crate::limit::{Quota, Verdict};
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn quota(count: u32) -> Quota {
        Quota::new(NonZeroU32::new(count).unwrap(), Duration::from_secs(60))
    }

    fn address(text: &str) -> Key {
        Key { limit: 7, who: Who::address(text.parse().unwrap()) }
    }

    #[test]
    fn each_key_has_its_own_quota_and_an_ipv6_subscriber_one() {
        let start = clock::monotonic();
        let limits = Limits::new(start);
        let passes = |key| matches!(limits.spend(key, quota(1), start), Verdict::Pass { .. });
        assert!(passes(address("192.0.2.1")) && passes(address("192.0.2.2")));
        assert!(!passes(address("192.0.2.1")) && !passes(address("::ffff:192.0.2.1")));
        assert!(passes(address("2001:db8:0:1::1")) && passes(address("2001:db8:0:2::1")));
        assert!(!passes(address("2001:db8:0:1:ffff::")));
        assert!(passes(Key { limit: 8, ..address("192.0.2.1") }));
    }

    #[test]
    fn looking_costs_nothing() {
        let start = clock::monotonic();
        let limits = Limits::new(start);
        let key = address("192.0.2.1");
        for _ in 0..3 {
            assert!(matches!(limits.peek(key, quota(1), start), Verdict::Pass { remaining: 0, .. }));
        }
        assert!(limits.is_empty());
        let _ = limits.spend(key, quota(1), start);
        assert_eq!(limits.peek(key, quota(1), start), Verdict::Wait(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_given_back_was_never_taken() {
        let start = clock::monotonic();
        let limits = Limits::new(start);
        let (key, quota) = (address("192.0.2.1"), quota(2));
        for _ in 0..100 {
            assert!(matches!(limits.spend(key, quota, start), Verdict::Pass { remaining: 1, .. }));
            limits.give_back(key, quota);
        }
        limits.give_back(key, quota);
        limits.give_back(address("192.0.2.2"), quota);
        let remaining = |verdict| if let Verdict::Pass { remaining, .. } = verdict { Some(remaining) } else { None };
        let spent: Vec<_> = (0..3).map(|_| remaining(limits.spend(key, quota, start))).collect();
        assert_eq!((spent, limits.len()), (vec![Some(1), Some(0), None], 1));
    }

    /// A flood of addresses, none of which comes twice.
    #[test]
    fn a_flood_neither_grows_the_table_nor_opens_the_limit_nor_touches_who_was_there() {
        let start = clock::monotonic();
        let limits = Limits::with_capacity(start, 10 * SHARDS);
        let known = address("192.0.2.1");
        let _ = limits.spend(known, quota(2), start);
        let flood = |from: u32, now| {
            let keys = (from..from + 2_000).map(|n| Key { limit: 7, who: Who::address(IpAddr::V4(n.into())) });
            keys.filter(|key| matches!(limits.spend(*key, quota(2), now), Verdict::Pass { .. })).count()
        };
        let passed = flood(1 << 24, start);
        assert!(passed < 12 * SHARDS, "{passed}");
        assert!(limits.len() <= 11 * SHARDS, "{}", limits.len());
        assert!(matches!(limits.spend(known, quota(2), start), Verdict::Pass { .. }));
        assert!(matches!(limits.spend(known, quota(2), start), Verdict::Wait(_)));
        // When all that is over, there is room again.
        let later = start + Duration::from_secs(120);
        assert!(flood(2 << 24, later) > 8 * SHARDS);
    }
}
