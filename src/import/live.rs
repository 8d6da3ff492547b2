//! The tables of a live PostgreSQL server, in one snapshot, row by row as it sends them.

use super::{Row, Source, SourceError, TABLES, table_name};
use crate::directory::postgres::{OpenError, Target, TargetError};
use futures_util::StreamExt;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

/// To be connected.
const CONNECT: Duration = Duration::from_secs(10);

/// Why they cannot be read. Says nothing of the URL, which may hold a password.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] TargetError),
    /// It is another database's.
    #[error(
        "a live database is read from PostgreSQL alone: write postgres://USER@HOST/DATABASE, or import a dump by --sql"
    )]
    Scheme,
    /// The app's name is none.
    #[error("the users' app must be a name of letters, digits and `_`")]
    App,
    /// The server cannot be reached, or refuses.
    #[error(transparent)]
    Connect(#[from] OpenError),
    /// A table cannot be read.
    #[error("the database cannot be read: {}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// A transaction that sees one moment. It is read from a thread that may wait.
pub struct Live {
    client: Client,
    runtime: Handle,
    rows: Option<Pin<Box<SimpleQueryStream>>>,
    total: u64,
    done: u64,
}

impl Live {
    /// Connects and begins. `PGPASSWORD` is understood.
    ///
    /// # Errors
    /// See [`LiveError`].
    pub async fn begin(url: &str, app: &str) -> Result<Self, LiveError> {
        // It becomes part of statements.
        if app.is_empty() || !app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(LiveError::App);
        }
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(LiveError::Scheme);
        }
        let mut target = Target::parse(url)?;
        if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|_| !target.has_password()) {
            target = target.with_password(&password.into());
        }
        let client = target.client(CONNECT).await?;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL timezone = 'UTC'").await?;
        let mut total = 0;
        for table in TABLES.map(|name| table_name(name, app)) {
            // What the server reckons: to count takes as long as to read. Nothing of a table that there is not.
            let sql =
                format!("SELECT coalesce(max(reltuples), 0)::float8 FROM pg_class WHERE oid = to_regclass('{table}')");
            let rows: f64 = client.query_typed_one(&sql, &[]).await?.try_get(0)?;
            total += rows.max(0.0) as u64;
        }
        Ok(Self { client, runtime: Handle::current(), rows: None, total, done: 0 })
    }
}

impl Source for Live {
    fn open(&mut self, table: &str) -> Result<Option<Vec<String>>, SourceError> {
        let first = self.runtime.block_on(async {
            let mut rows = Box::pin(self.client.simple_query_raw(&format!("SELECT * FROM {table}")).await?);
            Ok((rows.next().await.transpose()?, rows))
        });
        match first {
            Ok((Some(SimpleQueryMessage::RowDescription(columns)), rows)) => {
                self.rows = Some(rows);
                Ok(Some(columns.iter().map(|column| column.name().to_owned()).collect()))
            }
            Ok(_) => Ok(None),
            Err(error) if tokio_postgres::Error::code(&error) == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
            Err(error) => Err(LiveError::from(error).into()),
        }
    }

    fn row(&mut self) -> Result<Option<Row>, SourceError> {
        let Some(rows) = &mut self.rows else { return Ok(None) };
        loop {
            match self.runtime.block_on(rows.next()).transpose().map_err(LiveError::from)? {
                Some(SimpleQueryMessage::Row(row)) => {
                    self.done += 1;
                    return Ok(Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()));
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total.max(self.done))
    }
}
