//! Subjects of issuers that are bound to users: as they are named on the command line, and as they are shown.

use super::moment::stamp;
use super::output::Record;
use crate::directory::SubjectRecord;
use serde::Serialize;

/// Somebody, as an issuer names them.
#[derive(clap::Args)]
pub struct Subject {
    /// What the tokens say in `iss`
    #[arg(long)]
    pub issuer: String,
    /// What the tokens say in `sub`
    #[arg(long)]
    pub subject: String,
}

/// A binding as it is shown.
#[derive(Serialize)]
pub(super) struct ShownSubject {
    user: String,
    pub username: String,
    pub issuer: String,
    pub subject: String,
    created: String,
}

impl Record for ShownSubject {
    const COLUMNS: &'static [&'static str] = &["username", "issuer", "subject", "created"];

    fn fields() -> Vec<&'static str> {
        vec!["user", "username", "issuer", "subject", "created"]
    }
}

impl From<SubjectRecord> for ShownSubject {
    fn from(record: SubjectRecord) -> Self {
        let SubjectRecord { user, username, issuer, subject, created } = record;
        Self { user: user.to_string(), username, issuer, subject, created: stamp(created) }
    }
}
