//! The feed of changes: the outbox that triggers fill, read by a connection that does nothing else, trimmed by the writer.
//!
//! SQLite has one writer at a time, so the order of `seq` is the order of commits, and a reader that sees a number sees
//! every smaller one.

use crate::directory::position::store_number;
use crate::directory::{Change, Changes, Position, StoreError};
use crate::id::{OrgId, TokenId, UserId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// Whoever is further behind drops all it knows, which is cheaper than to go through them.
const AT_MOST: u64 = 10_000;
/// Changes are kept for so many seconds …
const KEEP_SECONDS: i64 = 600;
/// … and so many of them.
const KEEP_ROWS: i64 = 100_000;

/// The connection of the feed, with what it saw last.
pub(super) struct Feed {
    db: Connection,
    /// SQLite's `data_version` when the outbox was last read, and the position then.
    seen: Option<(i64, Position)>,
}

impl Feed {
    pub(super) const fn new(db: Connection) -> Self {
        Self { db, seen: None }
    }

    /// See [`Directory::changes`](crate::directory::Directory::changes).
    pub(super) fn changes(&mut self, since: &Position) -> Result<Changes, StoreError> {
        // Another number than before says that somebody committed. Read before the outbox: what commits between the two
        // is seen twice rather than never.
        let version: i64 = self.db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.seen.as_ref().is_some_and(|(seen, position)| *seen == version && position == since) {
            return Ok(Changes {
                position: since.clone(),
                changes: Vec::new(),
                age: None,
                lost: false,
                looked_over: false,
            });
        }
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let answer = read(&tx, since)?;
        tx.commit()?;
        self.seen = Some((version, answer.position.clone()));
        Ok(answer)
    }

    /// See [`Directory::position`](crate::directory::Directory::position).
    pub(super) fn position(&self) -> Result<Position, StoreError> {
        Ok(Position::after_row(store(&self.db)?, head(&self.db)?))
    }
}

/// Which database this is: the number that it was given when it was made.
fn store(db: &Connection) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached("SELECT value FROM settings WHERE name = 'epoch'")?;
    let epoch: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(store_number(&[b"sqlite", &epoch.unwrap_or_default()]))
}

/// The number of the newest row.
fn head(db: &Connection) -> rusqlite::Result<u64> {
    // The counter outlives the rows.
    let mut statement = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?;
    let head: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(head.unwrap_or(0).unsigned_abs())
}

fn read(db: &Connection, since: &Position) -> Result<Changes, StoreError> {
    let (store, head) = (store(db)?, head(db)?);
    let nothing = Changes {
        position: Position::after_row(store, head),
        changes: Vec::new(),
        age: None,
        lost: false,
        looked_over: false,
    };
    let lost = Changes { lost: true, ..nothing.clone() };
    if since.store() != store {
        return Ok(lost);
    }
    let seen = since.horizon().saturating_sub(1);
    let count = match head.checked_sub(seen) {
        Some(0) => return Ok(nothing),
        Some(count) if count <= AT_MOST => count,
        _ => return Ok(lost),
    };
    let mut statement = db.prepare_cached("SELECT kind, id FROM changes WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(seen).unwrap_or(i64::MAX)])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let change = match row.get_ref("kind")?.as_str().unwrap_or_default() {
            "user" => row.get::<_, UserId>("id").map(Change::User),
            "organization" => row.get::<_, OrgId>("id").map(Change::Organization),
            "token" => row.get::<_, TokenId>("id").map(Change::Token),
            _ => return Ok(lost),
        };
        // A row that cannot be read says that something changed, and not what.
        let Ok(change) = change else { return Ok(lost) };
        changes.push(change);
    }
    // Numbers have no gaps, so rows that are missing were trimmed.
    let complete = u64::try_from(changes.len()) == Ok(count);
    Ok(if complete { Changes { changes, ..nothing } } else { lost })
}

/// Drops what is too old or too much; part of every write, and almost always nothing to do.
pub(super) fn trim(tx: &Connection, now: i64) -> rusqlite::Result<()> {
    let head = i64::try_from(head(tx)?).unwrap_or(i64::MAX);
    tx.prepare_cached("DELETE FROM changes WHERE seq <= ?1")?.execute([head.saturating_sub(KEEP_ROWS)])?;
    // Walks over the old rows only: the first young one ends the search.
    tx.prepare_cached(
        "DELETE FROM changes WHERE seq < (SELECT coalesce(
            (SELECT seq FROM changes WHERE at >= ?1 ORDER BY seq LIMIT 1), ?2))",
    )?
    .execute([now.saturating_sub(KEEP_SECONDS), head.saturating_add(1)])?;
    Ok(())
}
