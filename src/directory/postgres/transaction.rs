//! A transaction: statements that are prepared once a connection, each with a time limit.

use super::error::Failure;
pub(super) use super::statement::Params;
use super::statement::typed;
use deadpool_postgres::{Object, Transaction};
use std::future::Future;
use std::time::Duration;
use tokio_postgres::{IsolationLevel, Row};

/// A transaction, and the time that stamps its records.
pub(super) struct Tx<'c> {
    tx: Transaction<'c>,
    /// Statements may be kept under names.
    direct: bool,
    limit: Duration,
    /// Whole seconds since the Unix epoch.
    pub(super) now: i64,
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

impl<'c> Tx<'c> {
    /// A reading one sees one moment; a writing one sees, with each statement, what others have committed.
    pub(super) async fn begin(
        connection: &'c mut Object,
        direct: bool,
        read_only: bool,
        limit: Duration,
        now: i64,
    ) -> Result<Self, Failure> {
        let level = if read_only { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let begin = connection.build_transaction().isolation_level(level).read_only(read_only).start();
        Ok(Self { tx: within(limit, begin).await?, direct, limit, now })
    }

    pub(super) async fn commit(self) -> Result<(), Failure> {
        within(self.limit, self.tx.commit()).await
    }

    /// All rows.
    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        if self.direct {
            let statement = within(self.limit, self.tx.prepare_cached(sql)).await?;
            return within(self.limit, self.tx.query(&statement, params)).await;
        }
        within(self.limit, self.tx.query_typed(sql, &typed(params))).await
    }

    /// The first row, where there is one.
    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows were changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        if self.direct {
            let statement = within(self.limit, self.tx.prepare_cached(sql)).await?;
            return within(self.limit, self.tx.execute(&statement, params)).await;
        }
        within(self.limit, self.tx.execute_typed(sql, &typed(params))).await
    }
}
