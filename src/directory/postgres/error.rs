//! PostgreSQL's errors in the directory's words.

use crate::directory::{DirectoryError, StoreError, sql};
use deadpool_postgres::PoolError;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What can go wrong between us and the server.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server's error, or that of the connection.
    Postgres(Error),
    /// All connections were busy for too long, or none could be made.
    Pool(PoolError),
    /// No answer in this time.
    Slow(Duration),
    /// None could be made a moment ago, and it is not the time to try again.
    Refused(String),
    /// A statement of this transaction has failed before: nothing of it is kept.
    Aborted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            other => Self::Pool(other),
        }
    }
}

impl From<Failure> for StoreError {
    /// What the operator, the server's recovery or another try can mend is [`StoreError::Unavailable`]; the rest is a bug,
    /// or somebody's raw SQL.
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Slow(limit) => return Self::Unavailable(format!("no answer within {limit:?}")),
            Failure::Pool(error) => return Self::Unavailable(error.to_string()),
            Failure::Aborted => return Self::Broken("a statement failed, and the operation went on".to_owned()),
            Failure::Refused(why) => return Self::Unavailable(why),
            Failure::Postgres(error) => error,
        };
        let Some(db) = error.as_db_error() else {
            return Self::Unavailable(describe(&error));
        };
        // The classes: syntax and the like, wrong data, and broken rules that the operations should have told before.
        let bug = match db.code().code().get(..2) {
            Some("42") => *db.code() != SqlState::INSUFFICIENT_PRIVILEGE,
            Some("21" | "22" | "0A") => true,
            Some("23") => *db.code() != SqlState::FOREIGN_KEY_VIOLATION && *db.code() != SqlState::UNIQUE_VIOLATION,
            _ => false,
        };
        let text = describe(&error);
        if bug { Self::Broken(text) } else { Self::Unavailable(text) }
    }
}

impl From<Failure> for DirectoryError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Error> for DirectoryError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Failure> for sql::Failure {
    fn from(failure: Failure) -> Self {
        let of = |error: &Error| error.as_db_error().and_then(|db| db.constraint().map(str::to_owned));
        let constraint = if let Failure::Postgres(error) = &failure { of(error) } else { None };
        // What our own triggers say is for people.
        if let (Some("kept_by_django"), Failure::Postgres(error)) = (constraint.as_deref(), &failure) {
            let words = error.as_db_error().map(|db| db.message().to_owned()).unwrap_or_default();
            return Self { constraint, error: StoreError::Unavailable(words) };
        }
        Self { constraint, error: failure.into() }
    }
}

/// An error with what the server, or the system, says about it: its own words stop at "db error". No parameter is in it.
pub fn describe(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
