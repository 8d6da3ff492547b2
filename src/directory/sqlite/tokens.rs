//! Tokens' records in SQLite. The digest goes in and is never read out.

use super::error::violates;
use super::users;
use crate::directory::{DirectoryError, NewToken, Noun, Page, TokenEdit, TokenRecord, Unique, UserSelector};
use crate::id::TokenId;
use rusqlite::{OptionalExtension, Row, Transaction};

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, t.user_id, u.username, t.name, t.created, t.expires_at, t.revoked_at, t.last_used ",
            "FROM tokens t JOIN users u ON u.id = t.user_id ",
            $rest
        )
    };
}

pub(super) fn create(tx: &Transaction<'_>, new: &NewToken, now: i64) -> Result<TokenRecord, DirectoryError> {
    let user = users::find(tx, &new.user)?;
    let id = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    match tx.prepare_cached(sql)?.execute((id, new.digest.0, user.id, new.name.as_str(), now, new.expires_at)) {
        Err(error) if violates(&error, "tokens.digest") => {
            return Err(DirectoryError::Taken { unique: Unique::Token, value: String::new() });
        }
        done => done?,
    };
    Ok(TokenRecord {
        id,
        user: user.id,
        username: user.username,
        name: new.name.to_string(),
        created: now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used: None,
    })
}

pub(super) fn find(tx: &Transaction<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    const SQL: &str = select!("WHERE t.id = ?1");
    tx.prepare_cached(SQL)?
        .query_row([id], record)
        .optional()?
        .ok_or_else(|| DirectoryError::NotFound { noun: Noun::Token, reference: id.to_string() })
}

pub(super) fn list(
    tx: &Transaction<'_>,
    user: Option<&UserSelector>,
    page: Page,
) -> Result<Vec<TokenRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY u.username, t.id LIMIT ?1 OFFSET ?2");
    const OF_USER: &str = select!("WHERE t.user_id = ?3 ORDER BY t.id LIMIT ?1 OFFSET ?2");
    let (limit, offset) = (super::limit(page), page.offset);
    let rows: rusqlite::Result<Vec<_>> = match user {
        None => tx.prepare_cached(ALL)?.query_map((limit, offset), record)?.collect(),
        Some(by) => {
            let user = users::find(tx, by)?;
            tx.prepare_cached(OF_USER)?.query_map((limit, offset, user.id), record)?.collect()
        }
    };
    Ok(rows?)
}

pub(super) fn edit(tx: &Transaction<'_>, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
    let old = find(tx, id)?;
    let token = TokenRecord {
        name: edit.name.map_or(old.name, |v| v.to_string()),
        expires_at: edit.expires_at.unwrap_or(old.expires_at),
        ..old
    };
    let sql = "UPDATE tokens SET name = ?2, expires_at = ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((id, &token.name, token.expires_at))?;
    Ok(token)
}

pub(super) fn revoke(tx: &Transaction<'_>, id: TokenId, now: i64) -> Result<TokenRecord, DirectoryError> {
    tx.prepare_cached("UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?.execute((id, now))?;
    find(tx, id)
}

pub(super) fn delete(tx: &Transaction<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    let token = find(tx, id)?;
    tx.prepare_cached("DELETE FROM tokens WHERE id = ?1")?.execute([id])?;
    Ok(token)
}

fn record(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    Ok(TokenRecord {
        id: row.get("id")?,
        user: row.get("user_id")?,
        username: row.get("username")?,
        name: row.get("name")?,
        created: row.get("created")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        last_used: row.get("last_used")?,
    })
}
