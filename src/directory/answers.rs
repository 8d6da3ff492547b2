//! What was answered to requests that may be sent again, kept with what they did in one transaction: either both are there or nothing.

use super::engine::{Directory, View};
use super::error::{DirectoryError, StoreError};
use super::terms::Terms;
use super::tx::Tx;
use crate::id::UserId;
use std::any::Any;
use std::sync::Arc;

/// Seconds that an answer is kept.
pub const KEPT: i64 = 86_400;
/// Answers that are kept of one user.
const MOST: i64 = 10_000;
/// Answers that are forgotten in one transaction.
const PIECE: i64 = 5_000;

/// A request that may be sent again, by digests of its key and of all that it says.
#[derive(Clone, Debug)]
pub struct Repeatable {
    pub user: UserId,
    pub key: [u8; 32],
    pub fingerprint: [u8; 32],
}

/// Makes an answer of what was done; `None` where that is something else.
type Answering = dyn Fn(&dyn Any) -> Option<Vec<u8>> + Send + Sync;

/// A request whose answer is to be kept; the answer is made of what was done.
#[derive(Clone)]
pub(super) struct Keep {
    of: Repeatable,
    answer: Arc<Answering>,
}

impl Directory {
    /// What was answered to a request, where it was answered.
    ///
    /// # Errors
    /// [`DirectoryError::KeyOfAnother`]: something else was asked under its key.
    pub async fn answer_of(&self, request: &Repeatable) -> Result<Option<Vec<u8>>, DirectoryError> {
        let Repeatable { user, key, fingerprint } = request.clone();
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT fingerprint, answer FROM answers WHERE user_id = $1 AND key = $2 AND created > $3";
                let Some(row) = tx.row(sql, &[&user, &key.as_slice(), &(tx.now - KEPT)]).await? else {
                    return Ok(None);
                };
                if row.get::<Vec<u8>>("fingerprint")? != fingerprint {
                    return Err(DirectoryError::KeyOfAnother);
                }
                Ok(row.get("answer")?)
            })
        })
        .await
    }

    /// Forgets some of the answers that are too old; how many.
    pub async fn forget_answers(&self) -> Result<u64, StoreError> {
        self.write(|tx| {
            Box::pin(async move {
                let sql = "DELETE FROM answers WHERE (user_id, key) IN
                           (SELECT user_id, key FROM answers WHERE created <= $1 LIMIT $2)";
                Ok(tx.execute(sql, &[&(tx.now - KEPT), &PIECE]).await?)
            })
        })
        .await
    }
}

impl View {
    /// The same, in which what a request does is done once: what is answered is made of it, and kept with it. Where somebody was faster,
    /// nothing is done: [`DirectoryError::Repeated`].
    #[must_use]
    pub fn once<T: 'static>(
        &self,
        request: Repeatable,
        answer: impl Fn(&T) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let answer = move |done: &dyn Any| done.downcast_ref::<T>().and_then(&answer);
        self.on(Terms { keep: Some(Keep { of: request, answer: Arc::new(answer) }), ..self.terms() })
    }
}

impl Keep {
    /// Takes the key; whoever takes the same at this moment waits until this transaction ends.
    pub(super) async fn begin(&self, tx: &Tx<'_>) -> Result<(), DirectoryError> {
        let Repeatable { user, key, fingerprint } = &self.of;
        let sql = "SELECT 1 AS one FROM answers WHERE user_id = $1 ORDER BY key LIMIT 1 OFFSET $2";
        if tx.row(sql, &[user, &(MOST - 1)]).await?.is_some() {
            let problem = format!("{MOST} keys of a user are kept, each for a day, and no more");
            return Err(DirectoryError::invalid("Idempotency-Key", problem));
        }
        let sql = "INSERT INTO answers (user_id, key, fingerprint, created) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = $3, answer = NULL, created = $4
                   WHERE answers.created <= $5";
        let old = tx.now - KEPT;
        let taken = tx.execute(sql, &[user, &key.as_slice(), &fingerprint.as_slice(), &tx.now, &old]).await?;
        if taken == 1 { Ok(()) } else { Err(DirectoryError::Repeated) }
    }

    pub(super) fn answer(&self, done: &dyn Any) -> Result<Vec<u8>, StoreError> {
        (self.answer)(done).ok_or_else(|| StoreError::Broken("what was done has no answer".to_owned()))
    }

    pub(super) async fn end(&self, tx: &Tx<'_>, answer: &[u8]) -> Result<(), DirectoryError> {
        let sql = "UPDATE answers SET answer = $3 WHERE user_id = $1 AND key = $2";
        tx.execute(sql, &[&self.of.user, &self.of.key.as_slice(), &answer]).await?;
        Ok(())
    }
}
