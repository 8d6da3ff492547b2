//! Tokens' records. The digest goes in and is never read out.

use super::engine::Directory;
use super::sql::Row;
use super::tx::{Tx, limit, offset};
use super::{BatchError, DirectoryError, NewToken, Noun, Page, TokenEdit, TokenRecord, Unique, UserSelector};
use super::{StoreError, users};
use crate::id::TokenId;

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

impl Directory {
    /// Keeps tokens, all or none; a token belongs to one user only.
    pub async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.read(move |tx| Box::pin(find(tx, token))).await
    }

    /// Tokens by username, then age; of one user, or all.
    pub async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| Box::pin(async move { list(tx, user.as_ref(), page).await })).await
    }

    /// Renames a token, or changes when it expires.
    pub async fn edit_token(&self, token: TokenId, new: TokenEdit) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(edit(tx, token, new))).await
    }

    /// Refuses a token from now on and keeps its record; a token that is revoked already stays as it is.
    pub async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(revoke(tx, token))).await
    }

    pub async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(delete(tx, token))).await
    }
}

async fn create(tx: &Tx<'_>, new: NewToken) -> Result<TokenRecord, DirectoryError> {
    let user = users::find(tx, &new.user).await?;
    let id = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let digest: &[u8] = &new.digest.0;
    match tx.execute(sql, &[&id, &digest, &user.id, &new.name.as_str(), &tx.now, &new.expires_at]).await {
        Err(failure) if failure.violates("tokens_digest") => {
            return Err(DirectoryError::Taken { unique: Unique::Token, value: String::new() });
        }
        done => done?,
    };
    let token = TokenRecord {
        id,
        user: user.id,
        username: user.username,
        name: new.name.to_string(),
        created: tx.now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used: None,
    };
    tx.created("token.create", &token);
    Ok(token)
}

pub(super) async fn find(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    const SQL: &str = select!("WHERE t.id = $1");
    match tx.row(SQL, &[&id]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Token, reference: id.to_string() }),
    }
}

async fn list(tx: &Tx<'_>, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY u.username, t.id LIMIT $1 OFFSET $2");
    const OF_USER: &str = select!("WHERE t.user_id = $3 ORDER BY t.id LIMIT $1 OFFSET $2");
    let (limit, offset) = (limit(page), offset(page));
    let rows = match user {
        None => tx.rows(ALL, &[&limit, &offset]).await?,
        Some(by) => tx.rows(OF_USER, &[&limit, &offset, &users::find(tx, by).await?.id]).await?,
    };
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

async fn edit(tx: &Tx<'_>, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
    let old = find(tx, id).await?;
    let token = TokenRecord {
        name: edit.name.map_or_else(|| old.name.clone(), |v| v.to_string()),
        expires_at: edit.expires_at.unwrap_or(old.expires_at),
        ..old.clone()
    };
    let sql = "UPDATE tokens SET name = $2, expires_at = $3 WHERE id = $1";
    tx.execute(sql, &[&id, &token.name, &token.expires_at]).await?;
    tx.changed("token.edit", &old, &token);
    Ok(token)
}

async fn revoke(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    let old = find(tx, id).await?;
    tx.execute("UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", &[&id, &tx.now]).await?;
    let token = find(tx, id).await?;
    tx.changed("token.revoke", &old, &token);
    Ok(token)
}

async fn delete(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    let token = find(tx, id).await?;
    tx.execute("DELETE FROM tokens WHERE id = $1", &[&id]).await?;
    tx.deleted("token.delete", &token);
    Ok(token)
}

fn record(row: &Row) -> Result<TokenRecord, StoreError> {
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
