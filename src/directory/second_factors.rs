//! What somebody logs in with besides: an authenticator app, and recovery codes. Each step of the app and each code is good once, over
//! all replicas, by one statement that changes a row or does not.

use super::engine::{Directory, operations};
use super::error::{DirectoryError, StoreError};
use super::lookup;
use super::selector::UserSelector;
use super::tx::Tx;
use crate::id::UserId;
use serde_json::json;

impl Directory {
    /// The secret of a user's app, encrypted, where they have one.
    pub async fn second_factor(&self, user: UserId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT sealed FROM second_factors WHERE user_id = $1 AND confirmed";
                tx.row(sql, &[&user]).await?.map(|row| row.get("sealed")).transpose()
            })
        })
        .await
    }

    /// Keeps a secret of which somebody has shown that their app has it, by the code of a step, which is used with it; `false` where they
    /// have one already. `recoveries` are the digests of the codes that go with it.
    pub async fn confirm_second_factor(
        &self,
        user: UserId,
        sealed: Vec<u8>,
        step: i64,
        recoveries: Vec<[u8; 32]>,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO second_factors (user_id, sealed, confirmed, last_step, created)
                           VALUES ($1, $2, true, $3, $4)
                           ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, confirmed = true,
                               last_step = excluded.last_step, created = excluded.created
                           WHERE NOT second_factors.confirmed";
                if tx.execute(sql, &[&user, &sealed, &step, &tx.now]).await? != 1 {
                    return Ok(false);
                }
                tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", &[&user]).await?;
                for digest in &recoveries {
                    let sql = "INSERT INTO recovery_codes (user_id, digest) VALUES ($1, $2)";
                    tx.execute(sql, &[&user, &digest.as_slice()]).await?;
                }
                tx.created("second-factor.create", &json!({ "user": user }));
                Ok(true)
            })
        })
        .await
    }

    /// Uses a step of the app; `false` where it, or a later one, has been used.
    pub async fn use_step(&self, user: UserId, step: i64) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                // Whoever comes second waits for the first, and then finds the step used.
                let sql = "UPDATE second_factors SET last_step = $2
                           WHERE user_id = $1 AND confirmed AND last_step < $2";
                Ok(tx.execute(sql, &[&user, &step]).await? == 1)
            })
        })
        .await
    }

    /// Uses a recovery code; `false` where it is none, or has been used.
    pub async fn use_recovery_code(&self, user: UserId, digest: [u8; 32]) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "DELETE FROM recovery_codes WHERE user_id = $1 AND digest = $2";
                let is_used = tx.execute(sql, &[&user, &digest.as_slice()]).await? == 1;
                if is_used {
                    tx.created("second-factor.recovery", &json!({ "user": user }));
                }
                Ok(is_used)
            })
        })
        .await
    }
}

operations! {
    /// Takes the second factor of a user, with its recovery codes; whether there was one.
    write delete_second_factor(user: &UserSelector) -> bool = delete;
}

async fn delete(tx: &Tx<'_>, by: &UserSelector) -> Result<bool, DirectoryError> {
    let user = lookup::user(tx, by).await?;
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(may, || "take somebody else's second factor".to_owned())?;
    tx.execute("DELETE FROM recovery_codes WHERE user_id = $1", &[&user.id]).await?;
    let was_there = tx.execute("DELETE FROM second_factors WHERE user_id = $1", &[&user.id]).await? == 1;
    // Who must have one sets another up before their sessions go on.
    let sql = "UPDATE sessions SET factor_at = NULL, factor = NULL WHERE user_id = $1 AND factor IS NOT NULL";
    tx.execute(sql, &[&user.id]).await?;
    if was_there {
        tx.deleted("second-factor.delete", &json!({ "user": user.id, "username": user.username }));
    }
    Ok(was_there)
}
