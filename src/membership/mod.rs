//! What the gateway asks: who does this token belong to, and where do they belong?
//!
//! Facts are cached, decisions never. One entry a credential holds the snapshot of its user, with the position of the
//! store's outbox that it was read at. The [`watch`] task follows the outbox; it notes at which position each user last
//! changed ([`fence`]), so an entry is good while it was read no earlier than that — nothing has to be found and removed,
//! and a load that began before a change can be stored at any later time without ever being believed.
//!
//! Concurrent misses of one credential make one query ([`flight`]). Unknown credentials live in a bounded cache of their
//! own, which cannot evict known ones and forgets when a token is created. Between memory and the store there may be Redis
//! ([`tier`]), which all replicas fill and none trusts further than its own proof.

pub mod fence;
pub mod flight;
pub mod lag;
pub mod tag;
pub mod tier;
pub mod watch;

use crate::decision::OrgKey;
use crate::directory::token::{self, Shape, TokenDigest};
use crate::directory::{OrgRef, Position, Store, StoreError};
use crate::facts::{Organization, Snapshot};
use crate::id::TokenId;
use fence::{Fence, Slot};
use flight::Flights;
use lag::Lag;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tag::{Tag, TagState, Tagger};
use tier::{Subject, Tier};

/// How often a load is repeated because its user changed meanwhile, before the caller is asked to come back.
const RETRIES: usize = 3;

type TagCache<V> = Cache<Tag, V, quick_cache::UnitWeighter, TagState>;

/// A credential that the store knows, as it was at a position of the outbox.
#[derive(Debug)]
pub struct Known {
    /// The token's record.
    pub token: TokenId,
    /// Who it belongs to.
    pub snapshot: Arc<Snapshot>,
    /// Seconds since the Unix epoch.
    expires_at: i64,
    read_at: u64,
    slots: [Slot; 2],
    used: AtomicBool,
}

/// What a lookup found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Somebody's token.
    Known(Arc<Known>),
    /// Nobody's: unknown, revoked or expired.
    Unknown,
    /// The store cannot be asked: nothing is known, so nothing is allowed.
    Unavailable,
}

/// How many of each are kept.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Known credentials.
    pub known: usize,
    /// Unknown ones.
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
pub struct Wanted {
    tag: Tag,
    digest: TokenDigest,
    /// Not one of ours: a stranger can invent it.
    pub foreign: bool,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wanted")
    }
}

/// The cache over the directory. One for the whole process.
pub struct Memberships {
    store: Arc<dyn Store>,
    /// Where the watcher is in the store's outbox. The fence counts its own looks, which only grow.
    read_to: Mutex<Position>,
    /// When the last look began that was answered.
    looked: Mutex<Instant>,
    lag: Arc<Lag>,
    fence: Fence,
    tagger: Tagger,
    known: TagCache<Arc<Known>>,
    unknown: TagCache<u64>,
    organizations: Cache<OrgRef, KnownOrg>,
    flights: Flights<Tag, Lookup>,
    tier: Option<Tier>,
}

/// A cache that grows as it is used, up to `capacity` entries.
fn cache<V: Clone>(capacity: usize) -> TagCache<V> {
    let lifecycle = quick_cache::sync::DefaultLifecycle::default();
    Cache::with(capacity.min(1024), capacity as u64, quick_cache::UnitWeighter, TagState::default(), lifecycle)
}

impl Memberships {
    /// An empty cache over `store`, whose outbox stands at `position`.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(
        store: Arc<dyn Store>,
        position: Position,
        max_staleness: Duration,
        capacity: Capacity,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            store,
            read_to: Mutex::new(position),
            looked: Mutex::new(crate::clock::monotonic()),
            lag: Arc::default(),
            fence: Fence::new(0, max_staleness),
            tagger: Tagger::new()?,
            known: cache(capacity.known),
            unknown: cache(capacity.unknown),
            organizations: Cache::new(capacity.organizations),
            flights: Flights::default(),
            tier: None,
        })
    }

    /// The same with a tier between memory and the store, which knows of as many past changes as the store tells of.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn with_tier(mut self, tier: Tier) -> Result<Self, StoreError> {
        self.tier = Some(tier);
        self.look_back().await?;
        Ok(self)
    }

    /// The tier between memory and the store, where there is one.
    #[must_use]
    pub fn tier(&self) -> Option<&Tier> {
        self.tier.as_ref()
    }

    /// How late changes were learnt.
    #[must_use]
    pub fn lag(&self) -> &Arc<Lag> {
        &self.lag
    }

    /// The fence, for the watcher and for metrics.
    #[must_use]
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Looks in memory alone; `None` is a miss. The hot path: no lock but the cache's shard, no allocation.
    #[must_use]
    pub fn remembered(&self, token: &str, now: Instant) -> Option<Lookup> {
        if !self.fence.has_proof(now) {
            return None;
        }
        let tag = self.tagger.tag(token);
        if let Some(known) = self.known.get(&tag) {
            if !self.fence.holds(known.slots, known.read_at) {
                return None;
            }
            if known.expires_at <= self.fence.unix_seconds() {
                return Some(Lookup::Unknown);
            }
            if !known.used.load(Ordering::Relaxed) {
                known.used.store(true, Ordering::Relaxed);
            }
            return Some(Lookup::Known(known));
        }
        let read_at = self.unknown.get(&tag)?;
        self.fence.no_token_since(read_at).then_some(Lookup::Unknown)
    }

    /// Whether a token's form alone says that it is nobody's: it claims to be ours and its checksum is wrong.
    #[must_use]
    pub fn is_forged(&self, text: &str) -> bool {
        matches!(token::parse(text, self.store.checksum_key()), Shape::BadChecksum | Shape::Malformed)
    }

    /// What to ask the store about a credential.
    #[must_use]
    pub fn wanted(&self, token: &str) -> Wanted {
        let foreign = !matches!(token::parse(token, self.store.checksum_key()), Shape::Ours(_));
        Wanted { tag: self.tagger.tag(token), digest: TokenDigest::of(token), foreign }
    }

    /// Asks the store, once for all who wait for the same credential.
    pub async fn load(&self, wanted: Wanted) -> Lookup {
        self.flights.join(wanted.tag, || self.read(wanted)).await
    }

    async fn read(&self, Wanted { tag, digest, .. }: Wanted) -> Lookup {
        if let Some(found) = self.read_tier(tag, digest).await {
            return found;
        }
        for _ in 0..RETRIES {
            let read_at = self.fence.position();
            let tier = self.tier.as_ref().map(|tier| (tier, tier.mark()));
            let found = match self.store.token_snapshot(&digest).await {
                Ok(found) => found.filter(|found| !found.revoked),
                Err(error) => {
                    report(&error);
                    return Lookup::Unavailable;
                }
            };
            let Some(found) = found else {
                self.unknown.insert(tag, read_at);
                return Lookup::Unknown;
            };
            let token = (found.token, found.expires_at);
            let Some(lookup) = self.keep(tag, token, found.snapshot, read_at) else { continue };
            if let (Some((tier, read_at)), Lookup::Known(known)) = (tier, &lookup) {
                tier.put(Subject::Token(digest), read_at, Some(token), Arc::clone(&known.snapshot));
            }
            return lookup;
        }
        Lookup::Unavailable
    }

    /// What another replica has read, if it still stands as far as this one can prove.
    async fn read_tier(&self, tag: Tag, digest: TokenDigest) -> Option<Lookup> {
        let tier = self.tier.as_ref()?;
        // Taken before anything is asked: what is noted after that, another life of the store too, voids what is kept here.
        let read_at = self.fence.position();
        let entry = tier.get(&Subject::Token(digest)).await?;
        let token = entry.token?;
        let ids = [entry.snapshot.user.id.0, token.0.0];
        let believed = tier.ledger.believes(entry.read_at, ids) && self.fence.has_proof(crate::clock::monotonic());
        tier.count(believed);
        if believed { self.keep(tag, token, entry.snapshot, read_at) } else { None }
    }

    /// Keeps what was read at `read_at`; `None` where it has changed meanwhile.
    fn keep(&self, tag: Tag, token: (TokenId, Option<i64>), snapshot: Snapshot, read_at: u64) -> Option<Lookup> {
        let (token, expires_at) = token;
        let slots = [Fence::slot(snapshot.user.id.0), Fence::slot(token.0)];
        if !self.fence.holds(slots, read_at) {
            return None;
        }
        let expires_at = expires_at.unwrap_or(i64::MAX);
        if expires_at <= crate::clock::unix_seconds() {
            return Some(Lookup::Unknown);
        }
        let (snapshot, used) = (Arc::new(snapshot), AtomicBool::new(true));
        let known = Arc::new(Known { token, snapshot, expires_at, read_at, slots, used });
        self.known.insert(tag, Arc::clone(&known));
        Some(Lookup::Known(known))
    }

    /// An organization that a superuser named, from memory or from the store.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn organization(&self, key: &OrgKey<'_>, now: Instant) -> Result<Option<Arc<Organization>>, StoreError> {
        let key = match key {
            OrgKey::Id(id) => OrgRef::Id(*id),
            OrgKey::Slug(slug) => OrgRef::Slug(slug.clone().into_owned()),
            OrgKey::External(key) => OrgRef::External(key.clone().into_owned()),
        };
        if let Some(entry) = self.organizations.get(&key)
            && self.fence.has_proof(now)
            && self.fence.no_organization_since(entry.read_at)
        {
            return Ok(entry.organization);
        }
        let read_at = self.fence.position();
        let organization = self.store.organization(&key).await.inspect_err(report)?.map(Arc::new);
        self.organizations.insert(key, KnownOrg { organization: organization.clone(), read_at });
        Ok(organization)
    }

    /// Tokens that were used since the last call.
    pub fn take_used(&self) -> Vec<TokenId> {
        let used = |known: &Arc<Known>| known.used.swap(false, Ordering::Relaxed).then_some(known.token);
        self.known.iter().filter_map(|(_, known)| used(&known)).collect()
    }

    /// Credentials that are being looked up now.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.flights.len()
    }

    /// Known credentials in memory.
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
