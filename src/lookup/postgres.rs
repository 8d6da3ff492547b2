//! Questions to PostgreSQL: one prepared statement, arguments as bound texts, at most two rows for an object.

mod batch;

use super::database::{Found, Given, NO_CONNECTION, STATEMENT_FAILED, UNREACHABLE, Unanswered, bounded};
use super::trigger;
use crate::directory::postgres::{OpenError, Target, describe};
use crate::facts::{Column, Object};
use crate::policy;
use bytes::BytesMut;
use deadpool_postgres::{Object as Connection, Pool, PoolError};
use std::error::Error;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

/// A PostgreSQL database of a service.
#[derive(Debug)]
pub(super) struct Postgres {
    target: Target,
    pool: Pool,
    timeout: Duration,
}

/// Why a question was not answered.
enum Failure {
    Postgres(tokio_postgres::Error),
    Pool(String),
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

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Pool(why) => Self { told: NO_CONNECTION, why },
            Failure::Postgres(error) => {
                let told = if error.as_db_error().is_some() { STATEMENT_FAILED } else { UNREACHABLE };
                Self { told, why: describe(&error) }
            }
        }
    }
}

impl Failure {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Pool(_) => None,
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

impl Postgres {
    /// With so many connections at most, and so long for one answer. Connects to nothing yet.
    pub(super) fn new(target: Target, connections: usize, timeout: Duration) -> Result<Self, OpenError> {
        let pool = target.reading_pool(connections, timeout)?;
        Ok(Self { target, pool, timeout })
    }

    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    /// The first two rows.
    pub(super) async fn objects(&self, statement: &policy::Statement, args: &[Box<str>]) -> Result<Found, Unanswered> {
        match self.rows(statement, args).await {
            Ok(rows) => Ok(rows.iter().map(|row| object(row, 0)).collect()),
            Err(failure) if failure.is_bad_argument() => Ok(Found::new()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The columns that the statement gives.
    pub(super) async fn columns(&self, statement: &policy::Statement) -> Result<Vec<Given>, Unanswered> {
        let prepared = async {
            let connection = self.pool.get().await?;
            Ok::<_, Failure>(connection.prepare_cached(&bounded(statement)).await?)
        };
        let prepared = prepared.await?;
        let given = prepared.columns().iter().map(|column| Given {
            name: column.name().to_owned(),
            unread: (!is_read(column.type_())).then(|| column.type_().to_string()),
        });
        Ok(given.collect())
    }

    /// Whether the role may do more than read.
    pub(super) async fn may_write(&self) -> Result<bool, Unanswered> {
        let asked = async {
            let connection = self.pool.get().await?;
            let tables = "SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text \
                          NOT IN ('pg_catalog', 'information_schema') \
                          AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE') LIMIT 1";
            query(&connection, tables, &[]).await
        };
        Ok(!asked.await?.is_empty())
    }

    /// Whether some table has the trigger of this lookup.
    pub(super) async fn has_trigger(&self, lookup: &str) -> bool {
        let asked = async {
            let connection = self.pool.get().await?;
            let names = "SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
                         WHERE p.proname = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D' LIMIT 1";
            let function = trigger::function(lookup).to_ascii_lowercase();
            query(&connection, names, &[&function]).await
        };
        matches!(tokio::time::timeout(self.timeout, asked).await, Ok(Ok(rows)) if !rows.is_empty())
    }

    async fn rows(&self, statement: &policy::Statement, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
        let connection = self.pool.get().await?;
        let args: Vec<Arg<'_>> = args.iter().map(|arg| Arg(arg)).collect();
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        query(&connection, &bounded(statement), &args).await
    }
}

/// Prepared again where the tables have changed since.
async fn query(connection: &Connection, sql: &str, args: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    for is_last in [false, true] {
        let statement: Statement = connection.prepare_cached(sql).await?;
        match connection.query(&statement, args).await.map_err(Failure::from) {
            Err(failure) if failure.is_stale() && !is_last => connection.statement_cache.clear(),
            answer => return answer,
        }
    }
    Ok(Vec::new())
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

/// The row from a column on as an object; the name of a column that cannot be read is the error.
fn object(row: &Row, from: usize) -> Result<Object, String> {
    let mut columns = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate().skip(from) {
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
