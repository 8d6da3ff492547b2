//! Users in PostgreSQL.

use super::error::{Failure, violates};
use super::transaction::Tx;
use super::{limit, offset};
use crate::directory::{DirectoryError, NewUser, Noun, Page, Unique, UserEdit, UserRecord, UserSelector};
use crate::id::UserId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

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

pub(super) async fn create(tx: &Tx<'_>, new: NewUser) -> Result<UserRecord, DirectoryError> {
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
        created: tx.now,
        modified: tx.now,
    };
    let sql = "INSERT INTO users (id, username, email, phone_number, first_name, last_name, external_id,
                                  is_active, is_staff, is_superuser, created, modified)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
    save(tx, sql, &user).await?;
    Ok(user)
}

/// The one user that a selector means.
pub(super) async fn find(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    const SQL: &str = select!("WHERE id = $1 OR username = $2 OR lower(email) = lower($2) LIMIT 2");
    let (id, text) = match by {
        UserSelector::Id(id) => (Some(*id), None),
        UserSelector::Text(text) => (UserId::parse(text).ok(), Some(text)),
    };
    match &*tx.rows(SQL, &[&id, &text]).await? {
        [] => Err(DirectoryError::NotFound { noun: Noun::User, reference: by.to_string() }),
        [one] => Ok(record(one)?),
        _ => Err(DirectoryError::Ambiguous { noun: Noun::User, reference: by.to_string() }),
    }
}

pub(super) async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY username LIMIT $1 OFFSET $2");
    records(&tx.rows(SQL, &[&limit(page), &offset(page)]).await?)
}

/// Those whose ids a query selects; `$3` in it is `of`.
pub(super) async fn among(
    tx: &Tx<'_>,
    ids: &str,
    of: &(dyn ToSql + Sync),
    page: Page,
) -> Result<Vec<UserRecord>, DirectoryError> {
    const SELECT: &str = select!("WHERE id IN (");
    let sql = format!("{SELECT}{ids}) ORDER BY username LIMIT $1 OFFSET $2");
    records(&tx.rows(&sql, &[&limit(page), &offset(page), of]).await?)
}

pub(super) async fn edit(tx: &Tx<'_>, by: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
    // Two who edit one user do so one after the other.
    let id = find(tx, by).await?.id;
    tx.execute("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&id]).await?;
    let old = find(tx, &id.into()).await?;
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
        modified: tx.now,
        ..old
    };
    let sql = "UPDATE users SET username = $2, email = $3, phone_number = $4, first_name = $5, last_name = $6,
                   external_id = $7, is_active = $8, is_staff = $9, is_superuser = $10, modified = $11
               WHERE id = $1";
    save(tx, sql, &user).await?;
    Ok(user)
}

pub(super) async fn delete(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let user = find(tx, by).await?;
    let sql = "SELECT o.slug FROM owners w JOIN organizations o ON o.id = w.organization_id
               WHERE w.user_id = $1 ORDER BY o.slug";
    let owned = tx.rows(sql, &[&user.id]).await?;
    if !owned.is_empty() {
        let organizations = owned.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        return Err(DirectoryError::OwnerDeleted { user: user.username, organizations });
    }
    tx.execute("DELETE FROM users WHERE id = $1", &[&user.id]).await?;
    Ok(user)
}

/// Runs an INSERT or UPDATE with the values of a user, and says which unique value is taken.
async fn save(tx: &Tx<'_>, sql: &str, user: &UserRecord) -> Result<(), DirectoryError> {
    let saved = tx
        .execute(
            sql,
            &[
                &user.id,
                &user.username,
                &user.email,
                &user.phone_number,
                &user.first_name,
                &user.last_name,
                &user.external_id,
                &user.is_active,
                &user.is_staff,
                &user.is_superuser,
                &user.modified,
            ],
        )
        .await;
    let Err(failure) = saved else { return Ok(()) };
    Err(taken(failure, user))
}

fn taken(failure: Failure, user: &UserRecord) -> DirectoryError {
    let taken =
        |unique, value: Option<&String>| DirectoryError::Taken { unique, value: value.cloned().unwrap_or_default() };
    match failure {
        e if violates(&e, "users_username") => taken(Unique::Username, Some(&user.username)),
        e if violates(&e, "users_email") => taken(Unique::Email, user.email.as_ref()),
        e if violates(&e, "users_phone_number") => taken(Unique::PhoneNumber, user.phone_number.as_ref()),
        e if violates(&e, "users_external_id") => taken(Unique::UserExternalId, user.external_id.as_ref()),
        e if violates(&e, "users_pkey") => taken(Unique::UserId, Some(&user.id.to_string())),
        e => e.into(),
    }
}

fn records(rows: &[Row]) -> Result<Vec<UserRecord>, DirectoryError> {
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

fn record(row: &Row) -> Result<UserRecord, Error> {
    Ok(UserRecord {
        id: row.try_get("id")?,
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        phone_number: row.try_get("phone_number")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        external_id: row.try_get("external_id")?,
        is_active: row.try_get("is_active")?,
        is_staff: row.try_get("is_staff")?,
        is_superuser: row.try_get("is_superuser")?,
        created: row.try_get("created")?,
        modified: row.try_get("modified")?,
    })
}
