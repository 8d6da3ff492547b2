//! An existing OpenWISP or Django installation, read: from its dump or from its live database, into [`directory::Import`].
//!
//! [`dump`] reads SQL as `pg_dump` and SQLite's `.dump` write it (`reader`, `lexer`, `statement`, `session`, `values`), [`live`] asks a
//! PostgreSQL server; both are a [`Source`] of rows of texts, of one [`place`] alone.
//! [`openwisp`] makes records of them and sends them on in pieces, so that nobody holds a whole installation. What does not fit
//! becomes a line of the report, never a guess.
//!
//! [`directory::Import`]: crate::directory::Import

pub mod dump;
mod escape;
mod format;
mod lexer;
pub mod live;
pub mod openwisp;
pub mod place;
mod reader;
mod session;
mod statement;
mod values;

use thiserror::Error;

/// The tables that are read; others are passed over. The second part of each name is after the app's.
pub const TABLES: [(&str, &str); 12] = [
    ("APP", "user"),
    ("APP", "organization"),
    ("APP", "organizationuser"),
    ("APP", "organizationowner"),
    ("APP", "user_groups"),
    ("APP", "user_user_permissions"),
    ("account", "emailaddress"),
    ("auth", "group"),
    ("auth", "permission"),
    ("auth", "group_permissions"),
    ("authtoken", "token"),
    ("django", "content_type"),
];

/// The table that says where an installation is: its users'.
#[must_use]
pub fn anchor(app: &str) -> String {
    table_name(("APP", "user"), app)
}

/// Ends the name of a table that only an installation has, behind its app's.
pub const TELLTALE: &str = "_organizationuser";

/// The name of a table, where the users' app is called `app` (models may be swapped).
#[must_use]
pub fn table_name((first, second): (&str, &str), app: &str) -> String {
    format!("{}_{second}", if first == "APP" { app } else { first })
}

/// A row: a text, or NULL, for each column.
pub type Row = Vec<Option<String>>;

/// Where tables come from, one after another, each row by row.
pub trait Source: Send {
    /// Begins to read a table, by its name without its schema. Its columns; nothing where there is no such table.
    ///
    /// # Errors
    /// The source cannot be read.
    fn open(&mut self, table: &str) -> Result<Option<Vec<String>>, SourceError>;

    /// The next row of it.
    ///
    /// # Errors
    /// The source cannot be read.
    fn row(&mut self) -> Result<Option<Row>, SourceError>;

    /// The names of tables that are there, at least of those that end with [`TELLTALE`].
    fn tables(&mut self) -> Vec<String>;

    /// How much is read by now, and of how much; in a measure of its own.
    fn progress(&self) -> (u64, u64);
}

/// A source cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error(transparent)]
    Dump(#[from] dump::DumpError),
    #[error(transparent)]
    Live(#[from] live::LiveError),
    /// It is not clear which tables are meant.
    #[error(transparent)]
    Place(#[from] place::PlaceError),
}
