//! What a dump's earlier statements say of its later ones: the database and the schema, the encoding, how texts are written.

use super::format::{Encoding, OTHER_ENCODING};
use super::lexer::Mode;
use super::place::{PUBLIC, Place};

pub(super) struct Session {
    database: Option<String>,
    /// Of names without one.
    schema: String,
}

impl Session {
    /// A new connection to `database`.
    pub fn with(database: Option<String>) -> Self {
        Self { database, schema: PUBLIC.to_owned() }
    }

    pub fn connect(&mut self, arguments: &str) {
        let database = connected(arguments).or_else(|| self.database.take());
        *self = Self::with(database);
    }

    /// The database that it is connected to.
    pub fn database(self) -> Option<String> {
        self.database
    }

    /// Where a table is that is named so.
    pub fn place(&self, schema: Option<String>) -> Place {
        Place { database: self.database.clone(), schema: schema.unwrap_or_else(|| self.schema.clone()) }
    }

    /// What a `SET` says; without values it is what it was at the beginning.
    pub fn set(&mut self, name: &str, values: &[String], mode: &mut Mode) -> Result<(), &'static str> {
        let first = values.first().map(|value| value.to_ascii_lowercase());
        match name {
            "search_path" => {
                let named = values.iter().find(|schema| !["", "$user", "pg_catalog"].contains(&schema.as_str()));
                PUBLIC.clone_into(&mut self.schema);
                if let Some(schema) = named {
                    self.schema.clone_from(schema);
                }
            }
            "standard_conforming_strings" => {
                // Any beginning of a word that says no, as PostgreSQL takes it.
                let off = first.is_some_and(|value| match value.as_str() {
                    "0" | "of" => true,
                    "" => false,
                    other => ["off", "false", "no"].iter().any(|no| no.starts_with(other) && other != "o"),
                });
                mode.escapes = off;
            }
            "client_encoding" => {
                mode.encoding = first.as_deref().map_or(Encoding::Utf8, Encoding::named);
                if mode.encoding == Encoding::Unsafe {
                    return Err(OTHER_ENCODING);
                }
            }
            "all" => {
                self.schema = PUBLIC.to_owned();
                *mode = Mode { sqlite: mode.sqlite, ..Mode::default() };
            }
            _ => {}
        }
        Ok(())
    }
}

/// The database of a `\connect`: `name`, `"a name"`, `-reuse-previous=on "dbname='a name'"`; nothing where it is the same.
fn connected(arguments: &str) -> Option<String> {
    let rest = arguments.trim_start();
    let rest = match rest.strip_prefix("-reuse-previous=") {
        Some(rest) => rest.split_once(char::is_whitespace)?.1.trim_start(),
        None => rest,
    };
    let argument = match rest.strip_prefix('"') {
        Some(quoted) => until(quoted, '"', '"'),
        None => rest.split_whitespace().next().unwrap_or_default().to_owned(),
    };
    let name = match argument.split_once("dbname=") {
        Some((_, value)) => match value.strip_prefix('\'') {
            Some(quoted) => until(quoted, '\'', '\\'),
            None => value.split_whitespace().next().unwrap_or_default().to_owned(),
        },
        None => argument,
    };
    (!name.is_empty() && name != "-").then_some(name)
}

/// A text up to its `quote`, which `escape` makes a part of it.
fn until(text: &str, quote: char, escape: char) -> String {
    let (mut result, mut rest) = (String::new(), text.chars().peekable());
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            (c, Some(next)) if c == escape && (*next == quote || *next == escape) => result.extend(rest.next()),
            (c, _) if c == quote => break,
            (c, _) => result.push(c),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_connect_is_read_as_pg_dump_writes_it() {
        for (arguments, database) in [
            ("owdb", Some("owdb")),
            ("owdb postgres localhost 5432", Some("owdb")),
            ("\"Ow \"\"db\"\"\"", Some("Ow \"db\"")),
            (r#"-reuse-previous=on "dbname='a b\'c\\'""#, Some(r"a b'c\")),
            ("-reuse-previous=on \"dbname=plain\"", Some("plain")),
            ("- postgres", None),
            ("", None),
        ] {
            assert_eq!(connected(arguments).as_deref(), database, "{arguments}");
        }
    }

    #[test]
    fn settings_are_read_in_every_spelling() {
        let set = |name: &str, values: &[&str]| {
            let (mut session, mut mode) = (Session::with(None), Mode::default());
            session.set("search_path", &["before".to_owned()], &mut mode).unwrap();
            mode.escapes = true;
            let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
            session.set(name, &values, &mut mode).unwrap();
            (session.place(None).schema, mode.escapes)
        };
        assert_eq!(set("search_path", &["$user", "pg_catalog", "Tenant"]).0, "Tenant");
        assert_eq!(set("search_path", &[]).0, "public");
        for (value, escapes) in
            [("off", true), ("OFF", true), ("false", true), ("n", true), ("0", true), ("on", false), ("1", false)]
        {
            assert_eq!(set("standard_conforming_strings", &[value]).1, escapes, "{value}");
        }
        assert_eq!(set("all", &[]), ("public".to_owned(), false));
        let refused = Session::with(None).set("client_encoding", &["SJIS".to_owned()], &mut Mode::default());
        assert!(refused.is_err());
    }
}
