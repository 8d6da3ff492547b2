//! An existing OpenWISP or Django installation, read: from its dump or from its live database, into [`directory::Import`].
//!
//! [`dump`] reads SQL as `pg_dump` and SQLite's `.dump` write it, [`live`] asks a PostgreSQL server; both give [`Tables`], rows of texts.
//! [`openwisp`] makes records of them. What does not fit becomes a line of the report, never a guess.
//!
//! [`directory::Import`]: crate::directory::Import

pub mod dump;
pub mod live;
pub mod openwisp;
mod sql;

use std::collections::BTreeMap;

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

/// The name of a table, where the users' app is called `app` (models may be swapped).
#[must_use]
pub fn table_name((first, second): (&str, &str), app: &str) -> String {
    format!("{}_{second}", if first == "APP" { app } else { first })
}

/// One table as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows: a text, or NULL, for each column.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Tables by name, without their schema.
pub type Tables = BTreeMap<String, Table>;
