//! The directory's values as PostgreSQL takes and gives them.

use super::error::describe;
use crate::directory::StoreError;
use crate::directory::sql::{Cell, Row, Value};
use bytes::BytesMut;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use std::error::Error;
use std::sync::Arc;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, WrongType, accepts, to_sql_checked};
use uuid::Uuid;

/// PostgreSQL counts days from here.
const EPOCH: Date = date(2000, 1, 1);

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let wrong = || -> Box<dyn Error + Sync + Send> { WrongType::new::<Self>(ty.clone()).into() };
        match self {
            Self::Bool(value) if <bool as ToSql>::accepts(ty) => value.to_sql(ty, out),
            Self::Int(value) if *ty == Type::INT8 => value.to_sql(ty, out),
            Self::Int(value) if *ty == Type::INT4 => value.map(i32::try_from).transpose()?.to_sql(ty, out),
            Self::Text(value) if <&str as ToSql>::accepts(ty) => value.to_sql(ty, out),
            Self::Bytes(value) if <&[u8] as ToSql>::accepts(ty) => value.to_sql(ty, out),
            Self::Uuid(value) if <Uuid as ToSql>::accepts(ty) => value.to_sql(ty, out),
            Self::Date(value) if *ty == Type::DATE => {
                let Some(value) = value else { return Ok(IsNull::Yes) };
                let days = EPOCH.until(*value)?.get_days();
                out.extend_from_slice(&days.to_be_bytes());
                Ok(IsNull::No)
            }
            _ => Err(wrong()),
        }
    }

    /// Which type fits depends on the value.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A date, as days; what `jiff` cannot hold, as `infinity`, is none.
struct Days(Option<Date>);

impl<'a> FromSql<'a> for Days {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let days = i32::from_be_bytes(raw.try_into()?);
        let span = 0.days().try_days(days).ok();
        Ok(Self(span.and_then(|span| EPOCH.checked_add(span).ok())))
    }

    accepts!(DATE);
}

/// The rows of an answer.
pub(super) fn rows(rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, StoreError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    let read = |row| Ok(Row { names: Arc::clone(&names), cells: cells(row)? });
    rows.iter().map(read).collect()
}

fn cells(row: &tokio_postgres::Row) -> Result<Vec<Cell>, StoreError> {
    let broken = |error| StoreError::Broken(describe(&error));
    let cell = |at: usize, ty: &Type| {
        Ok(match *ty {
            Type::BOOL => row.try_get::<_, Option<bool>>(at)?.map(Cell::Bool),
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Cell::Int),
            Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(|value| Cell::Int(value.into())),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Cell::Bytes),
            Type::UUID => row.try_get::<_, Option<Uuid>>(at)?.map(Cell::Uuid),
            Type::DATE => row.try_get::<_, Option<Days>>(at)?.and_then(|days| days.0).map(Cell::Date),
            // Texts of all kinds; whatever else there is cannot be read as one, and says so.
            _ => row.try_get::<_, Option<String>>(at)?.map(Cell::Text),
        }
        .unwrap_or(Cell::Null))
    };
    row.columns().iter().enumerate().map(|(at, column)| cell(at, column.type_()).map_err(broken)).collect()
}
