//! The tables of a live PostgreSQL server, in one snapshot, row by row as it sends them.

use super::place::{PUBLIC, Place, PlaceError, choose};
use super::{Row, Source, SourceError, TABLES, TELLTALE, anchor, table_name};
use crate::directory::postgres::{OpenError, Target, TargetError};
use futures_util::StreamExt;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryStream};

const CONNECT: Duration = Duration::from_secs(10);

/// Why they cannot be read. Says nothing of the URL, which may hold a password.
#[derive(Debug, Error)]
pub enum LiveError {
    #[error(transparent)]
    Url(#[from] TargetError),
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
    /// It is not clear which tables are meant.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A table cannot be read.
    #[error("the database cannot be read: {}", told(.0))]
    Database(#[from] tokio_postgres::Error),
}

fn told(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// Values come as `pg_dump` writes them, whatever the server's settings are.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'";

/// A transaction that sees one moment. It is read from a thread that may wait.
pub struct Live {
    client: Client,
    runtime: Handle,
    schema: String,
    tables: Vec<String>,
    /// Others, whose names say of which app an installation may be.
    telltales: Vec<String>,
    rows: Option<Pin<Box<SimpleQueryStream>>>,
    total: u64,
    done: u64,
}

impl Live {
    /// Connects and begins; `schema` says which one counts of several. `PGPASSWORD` is understood.
    ///
    /// # Errors
    /// See [`LiveError`].
    pub async fn begin(url: &str, app: &str, schema: Option<&str>) -> Result<Self, LiveError> {
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
        client.batch_execute(BEGIN).await?;
        let anchor = anchor(app);
        let mut places = Vec::new();
        for row in client.query_typed(HAVING, &[(&anchor, Type::TEXT)]).await? {
            places.push(Place { database: None, schema: row.try_get(0)? });
        }
        let schema = choose(&anchor, &places, schema)?.map_or_else(|| PUBLIC.to_owned(), |place| place.schema);
        let wanted = TABLES.map(|name| table_name(name, app)).to_vec();
        let telltale = format!("%{}", TELLTALE.replace('_', "\\_"));
        let types = [Type::TEXT, Type::TEXT_ARRAY, Type::TEXT];
        let parameters: [&(dyn ToSql + Sync); 3] = [&schema, &wanted, &telltale];
        let parameters: Vec<_> = parameters.into_iter().zip(types).collect();
        let (mut tables, mut telltales, mut total) = (Vec::new(), Vec::new(), 0.0);
        for row in client.query_typed(LISTED, &parameters).await? {
            let name: String = row.try_get(1)?;
            if row.try_get::<_, String>(0)? == schema && wanted.contains(&name) {
                // What the server reckons: to count takes as long as to read.
                total += row.try_get::<_, f64>(2)?;
                tables.push(name);
            } else {
                telltales.push(name);
            }
        }
        let total = total as u64;
        Ok(Self { client, runtime: Handle::current(), schema, tables, telltales, rows: None, total, done: 0 })
    }
}

/// The schemas that have a table.
const HAVING: &str = "SELECT nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1";

/// Tables of a schema, and those of all schemas that are named like one; how many rows they have, about.
const LISTED: &str = "SELECT nspname::text, relname::text, greatest(reltuples, 0)::float8
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname = $1 AND c.relname = ANY ($2) OR c.relname LIKE $3)";

/// A name within a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Source for Live {
    fn open(&mut self, table: &str) -> Result<Option<Vec<String>>, SourceError> {
        if !self.tables.iter().any(|known| known == table) {
            return Ok(None);
        }
        let first = self.runtime.block_on(async {
            let (schema, table) = (quoted(&self.schema), quoted(table));
            let mut rows = Box::pin(self.client.simple_query_raw(&format!("SELECT * FROM {schema}.{table}")).await?);
            Ok::<_, LiveError>((rows.next().await.transpose()?, rows))
        });
        let (Some(SimpleQueryMessage::RowDescription(columns)), rows) = first? else { return Ok(None) };
        self.rows = Some(rows);
        Ok(Some(columns.iter().map(|column| column.name().to_owned()).collect()))
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

    fn tables(&mut self) -> Vec<String> {
        [self.tables.as_slice(), &self.telltales].concat()
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total.max(self.done))
    }
}
