//! Statements of a transaction in PostgreSQL: prepared once a connection, each with a time limit.

use super::error::Failure;
use super::statement::{Params, typed};
use deadpool_postgres::{Object, Transaction};
use std::future::Future;
use std::time::Duration;
use tokio_postgres::{IsolationLevel, Row};

/// A connection within a transaction.
pub(super) struct Session<'c> {
    tx: Transaction<'c>,
    /// Statements may be kept under names.
    direct: bool,
    limit: Duration,
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
    /// A reading one sees one moment; a writing one sees, with each statement, what others have committed.
    pub(super) async fn begin(
        connection: &'c mut Object,
        direct: bool,
        read_only: bool,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let level = if read_only { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let begin = connection.build_transaction().isolation_level(level).read_only(read_only).start();
        Ok(Self { tx: within(limit, begin).await?, direct, limit })
    }

    pub(super) async fn commit(self) -> Result<(), Failure> {
        within(self.limit, self.tx.commit()).await
    }

    /// All rows, as the server's own.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        if self.direct {
            let statement = within(self.limit, self.tx.prepare_cached(sql)).await?;
            return within(self.limit, self.tx.query(&statement, params)).await;
        }
        within(self.limit, self.tx.query_typed(sql, &typed(params))).await
    }

    /// How many rows were changed.
    pub(super) async fn modify(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        if self.direct {
            let statement = within(self.limit, self.tx.prepare_cached(sql)).await?;
            return within(self.limit, self.tx.execute(&statement, params)).await;
        }
        within(self.limit, self.tx.execute_typed(sql, &typed(params))).await
    }
}
