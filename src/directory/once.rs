//! What is good once over all replicas: a login at a provider, a challenge, a code.

use super::error::StoreError;
use super::tx::Tx;

/// What no other use has, and until when (Unix seconds) it must not come again.
pub type Once = ([u8; 32], i64);

/// Notes that something is used; `false` where it was used before.
pub(super) async fn is_first(tx: &Tx<'_>, (digest, until): Once) -> Result<bool, StoreError> {
    tx.execute("DELETE FROM used_logins WHERE expires_at <= $1", &[&tx.now]).await?;
    let sql = "INSERT INTO used_logins (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, &[&digest.as_slice(), &until]).await? == 1)
}
