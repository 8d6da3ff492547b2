//! Tokens' records. The digest goes in and is never read out.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, Unique};
use super::list::{List, Rows, all};
use super::resources::{NewScope, NewToken, TokenEdit, TokenRecord};
use super::sql::{Failure, Params};
use super::token::TokenDigest;
use super::tx::Tx;
use super::viewer::Action;
use super::{lookup, permissions};
use crate::facts::MOST_IN_A_SCOPE;
use crate::id::TokenId;
use serde_json::json;

impl View {
    /// Keeps tokens, all or none; a token belongs to one user only.
    pub async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    look token(; token: TokenId) -> TokenRecord = find;
    /// Tokens by username, then age.
    look tokens(list: &List) -> Rows<TokenRecord> = all;
    /// Renames a token, or changes when it expires.
    write edit_token(; token: TokenId, new: TokenEdit) -> TokenRecord = edit;
    /// Puts another secret in the place of a token's, which is refused from now on; its record stays, with its scope.
    write rotate_token(; token: TokenId, digest: TokenDigest, expires_at: Option<Option<i64>>) -> TokenRecord = rotate;
    /// Refuses a token from now on and keeps its record; a token that is revoked already stays as it is.
    write revoke_token(; token: TokenId) -> TokenRecord = revoke;
    write delete_token(; token: TokenId) -> TokenRecord = delete;
}

async fn create(tx: &Tx<'_>, new: NewToken) -> Result<TokenRecord, DirectoryError> {
    tx.viewer.may::<TokenRecord>(Action::Add)?;
    let user = lookup::user(tx, &new.user).await?;
    let is_own = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(is_own, || "make a token of somebody else".to_owned())?;
    must_end_in_time(tx, new.expires_at)?;
    let NewScope { read_only, .. } = new.scope;
    let (organizations, permissions) = (organizations(tx, &new.scope).await?, permissions(tx, &new.scope).await?);
    let id = TokenId::generate();
    let sql =
        "INSERT INTO tokens (id, digest, user_id, name, created, expires_at, read_only, organizations, permissions)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let digest: &[u8] = &new.digest.0;
    let (name, end) = (new.name.as_str(), &new.expires_at);
    let params: Params<'_> = &[&id, &digest, &user.id, &name, &tx.now, end, &read_only, &organizations, &permissions];
    tx.execute(sql, params).await.map_err(taken)?;
    let token = find(tx, id).await?;
    tx.created("token.create", &token);
    Ok(token)
}

pub(super) async fn find(tx: &Tx<'_>, id: TokenId) -> Result<TokenRecord, DirectoryError> {
    tx.find("t.id = $1", &[&id], id).await
}

/// The value of a token is one user's.
fn taken(failure: Failure) -> DirectoryError {
    match failure.violates("tokens_digest") {
        true => DirectoryError::Taken { unique: Unique::Token, value: String::new() },
        false => failure.into(),
    }
}

/// The organizations of a scope as they are kept: those that there are, so that a slip narrows to what was meant or to nothing at all.
async fn organizations(tx: &Tx<'_>, scope: &NewScope) -> Result<String, DirectoryError> {
    let mut ids = Vec::new();
    for organization in few("org", &scope.organizations)? {
        ids.push(lookup::organization(tx, organization).await?.id.to_string());
    }
    Ok(joined(ids))
}

async fn permissions(tx: &Tx<'_>, scope: &NewScope) -> Result<String, DirectoryError> {
    let mut names = Vec::new();
    for permission in few("permission", &scope.permissions)? {
        names.push(permissions::find(tx, permission).await?.codename);
    }
    Ok(joined(names))
}

fn few<'s, T>(field: &'static str, list: &'s [T]) -> Result<&'s [T], DirectoryError> {
    let problem = || DirectoryError::invalid(field, format!("at most {MOST_IN_A_SCOPE} of them"));
    if list.len() > MOST_IN_A_SCOPE { Err(problem()) } else { Ok(list) }
}

fn joined(mut list: Vec<String>) -> String {
    list.sort_unstable();
    list.dedup();
    list.join(",")
}

/// Where tokens must end, a token ends, and soon enough.
fn must_end_in_time(tx: &Tx<'_>, expires_at: Option<i64>) -> Result<(), DirectoryError> {
    let Some(most) = tx.longest_token else { return Ok(()) };
    if expires_at.is_some_and(|end| end <= tx.now.saturating_add(most)) {
        return Ok(());
    }
    let problem = format!("tokens must expire, within {} seconds: `identity.token.max_lifetime`", most);
    Err(DirectoryError::invalid("expires_at", problem))
}

async fn rotate(
    tx: &Tx<'_>,
    id: TokenId,
    digest: TokenDigest,
    expires_at: Option<Option<i64>>,
) -> Result<TokenRecord, DirectoryError> {
    // Whoever revokes it at the same time does so before, and it is refused; or after, and the new secret is.
    tx.session.lock("tokens", &id).await?;
    let old = find(tx, id).await?;
    if old.revoked_at.is_some() {
        return Err(DirectoryError::invalid("token", "it is revoked, and stays so; make another"));
    }
    let end = expires_at.unwrap_or(old.expires_at);
    if end.is_some_and(|end| end <= tx.now) {
        return Err(DirectoryError::invalid("expires_at", "it has expired; say until when the new secret is good"));
    }
    must_end_in_time(tx, end)?;
    let digest: &[u8] = &digest.0;
    // What was told again at each login is not this any more.
    let sql = "UPDATE tokens SET digest = $2, expires_at = $3, sealed = NULL WHERE id = $1 AND revoked_at IS NULL";
    tx.execute(sql, &[&id, &digest, &end]).await.map_err(taken)?;
    let token = find(tx, id).await?;
    tx.changed_as("token.rotate", json!({ "secret": "new" }), &old, &token);
    Ok(token)
}

async fn edit(tx: &Tx<'_>, id: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
    // Two who change one do so one after the other.
    tx.session.lock("tokens", &id).await?;
    let old = find(tx, id).await?;
    if let Some(end) = edit.expires_at {
        must_end_in_time(tx, end)?;
    }
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
