//! How often passwords may be tried: by client address, and by user.
//!
//! The first limit is the configured one and counts every request of an address (IPv6 by /64) to what takes passwords. The
//! second is generous, is always there, and counts failures on a name, whether it means somebody or not, and on whom it means, from
//! addresses that did not log this user in lately: a name runs dry in all its spellings, known or not, and a user under all their
//! names. Who guesses from many addresses runs dry, and locks nobody out of their own. A failure
//! is counted before it is known to be one, and given back where it was none, so that many at once are no more than one by one.
//! Where there is Redis, all replicas count together, and tell each other from where somebody logged in.

use crate::clock;
use crate::directory::token::ChecksumKey;
use crate::id::UserId;
use crate::limit::lane::{Lane, Turn};
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
const CONFLICTS: u64 = 6;
/// Credentials of one address that are nobody's, in each minute, before the store is asked by the narrow way alone.
const PAGES: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// Failures on one user from strange addresses: so many at once, and as many in each hour.
const FAILURES: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Letters to one user: so many at once, and as many in each hour.
const LETTERS_EACH: NonZeroU32 = NonZeroU32::new(5).unwrap();
/// Names and addresses of others that somebody who manages users hits upon: so many at once, and as many in each hour.
const CONFLICTS_EACH: NonZeroU32 = NonZeroU32::new(30).unwrap();
const HOUR: Duration = Duration::from_secs(3600);
/// Wrong codes of a second factor of one user, from wherever: each limit with its number, so many at once, and as many in each period. Who
/// goes on guessing waits a minute after five, six after ten, and more than an hour after twenty.
const GUESSES: [(u64, NonZeroU32, Duration); 3] = [
    (7, NonZeroU32::new(5).unwrap(), Duration::from_secs(300)),
    (8, NonZeroU32::new(10).unwrap(), HOUR),
    (9, NonZeroU32::new(20).unwrap(), Duration::from_secs(24 * 3600)),
];
/// The number of the limit of logins of devices, and how many one address begins at once, and in the time that one waits: so many of one
/// address wait, whatever else is limited.
const DEVICES: u64 = 10;
const DEVICES_EACH: NonZeroU32 = NonZeroU32::new(30).unwrap();
const DEVICE_WAITS: Duration = Duration::from_secs(600);
/// The number of the limit of what somebody changes of their own, and how often in an hour: each leaves a line of their history.
const CHANGES: u64 = 11;
const CHANGES_EACH: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// Successes that are remembered here.
const SUCCESSES: usize = 50_000;
const RECENT: Duration = Duration::from_secs(30 * 86_400);

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose it is: `address` or `user`.
    pub of: &'static str,
    /// So many in each period.
    pub limit: u32,
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

/// Leave to ask the store, until it is dropped.
pub struct Leave<'l> {
    limits: &'l Limits,
    who: Who,
    _turn: Option<Turn<'l>>,
}

impl Leave<'_> {
    /// What was asked for is nobody's.
    pub fn was_nobody(&self) {
        let key = Key { limit: SESSIONS, who: self.who };
        let _ = self.limits.limiter.here().spend(key, pages(), clock::monotonic());
    }
}

pub struct Limits {
    limiter: Limiter,
    addresses: Option<(NonZeroU32, Duration)>,
    names: SecretBox<[u8; 32]>,
    successes: Cache<(UserId, Who), Instant>,
    strangers: Lane,
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
            strangers: Lane::default(),
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

    /// Leave to ask the store whose a credential is that anybody can make up. Who has shown too many that were nobody's waits for it;
    /// `None`: in vain.
    pub async fn ask(&self, client: IpAddr) -> Option<Leave<'_>> {
        let who = Who::address(client);
        match self.limiter.here().peek(Key { limit: SESSIONS, who }, pages(), clock::monotonic()) {
            Verdict::Pass { .. } => Some(Leave { limits: self, who, _turn: None }),
            Verdict::Wait(_) => {
                let turn = self.strangers.turn(who).await?;
                Some(Leave { limits: self, who, _turn: Some(turn) })
            }
        }
    }

    /// Whether another letter may be sent to a user: anybody can ask for one.
    pub async fn may_write_to(&self, user: UserId) -> bool {
        let key = Key { limit: LETTERS, who: Who::User(user) };
        let spent = self.limiter.spend(key, Quota::new(LETTERS_EACH, HOUR), clock::monotonic());
        matches!(spent.await, Verdict::Pass { .. })
    }

    /// Counts a login of a device that an address begins.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn device(&self, client: IpAddr) -> Result<(), Duration> {
        self.spend(Key { limit: DEVICES, who: Who::address(client) }, Quota::new(DEVICES_EACH, DEVICE_WAITS)).await
    }

    /// Counts that somebody changes something of their own.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn change(&self, user: UserId) -> Result<(), Duration> {
        self.spend(Key { limit: CHANGES, who: Who::User(user) }, Quota::new(CHANGES_EACH, HOUR)).await
    }

    async fn spend(&self, key: Key, quota: Quota) -> Result<(), Duration> {
        match self.limiter.spend(key, quota, clock::monotonic()).await {
            Verdict::Pass { .. } => Ok(()),
            Verdict::Wait(wait) => Err(wait),
        }
    }

    /// Counts that somebody hits upon what another user has, who may be of another tenant, until it is given back.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn conflict(&self, user: UserId) -> Result<(), Duration> {
        self.spend(Key { limit: CONFLICTS, who: Who::User(user) }, Quota::new(CONFLICTS_EACH, HOUR)).await
    }

    /// They did not.
    pub async fn no_conflict(&self, user: UserId) {
        let key = Key { limit: CONFLICTS, who: Who::User(user) };
        self.limiter.give_back(key, Quota::new(CONFLICTS_EACH, HOUR)).await;
    }

    /// Counts a code of a user's second factor as a guess, until it is given back. Whoever guesses has their password already, so it
    /// counts from wherever they logged in before too.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn code(&self, user: UserId) -> Result<(), Duration> {
        for (at, (key, quota)) in guesses(user).enumerate() {
            if let Verdict::Wait(wait) = self.limiter.spend(key, quota, clock::monotonic()).await {
                for (key, quota) in guesses(user).take(at) {
                    self.limiter.give_back(key, quota).await;
                }
                return Err(wait);
            }
        }
        Ok(())
    }

    /// It was none.
    pub async fn no_guess(&self, user: UserId) {
        for (key, quota) in guesses(user) {
            self.limiter.give_back(key, quota).await;
        }
    }

    /// It was right: wrong ones of before are no longer in a row with what comes.
    pub async fn right_code(&self, user: UserId) {
        self.no_guess(user).await;
        if let (Some((key, quota)), Some((_, row, _))) = (guesses(user).next(), GUESSES.first()) {
            for _ in 1..row.get() {
                self.limiter.give_back(key, quota).await;
            }
        }
    }

    /// A number for a name, which nobody can tell beforehand; another for each purpose.
    #[must_use]
    pub fn keyed(&self, purpose: &str, name: &[u8]) -> u64 {
        // HMAC takes a key of any length, so the error cannot be; all would share one budget.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(self.names.expose_secret()) else { return 0 };
        let hash = mac.chain_update(purpose).chain_update([0]).chain_update(name).finalize().into_bytes();
        hash.iter().take(8).fold(0, |name, byte| name << 8 | u64::from(*byte))
    }

    /// Whether somebody logged in from there lately, as far as this replica knows.
    fn remembers(&self, user: UserId, client: IpAddr) -> bool {
        let at = self.successes.get(&(user, Who::address(client)));
        at.is_some_and(|at| clock::monotonic().saturating_duration_since(at) < RECENT)
    }

    /// Counts an attempt as a failure on a name, in all its `forms`, and on each user whom it means. Says whose password may be
    /// compared: who logged in from there lately is not held up by others.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn attempts(
        &self,
        forms: &[Who],
        users: &[UserId],
        client: IpAddr,
    ) -> Result<(Vec<UserId>, Vec<Counted>), Duration> {
        let mut counted = Vec::with_capacity(forms.len() + users.len());
        let mut wait: Option<Duration> = None;
        if !users.iter().any(|user| self.remembers(*user, client)) {
            for form in forms {
                match self.attempt(*form, client).await {
                    Ok(one) => counted.push(one),
                    Err(time) => wait = wait.max(Some(time)),
                }
            }
        }
        let mut allowed = Vec::with_capacity(users.len());
        if let ([], None, Some(Who::Name(name))) = (users, wait, forms.first()) {
            // Whom nobody knows is somebody here, so that as much is asked of Redis.
            counted.extend(self.attempt(Who::Name(!name), client).await);
        }
        for user in users {
            let noted = wait.is_some() && self.limiter.noted(&success(user, &place(client))).await;
            if wait.is_none() || noted {
                match self.attempt(Who::User(*user), client).await {
                    Ok(one) => {
                        counted.push(one);
                        allowed.push(*user);
                    }
                    Err(time) if users.len() == 1 => wait = wait.max(Some(time)),
                    Err(_) => {}
                }
            }
        }
        match (wait, users) {
            (None, []) => Ok((allowed, counted)),
            _ if !allowed.is_empty() => Ok((allowed, counted)),
            _ => {
                for one in counted {
                    self.give_back(one).await;
                }
                Err(wait.unwrap_or(HOUR / FAILURES.get()))
            }
        }
    }

    /// Counts an attempt as a failure, unless they logged in from there lately.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn attempt(&self, subject: Who, client: IpAddr) -> Result<Counted, Duration> {
        if matches!(subject, Who::User(user) if self.remembers(user, client)) {
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

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn guesses(user: UserId) -> impl Iterator<Item = (Key, Quota)> {
    GUESSES
        .into_iter()
        .map(move |(limit, count, period)| (Key { limit, who: Who::User(user) }, Quota::new(count, period)))
}

fn pages() -> Quota {
    Quota::new(PAGES, Duration::from_secs(60))
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
    async fn who_guesses_codes_waits_longer_and_longer() {
        let limits = limits(None);
        let ann = UserId::generate();
        for _ in 0..4 {
            // What is no guess gives nothing but itself back.
            assert!(limits.code(ann).await.is_ok() && limits.code(ann).await.is_ok());
            limits.no_guess(ann).await;
        }
        assert!(limits.code(ann).await.is_ok());
        let minute = limits.code(ann).await.unwrap_err();
        assert!((30..=60).contains(&minute.as_secs()), "{minute:?}");
        // With a right one the row ends, but not what counts in the hour and in the day.
        let mut waits = Vec::new();
        for _ in 0..4 {
            limits.right_code(ann).await;
            while limits.code(ann).await.is_ok() {}
            waits.push(limits.code(ann).await.unwrap_err().as_secs() / 60);
        }
        assert!(waits.iter().any(|wait| (4..=6).contains(wait)), "{waits:?}");
        assert!(limits.code(UserId::generate()).await.is_ok());
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

    /// Whether a name means somebody is not told by its limit, and a user is limited under all their names.
    #[tokio::test]
    async fn a_name_and_whom_it_means_run_dry_alike() {
        let limits = limits(Some(20));
        let name = |text: &str| Who::Name(limits.keyed("name", text.as_bytes()));
        let (lena, home) = (UserId::generate(), address("198.51.100.1"));
        limits.succeeded(lena, home).await;
        for (form, users) in [("nobody", &[][..]), ("lena", &[lena])] {
            let mut passed = 0;
            for n in 0..200_u32 {
                passed += u32::from(limits.attempts(&[name(form)], users, IpAddr::V4(n.into())).await.is_ok());
            }
            assert_eq!(passed, FAILURES.get(), "{form}");
            // The same name in a spelling that means nobody.
            assert!(limits.attempts(&[name(form)], &[], address("10.0.0.1")).await.is_err(), "{form}");
        }
        // By another name, and from where she logged in before.
        assert!(limits.attempts(&[name("lena@example.org")], &[lena], address("10.0.0.1")).await.is_err());
        assert!(limits.attempts(&[name("lena")], &[lena], home).await.is_ok());
        assert!(limits.attempts(&[name("somebody")], &[], address("10.0.0.1")).await.is_ok());
        // What was refused did not count.
        assert!(limits.attempts(&[name("lena@example.org")], &[], address("10.0.0.1")).await.is_ok());
    }
}
