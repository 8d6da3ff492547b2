//! What memory does not hold: asked for once for all who wait for it, of Redis and then of the store, and kept where nothing
//! of it has changed meanwhile.

use super::known::{EXPIRED, Found, Known, Lookup};
use super::redis_cache::{self, Subject};
use super::tag::{Kind, Tag};
use super::{FactCache, KnownOrg, TokenKey, report};
use crate::decision::OrgKey;
use crate::directory::{OrgRef, StoreError};
use crate::facts::Organization;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a load is repeated because its user changed meanwhile, before the caller is asked to come back.
const RETRIES: usize = 3;
/// Any organization's change voids what is read of one. Where they change all the time, what was asked for so lately is used,
/// this once: it is well within the bound.
const FRESH: Duration = Duration::from_millis(100);

/// What Redis has of a credential.
enum Shared {
    Found(Lookup),
    /// What was read before a change. Where the store knows of nobody any more, nothing takes its place: it is removed.
    Stale,
    Missing,
}

/// How the directory is asked for what a request names.
#[must_use]
pub fn org_ref(key: &OrgKey<'_>) -> OrgRef {
    match key {
        OrgKey::Id(id) => OrgRef::Id(*id),
        OrgKey::Slug(slug) => OrgRef::Slug(slug.clone().into_owned()),
        OrgKey::External(key) => OrgRef::External(key.clone().into_owned()),
    }
}

impl FactCache {
    /// Asks the store whose token it is, once for all who wait for the same one.
    pub async fn load(&self, wanted: TokenKey) -> Lookup {
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
        let tag = self.tagger.tag(kind, credential.as_bytes());
        self.flights.join(tag, || self.read(tag, None, look)).await
    }

    /// The same for an issuer's word for a user of the directory, whom another replica may have looked up.
    pub async fn load_subject(&self, word: &str, look: impl AsyncFn() -> Result<Option<Found>, StoreError>) -> Lookup {
        let tag = self.tagger.tag(Kind::Subject, word.as_bytes());
        self.flights.join(tag, || self.read(tag, Some(Subject::Word(word)), look)).await
    }

    /// Asks `look` whose credential it is, for this one who asks alone, and remembers nothing.
    pub async fn load_once(&self, look: impl AsyncFn() -> Result<Option<Found>, StoreError>) -> Lookup {
        let asked = crate::clock::monotonic();
        match look().await {
            Ok(_) if self.is_late(asked) => Lookup::Unavailable,
            // Its use is a change of its user itself, and it cannot be asked for again.
            Ok(Some(found)) => Lookup::Known(Arc::new(Known::new(found, u64::MAX))),
            Ok(None) => Lookup::Unknown,
            Err(error) => {
                report(&error);
                Lookup::Unavailable
            }
        }
    }

    /// Remembers another credential of somebody who is known: what was read of them is as old as it was.
    pub fn adopt(&self, kind: Kind, credential: &str, whose: &Known, found: Found) -> Lookup {
        let Found { expires_at, password_until, proof, claims, life, .. } = found;
        let known = Arc::new(Known {
            token: None,
            snapshot: Arc::clone(&whose.snapshot),
            claims,
            expires_at,
            password_until,
            proof,
            read_at: whose.read_at,
            slots: whose.slots,
            of_organizations: whose.of_organizations,
            life,
            used: AtomicBool::new(true),
            taken: AtomicU32::new(0),
        });
        self.known.insert(self.tagger.tag(kind, credential.as_bytes()), Arc::clone(&known));
        Lookup::Known(known)
    }

    /// An organization that a superuser named: from memory, or asked for once for all who wait for the same one.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn organization(&self, key: &OrgKey<'_>, now: Instant) -> Result<Option<Arc<Organization>>, StoreError> {
        let key = org_ref(key);
        if let Some(entry) = self.organizations.get(&key)
            && self.versions.has_lease(now)
            && self.versions.no_organization_since(entry.read_at)
        {
            return Ok(entry.organization);
        }
        self.searches.join(key.clone(), || self.read_organization(&key)).await
    }

    async fn read_organization(&self, key: &OrgRef) -> Result<Option<Arc<Organization>>, StoreError> {
        for left in (0..RETRIES).rev() {
            let (asked, read_at) = (crate::clock::monotonic(), self.versions.position());
            let organization = self.store.organization(key).await.inspect_err(report)?.map(Arc::new);
            if self.is_late(asked) {
                return Err(StoreError::Unavailable("the answer took longer than facts are good for".to_owned()));
            }
            if self.versions.no_organization_since(read_at) {
                self.organizations.insert(key.clone(), KnownOrg { organization: organization.clone(), read_at });
                return Ok(organization);
            }
            if left == 0 && crate::clock::monotonic().saturating_duration_since(asked) < FRESH {
                return Ok(organization);
            }
        }
        Err(StoreError::Unavailable("organizations changed each time while one was read".to_owned()))
    }

    async fn read(
        &self,
        tag: Tag,
        shared: Option<Subject<'_>>,
        look: impl AsyncFn() -> Result<Option<Found>, StoreError>,
    ) -> Lookup {
        let mut is_stale = false;
        if let Some(subject) = &shared {
            match self.read_tier(tag, subject).await {
                Shared::Found(found) => return found,
                Shared::Stale => is_stale = true,
                Shared::Missing => {}
            }
        }
        for _ in 0..RETRIES {
            let (asked, read_at) = (crate::clock::monotonic(), self.versions.position());
            let redis_cache = self
                .redis_cache
                .as_ref()
                .zip(shared.as_ref())
                .map(|(redis_cache, subject)| (redis_cache, subject, redis_cache.mark()));
            let found = match look().await {
                Ok(_) if self.is_late(asked) => return Lookup::Unavailable,
                Ok(Some(found)) => found,
                Ok(None) => {
                    if let (Some(redis_cache), Some(subject), true) = (&self.redis_cache, &shared, is_stale) {
                        redis_cache.remove(subject);
                    }
                    return Lookup::Unknown;
                }
                Err(error) => {
                    report(&error);
                    return Lookup::Unavailable;
                }
            };
            if let Some(lookup) = self.keep(tag, found, read_at) {
                if let (Some((redis_cache, subject, read_at)), Lookup::Known(known)) = (redis_cache, &lookup) {
                    redis_cache.put(subject, read_at, None, Arc::clone(&known.snapshot));
                }
                return lookup;
            }
        }
        Lookup::Unavailable
    }

    async fn read_token(&self, TokenKey { tag, digest, .. }: TokenKey) -> Lookup {
        // Whoever missed it just before another's load ended joins none, and finds what that one has read.
        if self.versions.has_lease(crate::clock::monotonic())
            && let Some(found) = self.in_memory(tag)
        {
            return found;
        }
        let shared = self.read_tier(tag, &Subject::Token(digest)).await;
        if let Shared::Found(found) = shared {
            return found;
        }
        for _ in 0..RETRIES {
            let (asked, read_at) = (crate::clock::monotonic(), self.versions.position());
            let redis_cache = self.redis_cache.as_ref().map(|redis_cache| (redis_cache, redis_cache.mark()));
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
                if let (Some(redis_cache), Shared::Stale) = (&self.redis_cache, &shared) {
                    redis_cache.remove(&Subject::Token(digest));
                }
                return Lookup::Unknown;
            };
            let token = (found.token, found.expires_at);
            let Some(lookup) = self.keep(tag, Found::of_token(token, found.snapshot), read_at) else { continue };
            match (redis_cache, &lookup) {
                (Some((redis_cache, read_at)), Lookup::Known(known)) => {
                    redis_cache.put(&Subject::Token(digest), read_at, Some(token), Arc::clone(&known.snapshot));
                }
                // It has expired.
                (Some((redis_cache, _)), _) if matches!(shared, Shared::Stale) => {
                    redis_cache.remove(&Subject::Token(digest))
                }
                _ => {}
            }
            return lookup;
        }
        Lookup::Unavailable
    }

    /// What another replica has read, if it still stands as far as this one can prove.
    async fn read_tier(&self, tag: Tag, subject: &Subject<'_>) -> Shared {
        let Some(redis_cache) = &self.redis_cache else { return Shared::Missing };
        // Taken before anything is asked: what is noted after that, another life of the store too, voids what is kept here.
        let read_at = self.versions.position();
        let Some(entry) = redis_cache.get(subject).await else { return Shared::Missing };
        let user = entry.snapshot.user.id.0;
        let ids = [user, entry.token.map_or(user, |(token, _)| token.0)];
        let believed =
            redis_cache.change_log.believes(entry.read_at, entry.until.saturating_sub(redis_cache::LIFE), ids)
                && self.versions.has_lease(crate::clock::monotonic());
        redis_cache.count(believed);
        let found = match entry.token {
            Some(token) => Found::of_token(token, entry.snapshot),
            None => Found::of(Arc::new(entry.snapshot)),
        };
        let kept = if believed { self.keep(tag, found, read_at) } else { None };
        kept.map_or(Shared::Stale, Shared::Found)
    }

    /// Keeps what was read at `read_at`; `None` where it has changed meanwhile.
    fn keep(&self, tag: Tag, found: Found, read_at: u64) -> Option<Lookup> {
        let known = Arc::new(Known::new(found, read_at));
        if !self.is_current(&known) {
            return None;
        }
        let is_over = known.expires_at <= crate::clock::unix_seconds();
        known.used.store(!is_over, Ordering::Relaxed);
        // One that has expired too: it is refused from memory then.
        self.known.insert(tag, Arc::clone(&known));
        Some(if is_over { Lookup::Refused(EXPIRED) } else { Lookup::Known(known) })
    }
}
