//! The audit log: who changed what in the directory, what it was before and what it is now.
//!
//! [`Audited`] is a store before a store: it lets everything through and leaves one JSON line for each record that an operation
//! made, changed or deleted, whichever store is behind it. Before a change it makes sure that the log can be written, and refuses
//! the change otherwise. Changes by raw SQL are not seen here; the outbox sees them.

mod credentials;
mod entry;
mod people;
mod store;

pub use entry::{Who, entry};

use super::{Store, StoreError};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere.
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

    /// Opens the log, so that what cannot be written down is not done.
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

/// A store whose changes are written down.
pub struct Audited {
    inner: Arc<dyn Store>,
    target: Target,
    who: Who,
}

impl Audited {
    /// A store in which everything is changed by `who`.
    #[must_use]
    pub fn over(inner: Arc<dyn Store>, target: Target, who: Who) -> Arc<dyn Store> {
        match target {
            Target::Off => inner,
            target => Arc::new(Self { inner, target, who }),
        }
    }

    /// Writes down one operation on records: pairs of what was and what is.
    fn note(
        &self,
        sink: Sink,
        action: &str,
        asked: Option<&Value>,
        pairs: &[(Value, Value)],
    ) -> Result<(), StoreError> {
        let now = crate::clock::unix();
        let mut lines = Vec::new();
        for (before, after) in pairs {
            entry(&mut lines, now, &self.who, action, asked, before, after);
        }
        let written = match sink {
            Sink::Off => Ok(()),
            // In one piece: other processes write to the same end.
            Sink::Stderr => io::stderr().lock().write_all(&lines),
            Sink::File(mut file) => file.write_all(&lines),
        };
        written.map_err(|error| StoreError::Unaudited(format!("cannot be written, but the change was made: {error}")))
    }
}

/// A record as it is written down; `null` where there is none.
fn value<R: Serialize>(record: Option<&R>) -> Value {
    record.and_then(|record| serde_json::to_value(record).ok()).unwrap_or(Value::Null)
}
