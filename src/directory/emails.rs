//! A user's e-mail addresses.

use super::engine::operations;
use super::error::{DirectoryError, StoreError, Unique};
use super::list::{List, Rows, all};
use super::lookup;
use super::records::refused;
use super::resources::{EmailEdit, EmailRecord, NewEmail};
use super::selector::UserSelector;
use super::tx::Tx;
use super::users::must_be_changeable;
use super::viewer::{Action, Viewer};
use crate::id::UserId;

/// So many a user gives themselves, at most: each can be sent letters.
const MOST: i64 = 10;

operations! {
    /// E-mail addresses, in the order in which they were made.
    look emails(list: &List) -> Rows<EmailRecord> = all;
    /// One of a user's e-mail addresses.
    look email(; user: UserId, id: i64) -> EmailRecord = show;
    /// Gives a user an e-mail address; a primary one takes the place of the former.
    write create_email(user: &UserSelector; new: NewEmail) -> EmailRecord = create;
    /// Changes an address; making it primary takes that from the former.
    write edit_email(; user: UserId, id: i64, new: EmailEdit) -> EmailRecord = edit;
    /// Takes an address from a user.
    write delete_email(; user: UserId, id: i64) -> EmailRecord = delete;
}

async fn show(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    tx.viewer.may::<EmailRecord>(Action::View)?;
    find(tx, user, id).await
}

pub(super) async fn find(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    tx.find("e.id = $1 AND e.user_id = $2", &[&id, &user], id).await
}

async fn create(tx: &Tx<'_>, by: &UserSelector, new: NewEmail) -> Result<EmailRecord, DirectoryError> {
    tx.viewer.may::<EmailRecord>(Action::Add)?;
    let user = lookup::user(tx, by).await?;
    must_be_changeable(tx, &user).await?;
    if matches!(tx.viewer, Viewer::Oneself(_)) {
        // Of many at once each counts those before it.
        tx.session.lock("users", &user.id).await?;
        let sql = "SELECT count(*) AS count FROM email_addresses WHERE user_id = $1";
        let count: i64 = tx.row(sql, &[&user.id]).await?.map(|row| row.get("count")).transpose()?.unwrap_or_default();
        if count >= MOST {
            return Err(DirectoryError::Enough);
        }
    }
    insert(tx, user.id, new, false).await
}

/// `unchecked`: whoever makes a user may say whatever they want of the address.
pub(super) async fn insert(
    tx: &Tx<'_>,
    user: UserId,
    new: NewEmail,
    unchecked: bool,
) -> Result<EmailRecord, DirectoryError> {
    if new.is_primary {
        no_primary(tx, user).await?;
    }
    let NewEmail { email, verified, is_primary } = new;
    let mut record = EmailRecord { id: 0, user, email: email.to_string(), verified, is_primary };
    if !unchecked {
        tx.viewer.may_write(None, &record)?;
    }
    must_differ(tx, &record).await?;
    let sql = "INSERT INTO email_addresses (user_id, email, verified, is_primary) VALUES ($1, $2, $3, $4) RETURNING id";
    let row = tx.row(sql, &[&record.user, &record.email, &record.verified, &record.is_primary]).await;
    let row = row.map_err(|failure| refused(failure, &record))?;
    record.id = row.ok_or_else(|| StoreError::Broken("a new address is not there".to_owned()))?.get("id")?;
    tx.created("email.create", &record);
    Ok(record)
}

async fn edit(tx: &Tx<'_>, user: UserId, id: i64, edit: EmailEdit) -> Result<EmailRecord, DirectoryError> {
    tx.viewer.may::<EmailRecord>(Action::Change)?;
    let before = found_changeable(tx, user, id).await?;
    if edit.is_primary == Some(true) {
        no_primary(tx, user).await?;
    }
    let email = edit.email.map_or_else(|| before.email.clone(), |email| email.to_string());
    let after = EmailRecord {
        verified: edit.verified.unwrap_or(before.verified && email == before.email),
        email,
        is_primary: edit.is_primary.unwrap_or(before.is_primary),
        ..before.clone()
    };
    must_differ(tx, &after).await?;
    tx.update(&before, &after).await?;
    Ok(after)
}

async fn delete(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    tx.viewer.may::<EmailRecord>(Action::Delete)?;
    let email = found_changeable(tx, user, id).await?;
    tx.delete(&email).await?;
    Ok(email)
}

async fn found_changeable(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    find(tx, user, id).await?;
    must_be_changeable(tx, &lookup::user(tx, &user.into()).await?).await?;
    // Two who change a user's addresses do so one after the other.
    tx.session.lock("users", &user).await?;
    find(tx, user, id).await
}

/// A user has an address once, whatever its case. openwisp-users compares what is new in lower case with what is kept as it was sent.
async fn must_differ(tx: &Tx<'_>, email: &EmailRecord) -> Result<(), DirectoryError> {
    let sql = "SELECT 1 FROM email_addresses WHERE user_id = $1 AND lower(email) = lower($2) AND id <> $3";
    if tx.viewer.is_lenient() || tx.row(sql, &[&email.user, &email.email, &email.id]).await?.is_none() {
        return Ok(());
    }
    Err(DirectoryError::Taken { unique: Unique::EmailAddress, value: email.email.clone() })
}

async fn no_primary(tx: &Tx<'_>, user: UserId) -> Result<(), DirectoryError> {
    let sql = "UPDATE email_addresses SET is_primary = false WHERE user_id = $1 AND is_primary";
    tx.execute(sql, &[&user]).await?;
    Ok(())
}
