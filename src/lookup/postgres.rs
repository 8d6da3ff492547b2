//! Questions to PostgreSQL: one prepared statement, arguments as bound texts, at most two rows.

use super::trigger;
use crate::decision::{LookupAnswer, LookupFailure};
use crate::directory::postgres::{OpenError, Target, describe};
use crate::facts::{Column, Object};
use crate::policy::{self, Lookup};
use crate::secret::SecretError;
use bytes::BytesMut;
use deadpool_postgres::{Object as Connection, Pool, PoolError};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

/// A database of a service.
#[derive(Debug)]
pub struct Database {
    pub name: Box<str>,
    target: Target,
    pool: Pool,
    timeout: Duration,
}

/// Why a database cannot be used as configured.
#[derive(Debug, Error)]
pub enum DatabaseError {
    #[error("databases.{0}: {1}")]
    Password(Box<str>, SecretError),
    #[error("databases.{0}: {1}")]
    Open(Box<str>, OpenError),
}

/// Why a question was not answered.
enum Failure {
    Postgres(tokio_postgres::Error),
    Pool(String),
    Slow,
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            other => Self::Pool(other.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl Failure {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Pool(_) | Self::Slow => None,
        }
    }

    /// Whether an argument is no value of the type that it is compared with: then there is no such object.
    fn is_bad_argument(&self) -> bool {
        let states = [
            SqlState::INVALID_TEXT_REPRESENTATION,
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            SqlState::INVALID_DATETIME_FORMAT,
            SqlState::DATETIME_FIELD_OVERFLOW,
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            SqlState::UNTRANSLATABLE_CHARACTER,
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        ];
        self.state().is_some_and(|state| states.contains(state))
    }

    /// Whether the statement was prepared for tables that have changed since.
    fn is_stale(&self) -> bool {
        self.state() == Some(&SqlState::FEATURE_NOT_SUPPORTED)
    }
}

impl Database {
    /// A database with so many connections at most, that has so long for one answer. Connects to nothing yet.
    ///
    /// # Errors
    /// Certificates cannot be read.
    pub fn new(name: Box<str>, target: Target, connections: usize, timeout: Duration) -> Result<Self, DatabaseError> {
        match target.reading_pool(connections, timeout) {
            Ok(pool) => Ok(Self { name, target, pool, timeout }),
            Err(error) => Err(DatabaseError::Open(name, error)),
        }
    }

    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks; what is wrong is logged, and never told to the caller.
    pub(super) async fn ask(&self, lookup: &Lookup, statement: &policy::Statement, args: &[Box<str>]) -> LookupAnswer {
        let answer = tokio::time::timeout(self.timeout, self.rows(statement, args)).await;
        let rows = match answer.unwrap_or(Err(Failure::Slow)) {
            Ok(rows) => rows,
            Err(failure) if failure.is_bad_argument() => return Ok(None),
            Err(failure) => return Err(self.failed(lookup, &failure)),
        };
        match rows.as_slice() {
            [] => Ok(None),
            [row] => match object(row) {
                Ok(object) => Ok(Some(Arc::new(object))),
                Err(column) => {
                    let (lookup, database) = (&*lookup.name, &*self.name);
                    tracing::warn!(
                        lookup,
                        database,
                        column,
                        "a lookup's column has a type that is not read: cast it to text"
                    );
                    Err(LookupFailure("a column of the lookup has a type that is not read: cast it to text"))
                }
            },
            _ => {
                let (lookup, database) = (&*lookup.name, &*self.name);
                tracing::warn!(lookup, database, "a lookup found two rows for one object");
                Err(LookupFailure("the lookup found two rows"))
            }
        }
    }

    /// Whether the statement can be asked as it is written: prepares it, and names the columns that it gives.
    ///
    /// # Errors
    /// In words.
    pub async fn check(&self, statement: &policy::Statement) -> Result<Vec<String>, String> {
        let prepared = async {
            let connection = self.pool.get().await?;
            Ok(connection.prepare_cached(&bounded(statement)).await?)
        };
        match tokio::time::timeout(self.timeout, prepared).await.unwrap_or(Err(Failure::Slow)) {
            Ok(statement) if statement.columns().is_empty() => Err("it gives no column".to_owned()),
            Ok(statement) => match statement.columns().iter().find(|column| !is_read(column.type_())) {
                Some(column) => {
                    Err(format!("its column `{}` is of the type {}: cast it to text", column.name(), column.type_()))
                }
                None => Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect()),
            },
            Err(failure) => Err(self.words(&failure)),
        }
    }

    /// Whether some table has the trigger of this lookup.
    pub(super) async fn has_trigger(&self, lookup: &str) -> bool {
        let asked = async {
            let connection = self.pool.get().await?;
            let names = "SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
                         WHERE p.proname = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D' LIMIT 1";
            let function = trigger::function(lookup).to_ascii_lowercase();
            query(&connection, names, &[function.into()]).await
        };
        matches!(tokio::time::timeout(self.timeout, asked).await, Ok(Ok(rows)) if !rows.is_empty())
    }

    async fn rows(&self, statement: &policy::Statement, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
        let connection = self.pool.get().await?;
        let sql = bounded(statement);
        match query(&connection, &sql, args).await {
            Err(failure) if failure.is_stale() => {
                connection.statement_cache.clear();
                query(&connection, &sql, args).await
            }
            answer => answer,
        }
    }

    fn failed(&self, lookup: &Lookup, failure: &Failure) -> LookupFailure {
        let (lookup, database, error) = (&*lookup.name, &*self.name, self.words(failure));
        tracing::warn!(lookup, database, error, "a lookup has no answer");
        LookupFailure(match failure {
            Failure::Slow => "the lookup took too long",
            Failure::Pool(_) => "no connection to the lookup's database is free, or none can be made",
            Failure::Postgres(error) if error.as_db_error().is_some() => "the lookup's statement failed",
            Failure::Postgres(_) => "the lookup's database cannot be reached",
        })
    }

    fn words(&self, failure: &Failure) -> String {
        match failure {
            Failure::Slow => format!("no answer within {:?}", self.timeout),
            Failure::Pool(error) => error.clone(),
            Failure::Postgres(error) => describe(error),
        }
    }
}

/// Two rows tell already that there are too many.
fn bounded(statement: &policy::Statement) -> String {
    format!("SELECT * FROM (\n{}\n) AS object LIMIT 2", statement.text)
}

async fn query(connection: &Connection, sql: &str, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
    let statement: Statement = connection.prepare_cached(sql).await?;
    let args: Vec<Arg<'_>> = args.iter().map(|arg| Arg(arg)).collect();
    let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
    Ok(connection.query(&statement, &args).await?)
}

/// A text that the server reads as whatever type it is compared with: a bound parameter, never a part of the statement.
#[derive(Debug)]
struct Arg<'a>(&'a str);

impl ToSql for Arg<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn is_read(of: &Type) -> bool {
    [Type::BOOL, Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::UUID].contains(of)
        || [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(of)
}

/// The row as an object; the name of a column that cannot be read is the error.
fn object(row: &Row) -> Result<Object, String> {
    let mut columns = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        let value = value(row, at, column.type_()).map_err(|_| column.name().to_owned())?;
        columns.push((column.name().into(), value.unwrap_or(Column::Null)));
    }
    Ok(Object::new(columns))
}

fn value(row: &Row, at: usize, of: &Type) -> Result<Option<Column>, tokio_postgres::Error> {
    Ok(match *of {
        Type::BOOL => row.try_get::<_, Option<bool>>(at)?.map(Column::Flag),
        Type::INT2 => row.try_get::<_, Option<i16>>(at)?.map(|number| Column::Whole(number.into())),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(|number| Column::Whole(number.into())),
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Column::Whole),
        Type::FLOAT4 => row.try_get::<_, Option<f32>>(at)?.map(|number| Column::Number(number.into())),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.map(Column::Number),
        Type::UUID => row.try_get::<_, Option<Uuid>>(at)?.map(|id| Column::Text(id.to_string().into())),
        // `character(32)` comes with its padding.
        Type::BPCHAR => row.try_get::<_, Option<&str>>(at)?.map(|text| Column::Text(text.trim_end_matches(' ').into())),
        _ => row.try_get::<_, Option<&str>>(at)?.map(|text| Column::Text(text.into())),
    })
}
