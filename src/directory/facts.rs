//! What the gateway asks of the directory, and the feed of its changes: the questions of the data path, which each engine answers in
//! its own fastest way.

use super::StoreError;
use super::engine::{Directory, Engine};
use super::position::Position;
use super::store::{Changes, OrgRef, TokenSnapshot};
use super::token::{ChecksumKey, TokenDigest};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use crate::password::Kinds;
use std::time::Duration;

/// Asks whichever engine there is.
macro_rules! ask {
    ($directory:ident.$question:ident($($argument:expr),*)) => {
        match &*$directory.engine {
            Engine::Sqlite(store) => store.$question($($argument),*),
            Engine::Postgres(store) => store.$question($($argument),*),
        }
    };
    ($directory:ident.$question:ident($($argument:expr),*).await) => {
        match &*$directory.engine {
            Engine::Sqlite(store) => store.$question($($argument),*).await,
            Engine::Postgres(store) => store.$question($($argument),*).await,
        }
    };
}

impl Directory {
    /// The key that tells tokens of this installation.
    #[must_use]
    pub fn checksum_key(&self) -> &ChecksumKey {
        ask!(self.checksum_key())
    }

    /// Tells this directory from every other, copies of it included: two of the same identity have the same content and the same
    /// positions. Replicas of one installation see the same one.
    #[must_use]
    pub fn identity(&self) -> String {
        ask!(self.identity())
    }

    /// What a token says, or `None` where nobody has it. One consistent look, one round.
    ///
    /// # Errors
    /// The store failed; so with all questions.
    pub async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        ask!(self.token_snapshot(digest).await)
    }

    /// A user, their active organizations and their rights.
    ///
    /// # Errors
    /// The store failed.
    pub async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError> {
        ask!(self.user_snapshot(user).await)
    }

    /// An organization, active or not.
    ///
    /// # Errors
    /// The store failed.
    pub async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError> {
        ask!(self.organization(organization).await)
    }

    /// All users who belong to one of these organizations, active or not; some more than [`super::MEMBERS_AT_MOST`] of them, where
    /// there are as many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        ask!(self.members_of(organizations).await)
    }

    /// Where the outbox stands. Read it first, then facts: changes after it may concern them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn position(&self) -> Result<Position, StoreError> {
        ask!(self.position().await)
    }

    /// The changes after a position; cheap where there are none, made to be asked many times a second.
    ///
    /// # Errors
    /// The store failed.
    pub async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        ask!(self.changes(since).await)
    }

    /// Waits until the outbox is worth another look: something may have changed, or it is time to see whether.
    pub async fn wait_for_changes(&self) {
        match &*self.engine {
            Engine::Sqlite(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Engine::Postgres(store) => store.wait_for_changes().await,
        }
    }

    /// Of which kinds all users' passwords are.
    ///
    /// # Errors
    /// The store failed.
    pub async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        ask!(self.password_kinds().await)
    }

    /// Keeps when tokens were last used (Unix seconds); never earlier than what is kept. Unknown tokens are passed over.
    ///
    /// # Errors
    /// The store failed.
    pub async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        ask!(self.touch_tokens(uses).await)
    }
}
