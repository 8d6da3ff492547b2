//! Groups in SQLite.

use super::bundle::{Bundle, bundle, contents, permissions_of};
use super::error::violates;
use super::users as people;
use crate::directory::name::RightsName;
use crate::directory::{
    BundleEdit, DirectoryError, Grants, GroupRecord, GroupSelector, NewGroup, Noun, Page, Unique, UserRecord,
    UserSelector,
};
use crate::id::GroupId;
use rusqlite::{Row, Transaction};

const GROUP: Bundle = bundle!("group");

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT b.id, b.name, ", contents!("group"), "FROM groups b ", $rest)
    };
}

pub(super) fn create(tx: &Transaction<'_>, new: NewGroup) -> Result<GroupRecord, DirectoryError> {
    taken(tx.prepare_cached("INSERT INTO groups (name) VALUES (?1)")?.execute([new.name.as_str()]), &new.name)?;
    let id = GroupId(tx.last_insert_rowid());
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    GROUP.apply(tx, id, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }, |_| Ok(()))?;
    find(tx, &id.into())
}

/// The one group that a selector means.
pub(super) fn find(tx: &Transaction<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    const SQL: &str = select!("WHERE b.id = ?1 OR b.name = ?2 LIMIT 2");
    let (id, name) = match by {
        GroupSelector::Id(id) => (Some(*id), None),
        GroupSelector::Text(text) => (text.parse().ok().map(GroupId), Some(text)),
    };
    let mut statement = tx.prepare_cached(SQL)?;
    let mut found = statement.query_map((id, name), record)?;
    let reference = || by.to_string();
    let first =
        found.next().ok_or_else(|| DirectoryError::NotFound { noun: Noun::Group, reference: reference() })??;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(DirectoryError::Ambiguous { noun: Noun::Group, reference: reference() }),
    }
}

pub(super) fn list(
    tx: &Transaction<'_>,
    user: Option<&UserSelector>,
    page: Page,
) -> Result<Vec<GroupRecord>, DirectoryError> {
    const SQL: &str = select!(
        "WHERE ?3 IS NULL OR b.id IN (SELECT group_id FROM group_users WHERE user_id = ?3)
         ORDER BY b.name LIMIT ?1 OFFSET ?2"
    );
    let user = user.map(|by| people::find(tx, by)).transpose()?.map(|user| user.id);
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map((super::limit(page), page.offset, user), record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn users(tx: &Transaction<'_>, by: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    people::among(tx, GROUP.users, find(tx, by)?.id, page)
}

pub(super) fn edit(tx: &Transaction<'_>, by: &GroupSelector, edit: &BundleEdit) -> Result<GroupRecord, DirectoryError> {
    let id = find(tx, by)?.id;
    if let Some(name) = &edit.name {
        let sql = "UPDATE groups SET name = ?2 WHERE id = ?1";
        taken(tx.prepare_cached(sql)?.execute((id, name.as_str())), name)?;
    }
    GROUP.apply(tx, id, edit, |_| Ok(()))?;
    find(tx, &id.into())
}

pub(super) fn delete(tx: &Transaction<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    let group = find(tx, by)?;
    tx.prepare_cached("DELETE FROM groups WHERE id = ?1")?.execute([group.id])?;
    Ok(group)
}

fn taken(saved: rusqlite::Result<usize>, name: &RightsName) -> Result<(), DirectoryError> {
    match saved {
        Ok(_) => Ok(()),
        Err(e) if violates(&e, "groups.name") => {
            Err(DirectoryError::Taken { unique: Unique::GroupName, value: name.to_string() })
        }
        Err(e) => Err(e.into()),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<GroupRecord> {
    Ok(GroupRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        permissions: permissions_of(row)?,
        users: row.get("users")?,
    })
}
