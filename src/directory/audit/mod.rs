//! The audit log: who changed what in the directory, what it was before and what it is now.
//!
//! An operation notes what it made, changed or deleted in its transaction (`Note`), and the notes are written, one JSON line a
//! record, before the transaction commits: no change is made whose record could not be written. Where the commit itself fails
//! behind that, the log has told of a change that was not made. Changes by raw SQL are not seen here; the outbox sees them.

mod entry;

pub(super) use entry::changes;
pub use entry::{Who, entry};

use super::StoreError;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Off,
    /// Standard error, among the operational lines.
    Stderr,
    /// Behind what is in this file, which only its user can read. It is opened for each operation, so that it can be rotated.
    File(PathBuf),
}

impl Target {
    /// Makes sure that it can be written.
    ///
    /// # Errors
    /// It cannot, and so nothing could be changed.
    pub fn check(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn open(&self) -> Result<Sink, StoreError> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        match self {
            Self::Off => Ok(Sink::Off),
            Self::Stderr => Ok(Sink::Stderr),
            Self::File(path) => {
                // Not through a link: whoever may write in the directory would choose where the lines go.
                let options = |path| {
                    let mut options = std::fs::OpenOptions::new();
                    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
                };
                let opened = options(path).or_else(|error| match (error.kind(), path.parent()) {
                    (io::ErrorKind::NotFound, Some(dir)) => {
                        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
                        options(path)
                    }
                    _ => Err(error),
                });
                let refused = |error: io::Error| {
                    let path = path.display();
                    StoreError::Unaudited(match error.raw_os_error() {
                        Some(libc::ELOOP) => {
                            format!("{path} is a symbolic link, which is not followed: name the file that it points to")
                        }
                        _ => format!("{path} cannot be written: {error}"),
                    })
                };
                opened.map(Sink::File).map_err(refused)
            }
        }
    }
}

/// The open log, for the lines of one operation.
enum Sink {
    Off,
    Stderr,
    File(File),
}

/// Where changes are written down, and as whose.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    pub(super) target: Target,
    pub(super) who: Who,
}

/// A record that an operation made, changed or deleted.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) action: String,
    /// What was asked for, where the records do not tell it.
    pub(super) asked: Option<Value>,
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Note {
    pub(super) const fn new(action: String, asked: Option<Value>, before: Value, after: Value) -> Self {
        Self { action, asked, before, after }
    }
}

impl Audit {
    /// Writes down what a transaction did. What only keeps books, as a session's end, needs no log that can be written.
    pub(super) fn write(&self, notes: &[Note]) -> Result<(), StoreError> {
        if notes.is_empty() {
            return Ok(());
        }
        let now = crate::clock::unix();
        let mut lines = Vec::new();
        for Note { action, asked, before, after } in notes {
            entry(&mut lines, now, &self.who, action, asked.as_ref(), before, after);
        }
        let written = match self.target.open()? {
            Sink::Off => Ok(()),
            // In one piece: other processes write to the same end.
            Sink::Stderr => io::stderr().lock().write_all(&lines),
            Sink::File(mut file) => file.write_all(&lines),
        };
        written.map_err(|error| StoreError::Unaudited(format!("cannot be written: {error}")))
    }
}

/// A record as it is written down.
pub(super) fn value<R: Serialize>(record: &R) -> Value {
    serde_json::to_value(record).unwrap_or(Value::Null)
}
