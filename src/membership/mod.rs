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
#[cfg(test)]
mod races;
pub mod relay;
pub mod tag;
pub mod tier;
pub mod watch;

use crate::decision::OrgKey;
use crate::directory::token::{self, Shape, TokenDigest};
use crate::directory::{OrgRef, Position, Store, StoreError};
use crate::facts::{Claims, Organization, Snapshot};
use crate::id::TokenId;
use fence::{Fence, Slot};
use flight::Flights;
use lag::Lag;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use relay::Relay;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
pub use tag::Kind;
use tag::{Tag, TagState, Tagger};
use tier::{Subject, Tier};
use uuid::Uuid;

/// How often a load is repeated because its user changed meanwhile, before the caller is asked to come back.
const RETRIES: usize = 3;

type TagCache<V> = Cache<Tag, V, quick_cache::UnitWeighter, TagState>;

/// A credential that the store knows, as it was at a position of the outbox.
#[derive(Debug)]
pub struct Known {
    /// The token's record, where it is one of the directory's tokens.
    token: Option<TokenId>,
    /// Who it belongs to.
    pub snapshot: Arc<Snapshot>,
    /// What it says besides, where it says something.
    pub claims: Option<Arc<Claims>>,
    /// Seconds since the Unix epoch.
    expires_at: i64,
    /// The same: from then on its user must choose a new password first.
    password_until: i64,
    read_at: u64,
    slots: [Slot; 2],
    /// It rests on organizations that its user is not known to belong to.
    of_organizations: bool,
    /// It is good as long as this lives.
    life: Option<Arc<Life>>,
    used: AtomicBool,
    /// The minute (Unix) in which its use was last taken to be written.
    taken: AtomicU32,
}

/// What others rest on, and that may end: a key that an issuer has withdrawn takes along what it signed.
#[derive(Debug, Default)]
pub struct Life(AtomicBool);

impl Life {
    /// Ends it, for all who rest on it.
    pub fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A credential as whoever read it found it, to be remembered.
#[derive(Debug)]
pub struct Found {
    /// Who it belongs to.
    pub snapshot: Arc<Snapshot>,
    /// The record that must not have changed besides its user's: a token's or a session's.
    pub record: Option<Uuid>,
    /// Whether the record is a token's, whose last use is kept.
    pub is_token: bool,
    /// The credential is refused from this second (Unix) on.
    pub expires_at: i64,
    /// From this second (Unix) on, its user must choose a new password first.
    pub password_until: i64,
    /// What it says besides.
    pub claims: Option<Arc<Claims>>,
    /// What it rests on.
    pub life: Option<Arc<Life>>,
    /// Its user's organizations are not those of the directory, so that no change of their user tells of them.
    pub of_organizations: bool,
}

impl Found {
    /// Somebody's, without an end and with nothing to say.
    #[must_use]
    pub fn of(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            record: None,
            is_token: false,
            expires_at: i64::MAX,
            password_until: i64::MAX,
            claims: None,
            life: None,
            of_organizations: false,
        }
    }

    /// Whoever a token of the directory belongs to.
    fn of_token((token, expires_at): (TokenId, Option<i64>), snapshot: Snapshot) -> Self {
        let expires_at = expires_at.unwrap_or(i64::MAX);
        Self { record: Some(token.0), is_token: true, expires_at, ..Self::of(Arc::new(snapshot)) }
    }
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
    relay: Option<Arc<Relay>>,
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
            relay: None,
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

    /// The same with a way to the other replicas.
    #[must_use]
    pub fn with_relay(mut self, relay: Relay) -> Self {
        self.relay = Some(Arc::new(relay));
        self
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
    pub fn remembered(&self, kind: Kind, credential: &str, now: Instant) -> Option<Lookup> {
        if !self.fence.has_proof(now) {
            return None;
        }
        self.in_memory(self.tagger.tag(kind, credential))
    }

    fn in_memory(&self, tag: Tag) -> Option<Lookup> {
        if let Some(known) = self.known.get(&tag) {
            if !self.stands(&known) {
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

    /// Whether what was read of it still holds.
    #[must_use]
    pub fn stands(&self, known: &Known) -> bool {
        self.fence.holds(known.slots, known.read_at)
            && known.life.as_ref().is_none_or(|life| !life.has_ended())
            && (!known.of_organizations || self.fence.no_organization_since(known.read_at))
    }

    /// Whether its user must choose a new password first: the one that it began with has grown old.
    #[must_use]
    pub fn has_old_password(&self, known: &Known) -> bool {
        known.password_until <= self.fence.unix_seconds()
    }

    /// Whether an answer of the store is too old by the time that it is here, and nothing proves it current.
    #[must_use]
    pub fn is_late(&self, asked: Instant) -> bool {
        self.fence.is_late(asked, crate::clock::monotonic())
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
        Wanted { tag: self.tagger.tag(Kind::Token, token), digest: TokenDigest::of(token), foreign }
    }

    /// Asks the store whose token it is, once for all who wait for the same one.
    pub async fn load(&self, wanted: Wanted) -> Lookup {
        self.flights.join(wanted.tag, || self.read_token(wanted)).await
    }

    /// Asks `look` whose credential it is, once for all who wait for the same one, and remembers the answer; but not that it
    /// is nobody's.
    pub async fn load_by(
        &self,
        kind: Kind,
        credential: &str,
        look: impl AsyncFn() -> Result<Option<Found>, StoreError>,
    ) -> Lookup {
        let tag = self.tagger.tag(kind, credential);
        self.flights.join(tag, || self.read(tag, None, look)).await
    }

    /// The same for an issuer's word for a user of the directory, whom another replica may have looked up.
    pub async fn load_subject(&self, word: &str, look: impl AsyncFn() -> Result<Option<Found>, StoreError>) -> Lookup {
        let tag = self.tagger.tag(Kind::Subject, word);
        self.flights.join(tag, || self.read(tag, Some(Subject::Word(word)), look)).await
    }

    /// Asks `look` whose credential it is, for this one who asks alone, and remembers nothing.
    pub async fn load_once(&self, look: impl AsyncFn() -> Result<Option<Found>, StoreError>) -> Lookup {
        let asked = crate::clock::monotonic();
        match look().await {
            Ok(_) if self.is_late(asked) => Lookup::Unavailable,
            // Its use is a change of its user itself, and it cannot be asked for again.
            Ok(Some(found)) => Lookup::Known(Arc::new(known(found, u64::MAX))),
            Ok(None) => Lookup::Unknown,
            Err(error) => {
                report(&error);
                Lookup::Unavailable
            }
        }
    }

    /// Remembers another credential of somebody who is known: what was read of them is as old as it was.
    pub fn adopt(&self, kind: Kind, credential: &str, whose: &Known, found: Found) -> Lookup {
        let Found { expires_at, password_until, claims, life, .. } = found;
        let known = Arc::new(Known {
            token: None,
            snapshot: Arc::clone(&whose.snapshot),
            claims,
            expires_at,
            password_until,
            read_at: whose.read_at,
            slots: whose.slots,
            of_organizations: whose.of_organizations,
            life,
            used: AtomicBool::new(true),
            taken: AtomicU32::new(0),
        });
        self.known.insert(self.tagger.tag(kind, credential), Arc::clone(&known));
        Lookup::Known(known)
    }

    async fn read(
        &self,
        tag: Tag,
        shared: Option<Subject<'_>>,
        look: impl AsyncFn() -> Result<Option<Found>, StoreError>,
    ) -> Lookup {
        if let Some(subject) = &shared
            && let Some(found) = self.read_tier(tag, subject).await
        {
            return found;
        }
        for _ in 0..RETRIES {
            let (asked, read_at) = (crate::clock::monotonic(), self.fence.position());
            let tier = self.tier.as_ref().zip(shared.as_ref()).map(|(tier, subject)| (tier, subject, tier.mark()));
            let found = match look().await {
                Ok(_) if self.is_late(asked) => return Lookup::Unavailable,
                Ok(Some(found)) => found,
                Ok(None) => return Lookup::Unknown,
                Err(error) => {
                    report(&error);
                    return Lookup::Unavailable;
                }
            };
            if let Some(lookup) = self.keep(tag, found, read_at) {
                if let (Some((tier, subject, read_at)), Lookup::Known(known)) = (tier, &lookup) {
                    tier.put(subject, read_at, None, Arc::clone(&known.snapshot));
                }
                return lookup;
            }
        }
        Lookup::Unavailable
    }

    async fn read_token(&self, Wanted { tag, digest, .. }: Wanted) -> Lookup {
        // Whoever missed it just before another's load ended joins none, and finds what that one has read.
        if self.fence.has_proof(crate::clock::monotonic())
            && let Some(found) = self.in_memory(tag)
        {
            return found;
        }
        if let Some(found) = self.read_tier(tag, &Subject::Token(digest)).await {
            return found;
        }
        for _ in 0..RETRIES {
            let (asked, read_at) = (crate::clock::monotonic(), self.fence.position());
            let tier = self.tier.as_ref().map(|tier| (tier, tier.mark()));
            let found = match self.store.token_snapshot(&digest).await {
                Ok(_) if self.is_late(asked) => return Lookup::Unavailable,
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
            let Some(lookup) = self.keep(tag, Found::of_token(token, found.snapshot), read_at) else { continue };
            if let (Some((tier, read_at)), Lookup::Known(known)) = (tier, &lookup) {
                tier.put(&Subject::Token(digest), read_at, Some(token), Arc::clone(&known.snapshot));
            }
            return lookup;
        }
        Lookup::Unavailable
    }

    /// What another replica has read, if it still stands as far as this one can prove.
    async fn read_tier(&self, tag: Tag, subject: &Subject<'_>) -> Option<Lookup> {
        let tier = self.tier.as_ref()?;
        // Taken before anything is asked: what is noted after that, another life of the store too, voids what is kept here.
        let read_at = self.fence.position();
        let entry = tier.get(subject).await?;
        let user = entry.snapshot.user.id.0;
        let ids = [user, entry.token.map_or(user, |(token, _)| token.0)];
        let believed = tier.ledger.believes(entry.read_at, entry.until.saturating_sub(tier::LIFE), ids)
            && self.fence.has_proof(crate::clock::monotonic());
        tier.count(believed);
        let found = match entry.token {
            Some(token) => Found::of_token(token, entry.snapshot),
            None => Found::of(Arc::new(entry.snapshot)),
        };
        if believed { self.keep(tag, found, read_at) } else { None }
    }

    /// Keeps what was read at `read_at`; `None` where it has changed meanwhile.
    fn keep(&self, tag: Tag, found: Found, read_at: u64) -> Option<Lookup> {
        let known = Arc::new(known(found, read_at));
        if !self.stands(&known) {
            return None;
        }
        if known.expires_at <= crate::clock::unix_seconds() {
            return Some(Lookup::Unknown);
        }
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
        let (asked, read_at) = (crate::clock::monotonic(), self.fence.position());
        let organization = self.store.organization(&key).await.inspect_err(report)?.map(Arc::new);
        if self.is_late(asked) {
            return Err(StoreError::Unavailable("the answer took longer than facts are good for".to_owned()));
        }
        self.organizations.insert(key, KnownOrg { organization: organization.clone(), read_at });
        Ok(organization)
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

fn known(found: Found, read_at: u64) -> Known {
    let user = found.snapshot.user.id.0;
    Known {
        token: found.record.filter(|_| found.is_token).map(TokenId),
        slots: [Fence::slot(user), Fence::slot(found.record.unwrap_or(user))],
        snapshot: found.snapshot,
        claims: found.claims,
        expires_at: found.expires_at,
        password_until: found.password_until,
        read_at,
        of_organizations: found.of_organizations,
        life: found.life,
        used: AtomicBool::new(true),
        taken: AtomicU32::new(0),
    }
}

fn report(error: &StoreError) {
    tracing::warn!(%error, "the store could not be asked");
}
