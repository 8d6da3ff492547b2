//! What the gateway asks: who does this token belong to, and where do they belong?
//!
//! Facts are cached, decisions never. One entry a credential holds the snapshot of its user, with the position of the
//! store's outbox that it was read at. The [`watch`] task follows the outbox; it notes at which position each user last
//! changed ([`change_versions`]), so an entry is good while it was read no earlier than that — nothing has to be found and removed,
//! and a load that began before a change can be stored at any later time without ever being believed.
//!
//! Concurrent misses of one credential make one query ([`flight`]). Unknown credentials live in a bounded cache of their
//! own, which cannot evict known ones and forgets when a token is created. Between memory and the store there may be Redis
//! ([`redis_cache`]), which all replicas fill and none trusts further than its own proof.

pub mod broadcast;
pub mod change_versions;
pub mod django_cache;
pub mod flight;
mod known;
pub mod lag;
mod load;
#[cfg(test)]
mod races;
pub mod redis_cache;
pub mod tag;
pub mod watch;

use crate::directory::token::{self, Shape, TokenDigest};
use crate::directory::{Directory, OrgRef, Position, StoreError};
use crate::facts::Organization;
use crate::id::TokenId;
use broadcast::Broadcast;
use change_versions::ChangeVersions;
use django_cache::DjangoCache;
use flight::Flights;
use known::EXPIRED;
pub use known::{Found, KeyGeneration, Known, Lookup};
use lag::Lag;
pub use load::org_ref;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use redis_cache::RedisCache;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
pub use tag::Kind;
use tag::{Tag, TagState, Tagger};
use tokio::sync::Notify;
use tokio::sync::watch::Sender;

type TagCache<V> = Cache<Tag, V, quick_cache::UnitWeighter, TagState>;

/// How many of each are kept.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub known: usize,
    pub unknown: usize,
    /// Organizations that superusers asked for.
    pub organizations: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { known: 100_000, unknown: 10_000, organizations: 10_000 }
    }
}

#[derive(Clone, Debug)]
struct KnownOrg {
    organization: Option<Arc<Organization>>,
    read_at: u64,
}

/// What the store is asked about a credential, and under which tag the answer is remembered.
#[derive(Clone, Copy)]
pub struct TokenKey {
    tag: Tag,
    digest: TokenDigest,
    /// Not one of ours: a stranger can invent it.
    pub foreign: bool,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

/// The cache over the directory. One for the whole process.
pub struct FactCache {
    store: Arc<Directory>,
    /// Where the watcher is in the store's outbox. [`ChangeVersions`] counts its own looks, which only grow.
    read_to: Mutex<Position>,
    /// When the last look began that was answered.
    looked: Sender<Instant>,
    /// Somebody waits for the next look.
    wanted: Notify,
    lag: Arc<Lag>,
    versions: ChangeVersions,
    tagger: Tagger,
    known: TagCache<Arc<Known>>,
    unknown: TagCache<u64>,
    organizations: Cache<OrgRef, KnownOrg>,
    flights: Flights<Tag, Lookup>,
    searches: Flights<OrgRef, Result<Option<Arc<Organization>>, StoreError>>,
    redis_cache: Option<RedisCache>,
    broadcast: Option<Arc<Broadcast>>,
    django_cache: Option<DjangoCache>,
}

/// A cache that grows as it is used, up to `capacity` entries.
fn cache<V: Clone>(capacity: usize) -> TagCache<V> {
    let lifecycle = quick_cache::sync::DefaultLifecycle::default();
    Cache::with(capacity.min(1024), capacity as u64, quick_cache::UnitWeighter, TagState::default(), lifecycle)
}

impl FactCache {
    /// An empty cache over `store`, whose outbox stands at `position`.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(
        store: Arc<Directory>,
        position: Position,
        max_staleness: Duration,
        capacity: Capacity,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            store,
            read_to: Mutex::new(position),
            looked: Sender::new(crate::clock::monotonic()),
            wanted: Notify::new(),
            lag: Arc::default(),
            versions: ChangeVersions::new(0, max_staleness),
            tagger: Tagger::new()?,
            known: cache(capacity.known),
            unknown: cache(capacity.unknown),
            organizations: Cache::new(capacity.organizations),
            flights: Flights::default(),
            searches: Flights::default(),
            redis_cache: None,
            broadcast: None,
            django_cache: None,
        })
    }

    /// The same with a tier between memory and the store, which knows of as many past changes as the store tells of.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn with_redis_cache(mut self, redis_cache: RedisCache) -> Result<Self, StoreError> {
        self.redis_cache = Some(redis_cache);
        self.look_back().await?;
        Ok(self)
    }

    /// The same, which drops what Django remembers of whom changes concern.
    #[must_use]
    pub fn with_django_cache(mut self, django: DjangoCache) -> Self {
        self.django_cache = Some(django);
        self
    }

    /// The same with a way to the other replicas.
    #[must_use]
    pub fn with_broadcast(mut self, broadcast: Broadcast) -> Self {
        self.broadcast = Some(Arc::new(broadcast));
        self
    }

    /// The cache in Redis between memory and the store, where there is one.
    #[must_use]
    pub fn redis_cache(&self) -> Option<&RedisCache> {
        self.redis_cache.as_ref()
    }

    /// How late changes were learnt.
    #[must_use]
    pub fn lag(&self) -> &Arc<Lag> {
        &self.lag
    }

    /// The change versions, for the watcher and for metrics.
    #[must_use]
    pub fn versions(&self) -> &ChangeVersions {
        &self.versions
    }

    /// Looks in memory alone; `None` is a miss. The hot path: no lock but the cache's shard, no allocation.
    #[must_use]
    pub fn remembered(&self, kind: Kind, credential: &[u8], now: Instant) -> Option<Lookup> {
        if !self.versions.has_lease(now) {
            return None;
        }
        self.in_memory(self.tagger.tag(kind, credential))
    }

    fn in_memory(&self, tag: Tag) -> Option<Lookup> {
        // What was known of one that has been revoked since stays in memory, and counts no more.
        if let Some(known) = self.known.get(&tag).filter(|known| self.is_current(known)) {
            if known.expires_at <= self.versions.unix_seconds() {
                return Some(Lookup::Refused(EXPIRED));
            }
            if !known.used.load(Ordering::Relaxed) {
                known.used.store(true, Ordering::Relaxed);
            }
            return Some(Lookup::Known(known));
        }
        let read_at = self.unknown.get(&tag)?;
        self.versions.no_token_since(read_at).then_some(Lookup::Unknown)
    }

    /// Whether what was read of it still holds.
    #[must_use]
    pub fn is_current(&self, known: &Known) -> bool {
        self.versions.holds(known.slots, known.read_at)
            && known.life.as_ref().is_none_or(|life| !life.has_ended())
            && (!known.of_organizations || self.versions.no_organization_since(known.read_at))
    }

    /// Whether its user must choose a new password first: the one that it began with has grown old.
    #[must_use]
    pub fn has_old_password(&self, known: &Known) -> bool {
        known.password_until <= self.versions.unix_seconds()
    }

    /// Whether an answer of the store is too old by the time that it is here, and nothing proves it current.
    #[must_use]
    pub fn is_late(&self, asked: Instant) -> bool {
        self.versions.is_late(asked, crate::clock::monotonic())
    }

    /// Whether a token's form alone says that it is nobody's: it claims to be ours and its checksum is wrong.
    #[must_use]
    pub fn is_forged(&self, text: &str) -> bool {
        matches!(token::parse(text, self.store.checksum_key()), Shape::BadChecksum | Shape::Malformed)
    }

    /// What to ask the store about a credential.
    #[must_use]
    pub fn wanted(&self, token: &str) -> TokenKey {
        let foreign = !matches!(token::parse(token, self.store.checksum_key()), Shape::Ours(_));
        TokenKey { tag: self.tagger.tag(Kind::Token, token.as_bytes()), digest: TokenDigest::of(token), foreign }
    }

    /// Tokens that were used since they were last taken, which was so many minutes ago at least, now that it is this minute.
    pub fn take_used(&self, minute: u32, pause: u32) -> Vec<TokenId> {
        let take = |known: &Known| {
            let due = minute.abs_diff(known.taken.load(Ordering::Relaxed)) >= pause;
            let used = due && known.used.swap(false, Ordering::Relaxed);
            if used {
                known.taken.store(minute, Ordering::Relaxed);
            }
            used
        };
        self.known.iter().filter_map(|(_, known)| known.token.filter(|_| take(&known))).collect()
    }

    /// Credentials that are being looked up now.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.flights.len()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no credential is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

fn report(error: &StoreError) {
    tracing::warn!(%error, "the store could not be asked");
}
