//! Logging in: an identifier and a password to a user, at a bounded price.
//!
//! [`Login::check`] finds whom the identifier may mean, asks [`limits`] whether more attempts are allowed, and has the
//! password compared in the pool. Whoever has no account, is inactive or has no password costs the same and hears the same
//! as a wrong password. Where the stored hash is not what would be written today, a right password has it rewritten.

pub mod limits;

use crate::config::accounts::{Accounts, Identifier};
use crate::directory::{LoginCandidate, LoginQuery, Store, StoreError};
use crate::id::UserId;
use crate::password::{Busy, Hasher, PasswordHash, Pool, PoolSettings, Verdict};
use crate::phone;
use limits::{Limits, Subject};
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

/// Logs people in.
pub struct Login {
    store: Arc<dyn Store>,
    pool: Pool,
    limits: Limits,
    accounts: Accounts,
}

impl Login {
    /// As it is configured.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, accounts: Accounts) -> Self {
        let passwords = accounts.passwords;
        let settings = PoolSettings { workers: passwords.workers, queue: passwords.queue, wait: PATIENCE };
        Self {
            store,
            pool: Pool::new(Hasher::new(passwords.algorithm, passwords.md5), settings),
            limits: Limits::new(accounts.throttle),
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

    /// Who logs in with this.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn check(&self, attempt: Attempt) -> Result<UserId, LoginError> {
        let Attempt { identifier, password, organization, client } = attempt;
        let candidates = match self.query(&identifier, organization) {
            Some(query) => self.store.login_candidates(&query).await?,
            None => Vec::new(),
        };
        let candidates = self.within_limits(candidates, &identifier, client)?;
        let active: Vec<(UserId, PasswordHash)> = candidates
            .into_iter()
            .filter(|candidate| candidate.is_active)
            .filter_map(|candidate| Some((candidate.user, candidate.password?)))
            .collect();
        let stored = active.iter().map(|(_, password)| password.clone()).collect();
        let found = self.pool.first_match(password.clone(), stored).await?;
        let Some((at, verdict)) = found else { return Err(LoginError::Wrong) };
        let (user, stored) = active.into_iter().nth(at).ok_or(LoginError::Wrong)?;
        self.limits.succeeded(user, client);
        if verdict == (Verdict::Right { rehash: true }) && self.accounts.passwords.upgrade {
            self.upgrade(user, stored, password).await;
        }
        Ok(user)
    }

    /// `None`: nobody can be meant.
    fn query(&self, identifier: &str, organization: Option<String>) -> Option<LoginQuery> {
        if identifier.is_empty() || identifier.chars().count() > LONGEST || identifier.contains('\0') {
            return None;
        }
        let mut query = LoginQuery::default();
        for kind in &self.accounts.identifiers {
            match kind {
                Identifier::Email => query.email = identifier.contains('@').then(|| identifier.to_owned()),
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
    fn within_limits(
        &self,
        candidates: Vec<LoginCandidate>,
        identifier: &str,
        client: IpAddr,
    ) -> Result<Vec<LoginCandidate>, LoginError> {
        if candidates.is_empty() {
            self.limits.attempt(Subject::unknown(identifier), client).map_err(LoginError::Throttled)?;
            return Ok(candidates);
        }
        let mut wait = None;
        let mut allowed = Vec::new();
        for candidate in candidates {
            match self.limits.attempt(Subject::User(candidate.user), client) {
                Ok(()) => allowed.push(candidate),
                Err(time) => wait = Some(wait.map_or(time, |shorter: Duration| shorter.min(time))),
            }
        }
        match wait {
            Some(wait) if allowed.is_empty() => Err(LoginError::Throttled(wait)),
            _ => Ok(allowed),
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
