//! An import's records into SQLite: one by one, with statements that are prepared once.

use super::error::constraint;
use super::feed;
use crate::clock;
use crate::directory::StoreError;
use crate::directory::import::in_words;
use crate::directory::sql::{Insert, Value};
use rusqlite::{Connection, Error, ErrorCode, params_from_iter};

/// Kibibytes of page cache meanwhile. Indexes of random ids are touched everywhere, again and again; what does not fit is
/// written to the log and read again each time.
const CACHE: i64 = 256 * 1024;

/// Gives the size of the cache before.
pub(super) fn begin(db: &Connection) -> Result<i64, StoreError> {
    let usual = db.pragma_query_value(None, "cache_size", |row| row.get(0))?;
    db.pragma_update(None, "cache_size", -CACHE)?;
    Ok(usual)
}

pub(super) fn end(db: &Connection, usual: i64) -> Result<(), StoreError> {
    Ok(db.pragma_update(None, "cache_size", usual)?)
}

pub(super) fn insert(
    db: &Connection,
    insert: &Insert,
    rows: &[Vec<Value<'_>>],
) -> Result<Vec<(usize, String)>, StoreError> {
    let names: Vec<&str> = insert.columns.iter().map(|(name, _)| *name).collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let table = insert.table;
    let mut new = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), places.join(", "));
    let mut old = None;
    if let Some(conflict) = &insert.conflict {
        new = format!("{new} ON CONFLICT {conflict}");
    } else {
        // No upsert: its conflict rule would reach into the triggers, which ignore a slug that is known already.
        let is: Vec<String> = names.iter().zip(&places).map(|(name, place)| format!("{name} = {place}")).collect();
        old = is.split_first().map(|(key, set)| format!("UPDATE {table} SET {} WHERE {key}", set.join(", ")));
    }
    let mut refused = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        match keep(db, old.as_deref(), &new, row) {
            Ok(()) => {}
            Err(error @ Error::SqliteFailure(ffi, _)) if ffi.code == ErrorCode::ConstraintViolation => {
                let Error::SqliteFailure(_, message) = &error else { continue };
                refused.push((at, in_words(constraint(&error), message.as_deref().unwrap_or_default())));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Each record is told in the outbox, which must not outgrow the directory meanwhile.
    feed::trim(db, clock::unix_seconds())?;
    Ok(refused)
}

fn keep(db: &Connection, old: Option<&str>, new: &str, row: &[Value<'_>]) -> rusqlite::Result<()> {
    let updated = match old {
        Some(old) => db.prepare_cached(old)?.execute(params_from_iter(row))?,
        None => 0,
    };
    if updated == 0 {
        db.prepare_cached(new)?.execute(params_from_iter(row))?;
    }
    Ok(())
}
