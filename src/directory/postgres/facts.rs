//! What the gateway asks of PostgreSQL.

use super::PostgresStore;
use crate::directory::token::{ChecksumKey, TokenDigest};
use crate::directory::tx::{Caller, Sight};
use crate::directory::{Changes, OrgRef, Position, StoreError, TokenSnapshot};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use crate::password::Kinds;
use std::sync::Arc;

/// One password of each kind: Django's forms up to their salts.
const KINDS: &str = "SELECT min(password) AS password, count(*) AS count FROM users,
     LATERAL (SELECT split_part(password, '$', 1) AS first, split_part(password, '$', 2) AS second,
                     split_part(password, '$', 3) AS third, split_part(password, '$', 4) AS fourth,
                     split_part(password, '$', 5) AS fifth) AS part
     WHERE first IN ('pbkdf2_sha256', 'pbkdf2_sha1', 'argon2', 'bcrypt', 'bcrypt_sha256', 'scrypt', 'md5')
     GROUP BY first, CASE first
         WHEN 'argon2' THEN third || CASE WHEN third LIKE 'v=%' THEN fourth ELSE '' END
         WHEN 'bcrypt' THEN fourth
         WHEN 'bcrypt_sha256' THEN fourth
         WHEN 'scrypt' THEN second || ' ' || fourth || ' ' || fifth
         WHEN 'md5' THEN ''
         ELSE second END
     ORDER BY count(*) DESC LIMIT 1000";

impl PostgresStore {
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
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.run(async move { inner.token_snapshot(digest).await }).await
    }

    pub(in crate::directory) async fn user_snapshot(
        &self,
        user: UserId,
    ) -> Result<Option<facts::Snapshot>, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.user_snapshot(user).await }).await
    }

    pub(in crate::directory) async fn organization(
        &self,
        organization: &OrgRef,
    ) -> Result<Option<facts::Organization>, StoreError> {
        let (inner, by) = (Arc::clone(&self.inner), organization.clone());
        self.run(async move { inner.find_organization(&by).await }).await
    }

    pub(in crate::directory) async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let organizations = organizations.to_vec();
        self.run(async move { inner.feed.members_of(&organizations).await }).await
    }

    pub(in crate::directory) async fn position(&self) -> Result<Position, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.feed.position().await }).await
    }

    pub(in crate::directory) async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        let (inner, since) = (Arc::clone(&self.inner), since.clone());
        self.run(async move { inner.changes(&since).await }).await
    }

    pub(in crate::directory) async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        self.transaction(Sight::Statement, Caller::default(), |tx| {
            Box::pin(async move {
                let mut kinds = Kinds::default();
                for row in tx.rows(KINDS, &[]).await? {
                    kinds.add(&row.get::<String>("password")?, row.get::<i64>("count")?.unsigned_abs());
                }
                Ok::<_, StoreError>(kinds)
            })
        })
        .await
    }

    pub(in crate::directory) async fn wait_for_changes(&self) {
        self.inner.feed.wait().await;
    }

    pub(in crate::directory) async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        let (inner, uses) = (Arc::clone(&self.inner), uses.to_vec());
        self.run(async move { inner.touch_tokens(&uses).await }).await
    }
}
