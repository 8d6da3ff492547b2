//! Memberships in PostgreSQL, and the rule that makes the first manager an owner.

use super::error::violates;
use super::transaction::Tx;
use super::{limit, offset, organizations, users};
use crate::directory::{
    DirectoryError, MembershipFilter, MembershipRecord, NewMembership, OrgSelector, OrganizationRecord, Page,
    UserRecord, UserSelector,
};
use tokio_postgres::{Error, Row};
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

pub(super) async fn create(tx: &Tx<'_>, new: NewMembership) -> Result<MembershipRecord, DirectoryError> {
    let user = users::find(tx, &new.user).await?;
    let organization = organizations::find(tx, &new.organization).await?;
    let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
               VALUES ($1, $2, $3, $4, $5, $5)";
    let id = Uuid::now_v7();
    match tx.execute(sql, &[&id, &user.id, &organization.id, &new.is_admin, &tx.now]).await {
        Err(failure) if violates(&failure, "memberships_user_organization") => {
            return Err(DirectoryError::AlreadyMember { user: user.username, organization: organization.slug });
        }
        done => done?,
    };
    let mut becomes_owner = new.is_admin && organization.owner.is_none();
    if becomes_owner {
        // Of several first managers at once, one.
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        becomes_owner = tx.execute(sql, &[&organization.id, &user.id, &tx.now]).await? > 0;
    }
    Ok(MembershipRecord {
        user: user.id,
        username: user.username,
        organization: organization.id,
        slug: organization.slug,
        is_admin: new.is_admin,
        is_owner: becomes_owner,
        created: tx.now,
        modified: tx.now,
    })
}

pub(super) async fn find(
    tx: &Tx<'_>,
    organization: &OrganizationRecord,
    user: &UserRecord,
) -> Result<MembershipRecord, DirectoryError> {
    const SQL: &str = select!("WHERE m.user_id = $1 AND m.organization_id = $2");
    match tx.row(SQL, &[&user.id, &organization.id]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotMember { user: user.username.clone(), organization: organization.slug.clone() }),
    }
}

/// The membership that two selectors mean.
pub(super) async fn select(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    find(tx, &organizations::find(tx, organization).await?, &users::find(tx, user).await?).await
}

pub(super) async fn list(
    tx: &Tx<'_>,
    filter: &MembershipFilter,
    page: Page,
) -> Result<Vec<MembershipRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_USER: &str = select!("WHERE m.user_id = $3 ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_ORGANIZATION: &str =
        select!("WHERE m.organization_id = $3 ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_BOTH: &str = select!("WHERE m.user_id = $3 AND m.organization_id = $4 LIMIT $1 OFFSET $2");
    let user = match &filter.user {
        Some(by) => Some(users::find(tx, by).await?.id),
        None => None,
    };
    let organization = match &filter.organization {
        Some(by) => Some(organizations::find(tx, by).await?.id),
        None => None,
    };
    let (limit, offset) = (limit(page), offset(page));
    let rows = match (user, organization) {
        (None, None) => tx.rows(ALL, &[&limit, &offset]).await?,
        (Some(u), None) => tx.rows(OF_USER, &[&limit, &offset, &u]).await?,
        (None, Some(o)) => tx.rows(OF_ORGANIZATION, &[&limit, &offset, &o]).await?,
        (Some(u), Some(o)) => tx.rows(OF_BOTH, &[&limit, &offset, &u, &o]).await?,
    };
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

pub(super) async fn edit(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
    is_admin: bool,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user).await?;
    if old.is_owner && !is_admin {
        return Err(DirectoryError::OwnerDemoted { user: old.username, organization: old.slug });
    }
    let sql = "UPDATE memberships SET is_admin = $3, modified = $4 WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&old.user, &old.organization, &is_admin, &tx.now]).await?;
    Ok(MembershipRecord { is_admin, modified: tx.now, ..old })
}

pub(super) async fn delete(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user).await?;
    if old.is_owner {
        return Err(DirectoryError::OwnerRemoved { user: old.username, organization: old.slug });
    }
    // Locked: whoever moves the name here at the same moment waits.
    let of_name = "SELECT 1 FROM users WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE";
    if tx.row(of_name, &[&old.user, &old.organization]).await?.is_some() {
        return Err(DirectoryError::NameRemoved { user: old.username, organization: old.slug });
    }
    let sql = "DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&old.user, &old.organization]).await?;
    Ok(old)
}

fn record(row: &Row) -> Result<MembershipRecord, Error> {
    Ok(MembershipRecord {
        user: row.try_get("user_id")?,
        username: row.try_get("username")?,
        organization: row.try_get("organization_id")?,
        slug: row.try_get("slug")?,
        is_admin: row.try_get("is_admin")?,
        is_owner: row.try_get("is_owner")?,
        created: row.try_get("created")?,
        modified: row.try_get("modified")?,
    })
}
