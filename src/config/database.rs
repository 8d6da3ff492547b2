//! `database:` — a URL, or a map with the URL and what does not belong into it.

use super::Schema;
use super::keys::{FILE, Reader, Section, Shape, count, custom, keys};
use super::secret::SECRET;
use crate::directory::postgres::Target;
use crate::secret::{SecretError, SecretSource};
use crate::yaml::{Node, Value};
use std::path::{Path, PathBuf};

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

impl Default for Database {
    fn default() -> Self {
        Self::Sqlite(format!("sqlite:{}", super::data_dir().join("postern.db").display()))
    }
}

/// Connections of each replica where nothing is said.
const CONNECTIONS: usize = 8;

keys! {
    struct Said {
        place ("url"): Option<Database> = None, custom(Shape::Text, url),
            "`sqlite:///PATH` or `postgres://USER@HOST:PORT/DATABASE`";
        password: Option<SecretSource> = None, SECRET, "The password. [the URL's, else PGPASSWORD]";
        root_certificate: Option<PathBuf> = None, FILE,
            "PEM: authorities of the server's certificate. [those that browsers trust]";
        connections: usize = CONNECTIONS, count::<usize, 1, 1000>(),
            "Of this replica, besides the one that follows the changes. [8]";
    }
}

pub(super) const SHAPE: Shape = Shape::Any(&[Shape::Text, Shape::Map(Said::KEYS, 1)]);

/// Reads the section; what cannot be used is reported.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Database> {
    let Value::Map(map) = &node.value else {
        return url(key, node, reader);
    };
    let Said { place, password, root_certificate, connections } = reader.read::<Said>(key, "`database`", map);
    if map.get("url").is_none() {
        reader.findings.error("missing_key", node.span, "`database` has no `url`").help(EXAMPLES);
    }
    let mut database = place?;
    match &mut database {
        Database::Postgres(postgres) => {
            if root_certificate.is_some() {
                postgres.target = postgres.target.clone().with_root(root_certificate);
            }
            (postgres.password, postgres.connections) = (password, connections);
        }
        Database::Sqlite(_) => {
            for entry in map.entries.iter().filter(|entry| entry.key.text != "url") {
                let message = format!("`{}` is for a `postgres://` database", entry.key.text);
                reader.findings.error("wrong_value", entry.key.span, message);
            }
        }
    }
    Some(database)
}

/// A database of which this version does one kind alone.
pub(super) fn schema(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Schema> {
    match node.expect_word("`schema`", reader.findings)? {
        "postern" => return Some(Schema::Postern),
        "openwisp" => {
            let message = "`schema: openwisp` is not yet supported by this version of postern";
            reader.findings.error("not_yet", node.span, message);
        }
        other => {
            let message = format!("`schema` must be `postern`, not `{other}`");
            reader.findings.error("wrong_value", node.span, message);
        }
    }
    None
}

fn url(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Database> {
    let (base, findings) = (reader.base, &mut *reader.findings);
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
        return Some(Database::Postgres(Box::new(Postgres { target, password: None, connections: CONNECTIONS })));
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
