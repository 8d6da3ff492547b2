//! Passkeys of users: their public keys, and what their authenticators count. A challenge is used once over all replicas, and a counter goes up,
//! by statements that change a row or do not.

use super::engine::{Directory, operations};
use super::error::{DirectoryError, StoreError};
use super::lookup;
use super::once::{Once, is_first};
use super::selector::UserSelector;
use super::sql::{Param, Row};
use super::tx::Tx;
use crate::id::UserId;
use crate::password::PasswordHash;
use crate::webauthn::{NewCredential, Shown};
use jiff::civil::Date;
use serde_json::json;
use uuid::Uuid;

/// Of one user, at most.
const MOST: i64 = 20;

/// A passkey as its owner sees it. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRecord {
    pub id: Uuid,
    /// What its authenticator calls it.
    pub credential: Vec<u8>,
    pub name: String,
    pub created: i64,
    pub last_used: Option<i64>,
    /// Whether its user has it on other devices too, or may come to.
    pub backup_eligible: bool,
}

/// One that somebody logs in with.
#[derive(Clone, Debug)]
pub struct KnownPasskey {
    pub id: Uuid,
    pub user: UserId,
    pub public_key: Vec<u8>,
    pub backup_eligible: bool,
}

/// One to keep.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    pub user: UserId,
    pub name: String,
    pub credential: NewCredential,
    pub once: Once,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyKept {
    Kept(Uuid),
    /// Its challenge has been used before.
    Replayed,
    /// Somebody has it already.
    Taken,
    /// They have as many as one may have.
    TooMany,
}

/// A use whose signature was verified.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyUse {
    pub passkey: Uuid,
    pub shown: Shown,
    pub once: Once,
    /// Whose account ended before does not log in; `None`: they do.
    pub today: Option<Date>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyUsed {
    Used(UserId),
    /// Its challenge has been used before.
    Replayed,
    /// Its counter has not gone up: there may be a copy of it.
    Regressed,
    /// It was removed, or its user was.
    Gone,
    /// Its user is not active, or their account is over.
    Inactive,
}

impl Directory {
    /// The passkeys of a user, the oldest first.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<PasskeyRecord>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT id, credential, name, created, last_used, backup_eligible FROM passkeys
                           WHERE user_id = $1 ORDER BY created, id";
                tx.rows(sql, &[&user]).await?.iter().map(record).collect()
            })
        })
        .await
    }

    /// The one that an authenticator calls so.
    pub async fn passkey(&self, credential: Vec<u8>) -> Result<Option<KnownPasskey>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT id, user_id, public_key, backup_eligible FROM passkeys WHERE credential = $1";
                let Some(row) = tx.row(sql, &[&credential]).await? else { return Ok(None) };
                Ok(Some(KnownPasskey {
                    id: row.get("id")?,
                    user: row.get("user_id")?,
                    public_key: row.get("public_key")?,
                    backup_eligible: row.get("backup_eligible")?,
                }))
            })
        })
        .await
    }

    /// Keeps one that was made.
    pub async fn keep_passkey(&self, new: NewPasskey) -> Result<PasskeyKept, StoreError> {
        self.write(move |tx| Box::pin(async move { keep(tx, &new).await })).await
    }

    /// Uses one: its challenge, and what its authenticator has counted.
    pub async fn use_passkey(&self, using: PasskeyUse) -> Result<PasskeyUsed, StoreError> {
        self.write(move |tx| Box::pin(async move { take(tx, using).await })).await
    }
}

operations! {
    /// Takes a passkey of a user, unless it is their last way in; whether there was one. `has_other_way`: they log in in a way that the
    /// directory does not know of.
    write delete_passkey(user: &UserSelector; passkey: Uuid, has_other_way: bool) -> bool = delete;
    /// Takes all passkeys of a user; how many.
    write delete_passkeys(user: &UserSelector) -> u64 = delete_all;
}

fn record(row: &Row) -> Result<PasskeyRecord, StoreError> {
    Ok(PasskeyRecord {
        id: row.get("id")?,
        credential: row.get("credential")?,
        name: row.get("name")?,
        created: row.get("created")?,
        last_used: row.get("last_used")?,
        backup_eligible: row.get("backup_eligible")?,
    })
}

async fn keep(tx: &Tx<'_>, new: &NewPasskey) -> Result<PasskeyKept, StoreError> {
    if !is_first(tx, new.once).await? {
        return Ok(PasskeyKept::Replayed);
    }
    // Two who each make the last one that may be do so one after the other.
    tx.session.lock("users", &new.user).await?;
    let sql = "SELECT count(*) AS count FROM passkeys WHERE user_id = $1";
    let count: i64 = tx.row(sql, &[&new.user]).await?.map(|row| row.get("count")).transpose()?.unwrap_or_default();
    if count >= MOST {
        return Ok(PasskeyKept::TooMany);
    }
    let (id, made) = (Uuid::now_v7(), &new.credential);
    let sql = "INSERT INTO passkeys
                   (id, credential, user_id, name, public_key, sign_count, backup_eligible, backed_up, created)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (credential) DO NOTHING";
    let count = i64::from(made.sign_count);
    let values: [&dyn Param; 9] = [
        &id,
        &made.id,
        &new.user,
        &new.name,
        &made.public_key,
        &count,
        &made.backup_eligible,
        &made.backed_up,
        &tx.now,
    ];
    if tx.execute(sql, &values).await? == 0 {
        return Ok(PasskeyKept::Taken);
    }
    tx.created("passkey.create", &json!({ "id": id, "user": new.user, "name": new.name }));
    Ok(PasskeyKept::Kept(id))
}

async fn take(tx: &Tx<'_>, using: PasskeyUse) -> Result<PasskeyUsed, StoreError> {
    let PasskeyUse { passkey, shown, once, today } = using;
    if !is_first(tx, once).await? {
        return Ok(PasskeyUsed::Replayed);
    }
    let sql =
        "SELECT p.user_id, u.username, u.is_active, u.expiration_date FROM passkeys p JOIN users u ON u.id = p.user_id
               WHERE p.id = $1";
    let Some(row) = tx.row(sql, &[&passkey]).await? else { return Ok(PasskeyUsed::Gone) };
    let (user, username): (UserId, Option<String>) = (row.get("user_id")?, row.get("username")?);
    let ended: Option<Date> = row.get("expiration_date")?;
    if !row.get::<bool>("is_active")? || today.is_some_and(|today| ended.is_some_and(|last| last < today)) {
        return Ok(PasskeyUsed::Inactive);
    }
    // Authenticators that do not count say 0 each time (Web Authentication, 7.2, step 22). Of two who say the same number the second waits
    // for the first, and then finds it used.
    let sql = "UPDATE passkeys SET sign_count = $2, backed_up = $3, last_used = $4
               WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))";
    let count = i64::from(shown.sign_count);
    let line = json!({ "id": passkey, "user": user, "username": username });
    if tx.execute(sql, &[&passkey, &count, &shown.backed_up, &tx.now]).await? == 0 {
        tx.created("passkey.regress", &line);
        return Ok(PasskeyUsed::Regressed);
    }
    tx.created("login.passkey", &line);
    Ok(PasskeyUsed::Used(user))
}

async fn owner(tx: &Tx<'_>, by: &UserSelector) -> Result<UserId, DirectoryError> {
    let user = lookup::user(tx, by).await?.id;
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user);
    tx.viewer.unless(may, || "take somebody else's passkey".to_owned())?;
    // Two who each take one of the last two ways in do so one after the other.
    tx.session.lock("users", &user).await?;
    Ok(user)
}

async fn delete(tx: &Tx<'_>, by: &UserSelector, passkey: Uuid, has_other_way: bool) -> Result<bool, DirectoryError> {
    let user = owner(tx, by).await?;
    let sql = "SELECT password, (SELECT count(*) FROM subjects s WHERE s.user_id = u.id) AS subjects,
                   (SELECT count(*) FROM passkeys p WHERE p.user_id = u.id AND p.id <> $2) AS others
               FROM users u WHERE id = $1";
    let row = tx.row(sql, &[&user, &passkey]).await?;
    let row = row.ok_or_else(|| StoreError::Broken("a user has gone".to_owned()))?;
    let password: Option<String> = row.get("password")?;
    let has_password = PasswordHash::from_stored(password.as_deref().unwrap_or_default()).is_usable();
    let (subjects, others): (i64, i64) = (row.get("subjects")?, row.get("others")?);
    let stays = has_other_way || has_password || subjects > 0 || others > 0;
    tx.viewer.unless(stays, || "take away their last way in".to_owned())?;
    let sql = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2";
    let was_there = tx.execute(sql, &[&passkey, &user]).await? == 1;
    if was_there {
        if others == 0 {
            unprove(tx, user).await?;
        }
        tx.deleted("passkey.delete", &json!({ "id": passkey, "user": user }));
    }
    Ok(was_there)
}

async fn delete_all(tx: &Tx<'_>, by: &UserSelector) -> Result<u64, DirectoryError> {
    let user = owner(tx, by).await?;
    let count = tx.execute("DELETE FROM passkeys WHERE user_id = $1", &[&user]).await?;
    if count > 0 {
        unprove(tx, user).await?;
        tx.deleted("passkey.delete", &json!({ "user": user, "passkeys": count }));
    }
    Ok(count)
}

/// Who must have a second factor shows another one before their sessions go on.
async fn unprove(tx: &Tx<'_>, user: UserId) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET factor_at = NULL, factor = NULL WHERE user_id = $1 AND factor = 'passkey'";
    tx.execute(sql, &[&user]).await?;
    Ok(())
}
