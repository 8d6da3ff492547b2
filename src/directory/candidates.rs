//! Whom and what a search has to look at: those who can be meant at all, in the order of their ids, some at a time.

use super::StoreError;
use super::engine::Directory;
use super::tx::{Tx, Work};
use crate::id::{OrgId, UserId};

/// Who can be what a search asks for. More may be told than are, and never fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holders {
    Anybody,
    /// Of an organization, by id or slug; superusers pass everywhere.
    Members(String),
    /// Whoever has a permission somewhere.
    Permission(String),
}

impl Directory {
    /// Active users behind `after`, at most `limit` of them.
    ///
    /// # Errors
    /// The store failed; so with all questions.
    pub async fn holders(&self, who: &Holders, after: UserId, limit: u32) -> Result<Vec<UserId>, StoreError> {
        const ORDER: &str = "u.is_active AND u.id > $1 ORDER BY u.id LIMIT $2";
        const SUPERUSERS: &str = "SELECT s.id FROM users s WHERE s.is_superuser";
        let who = who.clone();
        self.read(move |tx: &Tx<'_>| -> Work<'_, _, StoreError> {
            Box::pin(async move {
                let rows = match &who {
                    Holders::Anybody => {
                        tx.rows(&format!("SELECT u.id FROM users u WHERE {ORDER}"), &[&after, &limit]).await?
                    }
                    Holders::Members(organization) => {
                        let sql = format!(
                            "SELECT u.id FROM users u WHERE u.id IN (
                                 SELECT m.user_id FROM memberships m JOIN organizations o ON o.id = m.organization_id
                                 WHERE o.id = $3 OR o.slug = $4 UNION {SUPERUSERS}) AND {ORDER}"
                        );
                        let id = OrgId::parse(organization).ok();
                        tx.rows(&sql, &[&after, &limit, &id, organization]).await?
                    }
                    Holders::Permission(codename) => {
                        let sql = format!(
                            "SELECT u.id FROM users u WHERE u.id IN (
                                 SELECT h.user_id FROM permission_users h JOIN permissions p ON p.id = h.permission_id
                                 WHERE p.codename = $3 UNION {SUPERUSERS}) AND {ORDER}"
                        );
                        tx.rows(&sql, &[&after, &limit, codename]).await?
                    }
                };
                rows.iter().map(|row| row.get("id")).collect()
            })
        })
        .await
    }

    /// Organizations behind `after`, with their slugs.
    ///
    /// # Errors
    /// The store failed.
    pub async fn organizations_after(&self, after: OrgId, limit: u32) -> Result<Vec<(OrgId, String)>, StoreError> {
        self.read(move |tx: &Tx<'_>| -> Work<'_, _, StoreError> {
            Box::pin(async move {
                let sql = "SELECT id, slug FROM organizations WHERE id > $1 ORDER BY id LIMIT $2";
                let rows = tx.rows(sql, &[&after, &limit]).await?;
                rows.iter().map(|row| Ok((row.get("id")?, row.get("slug")?))).collect()
            })
        })
        .await
    }

    /// Codenames of permissions behind `after`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn permissions_after(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        let after = after.to_owned();
        self.read(move |tx: &Tx<'_>| -> Work<'_, _, StoreError> {
            Box::pin(async move {
                let sql = "SELECT codename FROM permissions WHERE codename > $1 ORDER BY codename LIMIT $2";
                let rows = tx.rows(sql, &[&after, &limit]).await?;
                rows.iter().map(|row| row.get("codename")).collect()
            })
        })
        .await
    }
}
