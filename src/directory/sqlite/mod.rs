//! The embedded store: one SQLite file, which commands may write while a server reads it.
//!
//! One thread writes, a few read, one follows the feed of changes; each owns a connection (`workers`). The file is in WAL
//! mode, so that readers never wait for the writer. `session` runs the directory's operations on the right thread, `facts` and
//! `gateway` are what the data path asks.

mod error;
mod facts;
mod feed;
mod gateway;
mod ids;
mod import;
pub mod migrate;
mod open;
mod session;
mod workers;

pub use open::{OpenError, OpenProblem, migrate, status};

use super::StoreError;
use super::token::ChecksumKey;
use super::tx::{Caller, Sight, Tx, Work};
use crate::clock;
use feed::Feed;
use open::Role;
use rusqlite::{Connection, Transaction, TransactionBehavior};
#[cfg(test)]
pub(super) use session::transaction;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use workers::Workers;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub readers: usize,
    /// How long to wait for another process's write before the store is unavailable.
    pub busy: Duration,
    /// The clock that stamps records: whole seconds since the Unix epoch.
    pub now: fn() -> i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 2, busy: Duration::from_secs(5), now: clock::unix_seconds }
    }
}

/// A file is itself as long as it is not replaced: a copy, or a backup put in its place, is another store.
fn file(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

pub struct SqliteStore {
    key: ChecksumKey,
    identity: String,
    now: fn() -> i64,
    /// One thread: SQLite has one writer at a time.
    writer: Workers<Connection>,
    readers: Workers<Connection>,
    /// One thread: what the feed remembers belongs to its connection.
    feed: Workers<Feed>,
}

impl SqliteStore {
    /// Opens the database, makes it where there is none, and brings its schema up to date. Blocks while it does.
    ///
    /// # Errors
    /// [`OpenError`], which names the file and the remedy.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let Options { readers, busy, now } = options;
        let (db, key) = open::database(path, busy, now())?;
        let connector = |role| {
            let path = path.to_owned();
            move || Ok(open::connect(&path, role, busy)?)
        };
        let feed = connector(Role::Reader);
        let opened = file(path).map_err(|error| OpenError {
            path: path.to_owned(),
            problem: OpenProblem::Unreadable(error.to_string()),
        })?;
        // Whoever changes the file that lies there now is not heard of by those who have the one that lay there.
        let stands = || {
            let path = path.to_owned();
            move || match file(&path) {
                Ok(now) if now == opened => Ok(()),
                _ => Err(StoreError::Replaced),
            }
        };
        let start = || -> std::io::Result<Self> {
            Ok(Self {
                key,
                identity: format!("sqlite {} {}", opened.0, opened.1),
                now,
                writer: Workers::spawn("sqlite-writer", vec![Some(db)], connector(Role::Writer), stands())?,
                readers: Workers::spawn(
                    "sqlite-reader",
                    (0..readers.max(1)).map(|_| None).collect(),
                    connector(Role::Reader),
                    stands(),
                )?,
                feed: Workers::spawn("sqlite-feed", vec![None], move || feed().map(Feed::new), stands())?,
            })
        };
        start().map_err(|error| OpenError { path: path.to_owned(), problem: OpenProblem::Other(error.to_string()) })
    }

    async fn read<T, E>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers
            .run(move |db| {
                let tx = db.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from)?;
                let seen = look(&tx)?;
                tx.commit().map_err(StoreError::from)?;
                Ok(seen)
            })
            .await
    }

    /// All of it or nothing, for what only keeps books. The work is given the time.
    async fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
    {
        let now = self.now;
        self.writer
            .run(move |db| {
                // Immediate: a lock that is taken only at the first write may fail without waiting.
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let now = now();
                let done = work(&tx, now)?;
                feed::trim(&tx, now)?;
                tx.commit()?;
                Ok(done)
            })
            .await
    }

    /// An operation on the directory: one consistent look, or all of it or nothing.
    pub(super) async fn transaction<T, E>(
        &self,
        sight: Sight,
        caller: Caller,
        work: impl for<'t, 'c> FnOnce(&'t Tx<'c>) -> Work<'t, T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let now = self.now;
        let workers = if sight == Sight::Change { &self.writer } else { &self.readers };
        workers.run(move |db| session::transaction(db, sight != Sight::Change, now, &caller, work)).await
    }
}
