//! `database:` — a URL, or a map with the URL and what does not belong into it.

use super::part::count;
use super::secret;
use crate::directory::postgres::Target;
use crate::secret::{SecretError, SecretSource};
use crate::yaml::{Findings, Keys, Map, Node, Value};
use std::path::{Path, PathBuf};

const KEYS: Keys<'static> = Keys { known: &["url", "password", "root_certificate", "connections"], not_yet: &[] };
const EXAMPLES: &str =
    "write `sqlite:///var/lib/postern/postern.db`, the embedded store, or `postgres://postern@db/postern`";

/// Where the directory is kept.
#[derive(Clone, Debug)]
pub enum Database {
    Sqlite(String),
    Postgres(Box<Postgres>),
}

#[derive(Clone, Debug)]
pub struct Postgres {
    target: Target,
    password: Option<SecretSource>,
    /// Connections of each replica, besides the one that follows the changes.
    pub connections: usize,
}

impl Postgres {
    /// Where it is and who we are there; the password is read now: from its place, which is read
    /// again for each connection, from the URL, or from `PGPASSWORD`.
    ///
    /// # Errors
    /// The password's place has none.
    pub fn target(&self) -> Result<Target, SecretError> {
        let target = self.target.clone();
        if let Some(source) = &self.password {
            return target.with_password_of(source);
        }
        let usual = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty() && !target.has_password());
        Ok(match usual {
            Some(password) => target.with_password(&password.into()),
            None => target,
        })
    }

    /// The file of the authorities that the server is verified by, where one is named.
    #[must_use]
    pub fn root_certificate(&self) -> Option<&Path> {
        self.target.root()
    }

    #[must_use]
    pub fn place(&self) -> &str {
        self.target.place()
    }
}

/// Reads the section; what cannot be used is reported.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Option<Database> {
    let Value::Map(_) = &node.value else {
        return url(node, base, findings);
    };
    let map = node.expect_map("`database`", findings)?;
    map.expect_keys("`database`", KEYS, findings);
    let Some(place) = map.get("url") else {
        findings.error("missing_key", node.span, "`database` has no `url`").help(EXAMPLES);
        return None;
    };
    match url(place, base, findings)? {
        Database::Postgres(mut postgres) => {
            options(&mut postgres, map, base, findings);
            Some(Database::Postgres(postgres))
        }
        file @ Database::Sqlite(_) => {
            for entry in map.entries.iter().filter(|entry| entry.key.text != "url") {
                let message = format!("`{}` is for a `postgres://` database", entry.key.text);
                findings.error("wrong_value", entry.key.span, message);
            }
            Some(file)
        }
    }
}

fn options(postgres: &mut Postgres, map: &Map, base: &Path, findings: &mut Findings) {
    count(map, "connections", 1..=1000, &mut postgres.connections, findings);
    if let Some(node) = map.get("password") {
        postgres.password = secret::one("database.password", node, base, findings);
    }
    if let Some(node) = map.get("root_certificate") {
        let file: Option<PathBuf> = node.expect_str("`root_certificate`", findings).map(|file| base.join(file));
        postgres.target = postgres.target.clone().with_root(file);
    }
}

fn url(node: &Node, base: &Path, findings: &mut Findings) -> Option<Database> {
    let url = node.expect_str("`database`", findings)?;
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let target = match Target::parse(url) {
            Ok(target) => target,
            Err(error) => {
                findings.hide(node.span.file);
                findings
                    .error("wrong_value", node.span, format!("`database`: {error}"))
                    .help("write `postgres://USER@HOST:PORT/DATABASE`");
                return None;
            }
        };
        // Variables and flags are nobody's file.
        let given = |name: &str| name.starts_with(super::overlay::PREFIX) || name.starts_with("--");
        let written = findings.source(node.span.file).is_some_and(|source| !given(&source.name));
        if target.has_password() && written {
            findings.hide(node.span.file);
            findings
                .warning("literal_secret", node.span, "the password of the database stands in the configuration itself")
                .help("write `database: { url: …, password: { env: DATABASE_PASSWORD } }` or `{ file: PATH }`");
        }
        return Some(Database::Postgres(Box::new(Postgres { target, password: None, connections: 8 })));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).filter(|path| !path.is_empty());
    let Some(path) = path else {
        findings
            .error("wrong_value", node.span, "`database` must be a `sqlite:` or a `postgres://` URL")
            .help(EXAMPLES);
        return None;
    };
    if url.starts_with("sqlite://") && !path.starts_with('/') {
        findings
            .error("wrong_value", node.span, "`database` has a host where a file needs none")
            .help("write `sqlite:///PATH`, or `sqlite:PATH` beside the file that says so");
        return None;
    }
    Some(Database::Sqlite(format!("sqlite:{}", base.join(path).display())))
}
