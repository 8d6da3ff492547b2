//! The tables of a live PostgreSQL server, read in one snapshot.

use super::{TABLES, Table, Tables, table_name};
use crate::directory::postgres::{OpenError, Target, TargetError};
use std::time::Duration;
use thiserror::Error;
use tokio_postgres::SimpleQueryMessage;

/// To be connected.
const CONNECT: Duration = Duration::from_secs(10);

/// Why they cannot be read. Says nothing of the URL, which may hold a password.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] TargetError),
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

/// Reads what an import needs, over TLS as the URL's `sslmode` says. Where it has no password, that of `PGPASSWORD` counts.
///
/// # Errors
/// See [`LiveError`].
pub async fn read(url: &str, app: &str) -> Result<Tables, LiveError> {
    if app.is_empty() || !app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(LiveError::App);
    }
    let mut target = Target::parse(url)?;
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|_| !target.has_password()) {
        target = target.with_password(&password.into());
    }
    let client = target.client(CONNECT).await?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL timezone = 'UTC'").await?;
    let mut tables = Tables::new();
    for name in TABLES {
        let name = table_name(name, app);
        let mut table = Table::default();
        for message in client.simple_query(&format!("SELECT * FROM {name}")).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    table.columns = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    table.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        tables.insert(name, table);
    }
    client.batch_execute("COMMIT").await?;
    Ok(tables)
}
