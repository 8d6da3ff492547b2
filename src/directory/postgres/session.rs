//! Statements of an operation in PostgreSQL: prepared once a connection, each with a time limit; within a transaction where they
//! must see the same moment.

use super::error::Failure;
use super::statement::{Params, typed};
use crate::directory::tx::Sight;
use deadpool_postgres::{Object, Transaction};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::{IsolationLevel, Row};

/// So many statements are kept by one connection: filters and orders of lists can be put together in more ways than anybody uses.
const KEPT: usize = 500;

/// A connection, most often within a transaction.
pub(super) struct Session<'c> {
    on: On<'c>,
    /// Statements may be kept under names.
    direct: bool,
    /// Our tables are views of Django's.
    pub(super) bridged: bool,
    limit: Duration,
    has_failed: AtomicBool,
}

enum On<'c> {
    Connection(&'c Object),
    Transaction(Transaction<'c>),
}

/// Asks whichever there is.
macro_rules! ask {
    ($session:ident.$method:ident($($argument:expr),*)) => {{
        let answer = match &$session.on {
            On::Connection(connection) => within($session.limit, connection.$method($($argument),*)).await,
            On::Transaction(tx) => within($session.limit, tx.$method($($argument),*)).await,
        };
        if answer.is_err() {
            $session.has_failed.store(true, Ordering::Relaxed);
        }
        answer
    }};
}

/// Waits for an answer no longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Slow(limit)),
    }
}

impl<'c> Session<'c> {
    /// One that changes something sees, with each statement, what others have committed.
    pub(super) async fn begin(
        connection: &'c mut Object,
        (direct, bridged): (bool, bool),
        sight: Sight,
        limit: Duration,
    ) -> Result<Self, Failure> {
        if connection.statement_cache.size() > KEPT {
            connection.statement_cache.clear();
        }
        let level = match sight {
            Sight::Statement => return Ok(Self::on(On::Connection(connection), (direct, bridged), limit)),
            Sight::Moment => IsolationLevel::RepeatableRead,
            Sight::Change => IsolationLevel::ReadCommitted,
        };
        let begin = connection.build_transaction().isolation_level(level).read_only(sight == Sight::Moment).start();
        Ok(Self::on(On::Transaction(within(limit, begin).await?), (direct, bridged), limit))
    }

    const fn on(on: On<'c>, (direct, bridged): (bool, bool), limit: Duration) -> Self {
        Self { on, direct, bridged, limit, has_failed: AtomicBool::new(false) }
    }

    /// Whether an operation that fails leaves something open on the connection.
    pub(super) fn is_spoilt(&self) -> bool {
        matches!(self.on, On::Transaction(_)) || self.has_failed.load(Ordering::Relaxed)
    }

    /// # Errors
    /// A statement has failed, and the operation went on: the server would answer `COMMIT` with a rollback, and that is no error of its own.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        match self.on {
            On::Connection(_) => Ok(()),
            On::Transaction(_) if self.has_failed.load(Ordering::Relaxed) => Err(Failure::Aborted),
            On::Transaction(tx) => within(self.limit, tx.commit()).await,
        }
    }

    /// Back to a savepoint: what has failed since is undone.
    pub(super) async fn roll_back_to(&self, savepoint: &str) -> Result<(), Failure> {
        self.modify(&format!("ROLLBACK TO SAVEPOINT {savepoint}"), &[]).await?;
        self.has_failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// All rows, as the server's own.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        if self.direct {
            let statement = ask!(self.prepare_cached(sql))?;
            return ask!(self.query(&statement, params));
        }
        self.query_anew(sql, params).await
    }

    /// The same of a statement without a name, which is planned for these values.
    pub(super) async fn query_anew(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        ask!(self.query_typed(sql, &typed(params)))
    }

    /// How many rows were changed.
    pub(super) async fn modify(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        if self.direct {
            let statement = ask!(self.prepare_cached(sql))?;
            return ask!(self.execute(&statement, params));
        }
        ask!(self.execute_typed(sql, &typed(params)))
    }
}
