//! What a definition says, and the macros that write one down.

use super::content::{Given, Kept, Kind};
use crate::directory::error::{DirectoryError, Noun, StoreError, Unique};
use crate::directory::sql::{Cell, Cells, Row, Value};
use serde::Serialize;
use std::sync::Arc;

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the record, in the audit log and in the API.
    pub name: &'static str,
    /// Its name at the command line, in batch files and in errors.
    pub word: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// The same for who changes it, where that is said in another way.
    pub edit_help: &'static str,
    pub kind: Kind,
    /// It may be absent.
    pub nullable: bool,
    /// An empty text clears it.
    pub clears: bool,
    /// A record is not made without it.
    pub required: bool,
    /// Who makes or edits a record may say it.
    pub given: bool,
    /// The command line has a flag for it.
    pub flag: bool,
    /// The command line shows it.
    pub shown: bool,
    /// An import brings it.
    pub imported: bool,
    /// What it is where an import has no text for it.
    pub blank: &'static str,
    /// It stays what it was when the record was made.
    pub fixed: bool,
    /// Who may change it.
    pub writer: Writer,
    /// The column of the record's table that keeps it; its name where empty.
    pub column: &'static str,
    /// Where it is no column of that table: the expression that gives it.
    pub sql: &'static str,
    /// PostgreSQL's type of the column.
    pub sql_type: &'static str,
    /// The indexes that keep it unique, and what is said where one refuses.
    pub unique: &'static [(&'static str, Unique)],
    /// What lists can do with it.
    pub filter: bool,
    /// A condition that holds wherever it has the value `$?`, and that an index answers; empty where the field has one itself.
    pub found_by: &'static str,
    pub search: bool,
    pub sort: bool,
}

/// The least that somebody must be to change a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// Whose record it is.
    Oneself,
    /// Who manages an organization that it belongs to.
    Manager,
    Superuser,
}

impl Field {
    /// A field of a type; the definition says what is particular.
    pub const fn of<T: Kept>(name: &'static str, word: &'static str) -> Self {
        Self {
            name,
            word,
            help: "",
            edit_help: "",
            kind: T::KIND,
            nullable: T::IS_OPTIONAL,
            clears: T::IS_OPTIONAL,
            required: false,
            given: false,
            flag: true,
            shown: true,
            imported: true,
            blank: "",
            fixed: false,
            writer: Writer::Manager,
            column: "",
            sql: "",
            sql_type: T::SQL_TYPE,
            unique: &[],
            filter: false,
            found_by: "",
            search: false,
            sort: false,
        }
    }

    /// Whether a list that names it so means it: a map is named with what is looked at in it, `fields.team`.
    pub fn is_called(&self, name: &str) -> bool {
        match self.kind {
            Kind::Map => name.split_once('.').is_some_and(|(whole, _)| whole == self.name),
            _ => name == self.name || name == self.word,
        }
    }

    /// Whether the API tells it.
    pub fn is_told(&self) -> bool {
        self.shown || self.name == "id"
    }

    /// Whether it is a column of the record's own table.
    pub const fn is_column(&self) -> bool {
        self.sql.is_empty()
    }

    /// What gives its value in a statement.
    pub(in crate::directory) fn expression<R: Resource>(&self) -> String {
        if self.is_column() { format!("{}.{}", R::ALIAS, self.column()) } else { self.sql.to_owned() }
    }

    pub const fn column(&self) -> &'static str {
        if self.column.is_empty() { self.name } else { self.column }
    }
}

/// A kind of records.
pub trait Resource: Clone + Serialize + Send + Sync + Sized + 'static {
    const NOUN: Noun;
    /// What permits to do something with it, as Django names it; `{}` is the action.
    const PERMISSION: &'static str;
    const TABLE: &'static str;
    /// What the statements call the table.
    const ALIAS: &'static str;
    /// What the table is joined with.
    const JOINS: &'static str;
    /// What lists are ordered by where nothing is said: names of fields.
    const ORDER: &'static [&'static str];
    /// The first is the key.
    const FIELDS: &'static [Field];
    /// What the command line shows of it in a list.
    const COLUMNS: &'static [&'static str];
    /// … and behind it, where some of them have it.
    const COLUMNS_IF_ANY: &'static [&'static str] = &[];
    /// Which are a user's, or an organization's: conditions in which `$?` is its id.
    const OF_USER: &'static str = "";
    const OF_ORGANIZATION: &'static str = "";
    /// Whether the number of all is kept, in `totals`.
    const IS_TOTALLED: bool = false;
    /// Which somebody sees who manages organizations, and which are one's own; `$?` is who that is.
    const SEEN_BY_MANAGER: &'static str;
    const SEEN_BY_ONESELF: &'static str;

    /// # Errors
    /// A column cannot be read.
    fn take(cells: &mut Cells) -> Result<Self, StoreError>;

    /// # Errors
    /// A column cannot be read.
    fn read(row: Row) -> Result<Self, StoreError> {
        Self::take(&mut row.into_cells())
    }

    /// The fields' values, in order.
    fn values(&self) -> Vec<Value<'_>>;

    fn statements() -> &'static Statements;

    /// Says what depends on the time.
    fn at(&mut self, _now: i64) {}
}

/// What makes a record, or edits one.
pub trait Input: Sized + Send + 'static {
    type Record: Resource;
    /// Whether it edits, so that nothing is required.
    const EDITS: bool;

    /// Reads what was given, by the names of fields.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`]: a field that is missing, or is not of its shape.
    fn read(given: Vec<(&'static str, Given)>) -> Result<Self, DirectoryError>;

    /// What can be given, the key last.
    fn fields() -> impl Iterator<Item = &'static Field> {
        let (keys, others) = Self::Record::FIELDS.split_at(1);
        others.iter().chain(keys).filter(|field| field.given && !(Self::EDITS && field.fixed))
    }
}

/// The statements on a record's table.
pub struct Statements {
    pub(in crate::directory) fields: String,
    pub(in crate::directory) from: String,
    /// What a word is searched in: all searched fields in small letters, with blanks between them, which no word has. Empty: nothing is.
    pub(in crate::directory) searched: String,
    /// Takes the columns' values.
    pub(in crate::directory) insert: String,
    /// Takes the key and the values of the columns that are not fixed.
    pub(in crate::directory) update: String,
}

impl Statements {
    pub(in crate::directory) fn of<R: Resource>() -> Self {
        let all: Vec<String> = R::FIELDS.iter().map(Field::expression::<R>).collect();
        let columns: Vec<_> = R::FIELDS.iter().filter(|field| field.is_column()).map(Field::column).collect();
        let values: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let changing = R::FIELDS.iter().filter(|field| field.is_column() && !field.fixed);
        let small = |field: &Field| match (field.expression::<R>(), field.nullable) {
            (text, true) => format!("coalesce(lower({text}), '')"),
            (text, false) => format!("lower({text})"),
        };
        let searched: Vec<String> = R::FIELDS.iter().filter(|field| field.search).map(small).collect();
        let set: Vec<String> = changing.zip(2..).map(|(field, at)| format!("{} = ${at}", field.column())).collect();
        let (table, alias, joins) = (R::TABLE, R::ALIAS, R::JOINS);
        Self {
            fields: all.join(", "),
            from: format!("{table} {alias} {joins}"),
            searched: searched.join(" || ' ' || "),
            insert: format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")),
            update: format!("UPDATE {table} SET {} WHERE id = $1", set.join(", ")),
        }
    }
}

/// The name of a field at the command line: its own, where the definition says no other.
macro_rules! word {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $word:literal) => {
        $word
    };
}

/// Defines a record.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $record:ident: $noun:ident, $permission:literal, $table:literal as $alias:literal $joins:literal, by $($order:ident)+ {
            $($(#[$field_doc:meta])* $field:ident $($word:literal)?: $type:ty => { $($option:tt)* })*
        }
        $($item:item)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $record {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::directory::resources::definition::Resource for $record {
            const NOUN: $crate::directory::Noun = $crate::directory::Noun::$noun;
            const PERMISSION: &'static str = $permission;
            const TABLE: &'static str = $table;
            const ALIAS: &'static str = $alias;
            const JOINS: &'static str = $joins;
            const ORDER: &'static [&'static str] = &[$(stringify!($order)),+];
            const FIELDS: &'static [$crate::directory::resources::definition::Field] = &[$(
                $crate::directory::resources::definition::Field {
                    $($option)*
                    ..$crate::directory::resources::definition::Field::of::<$type>(
                        stringify!($field),
                        $crate::directory::resources::definition::word!($field $($word)?),
                    )
                }
            ),*];
            $($item)*

            fn take(cells: &mut $crate::directory::sql::Cells) -> Result<Self, $crate::directory::StoreError> {
                Ok(Self { $($field: cells.next(stringify!($field))?),* })
            }

            fn values(&self) -> Vec<$crate::directory::sql::Value<'_>> {
                vec![$($crate::directory::sql::Param::value(&self.$field)),*]
            }

            fn statements() -> &'static $crate::directory::resources::definition::Statements {
                static STATEMENTS: std::sync::LazyLock<$crate::directory::resources::definition::Statements> =
                    std::sync::LazyLock::new($crate::directory::resources::definition::Statements::of::<$record>);
                &STATEMENTS
            }
        }
    };
}

/// What a field is where nobody gave it.
macro_rules! otherwise {
    ($word:expr) => {
        return Err($crate::directory::DirectoryError::invalid($word, "it is missing"))
    };
    ($word:expr, $default:expr) => {
        $default
    };
}

macro_rules! is_required {
    () => {
        true
    };
    ($default:expr) => {
        false
    };
}

/// Defines a record with what makes and what edits one: the fields that are `given`, each with the type that checks it and what it is
/// otherwise. The others are `kept` by the directory.
macro_rules! resource {
    (
        $(#[$doc:meta])*
        $record:ident, $new:ident, $edit:ident:
        $noun:ident, $permission:literal, $table:literal as $alias:literal $joins:literal, by $($order:ident)+ {
            $key:ident: $key_type:ty => { $($key_option:tt)* }
            given {
                $(
                    $(#[$field_doc:meta])*
                    $field:ident $($word:literal)?: $type:ty $(= $default:expr)? => { $($option:tt)* }
                )*
            }
            kept {
                $($(#[$kept_doc:meta])* $kept:ident $($kept_word:literal)?: $kept_type:ty => { $($kept_option:tt)* })*
            }
        }
        $($item:item)*
    ) => {
        $crate::directory::resources::definition::record! {
            $(#[$doc])*
            $record: $noun, $permission, $table as $alias $joins, by $($order)+ {
                $key: $key_type => { fixed: true, $($key_option)* }
                $($(#[$field_doc])* $field $($word)?: <$type as $crate::directory::resources::content::Content>::Kept => {
                    given: true,
                    required: $crate::directory::resources::definition::is_required!($($default)?),
                    $($option)*
                })*
                $($(#[$kept_doc])* $kept $($kept_word)?: $kept_type => { $($kept_option)* })*
            }
            $($item)*
        }

        /// One to be made.
        #[derive(Clone, Debug)]
        pub struct $new {
            /// A chosen id; a new one where absent.
            pub $key: Option<$key_type>,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        /// What to change; what is `None` stays. `Some(None)` clears.
        #[derive(Clone, Debug, Default)]
        pub struct $edit {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
        }

        impl $new {
            /// The record, but for what the directory keeps of it.
            pub fn into_record(self, $key: $key_type) -> $record {
                use $crate::directory::resources::content::Content;
                $record { $key, $($field: self.$field.keep(),)* $($kept: Default::default(),)* }
            }
        }

        impl $edit {
            pub(in crate::directory) fn apply(self, record: &mut $record) {
                use $crate::directory::resources::content::Content;
                $(if let Some(value) = self.$field {
                    record.$field = value.keep();
                })*
            }
        }

        impl $crate::directory::resources::definition::Input for $new {
            type Record = $record;
            const EDITS: bool = false;

            fn read(
                mut given: Vec<(&'static str, $crate::directory::resources::content::Given)>,
            ) -> Result<Self, $crate::directory::DirectoryError> {
                use $crate::directory::resources::content::take;
                Ok(Self {
                    $key: take::<$key_type>(&mut given, stringify!($key), stringify!($key))?,
                    $($field: match take::<$type>(
                        &mut given,
                        stringify!($field),
                        $crate::directory::resources::definition::word!($field $($word)?),
                    )? {
                        Some(value) => value,
                        None => $crate::directory::resources::definition::otherwise!(
                            $crate::directory::resources::definition::word!($field $($word)?) $(, $default)?
                        ),
                    },)*
                })
            }
        }

        impl $crate::directory::resources::definition::Input for $edit {
            type Record = $record;
            const EDITS: bool = true;

            fn read(
                mut given: Vec<(&'static str, $crate::directory::resources::content::Given)>,
            ) -> Result<Self, $crate::directory::DirectoryError> {
                use $crate::directory::resources::content::take;
                Ok(Self {
                    $($field: take::<$type>(
                        &mut given,
                        stringify!($field),
                        $crate::directory::resources::definition::word!($field $($word)?),
                    )?,)*
                })
            }
        }
    };
}

pub(super) use {is_required, otherwise, record, resource, word};

/// A record of cells, in the order of its fields.
///
/// # Errors
/// One is of another type than its field.
pub fn record_of<R: Resource>(cells: Vec<Cell>) -> Result<R, StoreError> {
    R::read(Row { names: Arc::default(), cells })
}
