//! Why a database cannot be used: errors that name the server and the remedy.

use super::error::describe;
use super::migrate::MigrateError;
use crate::directory::schema::Mismatch;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The database cannot be used. The message names the server, [`OpenError::hint`] the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the database {place}: {problem}")]
pub struct OpenError {
    pub place: String,
    pub user: String,
    pub problem: OpenProblem,
}

/// What is in the way.
#[derive(Debug, thiserror::Error)]
pub enum OpenProblem {
    #[error("{0}")]
    Unreachable(String),
    /// The server does not let us in.
    #[error("{0}")]
    Credentials(String),
    /// There is no such database.
    #[error("{0}")]
    NoDatabase(String),
    /// All connections that the server, the database or the role may have are taken.
    #[error("{0}")]
    TooManyConnections(String),
    /// It is starting, stopping or recovering.
    #[error("{0}")]
    NotReady(String),
    /// It takes no writes: a standby.
    #[error("it takes no writes")]
    ReadOnly,
    /// PostgreSQL before 13 cannot tell which transactions a look saw.
    #[error("it is PostgreSQL {0}, and postern needs 13 or newer")]
    TooOld(String),
    /// TLS fails: no certificate that is trusted, or none that can be read.
    #[error("TLS: {0}")]
    Tls(String),
    /// The role lacks a right.
    #[error("{0}")]
    Forbidden(String),
    /// Its schema is not one that this program can work on.
    #[error(transparent)]
    Schema(MigrateError),
    /// Its settings lack the key that tells tokens.
    #[error("its token checksum key is missing")]
    KeyMissing,
    #[error("{0}")]
    Other(String),
}

impl OpenProblem {
    /// What the error of a connection, or of a statement at the beginning, means.
    pub(super) fn of(error: Error) -> Self {
        let text = describe(&error);
        let Some(code) = error.code() else {
            return if text.contains("does not allow writes") {
                Self::ReadOnly
            } else if text.contains("tls") || text.contains("TLS") || text.contains("certificate") {
                Self::Tls(text)
            } else if text.contains("password missing") {
                Self::Credentials("the server wants a password".to_owned())
            } else {
                Self::Unreachable(text)
            };
        };
        match *code {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Self::Credentials(text),
            SqlState::INVALID_CATALOG_NAME => Self::NoDatabase(text),
            SqlState::TOO_MANY_CONNECTIONS => Self::TooManyConnections(text),
            SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Self::NotReady(text),
            SqlState::INSUFFICIENT_PRIVILEGE => Self::Forbidden(text),
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly,
            _ => Self::Other(text),
        }
    }
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let Self { place, user, problem } = self;
        match problem {
            OpenProblem::Unreachable(_) => format!("see that PostgreSQL runs at {place} and can be reached from here"),
            OpenProblem::Credentials(_) => {
                format!("see `database.password` of the configuration, or PGPASSWORD, and the server's pg_hba.conf, for the role {user}")
            }
            OpenProblem::NoDatabase(_) => format!("create it: CREATE DATABASE … OWNER the role that migrates ({place})"),
            OpenProblem::TooManyConnections(_) => {
                "raise max_connections (or the limit of the role), or lower `database.connections` of each replica".into()
            }
            OpenProblem::NotReady(_) => "try again when it has started".into(),
            OpenProblem::ReadOnly => "give the address of the primary, or all addresses with commas".into(),
            OpenProblem::TooOld(_) => "upgrade the server".into(),
            OpenProblem::Tls(_) => {
                "give the certificate of its authority (`database.root_certificate`, or sslrootcert in the URL), and the name that its certificate has".into()
            }
            OpenProblem::Forbidden(_) => format!("grant the role {user} what docs/postgresql.md lists"),
            OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Newer { .. })) => {
                "run the newer postern that wrote it, or restore the backup from before the upgrade".into()
            }
            OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Changed { .. })) => {
                "run the postern that wrote it: a released step never changes".into()
            }
            OpenProblem::Schema(MigrateError::Foreign) => {
                "give postern a database of its own, or a schema (?options=-csearch_path%3Dpostern)".into()
            }
            OpenProblem::Schema(MigrateError::Forbidden { .. } | MigrateError::Copied { .. }) => {
                "run `postern migrate` as the role that owns the schema, see docs/postgresql.md".into()
            }
            OpenProblem::Schema(MigrateError::Openwisp(_)) => {
                "see `database.url`, `openwisp` of the configuration, and docs/openwisp.md".into()
            }
            OpenProblem::KeyMissing => {
                "restore the table settings from a backup: without it every token is refused".into()
            }
            OpenProblem::Schema(_) | OpenProblem::Other(_) => format!("see the log of the server at {place}"),
        }
    }
}
