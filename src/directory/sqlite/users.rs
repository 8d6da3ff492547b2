//! Users in SQLite.

use super::error::violates;
use crate::directory::{DirectoryError, NewUser, Noun, Page, Unique, UserEdit, UserRecord, UserSelector};
use crate::id::UserId;
use rusqlite::{Row, ToSql, Transaction, named_params};

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, email, phone_number, first_name, last_name, external_id, ",
            "is_active, is_staff, is_superuser, created, modified FROM users ",
            $rest
        )
    };
}

pub(super) fn create(tx: &Transaction<'_>, new: NewUser, now: i64) -> Result<UserRecord, DirectoryError> {
    let user = UserRecord {
        id: new.id.unwrap_or_else(UserId::generate),
        username: new.username.to_string(),
        email: new.email.map(|e| e.to_string()),
        phone_number: new.phone_number.map(|p| p.to_string()),
        first_name: new.first_name.to_string(),
        last_name: new.last_name.to_string(),
        external_id: new.external_id.map(|e| e.to_string()),
        is_active: new.is_active,
        is_staff: new.is_staff,
        is_superuser: new.is_superuser,
        created: now,
        modified: now,
    };
    let sql = "INSERT INTO users (id, username, email, phone_number, first_name, last_name, external_id,
                                  is_active, is_staff, is_superuser, created, modified)
               VALUES (:id, :username, :email, :phone_number, :first_name, :last_name, :external_id,
                       :is_active, :is_staff, :is_superuser, :modified, :modified)";
    save(tx, sql, &user)?;
    Ok(user)
}

/// The one user that a selector means.
pub(super) fn find(tx: &Transaction<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    const SQL: &str = select!("WHERE id = ?1 OR username = ?2 OR lower(email) = lower(?2) LIMIT 2");
    let (id, text) = match by {
        UserSelector::Id(id) => (Some(*id), None),
        UserSelector::Text(text) => (UserId::parse(text).ok(), Some(text)),
    };
    let mut statement = tx.prepare_cached(SQL)?;
    let mut found = statement.query_map((id, text), record)?;
    let user =
        found.next().ok_or_else(|| DirectoryError::NotFound { noun: Noun::User, reference: by.to_string() })??;
    match found.next() {
        None => Ok(user),
        Some(_) => Err(DirectoryError::Ambiguous { noun: Noun::User, reference: by.to_string() }),
    }
}

pub(super) fn list(tx: &Transaction<'_>, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY username LIMIT ?1 OFFSET ?2");
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map((super::limit(page), page.offset), record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Those whose ids a query selects; `?3` in it is `of`.
pub(super) fn among(
    tx: &Transaction<'_>,
    ids: &str,
    of: impl ToSql,
    page: Page,
) -> Result<Vec<UserRecord>, DirectoryError> {
    const SELECT: &str = select!("WHERE id IN (");
    let mut statement = tx.prepare_cached(&format!("{SELECT}{ids}) ORDER BY username LIMIT ?1 OFFSET ?2"))?;
    let rows = statement.query_map((super::limit(page), page.offset, of), record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn edit(
    tx: &Transaction<'_>,
    by: &UserSelector,
    edit: UserEdit,
    now: i64,
) -> Result<UserRecord, DirectoryError> {
    let old = find(tx, by)?;
    let user = UserRecord {
        username: edit.username.map_or(old.username, |v| v.to_string()),
        email: edit.email.map_or(old.email, |v| v.map(|v| v.to_string())),
        phone_number: edit.phone_number.map_or(old.phone_number, |v| v.map(|v| v.to_string())),
        first_name: edit.first_name.map_or(old.first_name, |v| v.to_string()),
        last_name: edit.last_name.map_or(old.last_name, |v| v.to_string()),
        external_id: edit.external_id.map_or(old.external_id, |v| v.map(|v| v.to_string())),
        is_active: edit.is_active.unwrap_or(old.is_active),
        is_staff: edit.is_staff.unwrap_or(old.is_staff),
        is_superuser: edit.is_superuser.unwrap_or(old.is_superuser),
        modified: now,
        ..old
    };
    let sql = "UPDATE users SET username = :username, email = :email, phone_number = :phone_number,
                   first_name = :first_name, last_name = :last_name, external_id = :external_id,
                   is_active = :is_active, is_staff = :is_staff, is_superuser = :is_superuser, modified = :modified
               WHERE id = :id";
    save(tx, sql, &user)?;
    Ok(user)
}

pub(super) fn delete(tx: &Transaction<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let user = find(tx, by)?;
    let sql = "SELECT o.slug FROM owners w JOIN organizations o ON o.id = w.organization_id
               WHERE w.user_id = ?1 ORDER BY o.slug";
    let owned: Vec<String> =
        tx.prepare_cached(sql)?.query_map([user.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !owned.is_empty() {
        return Err(DirectoryError::OwnerDeleted { user: user.username, organizations: owned });
    }
    tx.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([user.id])?;
    Ok(user)
}

/// Runs an INSERT or UPDATE with the values of a user, and says which unique value is taken.
fn save(tx: &Transaction<'_>, sql: &str, user: &UserRecord) -> Result<(), DirectoryError> {
    let saved = tx.prepare_cached(sql)?.execute(named_params! {
        ":id": user.id,
        ":username": user.username,
        ":email": user.email,
        ":phone_number": user.phone_number,
        ":first_name": user.first_name,
        ":last_name": user.last_name,
        ":external_id": user.external_id,
        ":is_active": user.is_active,
        ":is_staff": user.is_staff,
        ":is_superuser": user.is_superuser,
        ":modified": user.modified,
    });
    let Err(error) = saved else { return Ok(()) };
    let taken = |unique, value: Option<&String>| {
        Err(DirectoryError::Taken { unique, value: value.cloned().unwrap_or_default() })
    };
    match error {
        e if violates(&e, "index 'users_username'") => taken(Unique::Username, Some(&user.username)),
        e if violates(&e, "index 'users_email'") => taken(Unique::Email, user.email.as_ref()),
        e if violates(&e, "users.phone_number") => taken(Unique::PhoneNumber, user.phone_number.as_ref()),
        e if violates(&e, "users.external_id") => taken(Unique::UserExternalId, user.external_id.as_ref()),
        e if violates(&e, "users.id") => taken(Unique::UserId, Some(&user.id.to_string())),
        e => Err(e.into()),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        id: row.get("id")?,
        username: row.get("username")?,
        email: row.get("email")?,
        phone_number: row.get("phone_number")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        external_id: row.get("external_id")?,
        is_active: row.get("is_active")?,
        is_staff: row.get("is_staff")?,
        is_superuser: row.get("is_superuser")?,
        created: row.get("created")?,
        modified: row.get("modified")?,
    })
}
