//! Django's cache of who belongs where. openwisp-users keeps it in Redis for two days, and drops it where Django itself changes a membership;
//! what anybody else changes, it does not hear of. So whoever follows the outbox drops it.

use crate::id::UserId;
use crate::redis::Redis;
use redis::Value;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// So many batches wait; where there are more, everybody's is dropped.
const WAITING: usize = 100;
/// Keys that one round of a search looks at.
const ROUND: usize = 1_000;

/// The way to it.
#[derive(Debug)]
pub struct DjangoCache {
    changed: mpsc::Sender<Vec<UserId>>,
    lost: Arc<tokio::sync::Notify>,
}

impl DjangoCache {
    /// Drops keys in the background; `prefix` is Django's: `:1:` where nothing is said.
    #[must_use]
    pub fn start(redis: Arc<Redis>, prefix: &str, control: &Handle) -> Self {
        let (changed, mut batches) = mpsc::channel::<Vec<UserId>>(WAITING);
        let (lost, prefix) = (Arc::<tokio::sync::Notify>::default(), prefix.to_owned());
        let also = Arc::clone(&lost);
        control.spawn(async move {
            loop {
                let dropped = tokio::select! {
                    batch = batches.recv() => match batch {
                        Some(users) => drop_some(&redis, &prefix, &users).await,
                        None => return,
                    },
                    () = also.notified() => drop_all(&redis, &prefix).await,
                };
                if dropped.is_none() {
                    tracing::warn!("Django's cache was not told of changed memberships: Redis does not answer");
                    // What it has is too old by then; all of it goes when Redis is back.
                    also.notify_one();
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        });
        Self { changed, lost }
    }

    pub(super) fn tell(&self, users: Vec<UserId>) {
        if !users.is_empty() && self.changed.try_send(users).is_err() {
            self.all();
        }
    }

    pub(super) fn all(&self) {
        self.lost.notify_one();
    }
}

/// One key a command: those of a cluster are in different places.
async fn drop_some(redis: &Redis, prefix: &str, users: &[UserId]) -> Option<()> {
    for user in users {
        redis.ask(redis::cmd("DEL").arg(format!("{prefix}user_{user}_organizations"))).await.ok()?;
    }
    Some(())
}

async fn drop_all(redis: &Redis, prefix: &str) -> Option<()> {
    let mut cursor = b"0".to_vec();
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(format!("{prefix}user_*_organizations")).arg("COUNT").arg(ROUND);
        let Value::Array(answer) = redis.ask(&scan).await.ok()? else { return None };
        let [Value::BulkString(next), Value::Array(keys)] = answer.as_slice() else { return None };
        for key in keys {
            if let Value::BulkString(key) = key {
                redis.ask(redis::cmd("DEL").arg(key.as_slice())).await.ok()?;
            }
        }
        if next.as_slice() == b"0" {
            return Some(());
        }
        cursor.clone_from(next);
    }
}
