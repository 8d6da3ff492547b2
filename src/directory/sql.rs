//! What a statement takes and gives, whichever engine runs it.
//!
//! Statements are written once, in the SQL that PostgreSQL and SQLite share: `$1`, `RETURNING`, `ON CONFLICT`, `CAST(… AS …)`
//! where PostgreSQL must be told a type.

use super::error::{DirectoryError, StoreError};
use crate::id::{GroupId, OrgId, PermissionId, RoleId, TokenId, UserId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// A parameter's value; what is absent has a type too, which PostgreSQL wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text(Option<&'a str>),
    Bytes(Option<&'a [u8]>),
    Uuid(Option<Uuid>),
    Date(Option<Date>),
}

impl Value<'_> {
    /// Whether it says nothing: absent, empty, no.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Bool(value) => !matches!(value, Some(true)),
            Self::Int(value) => matches!(value, None | Some(0)),
            Self::Text(value) => matches!(value, None | Some("")),
            Self::Bytes(value) => value.is_none(),
            Self::Uuid(value) => value.is_none(),
            Self::Date(value) => value.is_none(),
        }
    }
}

/// For people; nothing of what is absent, or of bytes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(Some(value)) => value.fmt(f),
            Self::Int(Some(value)) => value.fmt(f),
            Self::Text(Some(value)) => value.fmt(f),
            Self::Uuid(Some(value)) => value.fmt(f),
            Self::Date(Some(value)) => value.fmt(f),
            _ => Ok(()),
        }
    }
}

/// Parameters of a statement: the first is `$1`.
pub(super) type Params<'p> = &'p [&'p dyn Param];

/// What can be a parameter.
pub trait Param: Sync {
    fn value(&self) -> Value<'_>;

    /// What stands for one that is absent.
    fn absent() -> Value<'static>
    where
        Self: Sized;
}

macro_rules! param {
    ($($type:ty: $kind:ident($self:ident => $value:expr)),* $(,)?) => {$(
        impl Param for $type {
            fn value(&self) -> Value<'_> {
                let $self = self;
                Value::$kind(Some($value))
            }

            fn absent() -> Value<'static> {
                Value::$kind(None)
            }
        }
    )*};
}

param! {
    bool: Bool(it => *it),
    i64: Int(it => *it),
    u32: Int(it => i64::from(*it)),
    PermissionId: Int(it => it.0),
    GroupId: Int(it => it.0),
    String: Text(it => it),
    &str: Text(it => it),
    Vec<u8>: Bytes(it => it),
    &[u8]: Bytes(it => it),
    Uuid: Uuid(it => *it),
    UserId: Uuid(it => it.0),
    OrgId: Uuid(it => it.0),
    TokenId: Uuid(it => it.0),
    RoleId: Uuid(it => it.0),
    Date: Date(it => *it),
}

impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        match self {
            Some(some) => some.value(),
            None => T::absent(),
        }
    }

    fn absent() -> Value<'static> {
        T::absent()
    }
}

impl Param for Value<'_> {
    fn value(&self) -> Value<'_> {
        *self
    }

    fn absent() -> Value<'static> {
        Value::Text(None)
    }
}

/// A list of words is read, and never kept in one column.
impl Param for Vec<String> {
    fn value(&self) -> Value<'_> {
        Self::absent()
    }

    fn absent() -> Value<'static> {
        Value::Text(None)
    }
}

impl<T: Param> Param for &T {
    fn value(&self) -> Value<'_> {
        (*self).value()
    }

    fn absent() -> Value<'static> {
        T::absent()
    }
}

/// How records of an import are kept.
pub(super) struct Insert {
    pub(super) table: &'static str,
    /// Names, with PostgreSQL's types.
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// What stands behind ON CONFLICT; `None`: the record of the same first column takes all the new values.
    pub(super) conflict: Option<String>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid(Uuid),
    Date(Date),
}

impl Cell {
    /// The same as a parameter; absent ones have no type.
    pub(super) fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => Value::Bool(Some(*value)),
            Self::Int(value) => Value::Int(Some(*value)),
            Self::Text(value) => Value::Text(Some(value)),
            Self::Bytes(value) => Value::Bytes(Some(value)),
            Self::Uuid(value) => Value::Uuid(Some(*value)),
            Self::Date(value) => Value::Date(Some(*value)),
        })
    }
}

/// A row of an answer.
#[derive(Debug)]
pub struct Row {
    pub(super) names: Arc<[String]>,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// There is no such column, or its value is of another type: a bug, or somebody's raw SQL.
    pub(super) fn get<T: FromCell>(&self, column: &str) -> Result<T, StoreError> {
        let at = self.names.iter().position(|name| name == column);
        let cell = at.and_then(|at| self.cells.get(at));
        cell.cloned().and_then(T::from_cell).ok_or_else(|| unreadable(column))
    }

    /// The values, one after the other.
    pub(super) fn into_cells(self) -> Cells {
        Cells(self.cells.into_iter())
    }
}

/// The values of a row that are left to be read.
pub struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    /// The next one; `name` is for the error.
    pub(super) fn next<T: FromCell>(&mut self, name: &str) -> Result<T, StoreError> {
        self.0.next().and_then(T::from_cell).ok_or_else(|| unreadable(name))
    }
}

fn unreadable(column: &str) -> StoreError {
    StoreError::Broken(format!("the column {column} cannot be read"))
}

/// What a column can be read as; `None` where its value is of another type.
pub trait FromCell: Sized {
    /// A value that is none is taken for an absent one.
    const IS_LENIENT: bool = false;

    fn from_cell(cell: Cell) -> Option<Self>;
}

impl FromCell for Cell {
    fn from_cell(cell: Cell) -> Option<Self> {
        Some(cell)
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some).or(if T::IS_LENIENT { Some(None) } else { None }),
        }
    }
}

impl FromCell for bool {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Bool(value) => Some(value),
            // SQLite has no type of its own for them.
            Cell::Int(value) => Some(value != 0),
            _ => None,
        }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Int(value) = cell { Some(value) } else { None }
    }
}

impl FromCell for u32 {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Text(value) = cell { Some(value) } else { None }
    }
}

/// Words that have no commas, joined by such.
impl FromCell for Vec<String> {
    fn from_cell(cell: Cell) -> Option<Self> {
        let joined = Option::<String>::from_cell(cell)?;
        Some(joined.iter().flat_map(|joined| joined.split(',')).map(str::to_owned).collect())
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Bytes(value) = cell { Some(value) } else { None }
    }
}

/// A date. One that raw SQL made impossible, such as the 31st of February, is none.
impl FromCell for Date {
    const IS_LENIENT: bool = true;

    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Date(date) => Some(date),
            // SQLite keeps them as text.
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl FromCell for Uuid {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Uuid(value) => Some(value),
            // SQLite keeps them as text.
            Cell::Text(text) => Self::try_parse(&text).ok(),
            _ => None,
        }
    }
}

macro_rules! ids {
    ($($id:ident of $inner:ty),*) => {$(
        impl FromCell for $id {
            fn from_cell(cell: Cell) -> Option<Self> {
                <$inner>::from_cell(cell).map(Self)
            }
        }
    )*};
}

ids!(UserId of Uuid, OrgId of Uuid, TokenId of Uuid, RoleId of Uuid, PermissionId of i64, GroupId of i64);

#[derive(Debug)]
pub(super) struct Failure {
    /// The index or constraint that refused, by the name that it has in the migrations.
    pub(super) constraint: Option<String>,
    pub(super) error: StoreError,
}

impl Failure {
    /// Whether this index or constraint refused.
    pub(super) fn violates(&self, constraint: &str) -> bool {
        self.constraint.as_deref() == Some(constraint)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { constraint: None, error }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<Failure> for DirectoryError {
    fn from(failure: Failure) -> Self {
        match failure.error {
            StoreError::Unavailable(what) if failure.constraint.as_deref() == Some("kept_by_django") => {
                Self::KeptByDjango { what }
            }
            error => Self::Store(error),
        }
    }
}
