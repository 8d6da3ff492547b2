//! A server that takes no connection is not asked by everybody who would like one: after a refusal nobody tries for a moment,
//! so that neither a server that starts nor one that is full is kept busy with saying no.
//!
//! Whoever connects first ends it for all: the feed of changes, or one of the pool.
//!
//! Who finds no connection at all is told at once. Where there are others of ours, one of them is waited for: a server
//! that has no more for us still serves by those.

use super::Inner;
use super::error::Failure;
use crate::clock;
use deadpool_postgres::{Object, PoolError};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Nobody tries for so long, and up to as long again: replicas that lost it together do not come back together.
const PAUSE: Duration = Duration::from_millis(100);
/// How often to see whether a connection has become free.
const GLANCE: Duration = Duration::from_millis(5);

/// Why the last connection was not made, and until when none is tried.
#[derive(Default)]
pub(super) struct Outage(Mutex<Option<(Instant, String)>>);

impl Outage {
    fn reason(&self) -> Option<String> {
        let now = clock::monotonic();
        self.0.lock().as_ref().filter(|(until, _)| *until > now).map(|(_, why)| why.clone())
    }

    /// Whether there was one, which is over.
    pub(super) fn ends(&self) -> bool {
        self.0.lock().take().is_some()
    }

    fn begins(&self, why: String) {
        let jitter = PAUSE.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX));
        *self.0.lock() = clock::monotonic().checked_add(PAUSE.saturating_add(jitter)).map(|until| (until, why));
    }
}

impl Inner {
    /// One of the connections, or a new one.
    pub(super) async fn connection(&self) -> Result<Object, Failure> {
        let begun = clock::monotonic();
        loop {
            let status = self.pool.status();
            if status.available == 0
                && let Some(why) = self.outage.reason()
            {
                if status.size == 0 || clock::monotonic().duration_since(begun) >= self.options.answer {
                    return Err(Failure::Refused(why));
                }
                tokio::time::sleep(GLANCE).await;
                continue;
            }
            match self.pool.get().await {
                Ok(connection) if !self.feed.is_followed(Object::metrics(&connection).created) => {
                    drop(Object::take(connection));
                }
                Ok(connection) => {
                    if self.outage.ends() {
                        self.feed.hurry();
                    }
                    return Ok(connection);
                }
                Err(PoolError::Backend(error)) => {
                    self.outage.begins(super::error::describe(&error));
                    if self.pool.status().size == 0 {
                        return Err(error.into());
                    }
                }
                Err(other) => return Err(other.into()),
            }
        }
    }
}
