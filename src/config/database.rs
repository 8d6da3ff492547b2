//! `database:` — a URL, or a map with the URL and what does not belong into it.

use super::keys::{FILE, Reader, Section, Shape, count, custom, keys};
use super::secret::SECRET;
use crate::directory::postgres::{Openwisp, Target};
use crate::lookup::{self, mysql};
use crate::policy::Dialect;
use crate::secret::{SecretError, SecretSource};
use crate::yaml::{Findings, Node, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

    /// The directory is OpenWISP's.
    pub(super) fn live(&mut self, openwisp: &Openwisp) {
        self.target = self.target.clone().with_openwisp(openwisp);
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

fn url(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Database> {
    let (base, findings) = (reader.base, &mut *reader.findings);
    let url = node.expect_str("`database`", findings)?;
    if is_postgres(url) {
        let target = target("database", url, node, findings)?;
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

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Reads the URL of a PostgreSQL database. `key` is what messages call it.
fn target(key: &str, url: &str, node: &Node, findings: &mut Findings) -> Option<Target> {
    let target = match Target::parse(url) {
        Ok(target) => target,
        Err(error) => {
            findings.hide(node.span.file);
            findings
                .error("wrong_value", node.span, format!("`{key}`: {error}"))
                .help("write `postgres://USER@HOST:PORT/DATABASE`");
            return None;
        }
    };
    warn_of_password(key, target.has_password(), node, findings);
    Some(target)
}

/// Warns where a URL that is written in a file has a password.
fn warn_of_password(key: &str, has_password: bool, node: &Node, findings: &mut Findings) {
    // Variables and flags are nobody's file.
    let given = |name: &str| name.starts_with(super::overlay::PREFIX) || name.starts_with("--");
    let written = findings.source(node.span.file).is_some_and(|source| !given(&source.name));
    if has_password && written {
        findings.hide(node.span.file);
        findings
            .warning("literal_secret", node.span, "the password of the database stands in the configuration itself")
            .help(format!("write `{key}: {{ url: …, password: {{ env: DATABASE_PASSWORD }} }}` or `{{ file: PATH }}`"));
    }
}

/// A database of a service, which lookups ask.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: Box<str>,
    place: Place,
    password: Option<SecretSource>,
    connections: usize,
    /// For one answer.
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Place {
    Postgres(Box<Target>),
    Mysql(Box<mysql::Target>),
}

impl Source {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// A password or certificates cannot be read.
    pub fn database(&self) -> Result<lookup::Database, lookup::DatabaseError> {
        let Self { name, place, password, connections, timeout } = self;
        let missing = |error| lookup::DatabaseError::Password(name.clone(), error);
        let (name, connections, timeout) = (name.clone(), *connections, *timeout);
        match place {
            Place::Postgres(target) => {
                let (target, password) = ((**target).clone(), password.clone());
                let target = Postgres { target, password, connections }.target().map_err(missing)?;
                lookup::Database::postgres(name, target, connections, timeout)
            }
            Place::Mysql(target) => {
                let target = (**target).clone();
                let target = match password {
                    Some(source) => target.with_password_of(source).map_err(missing)?,
                    None => target,
                };
                lookup::Database::mysql(name, target, connections, timeout)
            }
        }
    }

    /// What its statements are written in.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self.place {
            Place::Postgres(_) => Dialect::Postgres,
            Place::Mysql(_) => Dialect::Mysql,
        }
    }
}

const SOURCE_EXAMPLE: &str = "write `databases: { legacy: postgres://USER@HOST:PORT/DATABASE }`, or `mysql://…`";

keys! {
    struct SaidSource {
        place ("url"): Option<Place> = None, custom(Shape::Text, |_, node, reader| source_url(node, reader)),
            "`postgres://USER@HOST:PORT/DATABASE`, or `mysql://…`, for MariaDB too; a role that may only read.";
        password: Option<SecretSource> = None, SECRET, "The password. [the URL's]";
        root_certificate: Option<PathBuf> = None, FILE,
            "PEM: authorities of the server's certificate. [those that browsers trust]";
        connections: usize = CONNECTIONS, count::<usize, 1, 1000>(), "Of this replica. [8]";
        timeout: Duration = Duration::from_secs(2), custom(Shape::Time, source_timeout), "For one answer; at least 10ms. [2s]";
    }
}

pub(super) const SOURCES: Shape = Shape::Named(&Shape::Any(&[Shape::Text, Shape::Map(SaidSource::KEYS, 1)]));

/// Reads `databases:`; what cannot be used is reported.
pub(super) fn sources(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Source>> {
    let map = node.expect_map_like("`databases`", SOURCE_EXAMPLE, reader.findings)?;
    let sources = map.entries.iter().filter_map(|entry| {
        let name: Box<str> = entry.key.text.as_str().into();
        let said = match &entry.value.value {
            Value::Map(map) => reader.read::<SaidSource>(&name, &format!("the database `{name}`"), map),
            _ => SaidSource { place: source_url(&entry.value, reader), ..SaidSource::default() },
        };
        let SaidSource { place, password, root_certificate, connections, timeout } = said;
        let is_missing = matches!(&entry.value.value, Value::Map(map) if map.get("url").is_none());
        if is_missing {
            let message = format!("the database `{name}` has no `url`");
            reader.findings.error("missing_key", entry.key.span, message).help(SOURCE_EXAMPLE);
        }
        let place = match place? {
            Place::Postgres(target) => Place::Postgres(Box::new(target.with_root(root_certificate))),
            Place::Mysql(target) => Place::Mysql(Box::new(target.with_root(root_certificate))),
        };
        Some(Source { name, place, password, connections, timeout })
    });
    Some(sources.collect())
}

fn source_url(node: &Node, reader: &mut Reader<'_>) -> Option<Place> {
    let url = node.expect_str("`url`", reader.findings)?;
    if mysql::Target::is_meant(url) {
        let target = match mysql::Target::parse(url) {
            Ok(target) => target,
            Err(error) => {
                reader.findings.hide(node.span.file);
                let help = "write `mysql://USER@HOST:PORT/DATABASE`, or `mysql://USER@/DATABASE?socket=PATH`";
                reader.findings.error("wrong_value", node.span, format!("`databases`: {error}")).help(help);
                return None;
            }
        };
        warn_of_password("databases", target.has_password(), node, reader.findings);
        return Some(Place::Mysql(Box::new(target)));
    }
    if !is_postgres(url) {
        let message = "a database that lookups ask must be a `postgres://` or a `mysql://` URL";
        reader.findings.error("wrong_value", node.span, message).help(SOURCE_EXAMPLE);
        return None;
    }
    target("databases", url, node, reader.findings).map(|target| Place::Postgres(Box::new(target)))
}

fn source_timeout(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Duration> {
    let time = node.expect_duration(&format!("`{key}`"), reader.findings)?;
    if time < Duration::from_millis(10) {
        reader.findings.error("wrong_value", node.span, format!("`{key}` must be at least 10ms"));
        return None;
    }
    Some(time)
}
