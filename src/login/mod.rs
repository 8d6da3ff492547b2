//! Logging in: an identifier and a password to a user, at a bounded price.
//!
//! [`Login::check`] finds whom the identifier may mean, asks [`limits`] whether more attempts are allowed, and has the
//! password compared in the pool. Whoever has no account, is inactive, has expired or has no password costs what somebody would (`census`)
//! and hears the same as a wrong password. Where the stored hash is not what would be written today, a right password has it rewritten. People
//! choose new passwords by [`renew`], who forgot theirs with a link that carries a token of [`reset`].

mod census;
pub mod limits;
pub mod links;
pub mod renew;
pub mod reset;
pub mod trusted_header;

use crate::clock;
use crate::config::accounts::{Accounts, Identifier};
use crate::directory::name::Slug;
use crate::directory::{Directory, LoginCandidate, LoginQuery, StoreError, Usernames, login_of};
use crate::id::UserId;
use crate::limit::{Shared, Who};
use crate::password::{Busy, Hasher, PasswordHash, Pool, PoolSettings, Verdict};
use crate::phone;
use census::Census;
use limits::Limits;
use secrecy::SecretString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a password may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: usize = 254;

/// What somebody sent to log in.
#[derive(Debug)]
pub struct Attempt {
    /// An e-mail address, a phone number or a username.
    pub identifier: String,
    /// The password, as it was sent.
    pub password: SecretString,
    /// The slug of their organization, in any case, where one was named.
    pub organization: Option<String>,
    pub client: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
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
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An identifier that somebody has typed.
struct Name {
    /// What it is counted by.
    forms: Vec<Who>,
    /// What chooses the cost of it, where it means nobody.
    choice: u64,
}

pub struct Login {
    store: Arc<Directory>,
    pool: Pool,
    limits: Limits,
    accounts: Accounts,
    census: Arc<Census>,
}

impl Login {
    /// As it is configured; `shared` are the limits that replicas share, where they do.
    #[must_use]
    pub fn new(store: Arc<Directory>, accounts: Accounts, shared: Option<Arc<Shared>>) -> Self {
        let passwords = accounts.passwords;
        let settings = PoolSettings { workers: passwords.workers, queue: passwords.queue, wait: PATIENCE };
        Self {
            pool: Pool::new(Hasher::new(passwords.algorithm, passwords.md5), settings),
            limits: Limits::new(accounts.throttle, store.checksum_key(), shared),
            census: Arc::default(),
            store,
            accounts,
        }
    }

    /// How often things may be tried.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether a login by name says of which organization it is.
    #[must_use]
    pub fn per_organization(&self) -> bool {
        self.accounts.usernames == Usernames::PerOrganization
    }

    /// What people may name themselves by.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier] {
        &self.accounts.identifiers
    }

    /// Whether somebody logs in whose account has expired, until they are made inactive.
    #[must_use]
    pub fn lets_expired_in(&self) -> bool {
        self.accounts.expired_log_in
    }

    /// Who logs in with this.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn check(&self, attempt: Attempt) -> Result<Person, LoginError> {
        let Attempt { identifier, password, organization, client } = attempt;
        let name = self.name(&identifier, organization.as_deref());
        let candidates = match self.query(&identifier, organization) {
            Some(query) => self.store.login_candidates(&query).await?,
            None => Vec::new(),
        };
        let users: Vec<UserId> = candidates.iter().map(|candidate| candidate.user).collect();
        let (allowed, counted) =
            self.limits.attempts(&name.forms, &users, client).await.map_err(LoginError::Throttled)?;
        let decoy = self.decoy(&name, &candidates).await;
        let active: Vec<(LoginCandidate, PasswordHash)> = candidates
            .into_iter()
            .filter(|candidate| self.may_log_in(candidate) && allowed.contains(&candidate.user))
            .filter_map(|mut candidate| candidate.password.take().map(|password| (candidate, password)))
            .collect();
        let stored = active.iter().map(|(_, password)| password.clone()).collect();
        let found = self.pool.first_match(password.clone(), stored, decoy).await;
        if !matches!(found, Ok(None)) {
            for counted in counted {
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

    /// Whether somebody may at all: who is inactive may not, nor whose account has expired.
    fn may_log_in(&self, candidate: &LoginCandidate) -> bool {
        let has_expired = candidate.expiration_date.is_some_and(|last| last < clock::today());
        candidate.is_active && (!has_expired || self.accounts.expired_log_in)
    }

    /// `None`: nobody can be meant.
    fn query(&self, identifier: &str, organization: Option<String>) -> Option<LoginQuery> {
        if identifier.is_empty() || identifier.chars().count() > LONGEST || identifier.contains('\0') {
            return None;
        }
        let organization = organization.filter(|slug| !slug.is_empty());
        if organization.as_ref().is_some_and(|slug| Slug::new(slug).is_err()) {
            return None;
        }
        let mut query = LoginQuery { organization, ..LoginQuery::default() };
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
        Some(query)
    }

    /// An identifier as it is counted, and as it chooses what nobody costs. The spellings that mean one user have a form in common;
    /// those that mean two may have it too, but for the users of two organizations: nobody keeps another organization's `ann` out.
    fn name(&self, identifier: &str, organization: Option<&str>) -> Name {
        // Twice, for letters that have no partner of their own: the capital of `\u{df}` is `SS`.
        let mut forms = vec![identifier.to_uppercase().to_lowercase()];
        if self.accounts.identifiers.contains(&Identifier::Phone) {
            let numbers = phone::candidates(identifier, &self.accounts.phone_prefixes);
            forms.extend(numbers.into_iter().filter(|number| number.valid).map(|number| number.lookup));
            forms.dedup();
        }
        // An address and a number mean the same user whatever organization is named, or none.
        if let ([name], Some(organization), false) = (forms.as_mut_slice(), organization, identifier.contains('@')) {
            *name = login_of(Some(&organization.to_lowercase()), name);
        }
        // Usernames are told apart by case, addresses are not; of a number, the last way to read it is the same for most spellings.
        let chooses = match forms.as_slice() {
            [.., number] if forms.len() > 1 => number,
            [address, ..] if identifier.contains('@') => address,
            _ => identifier,
        };
        let choice = self.limits.keyed("cost", chooses.as_bytes());
        Name { choice, forms: forms.iter().map(|form| Who::Name(self.limits.keyed("name", form.as_bytes()))).collect() }
    }

    /// What is compared where nobody's password can be: that of somebody inactive, or one of the kinds that the directory has.
    async fn decoy(&self, name: &Name, candidates: &[LoginCandidate]) -> Option<PasswordHash> {
        let kinds = self.census.kinds(&self.store).await;
        let hasher = self.pool.hasher();
        let mut own = candidates.iter().filter_map(|candidate| candidate.password.as_ref());
        let own = own.find(|password| hasher.believes(password.expose()));
        // Whoever has no password costs the same under all their names.
        let choice = candidates
            .first()
            .map_or(name.choice, |candidate| self.limits.keyed("cost of a user", candidate.user.0.as_bytes()));
        own.or_else(|| kinds.chosen(hasher, choice)).cloned()
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
