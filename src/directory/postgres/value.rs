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
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        // A long list has thousands of cells: each is written where it stays.
        let mut cells = Vec::with_capacity(names.len());
        for (at, column) in row.columns().iter().enumerate() {
            cell(&mut cells, row, at, column.type_()).map_err(|error| StoreError::Broken(describe(&error)))?;
        }
        read.push(Row { names: Arc::clone(&names), cells });
    }
    Ok(read)
}

fn cell(cells: &mut Vec<Cell>, row: &tokio_postgres::Row, at: usize, ty: &Type) -> Result<(), tokio_postgres::Error> {
    macro_rules! put {
        ($type:ty, $kind:expr) => {
            match row.try_get::<_, Option<$type>>(at)? {
                Some(value) => cells.push($kind(value)),
                None => cells.push(Cell::Null),
            }
        };
    }
    match *ty {
        Type::BOOL => put!(bool, Cell::Bool),
        Type::INT8 => put!(i64, Cell::Int),
        Type::INT4 => put!(i32, |value: i32| Cell::Int(value.into())),
        Type::BYTEA => put!(Vec<u8>, Cell::Bytes),
        Type::UUID => put!(Uuid, Cell::Uuid),
        Type::DATE => put!(Days, |days: Days| days.0.map_or(Cell::Null, Cell::Date)),
        // Texts of all kinds; whatever else there is cannot be read as one, and says so.
        _ => put!(String, Cell::Text),
    }
    Ok(())
}
