//! Limits that all replicas share, in Redis: one script, one round trip, Redis's own clock.
//!
//! Each replica says once a second that it lives, and learns how many do; when Redis is away, each gives out its share
//! of every limit. It knows its share's history, because it has counted there all along. So nothing is ever open.

use super::gcra::{Quota, Verdict};
use super::table::{Key, Limits, Who};
use crate::redis::seal::Seal;
use crate::redis::{Health, NoAnswer, Redis};
use redis::Value;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a replica says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// For how many seconds it counts.
const COUNTS_FOR: u32 = 5;
const MOST: u32 = 10_000;

/// A script and its name.
struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Runs it on one key; sends it where Redis does not know it yet.
    async fn run(&self, redis: &Redis, key: &str, args: &[&str]) -> Result<Value, NoAnswer> {
        match redis.ask(redis::cmd("EVALSHA").arg(&self.hash).arg(1).arg(key).arg(args)).await {
            Err(NoAnswer::NoScript) => redis.ask(redis::cmd("EVAL").arg(self.code).arg(1).arg(key).arg(args)).await,
            answer => answer,
        }
    }
}

pub struct Shared {
    redis: Arc<Redis>,
    seal: Seal,
    gcra: Script,
    back: Script,
    census: Script,
    replicas: AtomicU32,
    me: String,
}

impl Shared {
    /// Shared by all replicas of the installation that `seal` belongs to.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(redis: Arc<Redis>, seal: Seal) -> Result<Self, getrandom::Error> {
        Ok(Self {
            redis,
            seal,
            gcra: Script::new(include_str!("gcra.lua")),
            back: Script::new(include_str!("back.lua")),
            census: Script::new(include_str!("replicas.lua")),
            replicas: AtomicU32::new(1),
            me: format!("{:016x}", getrandom::u64()?),
        })
    }

    /// How many replicas there are, as far as is known.
    #[must_use]
    pub fn replicas(&self) -> NonZeroU32 {
        NonZeroU32::new(self.replicas.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    fn key(&self, kind: &str, parts: &[&[u8]]) -> String {
        format!("{}{kind}:{}", self.redis.settings().prefix, self.seal.name(kind, parts).text())
    }

    fn key_of(&self, Key { limit, who }: Key) -> String {
        let limit = limit.to_be_bytes();
        match who {
            Who::User(user) => self.key("l", &[&limit, b"user", user.0.as_bytes()]),
            Who::Organization(organization) => self.key("l", &[&limit, b"org", organization.0.as_bytes()]),
            Who::Address(address) => self.key("l", &[&limit, b"address", address.to_string().as_bytes()]),
            Who::Name(name) => self.key("l", &[&limit, b"name", &name.to_be_bytes()]),
            Who::Crowd => self.key("l", &[&limit, b"crowd"]),
        }
    }

    async fn spend(&self, key: Key, quota: Quota) -> Option<Verdict> {
        let key = self.key_of(key);
        let interval = quota.interval().as_micros().max(1);
        let reach = interval.saturating_mul(u128::from(quota.burst().get()));
        let answer = self.gcra.run(&self.redis, &key, &[&interval.to_string(), &reach.to_string()]).await.ok()?;
        let Value::Array(answer) = answer else { return None };
        let [Value::Int(passes), Value::Int(micros)] = answer.as_slice() else { return None };
        let micros = u64::try_from(*micros).ok()?;
        let time = Duration::from_micros(micros);
        if *passes == 0 {
            return Some(Verdict::Wait(time));
        }
        let left = reach.saturating_sub(u128::from(micros)) / interval;
        Some(Verdict::Pass { remaining: u32::try_from(left).unwrap_or(u32::MAX), reset: time })
    }

    async fn give_back(&self, key: Key, quota: Quota) {
        let interval = quota.interval().as_micros().max(1);
        let _ = self.back.run(&self.redis, &self.key_of(key), &[&interval.to_string()]).await;
    }

    /// Notes a fact for so long, for all replicas; nothing is promised.
    async fn note(&self, fact: &[&[u8]], time: Duration) {
        let mut command = redis::cmd("SET");
        command.arg(self.key("n", fact)).arg(1).arg("EX").arg(time.as_secs().max(1));
        let _ = self.redis.ask(&command).await;
    }

    async fn noted(&self, fact: &[&[u8]]) -> bool {
        let answer = self.redis.ask(redis::cmd("EXISTS").arg(self.key("n", fact))).await;
        matches!(answer, Ok(Value::Int(1)))
    }

    /// Says that this replica lives, and counts the others, for ever.
    pub async fn beat(&self) {
        let key = self.key("replicas", &[]);
        loop {
            if let Ok(Value::Int(count)) =
                self.census.run(&self.redis, &key, &[&self.me, &COUNTS_FOR.to_string()]).await
            {
                self.replicas.store(u32::try_from(count).unwrap_or(MOST).clamp(1, MOST), Ordering::Relaxed);
            }
            tokio::time::sleep(BEAT).await;
        }
    }
}

/// All limits of one process: counted here, and in Redis where there is one.
pub struct Limiter {
    here: Limits,
    shared: Option<Arc<Shared>>,
}

impl Limiter {
    #[must_use]
    pub fn new(start: Instant, shared: Option<Arc<Shared>>) -> Self {
        Self { here: Limits::new(start), shared }
    }

    /// How many replicas share the limits, as far as is known.
    #[must_use]
    pub fn replicas(&self) -> NonZeroU32 {
        self.shared.as_ref().map_or(NonZeroU32::MIN, |shared| shared.replicas())
    }

    /// What is counted in this process alone.
    #[must_use]
    pub fn here(&self) -> &Limits {
        &self.here
    }

    /// Judges a request and counts it, where it passes; `None` where Redis is to be asked: [`spend`](Self::spend).
    #[must_use]
    pub fn try_spend(&self, key: Key, quota: Quota, now: Instant) -> Option<Verdict> {
        match &self.shared {
            None => Some(self.here.spend(key, quota, now)),
            Some(shared) if shared.redis.health() == Health::Away => Some(self.share(shared, key, quota, now)),
            Some(_) => None,
        }
    }

    /// Judges a request with all replicas, and counts it, where it passes. Without an answer, this replica's share decides.
    pub async fn spend(&self, key: Key, quota: Quota, now: Instant) -> Verdict {
        let Some(shared) = &self.shared else { return self.here.spend(key, quota, now) };
        let share = self.share(shared, key, quota, now);
        shared.spend(key, quota).await.unwrap_or(share)
    }

    /// Takes back that a request was counted, as if it had never been.
    pub async fn give_back(&self, key: Key, quota: Quota) {
        let Some(shared) = &self.shared else { return self.here.give_back(key, quota) };
        self.here.give_back(key, quota.divided(shared.replicas()));
        shared.give_back(key, quota).await;
    }

    /// Tells the other replicas of a fact that is worth remembering for so long.
    pub async fn note(&self, fact: &[&[u8]], time: Duration) {
        if let Some(shared) = &self.shared {
            shared.note(fact, time).await;
        }
    }

    /// Whether another replica has told of a fact; `false` also where none can be asked.
    pub async fn noted(&self, fact: &[&[u8]]) -> bool {
        match &self.shared {
            Some(shared) => shared.noted(fact).await,
            None => false,
        }
    }

    fn share(&self, shared: &Shared, key: Key, quota: Quota, now: Instant) -> Verdict {
        self.here.spend(key, quota.divided(shared.replicas()), now)
    }
}
