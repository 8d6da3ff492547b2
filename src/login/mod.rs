//! Logging in: an identifier and a password to a user, at a bounded price.
//!
//! [`Login::check`] finds whom the identifier may mean, asks [`limits`] whether more attempts are allowed, and has the
//! password compared in the pool. Whoever has no account, is inactive or has no password costs the same and hears the same
//! as a wrong password. Where the stored hash is not what would be written today, a right password has it rewritten. People
//! choose new passwords by [`renew`], who forgot theirs with a link that carries a token of [`reset`].

pub mod limits;
pub mod renew;
pub mod reset;

use crate::clock;
use crate::config::accounts::{Accounts, Identifier};
use crate::directory::{LoginCandidate, LoginQuery, Store, StoreError};
use crate::id::UserId;
use crate::limit::{Shared, Who};
use crate::password::{Busy, Hasher, PasswordHash, Pool, PoolSettings, Verdict};
use crate::phone;
use limits::{Counted, Limits};
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a password may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer identifiers are nobody's.
const LONGEST: usize = 254;

/// What somebody sent to log in.
#[derive(Debug)]
pub struct Attempt {
    /// An e-mail address, a phone number or a username.
    pub identifier: String,
    /// The password, as it was sent.
    pub password: SecretString,
    /// The organization's slug, where usernames are per organization.
    pub organization: Option<String>,
    /// From where.
    pub client: IpAddr,
}

/// Who has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// Their password is too old from this second (Unix) on: sessions end there.
    pub password_until: Option<i64>,
}

impl Person {
    /// Whether their password is too old already.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.password_until.is_some_and(|until| until <= clock::unix_seconds())
    }
}

/// Why somebody is not logged in.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Nobody has this identifier and this password, or is not active.
    #[error("no such user and password")]
    Wrong,
    /// Too many attempts; another one is allowed after this time.
    #[error("too many attempts")]
    Throttled(Duration),
    /// Too many passwords are being computed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who may be tried, and what was counted for it.
#[derive(Default)]
struct Allowed {
    allowed: Vec<LoginCandidate>,
    counted: Vec<Counted>,
}

/// Logs people in.
pub struct Login {
    store: Arc<dyn Store>,
    pool: Pool,
    limits: Limits,
    accounts: Accounts,
}

impl Login {
    /// As it is configured; `shared` are the limits that replicas share, where they do.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, accounts: Accounts, shared: Option<Arc<Shared>>) -> Self {
        let passwords = accounts.passwords;
        let settings = PoolSettings { workers: passwords.workers, queue: passwords.queue, wait: PATIENCE };
        Self {
            pool: Pool::new(Hasher::new(passwords.algorithm, passwords.md5), settings),
            limits: Limits::new(accounts.throttle, store.checksum_key(), shared),
            store,
            accounts,
        }
    }

    /// How often things may be tried.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where passwords are computed.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether a login must name an organization.
    #[must_use]
    pub fn per_organization(&self) -> bool {
        self.accounts.per_organization
    }

    /// What people may name themselves by.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier] {
        &self.accounts.identifiers
    }

    /// Who logs in with this.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn check(&self, attempt: Attempt) -> Result<Person, LoginError> {
        let Attempt { identifier, password, organization, client } = attempt;
        let candidates = match self.query(&identifier, organization) {
            Some(query) => self.store.login_candidates(&query).await?,
            None => Vec::new(),
        };
        let candidates = self.within_limits(candidates, &identifier, client).await?;
        let active: Vec<(LoginCandidate, PasswordHash)> = candidates
            .allowed
            .into_iter()
            .filter(|candidate| candidate.is_active)
            .filter_map(|mut candidate| candidate.password.take().map(|password| (candidate, password)))
            .collect();
        let stored = active.iter().map(|(_, password)| password.clone()).collect();
        let found = self.pool.first_match(password.clone(), stored).await;
        if !matches!(found, Ok(None)) {
            for counted in candidates.counted {
                self.limits.give_back(counted).await;
            }
        }
        let Some((at, verdict)) = found? else { return Err(LoginError::Wrong) };
        let (candidate, stored) = active.into_iter().nth(at).ok_or(LoginError::Wrong)?;
        let user = candidate.user;
        self.limits.succeeded(user, client).await;
        if verdict == (Verdict::Right { rehash: true }) && self.accounts.passwords.upgrade {
            self.upgrade(user, stored, password).await;
        }
        Ok(Person {
            user,
            password_until: self.accounts.passwords.until(candidate.password_updated, candidate.is_staff),
        })
    }

    /// `None`: nobody can be meant.
    fn query(&self, identifier: &str, organization: Option<String>) -> Option<LoginQuery> {
        if identifier.is_empty() || identifier.chars().count() > LONGEST || identifier.contains('\0') {
            return None;
        }
        let mut query = LoginQuery::default();
        for kind in &self.accounts.identifiers {
            match kind {
                Identifier::Email => query.email = Some(identifier.to_owned()),
                Identifier::Username => query.username = Some(identifier.to_owned()),
                Identifier::Phone => {
                    for candidate in phone::candidates(identifier, &self.accounts.phone_prefixes) {
                        if !query.phones.contains(&candidate.lookup) {
                            query.phones.push(candidate.lookup);
                        }
                    }
                }
            }
        }
        if self.accounts.per_organization {
            // Nobody's organization has the empty slug; superusers without one need not name any.
            query.organization = Some(organization.unwrap_or_default());
        }
        Some(query)
    }

    /// Those who may be tried once more. An identifier that means nobody has a budget as well.
    async fn within_limits(
        &self,
        candidates: Vec<LoginCandidate>,
        identifier: &str,
        client: IpAddr,
    ) -> Result<Allowed, LoginError> {
        if candidates.is_empty() {
            let nobody = self.limits.nobody(identifier);
            let counted = self.limits.attempt(nobody, client).await.map_err(LoginError::Throttled)?;
            return Ok(Allowed { allowed: candidates, counted: vec![counted] });
        }
        let mut wait = None;
        let mut within = Allowed::default();
        for candidate in candidates {
            match self.limits.attempt(Who::User(candidate.user), client).await {
                Ok(counted) => {
                    within.counted.push(counted);
                    within.allowed.push(candidate);
                }
                Err(time) => wait = Some(wait.map_or(time, |shorter: Duration| shorter.min(time))),
            }
        }
        match wait {
            Some(wait) if within.allowed.is_empty() => Err(LoginError::Throttled(wait)),
            _ => Ok(within),
        }
    }

    /// Rewrites a hash. A login does not fail for it: the next one tries again.
    async fn upgrade(&self, user: UserId, old: PasswordHash, password: SecretString) {
        let new = match self.pool.hash(password).await {
            Ok(Ok(new)) => new,
            Ok(Err(error)) => return tracing::warn!(%error, "a password cannot be hashed anew"),
            Err(Busy) => return,
        };
        if let Err(error) = self.store.upgrade_password(user, old, new).await {
            tracing::warn!(%error, "a password's new hash cannot be kept");
        }
    }
}
