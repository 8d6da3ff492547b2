//! What the gateway asks of SQLite: each sent to the thread that may answer it.

use super::{SqliteStore, gateway};
use crate::directory::token::{ChecksumKey, TokenDigest};
use crate::directory::{Changes, OrgRef, Position, StoreError, TokenSnapshot};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use crate::password::Kinds;

impl SqliteStore {
    pub(in crate::directory) fn checksum_key(&self) -> &ChecksumKey {
        &self.key
    }

    pub(in crate::directory) fn identity(&self) -> String {
        self.identity.clone()
    }

    pub(in crate::directory) async fn token_snapshot(
        &self,
        digest: &TokenDigest,
    ) -> Result<Option<TokenSnapshot>, StoreError> {
        let digest = *digest;
        self.read(move |tx| gateway::token_snapshot(tx, &digest)).await
    }

    pub(in crate::directory) async fn user_snapshot(
        &self,
        user: UserId,
    ) -> Result<Option<facts::Snapshot>, StoreError> {
        self.read(move |tx| gateway::user_snapshot(tx, user)).await
    }

    pub(in crate::directory) async fn organization(
        &self,
        organization: &OrgRef,
    ) -> Result<Option<facts::Organization>, StoreError> {
        let by = organization.clone();
        self.read(move |tx| gateway::find_organization(tx, &by)).await
    }

    pub(in crate::directory) async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        let organizations = organizations.to_vec();
        self.read(move |tx| gateway::members_of(tx, &organizations)).await
    }

    pub(in crate::directory) async fn position(&self) -> Result<Position, StoreError> {
        self.feed.run(|feed| feed.position()).await
    }

    pub(in crate::directory) async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        let since = since.clone();
        self.feed.run(move |feed| feed.changes(&since)).await
    }

    pub(in crate::directory) async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        self.read(|tx| gateway::password_kinds(tx)).await
    }

    pub(in crate::directory) async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        self.write(move |tx, _| gateway::touch_tokens(tx, &uses)).await
    }
}
