//! Opening the database file: the checks, the settings of a connection, and errors that name the file and the remedy.

use super::migrate::{self, MigrateError, Migration, Status};
use crate::directory::schema::Mismatch;
use crate::directory::token::ChecksumKey;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database cannot be opened. The message names the file, [`OpenError::hint`] the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {}: {problem}", path.display())]
pub struct OpenError {
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: OpenProblem,
}

/// What is wrong with a database file.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    /// Its directory does not exist.
    #[error("its directory does not exist")]
    DirectoryMissing,
    /// The file, or its directory, cannot be read and written.
    #[error("{0}")]
    Unreadable(String),
    #[error("another process has locked it")]
    Locked,
    #[error("it is not an SQLite database")]
    NotADatabase,
    #[error("the disk is full")]
    DiskFull,
    /// SQLite's check sum or structure is wrong.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Its schema is not one that this program can work on.
    #[error(transparent)]
    Schema(MigrateError),
    /// Its settings lack the key that tells tokens.
    #[error("its token checksum key is missing")]
    KeyMissing,
    #[error("{0}")]
    Other(String),
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let path = self.path.display();
        match &self.problem {
            OpenProblem::DirectoryMissing => {
                format!("create it (mkdir -p {}), or give another path", directory(&self.path).display())
            }
            OpenProblem::Unreadable(_) => {
                format!("this user must be able to read and write {path} and its directory")
            }
            OpenProblem::Locked => {
                format!("end the process that holds it (fuser {path}), or the transaction that it left open")
            }
            OpenProblem::NotADatabase => {
                format!("give another path, or move {path} away: a new one is made in its place")
            }
            OpenProblem::DiskFull => format!("make room on the disk of {path}"),
            OpenProblem::Damaged(_) => format!("restore {path} from a backup, with its -wal file"),
            OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Newer { .. })) => {
                "run the newer postern that wrote it, or restore the backup from before the upgrade".into()
            }
            OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Changed { .. })) => {
                "run the postern that wrote it: a released step never changes".into()
            }
            OpenProblem::Schema(MigrateError::Foreign) => "give the path of a new file".into(),
            OpenProblem::KeyMissing => {
                "restore the table settings from a backup: without it every token is refused".into()
            }
            OpenProblem::Schema(_) | OpenProblem::Other(_) => format!("check {path} and its directory"),
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Writer,
    Reader,
}

impl Role {
    /// Kibibytes of page cache: the system caches the file too, and the whole proxy should stay small.
    const fn cache(self) -> i32 {
        match self {
            Self::Writer => 1024,
            Self::Reader => 256,
        }
    }
}

/// Opens, makes where there is none, and migrates.
pub(super) fn database(path: &Path, busy: Duration, now: i64) -> Result<(Connection, ChecksumKey), OpenError> {
    prepare(path)
        .and_then(|()| {
            let mut db = connect(path, Role::Writer, busy).map_err(problem)?;
            migrate::migrate(&mut db, now).map_err(schema)?;
            let key = checksum_key(&db)?;
            Ok((db, key))
        })
        .map_err(|problem| OpenError { path: path.to_owned(), problem })
}

/// Opens, makes where there is none, brings the schema up to date, and returns the steps that were missing.
///
/// # Errors
/// [`OpenError`].
pub fn migrate(path: &Path, busy: Duration, now: i64) -> Result<Vec<&'static Migration>, OpenError> {
    prepare(path)
        .and_then(|()| {
            let mut db = connect(path, Role::Writer, busy).map_err(problem)?;
            migrate::migrate(&mut db, now).map_err(schema)
        })
        .map_err(|problem| OpenError { path: path.to_owned(), problem })
}

/// What is applied to a database and what is pending; all of it, where there is no file yet. Changes nothing.
///
/// # Errors
/// [`OpenError`].
pub fn status(path: &Path, busy: Duration) -> Result<Vec<Status>, OpenError> {
    let look = || -> Result<_, OpenProblem> {
        let is_there = path.try_exists().map_err(|error| OpenProblem::Unreadable(error.to_string()))?;
        let db = if is_there {
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        } else {
            Connection::open_in_memory()
        };
        let db = db.map_err(problem)?;
        db.busy_timeout(busy).map_err(problem)?;
        migrate::status(&db).map_err(schema)
    };
    look().map_err(|problem| OpenError { path: path.to_owned(), problem })
}

/// Opens a connection and sets it up.
pub(super) fn connect(path: &Path, role: Role, busy: Duration) -> rusqlite::Result<Connection> {
    // No URI: a path is a path. No mutex: a connection lives on one thread.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(busy)?;
    db.set_prepared_statement_cache_capacity(48);
    db.pragma_update(None, "cache_size", -role.cache())?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    match role {
        Role::Reader => db.pragma_update(None, "query_only", true)?,
        Role::Writer => {
            write_ahead(&db, busy)?;
            db.pragma_update(None, "synchronous", "NORMAL")?;
            // What a big batch made of the log is given back.
            db.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024)?;
        }
    }
    Ok(db)
}

/// Turns the write-ahead log on. Only the first process does more than look; while it does, SQLite tells the others at
/// once that the file is busy, whatever the time-out.
fn write_ahead(db: &Connection, busy: Duration) -> rusqlite::Result<()> {
    let step = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match db.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < busy => {
                std::thread::sleep(step);
                waited += step;
            }
            done => return done,
        }
    }
}

/// Checks the path and makes an empty file, which only its owner may read: digests and the key are in it.
fn prepare(path: &Path) -> Result<(), OpenProblem> {
    if let Err(error) = directory(path).metadata()
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(OpenProblem::Unreadable(error.to_string()));
    }
    if !directory(path).is_dir() {
        return Err(OpenProblem::DirectoryMissing);
    }
    if path.is_dir() {
        return Err(OpenProblem::Unreadable("it is a directory".to_owned()));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(path).or_else(|error| match error.kind() {
        // A new one is not made at the end of a link.
        io::ErrorKind::NotFound => match options.create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create_new(false).open(path),
            made => made,
        },
        _ => Err(error),
    });
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(OpenProblem::DiskFull),
        Err(error) => Err(OpenProblem::Unreadable(error.to_string())),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn checksum_key(db: &Connection) -> Result<ChecksumKey, OpenProblem> {
    let sql = "SELECT value FROM settings WHERE name = 'token_checksum_key'";
    let value: Option<Vec<u8>> = db.query_row(sql, [], |row| row.get(0)).optional().map_err(problem)?;
    let bytes = value.and_then(|value| <[u8; 32]>::try_from(value).ok()).ok_or(OpenProblem::KeyMissing)?;
    Ok(ChecksumKey::new(bytes))
}

fn schema(error: MigrateError) -> OpenProblem {
    match error {
        MigrateError::Sqlite(error) => problem(error),
        other => OpenProblem::Schema(other),
    }
}

fn problem(error: rusqlite::Error) -> OpenProblem {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenProblem::Locked,
        Some(ErrorCode::NotADatabase) => OpenProblem::NotADatabase,
        Some(ErrorCode::DiskFull) => OpenProblem::DiskFull,
        Some(ErrorCode::DatabaseCorrupt) => OpenProblem::Damaged(error.to_string()),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            OpenProblem::Unreadable(error.to_string())
        }
        _ => OpenProblem::Other(error.to_string()),
    }
}
