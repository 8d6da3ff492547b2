//! What a field holds: the kinds of values, and the checked types that are kept as such.

use crate::directory::error::DirectoryError;
use crate::directory::name::{
    Email, ExternalId, OrgName, PermissionName, PhoneNumber, Prose, RightsName, Slug, Text, Username,
};
use crate::directory::selector::OrgSelector;
use crate::directory::sql::{Cell, FromCell, Param, Value};
use crate::id::{GroupId, OrgId, PermissionId, RoleId, TokenId, UserId};
use crate::password::PasswordHash;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a value is, to whoever reads or shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A list of words.
    Words,
    Flag,
    Number,
    Id,
    Date,
    /// Seconds since the Unix epoch.
    Time,
    /// Microseconds since the Unix epoch.
    Moment,
    /// Values by name.
    Map,
}

/// What a record can hold.
pub trait Kept: Param + FromCell {
    const KIND: Kind;
    /// As PostgreSQL calls its column's type.
    const SQL_TYPE: &'static str;
    const IS_OPTIONAL: bool = false;
}

macro_rules! kept {
    ($($type:ty: $kind:ident $sql_type:literal),* $(,)?) => {$(
        impl Kept for $type {
            const KIND: Kind = Kind::$kind;
            const SQL_TYPE: &'static str = $sql_type;
        }
    )*};
}

kept! {
    String: Text "text",
    Vec<String>: Words "text",
    bool: Flag "boolean",
    HasPassword: Flag "text",
    u32: Number "bigint",
    i64: Time "bigint",
    PermissionId: Number "bigint",
    GroupId: Number "bigint",
    Uuid: Id "uuid",
    UserId: Id "uuid",
    OrgId: Id "uuid",
    TokenId: Id "uuid",
    RoleId: Id "uuid",
    Date: Date "date",
}

impl<T: Kept> Kept for Option<T> {
    const KIND: Kind = T::KIND;
    const SQL_TYPE: &'static str = T::SQL_TYPE;
    const IS_OPTIONAL: bool = true;
}

/// Whether some password may log a user in; read from its hash, which goes nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HasPassword(pub bool);

impl Param for HasPassword {
    fn value(&self) -> Value<'_> {
        Value::Bool(Some(self.0))
    }

    fn absent() -> Value<'static> {
        Value::Bool(None)
    }
}

impl FromCell for HasPassword {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Bool(has) = cell {
            return Some(Self(has));
        }
        let password = Option::<String>::from_cell(cell)?.map(PasswordHash::from_stored);
        Some(Self(password.is_some_and(|password| password.is_usable())))
    }
}

/// What somebody gave for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    Text(String),
    Flag(bool),
    Map(BTreeMap<String, serde_json::Value>),
}

/// A checked value, and what is kept of it.
pub trait Content: Sized {
    type Kept: Kept;

    /// `word` names the field in errors.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`].
    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError>;

    fn keep(self) -> Self::Kept;
}

/// Takes what was given for a field, checked.
pub(in crate::directory) fn take<T: Content>(
    given: &mut Vec<(&'static str, Given)>,
    name: &'static str,
    word: &'static str,
) -> Result<Option<T>, DirectoryError> {
    let at = given.iter().position(|(known, _)| *known == name);
    at.map(|at| T::check(word, given.swap_remove(at).1)).transpose()
}

fn text(word: &'static str, given: Given) -> Result<String, DirectoryError> {
    match given {
        Given::Text(text) => Ok(text),
        Given::Flag(_) | Given::Map(_) => Err(DirectoryError::invalid(word, "a text")),
    }
}

macro_rules! words {
    ($($type:ident)*) => {$(
        impl Content for $type {
            type Kept = String;

            fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
                Self::new(&text(word, given)?)
            }

            fn keep(self) -> String {
                self.into_inner()
            }
        }
    )*};
}

words!(Username Email PhoneNumber ExternalId OrgName Slug PermissionName RightsName);

/// As it was written, until the directory has looked it up.
impl Content for OrgSelector {
    type Kept = String;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        text(word, given).map(Self::Text)
    }

    fn keep(self) -> String {
        self.to_string()
    }
}

impl<const MAX: usize> Content for Text<MAX> {
    type Kept = String;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        Self::new(word, &text(word, given)?)
    }

    fn keep(self) -> String {
        self.into_inner()
    }
}

impl Content for Prose {
    type Kept = String;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        Self::new(word, &text(word, given)?)
    }

    fn keep(self) -> String {
        self.into_inner()
    }
}

impl<T: Content> Content for Option<T> {
    type Kept = Option<T::Kept>;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        match given {
            Given::Text(text) if text.is_empty() => Ok(None),
            given => T::check(word, given).map(Some),
        }
    }

    fn keep(self) -> Self::Kept {
        self.map(T::keep)
    }
}

/// A word, or none, which is kept as an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blank<T>(pub Option<T>);

impl<T: Content<Kept = String>> Content for Blank<T> {
    type Kept = String;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        Option::check(word, given).map(Self)
    }

    fn keep(self) -> String {
        self.0.map(T::keep).unwrap_or_default()
    }
}

impl Content for bool {
    type Kept = Self;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        match given {
            Given::Flag(flag) => Ok(flag),
            Given::Text(text) => text.parse().map_err(|_| DirectoryError::invalid(word, "true or false")),
            Given::Map(_) => Err(DirectoryError::invalid(word, "true or false")),
        }
    }

    fn keep(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($type:ty: $parse:expr, $problem:literal;)*) => {$(
        impl Content for $type {
            type Kept = Self;

            fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
                let parse = $parse;
                parse(&text(word, given)?).map_err(|_| DirectoryError::invalid(word, $problem))
            }

            fn keep(self) -> Self {
                self
            }
        }
    )*};
}

parsed! {
    UserId: UserId::parse, "a UUID";
    OrgId: OrgId::parse, "a UUID";
    Date: |text: &str| text.parse::<Date>(), "a date such as 2026-01-31";
    i64: |text: &str| text.parse::<i64>(), "a whole number";
    PermissionId: |text: &str| text.parse().map(PermissionId), "a whole number";
}
