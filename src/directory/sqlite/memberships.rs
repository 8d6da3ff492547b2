//! Memberships in SQLite, and the rule that makes the first manager an owner.

use super::error::violates;
use super::{organizations, users};
use crate::directory::{
    DirectoryError, MembershipFilter, MembershipRecord, NewMembership, OrgSelector, OrganizationRecord, Page,
    UserRecord, UserSelector,
};
use rusqlite::{OptionalExtension, Row, Transaction};
use uuid::Uuid;

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.user_id, u.username, m.organization_id, o.slug, m.is_admin, ",
            "w.user_id IS NOT NULL AS is_owner, m.created, m.modified FROM memberships m ",
            "JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.organization_id ",
            "LEFT JOIN owners w ON w.organization_id = m.organization_id AND w.user_id = m.user_id ",
            $rest
        )
    };
}

pub(super) fn create(tx: &Transaction<'_>, new: &NewMembership, now: i64) -> Result<MembershipRecord, DirectoryError> {
    let user = users::find(tx, &new.user)?;
    let organization = organizations::find(tx, &new.organization)?;
    let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    let id = Uuid::now_v7().to_string();
    match tx.prepare_cached(sql)?.execute((id, user.id, organization.id, new.is_admin, now)) {
        Err(error) if violates(&error, "memberships.user_id, memberships.organization_id") => {
            return Err(DirectoryError::AlreadyMember { user: user.username, organization: organization.slug });
        }
        done => done?,
    };
    let becomes_owner = new.is_admin && organization.owner.is_none();
    if becomes_owner {
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute((organization.id, user.id, now))?;
    }
    Ok(MembershipRecord {
        user: user.id,
        username: user.username,
        organization: organization.id,
        slug: organization.slug,
        is_admin: new.is_admin,
        is_owner: becomes_owner,
        created: now,
        modified: now,
    })
}

pub(super) fn find(
    tx: &Transaction<'_>,
    organization: &OrganizationRecord,
    user: &UserRecord,
) -> Result<MembershipRecord, DirectoryError> {
    const SQL: &str = select!("WHERE m.user_id = ?1 AND m.organization_id = ?2");
    tx.prepare_cached(SQL)?.query_row((user.id, organization.id), record).optional()?.ok_or_else(|| {
        DirectoryError::NotMember { user: user.username.clone(), organization: organization.slug.clone() }
    })
}

/// The membership that two selectors mean.
pub(super) fn select(
    tx: &Transaction<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    find(tx, &organizations::find(tx, organization)?, &users::find(tx, user)?)
}

pub(super) fn list(
    tx: &Transaction<'_>,
    filter: &MembershipFilter,
    page: Page,
) -> Result<Vec<MembershipRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY o.slug, u.username LIMIT ?1 OFFSET ?2");
    const OF_USER: &str = select!("WHERE m.user_id = ?3 ORDER BY o.slug, u.username LIMIT ?1 OFFSET ?2");
    const OF_ORGANIZATION: &str =
        select!("WHERE m.organization_id = ?3 ORDER BY o.slug, u.username LIMIT ?1 OFFSET ?2");
    const OF_BOTH: &str = select!("WHERE m.user_id = ?3 AND m.organization_id = ?4 LIMIT ?1 OFFSET ?2");
    let user = filter.user.as_ref().map(|by| users::find(tx, by)).transpose()?.map(|user| user.id);
    let organization = filter.organization.as_ref().map(|by| organizations::find(tx, by)).transpose()?.map(|o| o.id);
    let (limit, offset) = (super::limit(page), page.offset);
    let rows = match (user, organization) {
        (None, None) => tx.prepare_cached(ALL)?.query_map((limit, offset), record)?.collect(),
        (Some(u), None) => tx.prepare_cached(OF_USER)?.query_map((limit, offset, u), record)?.collect(),
        (None, Some(o)) => tx.prepare_cached(OF_ORGANIZATION)?.query_map((limit, offset, o), record)?.collect(),
        (Some(u), Some(o)) => tx.prepare_cached(OF_BOTH)?.query_map((limit, offset, u, o), record)?.collect(),
    };
    let rows: rusqlite::Result<Vec<_>> = rows;
    Ok(rows?)
}

pub(super) fn edit(
    tx: &Transaction<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
    is_admin: bool,
    now: i64,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user)?;
    if old.is_owner && !is_admin {
        return Err(DirectoryError::OwnerDemoted { user: old.username, organization: old.slug });
    }
    let sql = "UPDATE memberships SET is_admin = ?3, modified = ?4 WHERE user_id = ?1 AND organization_id = ?2";
    tx.prepare_cached(sql)?.execute((old.user, old.organization, is_admin, now))?;
    Ok(MembershipRecord { is_admin, modified: now, ..old })
}

pub(super) fn delete(
    tx: &Transaction<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user)?;
    if old.is_owner {
        return Err(DirectoryError::OwnerRemoved { user: old.username, organization: old.slug });
    }
    let of_name = "SELECT 1 FROM users WHERE id = ?1 AND organization_id = ?2";
    if tx.prepare_cached(of_name)?.exists((old.user, old.organization))? {
        return Err(DirectoryError::NameRemoved { user: old.username, organization: old.slug });
    }
    let sql = "DELETE FROM memberships WHERE user_id = ?1 AND organization_id = ?2";
    tx.prepare_cached(sql)?.execute((old.user, old.organization))?;
    Ok(old)
}

fn record(row: &Row<'_>) -> rusqlite::Result<MembershipRecord> {
    Ok(MembershipRecord {
        user: row.get("user_id")?,
        username: row.get("username")?,
        organization: row.get("organization_id")?,
        slug: row.get("slug")?,
        is_admin: row.get("is_admin")?,
        is_owner: row.get("is_owner")?,
        created: row.get("created")?,
        modified: row.get("modified")?,
    })
}
