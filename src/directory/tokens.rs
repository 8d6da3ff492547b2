//! Tokens' records. The digest goes in and is never read out.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, Unique};
use super::list::{List, Rows, all};
use super::lookup;
use super::resources::{NewToken, TokenEdit, TokenRecord};
use super::tx::Tx;
use super::viewer::Action;
use crate::id::TokenId;

impl View {
    /// Keeps tokens, all or none; a token belongs to one user only.
    pub async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    read token(; token: TokenId) -> TokenRecord = find;
    /// Tokens by username, then age.
    read tokens(list: &List) -> Rows<TokenRecord> = all;
    /// Renames a token, or changes when it expires.
    write edit_token(; token: TokenId, new: TokenEdit) -> TokenRecord = edit;
    /// Refuses a token from now on and keeps its record; a token that is revoked already stays as it is.
    write revoke_token(; token: TokenId) -> TokenRecord = revoke;
    write delete_token(; token: TokenId) -> TokenRecord = delete;
}

async fn create(tx: &Tx<'_>, new: NewToken) -> Result<TokenRecord, DirectoryError> {
    tx.viewer.may::<TokenRecord>(Action::Add)?;
    let user = lookup::user(tx, &new.user).await?;
    let is_own = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(is_own, || "make a token of somebody else".to_owned())?;
    let id = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let digest: &[u8] = &new.digest.0;
    match tx.execute(sql, &[&id, &digest, &user.id, &new.name.as_str(), &tx.now, &new.expires_at]).await {
        Err(failure) if failure.violates("tokens_digest") => {
            return Err(DirectoryError::Taken { unique: Unique::Token, value: String::new() });
        }
        done => done?,
    };
    let token = find(tx, id).await?;
    tx.created("token.create", &token);
    Ok(token)
}

pub(super) async fn find(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    tx.find("t.id = $1", &[&id], id).await
}

async fn edit(tx: &Tx<'_>, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
    let old = find(tx, id).await?;
    let name = edit.name.as_ref().map_or(old.name.as_str(), |name| name.as_str());
    let expires_at = edit.expires_at.unwrap_or(old.expires_at);
    tx.execute("UPDATE tokens SET name = $2, expires_at = $3 WHERE id = $1", &[&id, &name, &expires_at]).await?;
    let token = find(tx, id).await?;
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
    tx.delete(&token).await?;
    Ok(token)
}
