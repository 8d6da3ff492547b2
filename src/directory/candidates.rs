//! Whom and what a search has to look at: those who can be meant at all, in the order of their ids, some at a time.

use super::StoreError;
use super::engine::Directory;
use super::tx::{Tx, Work};
use crate::id::{OrgId, RoleId, UserId};

/// Who can be what a search asks for. More may be told than are, and never fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holders {
    Anybody,
    /// Of an organization, by id or slug; superusers pass everywhere.
    Members(String),
    /// Whoever has a permission somewhere.
    Permission(String),
    /// Whoever holds a role of that name, or id, in some organization.
    Role(String),
}

/// A role that somebody holds in an organization that is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRole {
    pub id: RoleId,
    pub name: String,
    pub organization: OrgId,
    pub slug: String,
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
                    Holders::Role(role) => {
                        let sql = format!(
                            "SELECT u.id FROM users u WHERE u.id IN (
                                 SELECT h.user_id FROM role_users h JOIN roles r ON r.id = h.role_id
                                 WHERE r.id = $3 OR r.name = $4) AND {ORDER}"
                        );
                        tx.rows(&sql, &[&after, &limit, &RoleId::parse(role).ok(), role]).await?
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

    /// The roles that a user holds behind `after`; with `named`, those alone that are called so, or have that id.
    ///
    /// # Errors
    /// The store failed.
    pub async fn roles_held(
        &self,
        user: UserId,
        named: Option<&str>,
        after: RoleId,
        limit: u32,
    ) -> Result<Vec<HeldRole>, StoreError> {
        let (id, named) = (named.and_then(|named| RoleId::parse(named).ok()), named.map(str::to_owned));
        self.read(move |tx: &Tx<'_>| -> Work<'_, _, StoreError> {
            Box::pin(async move {
                let which = if named.is_some() { "AND (r.id = $4 OR r.name = $5)" } else { "" };
                let sql = format!(
                    "SELECT r.id, r.name, r.organization_id, o.slug FROM role_users h
                     JOIN roles r ON r.id = h.role_id AND r.organization_id = h.organization_id
                     JOIN organizations o ON o.id = r.organization_id
                     WHERE h.user_id = $1 AND o.is_active AND r.id > $2 {which} ORDER BY r.id LIMIT $3"
                );
                let rows = match &named {
                    Some(named) => tx.rows(&sql, &[&user, &after, &limit, &id, named]).await?,
                    None => tx.rows(&sql, &[&user, &after, &limit]).await?,
                };
                let held = rows.iter().map(|row| {
                    let (id, name) = (row.get("id")?, row.get("name")?);
                    Ok(HeldRole { id, name, organization: row.get("organization_id")?, slug: row.get("slug")? })
                });
                held.collect()
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
