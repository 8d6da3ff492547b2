//! Sessions as their owner sees them. What their cookies hold is nowhere.

use super::engine::operations;
use super::error::DirectoryError;
use super::lookup;
use super::proof::FactorProof;
use super::resources::UserRecord;
use super::selector::UserSelector;
use super::token::TokenDigest;
use super::tx::Tx;
use serde_json::json;
use uuid::Uuid;

/// So many are shown of one user, at most.
const MOST: i64 = 100;

/// A session that is good. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub id: Uuid,
    pub created: i64,
    pub expires_at: i64,
    /// It began with the password.
    pub by_password: bool,
    /// That it has shown a second factor.
    pub proof: Option<FactorProof>,
    /// It is that of who asks.
    pub is_this: bool,
}

operations! {
    /// The good sessions of a user, the newest first; `this` is that of who asks.
    read sessions(user: &UserSelector; this: TokenDigest) -> Vec<SessionRecord> = of_user;
    /// Ends one of a user's sessions; whether there was one.
    write end_session(user: &UserSelector; session: Uuid) -> bool = end;
    /// Ends all of them but this one; how many.
    write end_other_sessions(user: &UserSelector; this: TokenDigest) -> u64 = end_others;
}

async fn owner(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let user = lookup::user(tx, by).await?;
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(may, || "see or end sessions of somebody else".to_owned())?;
    Ok(user)
}

async fn of_user(tx: &Tx<'_>, by: &UserSelector, this: TokenDigest) -> Result<Vec<SessionRecord>, DirectoryError> {
    let user = owner(tx, by).await?;
    let sql = "SELECT id, digest, created, expires_at, by_password, factor_at, factor FROM sessions
               WHERE user_id = $1 AND expires_at > $2 ORDER BY created DESC, id LIMIT $3";
    let mut list = Vec::new();
    for row in tx.rows(sql, &[&user.id, &tx.now, &MOST]).await? {
        let is_this = row.get::<Vec<u8>>("digest")? == this.0;
        let (id, created, expires_at) = (row.get("id")?, row.get("created")?, row.get("expires_at")?);
        let (by_password, proof) = (row.get("by_password")?, FactorProof::of(&row)?);
        list.push(SessionRecord { id, created, expires_at, by_password, proof, is_this });
    }
    Ok(list)
}

async fn end(tx: &Tx<'_>, by: &UserSelector, session: Uuid) -> Result<bool, DirectoryError> {
    let user = owner(tx, by).await?;
    let sql = "DELETE FROM sessions WHERE id = $1 AND user_id = $2";
    let was_there = tx.execute(sql, &[&session, &user.id]).await? == 1;
    if was_there {
        tx.deleted("session.end", &json!({ "id": session, "user": user.id, "username": user.username }));
    }
    Ok(was_there)
}

async fn end_others(tx: &Tx<'_>, by: &UserSelector, this: TokenDigest) -> Result<u64, DirectoryError> {
    let user = owner(tx, by).await?;
    let sql = "DELETE FROM sessions WHERE user_id = $1 AND digest <> $2";
    let ended = tx.execute(sql, &[&user.id, &this.0.as_slice()]).await?;
    if ended > 0 {
        tx.deleted("session.end", &json!({ "user": user.id, "username": user.username, "sessions": ended }));
    }
    Ok(ended)
}
