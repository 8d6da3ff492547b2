//! The tables of a live PostgreSQL server, read in one snapshot.

use super::{TABLES, Table, Tables, table_name};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres::{Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why they cannot be read. Says nothing of the URL, which may hold a password.
#[derive(Debug, Error)]
pub enum LiveError {
    /// The URL is none.
    #[error("the URL is not one of PostgreSQL: postgres://USER@HOST/DATABASE")]
    Url,
    /// The app's name is none.
    #[error("the users' app must be a name of letters, digits and `_`")]
    App,
    /// The server refuses, or cannot be reached.
    #[error("the database cannot be read: {}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// Reads what an import needs. TLS is used where the URL asks for it (`sslmode=require`) or the server offers it.
///
/// # Errors
/// See [`LiveError`].
pub async fn read(url: &str, app: &str) -> Result<Tables, LiveError> {
    if app.is_empty() || !app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(LiveError::App);
    }
    let config: Config = url.parse().map_err(|_| LiveError::Url)?;
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
    let connection = tokio::spawn(connection);
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
    drop(client);
    let _ = connection.await;
    Ok(tables)
}
