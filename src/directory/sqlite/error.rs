//! SQLite's errors in the directory's words.

use crate::directory::{DirectoryError, StoreError};
use rusqlite::{Error, ErrorCode};

impl From<Error> for StoreError {
    /// What another process, the disk or the operator can mend is [`StoreError::Unavailable`]; the rest is a bug.
    fn from(error: Error) -> Self {
        let unavailable = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::CannotOpen
                    | ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::ReadOnly
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
            )
        );
        if unavailable { Self::Unavailable(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}

impl From<Error> for DirectoryError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whether a unique index refused, and this one: SQLite names it as `table.column`, or as `index 'name'` where it is over
/// an expression.
pub(super) fn violates(error: &Error, what: &str) -> bool {
    matches!(error, Error::SqliteFailure(code, Some(message))
        if code.code == ErrorCode::ConstraintViolation && message.ends_with(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_full_disk_is_unavailable_and_wrong_sql_is_a_bug() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x BLOB); PRAGMA max_page_count = 3").unwrap();
        let full = db.execute("INSERT INTO t VALUES (zeroblob(1000000))", []).unwrap_err();
        assert!(matches!(StoreError::from(full), StoreError::Unavailable(m) if m.contains("full")));
        let wrong = db.execute("SELECT nothing FROM nowhere", []).unwrap_err();
        assert!(matches!(StoreError::from(wrong), StoreError::Broken(_)));
    }
}
