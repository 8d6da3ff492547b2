//! What is known of a credential: who it belongs to, when that was read, and what it rests on.

use super::change_versions::{ChangeVersions, Slot};
use crate::claims::Claims;
use crate::directory::FactorProof;
use crate::facts::Snapshot;
use crate::id::TokenId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use uuid::Uuid;

/// A credential that the store knows, as it was at a position of the outbox.
#[derive(Debug)]
pub struct Known {
    /// The token's record, where it is one of the directory's tokens.
    pub(super) token: Option<TokenId>,
    pub snapshot: Arc<Snapshot>,
    /// What it says besides, where it says something.
    pub claims: Option<Arc<Claims>>,
    /// Seconds since the Unix epoch.
    pub(super) expires_at: i64,
    /// The same: from then on its user must choose a new password first.
    pub(super) password_until: i64,
    /// That it, a session, has shown a second factor.
    pub proof: Option<FactorProof>,
    pub(super) read_at: u64,
    pub(super) slots: [Slot; 2],
    /// It rests on organizations that its user is not known to belong to.
    pub(super) of_organizations: bool,
    /// It is good as long as this lives.
    pub(super) life: Option<Arc<KeyGeneration>>,
    pub(super) used: AtomicBool,
    /// The minute (Unix) in which its use was last taken to be written.
    pub(super) taken: AtomicU32,
}

impl Known {
    /// What was found when changes up to `read_at` were noted.
    pub(super) fn new(found: Found, read_at: u64) -> Self {
        let user = found.snapshot.user.id.0;
        Self {
            token: found.record.filter(|_| found.is_token).map(TokenId),
            slots: [ChangeVersions::slot(user), ChangeVersions::slot(found.record.unwrap_or(user))],
            snapshot: found.snapshot,
            claims: found.claims,
            expires_at: found.expires_at,
            password_until: found.password_until,
            proof: found.proof,
            read_at,
            of_organizations: found.of_organizations,
            life: found.life,
            used: AtomicBool::new(true),
            taken: AtomicU32::new(0),
        }
    }
}

/// What others rest on, and that may end: a key that an issuer has withdrawn takes along what it signed.
#[derive(Debug, Default)]
pub struct KeyGeneration(AtomicBool);

impl KeyGeneration {
    /// Ends it, for all who rest on it.
    pub fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A credential as whoever read it found it, to be remembered.
#[derive(Debug)]
pub struct Found {
    pub snapshot: Arc<Snapshot>,
    /// The record that must not have changed besides its user's: a token's or a session's.
    pub record: Option<Uuid>,
    /// Whether the record is a token's, whose last use is kept.
    pub is_token: bool,
    /// The credential is refused from this second (Unix) on.
    pub expires_at: i64,
    /// From this second (Unix) on, its user must choose a new password first.
    pub password_until: i64,
    /// That it, a session, has shown a second factor.
    pub proof: Option<FactorProof>,
    pub claims: Option<Arc<Claims>>,
    pub life: Option<Arc<KeyGeneration>>,
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
            proof: None,
            claims: None,
            life: None,
            of_organizations: false,
        }
    }

    /// Whoever a token of the directory belongs to.
    pub(super) fn of_token((token, expires_at): (TokenId, Option<i64>), snapshot: Snapshot) -> Self {
        let expires_at = expires_at.unwrap_or(i64::MAX);
        Self { record: Some(token.0), is_token: true, expires_at, ..Self::of(Arc::new(snapshot)) }
    }
}

/// Its time is over, as the access line says it.
pub const EXPIRED: &str = "expired";

#[derive(Clone, Debug)]
pub enum Lookup {
    Known(Arc<Known>),
    Unknown,
    /// Not taken for what it is, as the access line says it.
    Refused(&'static str),
    /// The store cannot be asked: nothing is known, so nothing is allowed.
    Unavailable,
}
