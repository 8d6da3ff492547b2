//! Users.

use super::StoreError;
use super::engine::Directory;
use super::sql::{Failure, Param, Row};
use super::tx::{Tx, limit, offset};
use super::{BatchError, DirectoryError, NewUser, Noun, Page, Unique, UserEdit, UserRecord, UserSelector};
use crate::id::UserId;

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

impl Directory {
    /// Makes users, all or none. Usernames, e-mail addresses (whatever the case), phone numbers and external ids are unique.
    pub async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        self.write_all(users, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { find(tx, &user).await })).await
    }

    pub async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(list(tx, page))).await
    }

    pub async fn edit_user(&self, user: &UserSelector, new: UserEdit) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { edit(tx, &user, new).await })).await
    }

    /// Deletes a user with their memberships and tokens; refused while they own an organization.
    pub async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { delete(tx, &user).await })).await
    }
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
    tx.created("user.create", &user);
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

async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY username LIMIT $1 OFFSET $2");
    Ok(records(&tx.rows(SQL, &[&limit(page), &offset(page)]).await?)?)
}

/// Those whose ids a query selects; `$3` in it is `of`.
pub(super) async fn among(
    tx: &Tx<'_>,
    ids: &str,
    of: &dyn Param,
    page: Page,
) -> Result<Vec<UserRecord>, DirectoryError> {
    const SELECT: &str = select!("WHERE id IN (");
    let sql = format!("{SELECT}{ids}) ORDER BY username LIMIT $1 OFFSET $2");
    Ok(records(&tx.rows(&sql, &[&limit(page), &offset(page), of]).await?)?)
}

async fn edit(tx: &Tx<'_>, by: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
    // Two who edit one user do so one after the other.
    let id = find(tx, by).await?.id;
    tx.lock("users", &id).await?;
    let before = find(tx, &id.into()).await?;
    let old = before.clone();
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
    tx.changed("user.edit", &before, &user);
    Ok(user)
}

async fn delete(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let user = find(tx, by).await?;
    let sql = "SELECT o.slug FROM owners w JOIN organizations o ON o.id = w.organization_id
               WHERE w.user_id = $1 ORDER BY o.slug";
    let owned = tx.rows(sql, &[&user.id]).await?;
    if !owned.is_empty() {
        let organizations = owned.iter().map(|row| row.get("slug")).collect::<Result<_, _>>()?;
        return Err(DirectoryError::OwnerDeleted { user: user.username, organizations });
    }
    tx.execute("DELETE FROM users WHERE id = $1", &[&user.id]).await?;
    tx.deleted("user.delete", &user);
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
        e if e.violates("users_username") => taken(Unique::Username, Some(&user.username)),
        e if e.violates("users_email") => taken(Unique::Email, user.email.as_ref()),
        e if e.violates("users_phone_number") => taken(Unique::PhoneNumber, user.phone_number.as_ref()),
        e if e.violates("users_external_id") => taken(Unique::UserExternalId, user.external_id.as_ref()),
        e if e.violates("users_pkey") => taken(Unique::UserId, Some(&user.id.to_string())),
        e => e.into(),
    }
}

fn records(rows: &[Row]) -> Result<Vec<UserRecord>, StoreError> {
    rows.iter().map(record).collect()
}

fn record(row: &Row) -> Result<UserRecord, StoreError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::memory::Memory;
    use crate::directory::name::{Email, ExternalId, PhoneNumber};

    fn ann() -> NewUser {
        NewUser {
            email: Some(Email::new("ann@example.org").unwrap()),
            phone_number: Some(PhoneNumber::new("+393665243702").unwrap()),
            external_id: Some(ExternalId::new("7").unwrap()),
            ..NewUser::named("ann").unwrap()
        }
    }

    #[test]
    fn duplicate_user_is_told_by_the_value_that_is_taken() {
        let mut memory = Memory::new();
        let first = memory.write(|tx| Box::pin(create(tx, ann()))).unwrap();
        let other = NewUser::named("bob").unwrap();
        for (new, unique) in [
            (NewUser::named("ann").unwrap(), Unique::Username),
            (NewUser { email: Some(Email::new("ANN@example.org").unwrap()), ..other.clone() }, Unique::Email),
            (NewUser { phone_number: ann().phone_number, ..other.clone() }, Unique::PhoneNumber),
            (NewUser { external_id: ann().external_id, ..other.clone() }, Unique::UserExternalId),
            (NewUser { id: Some(first.id), ..other.clone() }, Unique::UserId),
        ] {
            let refused = memory.write(|tx| Box::pin(create(tx, new))).unwrap_err();
            assert!(refused.taken(unique).is_some(), "{unique:?}: {refused}");
        }
        assert_eq!(memory.count("users"), 1);
    }

    #[test]
    fn last_owner_is_not_deleted() {
        let mut memory = Memory::new().users(&["ann"]).organization("Acme").organization("Bolt");
        memory.join("acme", "ann", true).unwrap();
        memory.join("bolt", "ann", true).unwrap();
        let deleted = memory.write(|tx| Box::pin(async move { delete(tx, &"ann".into()).await }));
        let organizations = vec!["acme".to_owned(), "bolt".to_owned()];
        assert_eq!(deleted, Err(DirectoryError::OwnerDeleted { user: "ann".to_owned(), organizations }));
    }

    #[test]
    fn username_that_is_the_address_of_another_is_ambiguous() {
        let mut memory = Memory::new().users(&["ann@example.org"]);
        memory.write(|tx| Box::pin(create(tx, ann()))).unwrap();
        let found = memory.write(|tx| Box::pin(async move { find(tx, &"ann@example.org".into()).await }));
        assert!(matches!(found, Err(DirectoryError::Ambiguous { noun: Noun::User, .. })), "{found:?}");
    }
}
