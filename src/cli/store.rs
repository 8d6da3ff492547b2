//! From the configured database to a store.

use crate::config::{Database, data_dir};
use crate::directory::Directory;
use crate::directory::postgres::{self, PostgresStore};
use crate::directory::sqlite::{Options, SqliteStore};
use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the store that the configuration names, makes it where there is none, and brings its schema up to date. Its work is
/// done on the runtime that it is opened on.
///
/// # Errors
/// The URL is not understood, or the store cannot be opened: [`crate::directory::sqlite::OpenError`],
/// [`crate::directory::postgres::OpenError`].
pub async fn open(database: &Database) -> anyhow::Result<Arc<Directory>> {
    match database {
        Database::Sqlite(url) => {
            let path = sqlite_path(url)?;
            make_data_dir(&path)?;
            Ok(Arc::new(SqliteStore::open(&path, Options::default())?.into()))
        }
        Database::Postgres(database) => {
            let options = postgres::Options { connections: database.connections, ..postgres::Options::default() };
            Ok(Arc::new(PostgresStore::open(&database.target()?, options).await?.into()))
        }
    }
}

/// Opens the store as [`open`] does, where there is one: reading a directory, or changing what is in it, begins none. PostgreSQL's
/// was made by whoever made its database.
///
/// # Errors
/// There is no file, or see [`open`].
pub async fn open_existing(database: &Database) -> anyhow::Result<Arc<Directory>> {
    is_there(database)?;
    open(database).await
}

/// That an embedded store is there.
///
/// # Errors
/// It is not.
pub fn is_there(database: &Database) -> anyhow::Result<()> {
    if let Database::Sqlite(url) = database {
        let path = sqlite_path(url)?;
        // What cannot be looked at may well be there.
        let is_there = path.try_exists().with_context(|| format!("cannot look at the database {}", path.display()))?;
        ensure!(is_there, Missing(path));
    }
    Ok(())
}

/// There is no file of an embedded store.
#[derive(Debug, thiserror::Error)]
#[error("there is no database at {}", .0.display())]
pub struct Missing(PathBuf);

impl Missing {
    /// What to do about it.
    #[must_use]
    pub const fn hint() -> &'static str {
        "see `--database` and `database` of the configuration; `postern migrate`, `user create` or `org create` makes a new one"
    }
}

/// Makes postern's own data directory, for nobody else to read, where the store is to be in it and it is not there yet. Any
/// other directory is the operator's to make: a slip in a path must not begin a second, empty store.
///
/// # Errors
/// It cannot be made.
pub fn make_data_dir(store: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = data_dir();
    if store.parent() == Some(&dir) && !dir.is_dir() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.with_context(|| {
            format!(
                "cannot make the data directory {}; POSTERN_DATA_DIR, or `database`, says where else",
                dir.display()
            )
        })?;
    }
    Ok(())
}

/// The file of an embedded store: `sqlite:///absolute/path`, or `sqlite:path` (relative to the working directory). The
/// path is taken as it stands, without percent-decoding.
///
/// # Errors
/// The URL names something else. Messages do not repeat it, since a URL may hold a password.
pub fn sqlite_path(database_url: &str) -> anyhow::Result<PathBuf> {
    let scheme = database_url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => {}
        _ => bail!("database: must be a URL such as sqlite:///var/lib/postern/postern.db"),
    }
    let rest = database_url.strip_prefix("sqlite:").unwrap_or_default();
    let path = match rest.strip_prefix("//") {
        Some(path) => {
            ensure!(
                path.starts_with('/'),
                "database: a host in an sqlite URL; write sqlite:///absolute/path or sqlite:path"
            );
            path
        }
        None => rest,
    };
    ensure!(!path.is_empty() && !path.ends_with('/'), "database: the URL has no file name");
    ensure!(!path.starts_with(":memory:"), "database: a store in memory would forget every token at the next start");
    ensure!(!path.contains('?'), "database: an sqlite URL takes no parameters");
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_urls_are_absolute_with_three_slashes_and_relative_with_none() {
        for (url, path) in [
            ("sqlite:///var/lib/postern/postern.db", "/var/lib/postern/postern.db"),
            ("sqlite:/var/postern.db", "/var/postern.db"),
            ("sqlite:postern.db", "postern.db"),
            ("sqlite:./data/100%.db", "./data/100%.db"),
        ] {
            assert_eq!(sqlite_path(url).unwrap(), PathBuf::from(path), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_a_password() {
        for url in [
            "",
            "postern.db",
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite://host/x",
            "sqlite:x.db?mode=ro",
            "sqlite::memory:",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h/d",
        ] {
            let error = sqlite_path(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
