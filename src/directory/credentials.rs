//! [`Credentials`]: what a store knows of credentials that are not tokens of its own. Part of every [`super::Store`].

use super::error::{DirectoryError, StoreError};
use super::model::UserSelector;
use super::token::TokenDigest;
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// How a credential names a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserKey {
    /// By id.
    Id(UserId),
    /// By login name, as spelt.
    Username(String),
    /// By e-mail address, whatever the case.
    Email(String),
    /// By the key of a legacy system.
    ExternalId(String),
}

/// What a sesame token rests on. Goes from the store to the verification and nowhere else.
pub struct Revocation {
    /// The password's hash as it is kept, where there is one.
    pub password: Option<SecretString>,
    /// The e-mail address as it is kept, where there is one.
    pub email: Option<String>,
    /// The last login: microseconds since the Unix epoch.
    pub last_login: Option<i64>,
    /// Whose it is, perhaps inactive.
    pub snapshot: Snapshot,
}

impl Revocation {
    /// The password's hash as it is kept; empty where there is none.
    #[must_use]
    pub fn password(&self) -> &str {
        self.password.as_ref().map_or("", |password| password.expose_secret())
    }
}

/// Shows whose it is, and nothing that it rests on.
impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation").field("user", &self.snapshot.user.id).finish_non_exhaustive()
    }
}

/// A session of a person.
#[derive(Debug)]
pub struct SessionSnapshot {
    /// The session's record.
    pub session: Uuid,
    /// It is refused from this second (Unix) on.
    pub expires_at: i64,
    /// Whether it began with a password.
    pub by_password: bool,
    /// When its user chose their password, where that is known.
    pub password_updated: Option<Date>,
    /// Whose it is, perhaps inactive.
    pub snapshot: Snapshot,
}

/// A session to be kept.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it is.
    pub user: UserId,
    /// The digest of what the cookie holds.
    pub digest: TokenDigest,
    /// It is refused from this second (Unix) on.
    pub expires_at: i64,
    /// Whether it begins with a password, and is good for little once that has grown old.
    pub by_password: bool,
    /// The session that it takes the place of: a login never goes on with the cookie of before.
    pub instead_of: Option<TokenDigest>,
}

/// A binding of an issuer's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubjectRecord {
    /// The user.
    pub user: UserId,
    /// Their login name.
    pub username: String,
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// Since when: seconds since the Unix epoch.
    pub created: i64,
}

/// Longest issuer or subject, in bytes.
const MAX_NAME: usize = 512;

/// What can be bound.
pub(super) fn check_subject(issuer: &str, subject: &str) -> Result<(), DirectoryError> {
    for (field, text) in [("issuer", issuer), ("subject", subject)] {
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Err(DirectoryError::invalid(field, "from 1 to 512 bytes, without control characters"));
        }
    }
    Ok(())
}

/// See the module.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The user to whom an issuer's subject is bound, with their organizations and rights.
    async fn subject_snapshot(&self, issuer: &str, subject: &str) -> Result<Option<Snapshot>, StoreError>;

    /// The user whom a key names, with their organizations and rights.
    async fn snapshot_by(&self, key: &UserKey) -> Result<Option<Snapshot>, StoreError>;

    /// What the sesame tokens of a user rest on.
    async fn revocation(&self, key: &UserKey) -> Result<Option<Revocation>, StoreError>;

    /// Moves the last login from what it was to `now` (microseconds since the Unix epoch, or one more than it was); `false`
    /// where it is something else already. Of many who try at once, one succeeds.
    async fn move_last_login(&self, user: UserId, was: Option<i64>, now: i64) -> Result<bool, StoreError>;

    /// The session of a cookie, expired ones too.
    async fn session_snapshot(&self, digest: &TokenDigest) -> Result<Option<SessionSnapshot>, StoreError>;

    /// Keeps a session, and forgets those that have expired.
    async fn create_session(&self, session: NewSession) -> Result<Uuid, StoreError>;

    /// Ends a session; `false` where there is none.
    async fn delete_session(&self, digest: &TokenDigest) -> Result<bool, StoreError>;

    /// Binds an issuer's subject to a user. The same binding again changes nothing; one to another user is refused.
    async fn bind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError>;

    /// Ends a binding.
    async fn unbind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError>;

    /// The bindings of a user, by issuer and subject.
    async fn subjects(&self, user: &UserSelector) -> Result<Vec<SubjectRecord>, DirectoryError>;
}
