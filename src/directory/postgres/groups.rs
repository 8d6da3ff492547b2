//! Groups in PostgreSQL.

use super::bundle::{Bundle, bundle, contents, permissions_of, users_of};
use super::error::{Failure, violates};
use super::transaction::Tx;
use super::{limit, offset, users as people};
use crate::directory::name::RightsName;
use crate::directory::{
    BundleEdit, DirectoryError, Grants, GroupRecord, GroupSelector, NewGroup, Noun, Page, Unique, UserRecord,
    UserSelector,
};
use crate::id::GroupId;
use tokio_postgres::{Error, Row};

const GROUP: Bundle = bundle!("group");

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT b.id, b.name, ", contents!("group"), "FROM groups b ", $rest)
    };
}

pub(super) async fn create(tx: &Tx<'_>, new: NewGroup) -> Result<GroupRecord, DirectoryError> {
    let made = tx.row("INSERT INTO groups (name) VALUES ($1) RETURNING id", &[&new.name.as_str()]).await;
    let made = made.map_err(|failure| taken(failure, &new.name))?;
    let Some(row) = made else { return find(tx, &new.name.as_str().into()).await };
    let id: GroupId = row.try_get(0)?;
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    GROUP.apply(tx, &id, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }, None).await?;
    find(tx, &id.into()).await
}

/// The one group that a selector means.
pub(super) async fn find(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    const SQL: &str = select!("WHERE b.id = $1 OR b.name = $2 LIMIT 2");
    let (id, name) = match by {
        GroupSelector::Id(id) => (Some(*id), None),
        GroupSelector::Text(text) => (text.parse().ok().map(GroupId), Some(text)),
    };
    match &*tx.rows(SQL, &[&id, &name]).await? {
        [] => Err(DirectoryError::NotFound { noun: Noun::Group, reference: by.to_string() }),
        [one] => Ok(record(one)?),
        _ => Err(DirectoryError::Ambiguous { noun: Noun::Group, reference: by.to_string() }),
    }
}

pub(super) async fn list(
    tx: &Tx<'_>,
    user: Option<&UserSelector>,
    page: Page,
) -> Result<Vec<GroupRecord>, DirectoryError> {
    const SQL: &str = select!(
        "WHERE $3::uuid IS NULL OR b.id IN (SELECT group_id FROM group_users WHERE user_id = $3)
         ORDER BY b.name LIMIT $1 OFFSET $2"
    );
    let user = match user {
        Some(by) => Some(people::find(tx, by).await?.id),
        None => None,
    };
    let rows = tx.rows(SQL, &[&limit(page), &offset(page), &user]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

pub(super) async fn users(tx: &Tx<'_>, by: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    people::among(tx, GROUP.users, &find(tx, by).await?.id, page).await
}

pub(super) async fn edit(tx: &Tx<'_>, by: &GroupSelector, edit: &BundleEdit) -> Result<GroupRecord, DirectoryError> {
    let id = find(tx, by).await?.id;
    if let Some(name) = &edit.name {
        let saved = tx.execute("UPDATE groups SET name = $2 WHERE id = $1", &[&id, &name.as_str()]).await;
        saved.map_err(|failure| taken(failure, name))?;
    }
    GROUP.apply(tx, &id, edit, None).await?;
    find(tx, &id.into()).await
}

pub(super) async fn delete(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    let group = find(tx, by).await?;
    tx.execute("DELETE FROM groups WHERE id = $1", &[&group.id]).await?;
    Ok(group)
}

fn taken(failure: Failure, name: &RightsName) -> DirectoryError {
    if violates(&failure, "groups_name") {
        DirectoryError::Taken { unique: Unique::GroupName, value: name.to_string() }
    } else {
        failure.into()
    }
}

fn record(row: &Row) -> Result<GroupRecord, Error> {
    Ok(GroupRecord {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        permissions: permissions_of(row)?,
        users: users_of(row)?,
    })
}
