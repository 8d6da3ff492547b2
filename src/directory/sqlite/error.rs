//! SQLite's errors in the directory's words.

use crate::directory::sql::Failure;
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

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { constraint: constraint(&error).map(str::to_owned), error: error.into() }
    }
}

/// What SQLite says of a unique index that refused (`table.column, …`), and the name that the index has in the migrations.
/// Some rules are triggers, which say what is wrong in words of their own.
const RULES: [(&str, &str); 16] = [
    ("a user with this username exists", "users_username"),
    ("users.email_blank", "users_email_blank"),
    ("users.phone_blank", "users_phone_blank"),
    ("email_addresses.user_id, email_addresses.email", "email_addresses_user_email"),
    ("users.phone_number", "users_phone_number"),
    ("users.external_id", "users_external_id"),
    ("users.id", "users_pkey"),
    ("organizations.slug", "organizations_slug"),
    ("organizations.external_id", "organizations_external_id"),
    ("organizations.id", "organizations_pkey"),
    ("memberships.user_id, memberships.organization_id", "memberships_user_organization"),
    ("tokens.digest", "tokens_digest"),
    ("permissions.codename", "permissions_codename"),
    ("groups.name", "groups_name"),
    ("roles.organization_id, roles.name", "roles_organization_name"),
    ("super_roles.name", "super_roles_name"),
];

/// The index that refused, where one did. One over an expression is named by itself: `index 'users_email'`.
pub(super) fn constraint(error: &Error) -> Option<&str> {
    let Error::SqliteFailure(code, Some(message)) = error else { return None };
    if code.code != ErrorCode::ConstraintViolation {
        return None;
    }
    let of = message.strip_prefix("UNIQUE constraint failed: ").unwrap_or(message);
    match of.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        Some(index) => Some(index),
        None => RULES.iter().find(|(columns, _)| *columns == of).map(|(_, index)| *index),
    }
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
