//! Tokens' records in PostgreSQL. The digest goes in and is never read out.

use super::error::violates;
use super::transaction::Tx;
use super::{limit, offset, users};
use crate::directory::{DirectoryError, NewToken, Noun, Page, TokenEdit, TokenRecord, Unique, UserSelector};
use crate::id::TokenId;
use tokio_postgres::{Error, Row};

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

pub(super) async fn create(tx: &Tx<'_>, new: NewToken) -> Result<TokenRecord, DirectoryError> {
    let user = users::find(tx, &new.user).await?;
    let id = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let digest: &[u8] = &new.digest.0;
    match tx.execute(sql, &[&id, &digest, &user.id, &new.name.as_str(), &tx.now, &new.expires_at]).await {
        Err(failure) if violates(&failure, "tokens_digest") => {
            return Err(DirectoryError::Taken { unique: Unique::Token, value: String::new() });
        }
        done => done?,
    };
    Ok(TokenRecord {
        id,
        user: user.id,
        username: user.username,
        name: new.name.to_string(),
        created: tx.now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used: None,
    })
}

pub(super) async fn find(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    const SQL: &str = select!("WHERE t.id = $1");
    match tx.row(SQL, &[&id]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Token, reference: id.to_string() }),
    }
}

pub(super) async fn list(
    tx: &Tx<'_>,
    user: Option<&UserSelector>,
    page: Page,
) -> Result<Vec<TokenRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY u.username, t.id LIMIT $1 OFFSET $2");
    const OF_USER: &str = select!("WHERE t.user_id = $3 ORDER BY t.id LIMIT $1 OFFSET $2");
    let (limit, offset) = (limit(page), offset(page));
    let rows = match user {
        None => tx.rows(ALL, &[&limit, &offset]).await?,
        Some(by) => tx.rows(OF_USER, &[&limit, &offset, &users::find(tx, by).await?.id]).await?,
    };
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

pub(super) async fn edit(tx: &Tx<'_>, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
    let old = find(tx, id).await?;
    let token = TokenRecord {
        name: edit.name.map_or(old.name, |v| v.to_string()),
        expires_at: edit.expires_at.unwrap_or(old.expires_at),
        ..old
    };
    let sql = "UPDATE tokens SET name = $2, expires_at = $3 WHERE id = $1";
    tx.execute(sql, &[&id, &token.name, &token.expires_at]).await?;
    Ok(token)
}

pub(super) async fn revoke(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    tx.execute("UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", &[&id, &tx.now]).await?;
    find(tx, id).await
}

pub(super) async fn delete(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    let token = find(tx, id).await?;
    tx.execute("DELETE FROM tokens WHERE id = $1", &[&id]).await?;
    Ok(token)
}

fn record(row: &Row) -> Result<TokenRecord, Error> {
    Ok(TokenRecord {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        username: row.try_get("username")?,
        name: row.try_get("name")?,
        created: row.try_get("created")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        last_used: row.try_get("last_used")?,
    })
}
