//! How often passwords may be tried: by client address, and by user.
//!
//! The first limit is the configured one and counts every request of an address (IPv6 by /64) to what takes passwords. The
//! second is generous, is always there, and counts failures on one user, or on an identifier that means nobody, from addresses
//! that did not log this user in lately: who guesses from many addresses runs dry, and locks nobody out of their own. A failure
//! is counted before it is known to be one, and given back where it was none, so that many at once are no more than one by one.
//! Where there is Redis, all replicas count together, and tell each other from where somebody logged in.

use crate::clock;
use crate::directory::token::ChecksumKey;
use crate::id::UserId;
use crate::limit::{Key, Limiter, Quota, Shared, Verdict, Who};
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The numbers of the limits among all.
const BY_ADDRESS: u64 = 1;
const BY_SUBJECT: u64 = 2;
const SESSIONS: u64 = 3;
const BY_USER: u64 = 4;
const LETTERS: u64 = 5;
/// Pages of one address that the store is asked about, in each minute.
const PAGES: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// Failures on one user from strange addresses: so many at once, and as many in each hour.
const FAILURES: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Letters to one user: so many at once, and as many in each hour.
const LETTERS_EACH: NonZeroU32 = NonZeroU32::new(5).unwrap();
const HOUR: Duration = Duration::from_secs(3600);
/// Successes that are remembered here.
const SUCCESSES: usize = 50_000;
/// For how long.
const RECENT: Duration = Duration::from_secs(30 * 86_400);

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose it is: `address` or `user`.
    pub of: &'static str,
    /// So many in each period.
    pub limit: u32,
    /// The period.
    pub period: Duration,
    /// So many would pass now.
    pub remaining: u32,
    /// Until all would pass again, or one, where none would now.
    pub reset: Duration,
}

/// An attempt that is counted as a failure, until it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Counted(Option<Key>);

/// All limits of logins.
pub struct Limits {
    limiter: Limiter,
    addresses: Option<(NonZeroU32, Duration)>,
    names: SecretBox<[u8; 32]>,
    successes: Cache<(UserId, Who), Instant>,
}

impl Limits {
    /// So many requests of one address in such a time; `None` limits addresses by nothing. `key` is the store's, the same in
    /// all replicas.
    #[must_use]
    pub fn new(addresses: Option<(NonZeroU32, Duration)>, key: &ChecksumKey, shared: Option<Arc<Shared>>) -> Self {
        Self {
            limiter: Limiter::new(clock::monotonic(), shared),
            addresses,
            names: SecretBox::new(Box::new(key.derive("postern names of nobody 1"))),
            successes: Cache::new(SUCCESSES),
        }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// The limit is reached.
    pub async fn request(&self, client: IpAddr) -> Result<Option<State>, State> {
        self.count(Key { limit: BY_ADDRESS, who: Who::address(client) }, "address").await
    }

    /// Counts a request of somebody who is known, wherever they are; as many as of an address.
    ///
    /// # Errors
    /// The limit is reached.
    pub async fn request_of(&self, user: UserId) -> Result<Option<State>, State> {
        self.count(Key { limit: BY_USER, who: Who::User(user) }, "user").await
    }

    async fn count(&self, key: Key, of: &'static str) -> Result<Option<State>, State> {
        let Some((limit, period)) = self.addresses else { return Ok(None) };
        let state = |remaining, reset| State { of, limit: limit.get(), period, remaining, reset };
        match self.limiter.spend(key, Quota::new(limit, period), clock::monotonic()).await {
            Verdict::Pass { remaining, reset } => Ok(Some(state(remaining, reset))),
            Verdict::Wait(wait) => Err(state(0, wait)),
        }
    }

    /// Whether the store may be asked whose session a page of this address is for: anybody can make a cookie up.
    #[must_use]
    pub fn may_ask(&self, client: IpAddr) -> bool {
        let key = Key { limit: SESSIONS, who: Who::address(client) };
        let quota = Quota::new(PAGES, Duration::from_secs(60));
        matches!(self.limiter.here().spend(key, quota, clock::monotonic()), Verdict::Pass { .. })
    }

    /// Whether another letter may be sent to a user: anybody can ask for one.
    pub async fn may_write_to(&self, user: UserId) -> bool {
        let key = Key { limit: LETTERS, who: Who::User(user) };
        let spent = self.limiter.spend(key, Quota::new(LETTERS_EACH, HOUR), clock::monotonic());
        matches!(spent.await, Verdict::Pass { .. })
    }

    /// An identifier that means nobody, whatever its case.
    #[must_use]
    pub fn nobody(&self, identifier: &str) -> Who {
        // HMAC takes a key of any length, so the error cannot be; all would share one budget.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.names.expose_secret()) else { return Who::Name(0) };
        let hash = mac.chain_update(identifier.to_lowercase()).finalize().into_bytes();
        Who::Name(hash.iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte)))
    }

    /// Counts an attempt as a failure, unless they logged in from there lately.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn attempt(&self, subject: Who, client: IpAddr) -> Result<Counted, Duration> {
        if let Who::User(user) = subject
            && let Some(at) = self.successes.get(&(user, Who::address(client)))
            && clock::monotonic().saturating_duration_since(at) < RECENT
        {
            return Ok(Counted(None));
        }
        let key = Key { limit: BY_SUBJECT, who: subject };
        match self.limiter.spend(key, failures(), clock::monotonic()).await {
            Verdict::Pass { .. } => Ok(Counted(Some(key))),
            // Perhaps it was another replica that they logged in at.
            Verdict::Wait(wait) => match subject {
                Who::User(user) if self.limiter.noted(&success(&user, &place(client))).await => Ok(Counted(None)),
                _ => Err(wait),
            },
        }
    }

    /// It was no failure.
    pub async fn give_back(&self, counted: Counted) {
        if let Counted(Some(key)) = counted {
            self.limiter.give_back(key, failures()).await;
        }
    }

    /// A user logged in from an address.
    pub async fn succeeded(&self, user: UserId, client: IpAddr) {
        let key = (user, Who::address(client));
        // Told again once a day.
        let now = clock::monotonic();
        let is_told = |at| now.saturating_duration_since(at) < Duration::from_secs(86_400);
        if !self.successes.get(&key).is_some_and(is_told) {
            self.successes.insert(key, now);
            self.limiter.note(&success(&user, &place(client)), RECENT).await;
        }
    }

    /// Keys that are remembered now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiter.here().len()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn failures() -> Quota {
    Quota::new(FAILURES, HOUR)
}

fn place(client: IpAddr) -> String {
    match Who::address(client) {
        Who::Address(address) => address.to_string(),
        _ => String::new(),
    }
}

/// What replicas tell each other of a login.
fn success<'a>(user: &'a UserId, place: &'a str) -> [&'a [u8]; 3] {
    [b"login", user.0.as_bytes(), place.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::{FAILURES, Limits, Who};
    use crate::directory::token::ChecksumKey;
    use crate::id::UserId;
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn limits(count: Option<u32>) -> Limits {
        let count = count.and_then(NonZeroU32::new).map(|count| (count, Duration::from_secs(86_400)));
        Limits::new(count, &ChecksumKey::new([7; 32]), None)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_has_its_quota_and_an_ipv6_subscriber_one() {
        let limits = limits(Some(2));
        assert_eq!(limits.request(address("192.0.2.1")).await.unwrap().unwrap().remaining, 1);
        assert_eq!(limits.request(address("::ffff:192.0.2.1")).await.unwrap().unwrap().remaining, 0);
        let state = limits.request(address("192.0.2.1")).await.unwrap_err();
        assert!(state.reset > Duration::from_secs(43_000) && state.limit == 2);
        for (text, passes) in
            [("2001:db8::1", true), ("2001:db8::ffff:2", true), ("2001:db8::3", false), ("2001:db8:0:1::1", true)]
        {
            assert_eq!(limits.request(address(text)).await.is_ok(), passes, "{text}");
        }
    }

    /// Many addresses, one victim; whoever logged in from home before is not locked out by it. Addresses are not limited here.
    #[tokio::test]
    async fn who_guesses_from_many_addresses_runs_dry_and_locks_nobody_out() {
        let limits = limits(None);
        assert!(limits.request(address("192.0.2.1")).await.unwrap().is_none());
        let (ann, bob) = (UserId::generate(), UserId::generate());
        limits.succeeded(ann, address("198.51.100.1")).await;
        let mut passed = 0;
        for n in 0..200_u32 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
            passed += u32::from(limits.attempt(Who::User(ann), from).await.is_ok());
        }
        assert_eq!(passed, FAILURES.get());
        assert!(limits.attempt(Who::User(ann), address("198.51.100.1")).await.is_ok());
        assert!(limits.attempt(Who::User(ann), address("198.51.100.2")).await.is_err());
        assert!(limits.attempt(Who::User(bob), address("198.51.100.2")).await.is_ok());
    }

    #[tokio::test]
    async fn what_was_no_failure_does_not_count() {
        let limits = limits(None);
        let ann = Who::User(UserId::generate());
        for n in 0..1_000_u32 {
            let counted = limits.attempt(ann, IpAddr::V4(n.into())).await.unwrap();
            limits.give_back(counted).await;
        }
    }

    #[tokio::test]
    async fn an_identifier_that_means_nobody_runs_dry_too_whatever_its_case() {
        let limits = limits(Some(20));
        let spellings = ["nobody@example.org", "NOBODY@example.org"].map(|name| limits.nobody(name));
        let mut passed = 0;
        for n in 0..200 {
            passed += u32::from(limits.attempt(spellings[n % 2], address("10.0.0.1")).await.is_ok());
        }
        assert_eq!((passed, limits.len()), (FAILURES.get(), 1));
        assert!(limits.attempt(limits.nobody("somebody"), address("10.0.0.1")).await.is_ok());
    }
}
