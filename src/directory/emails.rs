//! A user's e-mail addresses.

use super::engine::Directory;
use super::error::{DirectoryError, Noun, StoreError, Unique};
use super::model::UserSelector;
use super::name::Email;
use super::sql::{Failure, Row};
use super::tx::Tx;
use super::users;
use crate::id::UserId;
use serde::Serialize;

/// An e-mail address of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailRecord {
    pub id: i64,
    pub user: UserId,
    pub email: String,
    /// Whether the person has shown that it is theirs.
    pub verified: bool,
    /// The one that mails go to.
    pub is_primary: bool,
}

/// An e-mail address to be added.
#[derive(Clone, Debug)]
pub struct NewEmail {
    pub email: Email,
    /// Whether it is known to be theirs.
    pub verified: bool,
    /// It takes the place of the primary one.
    pub is_primary: bool,
}

impl Directory {
    /// A user's e-mail addresses, in the order in which they were made.
    pub async fn emails(&self, user: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { emails(tx, &user).await })).await
    }

    /// One of a user's e-mail addresses.
    pub async fn email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.read(move |tx| Box::pin(find_email(tx, user, id))).await
    }

    /// Gives a user an e-mail address; a primary one takes the place of the former.
    pub async fn create_email(&self, user: &UserSelector, new: NewEmail) -> Result<EmailRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { create_email(tx, &user, &new).await })).await
    }

    /// Changes what is known of an address; making it primary takes that from the former.
    pub async fn edit_email(
        &self,
        user: UserId,
        id: i64,
        verified: Option<bool>,
        is_primary: Option<bool>,
    ) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx| Box::pin(edit_email(tx, user, id, verified, is_primary))).await
    }

    /// Takes an address from a user.
    pub async fn delete_email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx| Box::pin(delete_email(tx, user, id))).await
    }
}

async fn emails(tx: &Tx<'_>, by: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
    let user = users::find(tx, by).await?;
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE user_id = $1 ORDER BY id";
    Ok(tx.rows(sql, &[&user.id]).await?.iter().map(email).collect::<Result<_, _>>()?)
}

async fn find_email(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE id = $1 AND user_id = $2";
    match tx.row(sql, &[&id, &user]).await? {
        Some(row) => Ok(email(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Email, reference: id.to_string() }),
    }
}

async fn create_email(tx: &Tx<'_>, by: &UserSelector, new: &NewEmail) -> Result<EmailRecord, DirectoryError> {
    let user = users::find(tx, by).await?;
    if new.is_primary {
        no_primary(tx, user.id).await?;
    }
    let sql = "INSERT INTO email_addresses (user_id, email, verified, is_primary) VALUES ($1, $2, $3, $4)
               RETURNING id, user_id, email, verified, is_primary";
    let text = new.email.to_string();
    let row = tx.row(sql, &[&user.id, &text, &new.verified, &new.is_primary]).await;
    let row = row.map_err(|failure| taken(&text, failure))?;
    let row = row.ok_or_else(|| StoreError::Broken("a new address is not there".to_owned()))?;
    let record = email(&row)?;
    tx.created("email.create", &record);
    Ok(record)
}

async fn edit_email(
    tx: &Tx<'_>,
    user: UserId,
    id: i64,
    verified: Option<bool>,
    is_primary: Option<bool>,
) -> Result<EmailRecord, DirectoryError> {
    let old = find_email(tx, user, id).await?;
    if is_primary == Some(true) {
        no_primary(tx, user).await?;
    }
    let new = EmailRecord {
        verified: verified.unwrap_or(old.verified),
        is_primary: is_primary.unwrap_or(old.is_primary),
        ..old.clone()
    };
    let sql = "UPDATE email_addresses SET verified = $2, is_primary = $3 WHERE id = $1";
    let saved = tx.execute(sql, &[&id, &new.verified, &new.is_primary]).await;
    saved.map_err(|failure| taken(&new.email, failure))?;
    tx.changed("email.edit", &old, &new);
    Ok(new)
}

async fn delete_email(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    let old = find_email(tx, user, id).await?;
    tx.execute("DELETE FROM email_addresses WHERE id = $1", &[&id]).await?;
    tx.deleted("email.delete", &old);
    Ok(old)
}

async fn no_primary(tx: &Tx<'_>, user: UserId) -> Result<(), DirectoryError> {
    let sql = "UPDATE email_addresses SET is_primary = false WHERE user_id = $1 AND is_primary";
    tx.execute(sql, &[&user]).await?;
    Ok(())
}

fn taken(email: &str, failure: Failure) -> DirectoryError {
    if failure.violates("email_addresses_user_email") || failure.violates("email_addresses_verified") {
        return DirectoryError::Taken { unique: Unique::EmailAddress, value: email.to_owned() };
    }
    failure.into()
}

fn email(row: &Row) -> Result<EmailRecord, StoreError> {
    Ok(EmailRecord {
        id: row.get("id")?,
        user: row.get("user_id")?,
        email: row.get("email")?,
        verified: row.get("verified")?,
        is_primary: row.get("is_primary")?,
    })
}
