//! The middle tier: what one replica has read of a user, the others find in Redis.
//!
//! An entry is sealed ([`seal`](crate::redis::seal)), compact ([`codec`]) and says at which position of the store it was read; it is believed
//! as the [`change_log`] says, and only while this replica holds the same proof that its own memory needs. Whatever is
//! wrong with Redis or an entry is a miss. One round trip reads; writing waits for nobody. Credentials that nobody has are
//! never written here.

pub mod change_log;
pub mod codec;

use crate::directory::token::TokenDigest;
use crate::directory::{Directory, Position};
use crate::facts::Snapshot;
use crate::id::TokenId;
use crate::redis::seal::{Name, Seal};
use crate::redis::{NoAnswer, Redis};
use crate::telemetry::metrics::Shard;
use change_log::ChangeLog;
use codec::Entry;
use redis::{Cmd, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long an entry can be used, in seconds: as long as the store keeps its changes.
pub const LIFE: u64 = 600;
/// A larger entry is read from the store each time.
const LARGEST: usize = 1 << 20;
/// Writes under way, at most; further ones are left out.
const WRITES: usize = 1024;

/// Of what an entry is.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'w> {
    /// A token, and its user.
    Token(TokenDigest),
    /// A user, by an issuer's word for them.
    Word(&'w str),
}

/// A position of a store.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    store: u64,
    read_at: u64,
}

pub struct RedisCache {
    redis: Arc<Redis>,
    seal: Seal,
    prefix: Box<str>,
    control: Handle,
    writes: Arc<Semaphore>,
    counts: Arc<Shard>,
    /// Which store, and which life of it, the positions are of.
    store: AtomicU64,
    pub change_log: ChangeLog,
}

impl RedisCache {
    /// Over a store whose changes are followed from `position` on. Writes run on `control`.
    #[must_use]
    pub fn new(redis: Arc<Redis>, store: &Directory, position: &Position, control: Handle, counts: Arc<Shard>) -> Self {
        Self {
            seal: Seal::of(store),
            prefix: redis.settings().prefix.clone(),
            redis,
            control,
            writes: Arc::new(Semaphore::new(WRITES)),
            counts,
            store: AtomicU64::new(position.store()),
            change_log: ChangeLog::new(position.horizon()),
        }
    }

    #[must_use]
    pub fn redis(&self) -> &Arc<Redis> {
        &self.redis
    }

    /// The positions are of another store from now on, or of another life of it: what was written before is not found again.
    pub fn follow(&self, store: u64) {
        self.store.store(store, Ordering::Release);
    }

    /// Where a load that begins now reads.
    #[must_use]
    pub fn mark(&self) -> Mark {
        // The store first: its position is set before it.
        let store = self.store.load(Ordering::Acquire);
        Mark { store, read_at: self.change_log.position() }
    }

    fn name(&self, store: u64, subject: &Subject<'_>) -> (Name, String) {
        let store = store.to_le_bytes();
        let (kind, name) = match subject {
            Subject::Token(digest) => ("t", self.seal.name("token", &[&store, &digest.0])),
            Subject::Word(word) => ("u", self.seal.name("user", &[&store, word.as_bytes()])),
        };
        (name, format!("{}{kind}:{}", self.prefix, name.text()))
    }

    /// What Redis has, as it is; whether it is [believed](ChangeLog::believes) is to be asked afterwards.
    pub async fn get(&self, subject: &Subject<'_>) -> Option<Entry<Snapshot>> {
        let (name, key) = self.name(self.store.load(Ordering::Acquire), subject);
        let value = match self.redis.ask(redis::cmd("GET").arg(&key)).await {
            Ok(Value::BulkString(value)) => value,
            Ok(Value::Nil) => {
                self.counts.redis_misses.inc_shared();
                return None;
            }
            Ok(_) => return self.distrust("what lies there is no text"),
            Err(NoAnswer::Refused) => return self.distrust("it cannot be read"),
            Err(_) => {
                self.counts.redis_misses.inc_shared();
                return None;
            }
        };
        let Some(text) = self.seal.open(&name, &value) else { return self.distrust("it is not sealed by postern") };
        let Some(entry) = codec::decode(&text) else { return self.distrust("it cannot be understood") };
        let is_due = entry.until > crate::clock::unix().as_secs();
        if matches!(subject, Subject::Token(_)) != entry.token.is_some() || !is_due {
            self.counts.redis_misses.inc_shared();
            return None;
        }
        Some(entry)
    }

    /// Somebody else, or an accident, has written where only postern writes.
    fn distrust<T>(&self, why: &'static str) -> Option<T> {
        tracing::warn!(why, "an entry in Redis was ignored");
        self.counts.redis_refused.inc_shared();
        self.redis.note_trouble();
        None
    }

    /// Counts whether an entry was believed.
    pub fn count(&self, believed: bool) {
        let count = if believed { &self.counts.redis_hits } else { &self.counts.redis_stale };
        count.inc_shared();
    }

    /// Writes what was read from the store, at this mark or later. Returns at once.
    pub fn put(&self, subject: &Subject<'_>, at: Mark, token: Option<(TokenId, Option<i64>)>, snapshot: Arc<Snapshot>) {
        let Ok(place) = Arc::clone(&self.writes).try_acquire_owned() else {
            self.counts.redis_unwritten.inc_shared();
            return;
        };
        let Mark { store, read_at } = at;
        let (name, key) = self.name(store, subject);
        let until = crate::clock::unix().as_secs().saturating_add(LIFE);
        let plain = codec::encode(&Entry { read_at, until, token, snapshot: &snapshot });
        let sealed = if plain.len() <= LARGEST { self.seal.seal(&name, &plain).ok() } else { None };
        let Some(value) = sealed else {
            self.counts.redis_unwritten.inc_shared();
            return;
        };
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&value).arg("EX").arg(LIFE);
        self.write(command, place);
    }

    /// Removes the entry of a credential that is nobody's any more: nothing will be written in its place, and each look would find it
    /// stale. Returns at once.
    pub fn remove(&self, subject: &Subject<'_>) {
        let Ok(place) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        let (_, key) = self.name(self.store.load(Ordering::Acquire), subject);
        let mut command = redis::cmd("DEL");
        command.arg(&key);
        self.write(command, place);
    }

    fn write(&self, command: Cmd, place: OwnedSemaphorePermit) {
        let (redis, counts) = (Arc::clone(&self.redis), Arc::clone(&self.counts));
        self.control.spawn(async move {
            if redis.ask(&command).await.is_err() {
                counts.redis_unwritten.inc_shared();
            }
            drop(place);
        });
    }
}
