//! Statements of a transaction in SQLite. Nothing in it waits, so a future over it is ready when it is polled once.

use super::{feed, gateway, import};
use crate::directory::StoreError;
use crate::directory::sql::{Cell, Failure, Insert, Param, Params, Row, Value};
use crate::directory::tx::{self, Caller, Tx, Work};
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A connection within a transaction. Behind a lock, since futures must be sendable; nobody ever waits for it.
struct Session<'c>(Mutex<&'c mut Connection>);

/// Runs an operation in a transaction: one consistent look, or all of it or nothing.
pub(in crate::directory) fn transaction<T, E: From<StoreError>>(
    db: &mut Connection,
    read_only: bool,
    now: fn() -> i64,
    caller: &Caller,
    work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E>,
) -> Result<T, E> {
    // Immediate: a lock that is taken only at the first write may fail without waiting.
    db.execute_batch(if read_only { "BEGIN" } else { "BEGIN IMMEDIATE" }).map_err(StoreError::from)?;
    let now = now();
    let ended = run(db, now, caller, work).and_then(|done| {
        if !read_only {
            feed::trim(db, now).map_err(StoreError::from)?;
        }
        db.execute_batch("COMMIT").map_err(StoreError::from)?;
        Ok(done)
    });
    // Some errors make SQLite end the transaction by itself.
    if ended.is_err() && !db.is_autocommit() {
        db.execute_batch("ROLLBACK").map_err(StoreError::from)?;
    }
    ended
}

/// Runs an operation within a transaction that has begun, and writes its lines of the audit log.
fn run<T, E: From<StoreError>>(
    db: &mut Connection,
    now: i64,
    caller: &Caller,
    work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E>,
) -> Result<T, E> {
    let session = Session(Mutex::new(db));
    let tx = Tx::new(&session, now, caller);
    let done = now_or_never(work(&tx))??;
    now_or_never(tx.end())??;
    Ok(done)
}

fn now_or_never<T>(work: impl Future<Output = T>) -> Result<T, StoreError> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(StoreError::Broken("an operation waited".to_owned())),
    }
}

#[async_trait]
impl tx::Session for Session<'_> {
    async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let db = self.0.lock();
        let mut statement = bound(&db, sql, params)?;
        let names: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells = (0..names.len()).map(|at| cell(at, row.get_ref(at)?)).collect::<rusqlite::Result<_>>()?;
            rows.push(Row { names: Arc::clone(&names), cells });
        }
        Ok(rows)
    }

    async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        let db = self.0.lock();
        let changed = bound(&db, sql, params)?.raw_execute()?;
        Ok(changed as u64)
    }

    /// There is one writer at a time anyway.
    async fn lock(&self, _: &'static str, _: &dyn Param) -> Result<(), Failure> {
        Ok(())
    }

    async fn lock_name(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn has_member(&self, object: &str, name: &str, value: Option<&str>) -> String {
        match value {
            Some(value) => format!("{object} -> {name} = {value}"),
            None => format!("{object} -> {name} IS NULL"),
        }
    }

    async fn snapshot(&self, user: UserId) -> Result<Option<Snapshot>, StoreError> {
        gateway::user_snapshot(&self.0.lock(), user)
    }

    fn has_thread(&self) -> bool {
        true
    }

    async fn begin_import(&self) -> Result<i64, StoreError> {
        import::begin(&self.0.lock())
    }

    async fn insert(&self, insert: &Insert, rows: &[Vec<Value<'_>>]) -> Result<Vec<(usize, String)>, StoreError> {
        import::insert(&self.0.lock(), insert, rows)
    }

    fn defer_foreign_keys(&self, deferred: bool) -> Result<(), StoreError> {
        Ok(self.0.lock().pragma_update(None, "defer_foreign_keys", deferred)?)
    }

    async fn end_import(&self, begun: i64, _: bool) -> Result<(), StoreError> {
        import::end(&self.0.lock(), begun)
    }
}

/// A statement with its parameters. SQLite counts `$1` as a name, and numbers names as they appear.
fn bound<'d>(db: &'d Connection, sql: &str, params: Params<'_>) -> rusqlite::Result<CachedStatement<'d>> {
    let mut statement = db.prepare_cached(sql)?;
    for (number, param) in params.iter().enumerate() {
        if let Some(at) = statement.parameter_index(&format!("${}", number + 1))? {
            statement.raw_bind_parameter(at, param.value())?;
        }
    }
    Ok(statement)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Bool(value) => value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), Into::into),
            Self::Int(value) => value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), Into::into),
            Self::Text(value) => ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, |text| text.into())),
            Self::Bytes(value) => ToSqlOutput::Borrowed(value.map_or(ValueRef::Null, ValueRef::Blob)),
            Self::Uuid(value) => value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), |id| id.to_string().into()),
            Self::Date(value) => value.map_or(ToSqlOutput::Borrowed(ValueRef::Null), |date| date.to_string().into()),
        })
    }
}

fn cell(at: usize, value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        // No column of ours has fractions.
        ValueRef::Real(value) => Cell::Text(value.to_string()),
        // Whoever wrote a text that is none did it past us, and nothing is decided by it.
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(|text| Cell::Text(text.to_owned()))
            .map_err(|_| rusqlite::Error::InvalidColumnType(at, "a text in UTF-8".to_owned(), Type::Blob))?,
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    })
}
