//! Steps of a database's schema, whatever the database: numbered, applied once, never changed after their release.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// One step of the schema.
#[derive(Debug)]
pub struct Migration {
    /// Its number; they count up from 1.
    pub version: u32,
    pub name: &'static str,
    pub(super) sql: &'static str,
}

impl Migration {
    /// What tells whether an applied step is this one.
    pub(super) fn checksum(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.sql.as_bytes()))
    }
}

/// All steps that this program knows, in order, as an engine's texts have them.
macro_rules! migrations {
    ($engine:literal) => {
        $crate::directory::schema::migrations!($engine:
            1 "000" "directory", 2 "000" "rights", 3 "000" "people", 4 "000" "credentials", 5 "000" "old_passwords",
            6 "000" "inactive_sessions", 7 "000" "blank_words", 8 "000" "token_scopes", 9 "000" "lifecycle", 10 "00" "accounts",
            11 "00" "organizations_by_age", 12 "00" "answers", 13 "00" "models", 14 "00" "totals", 15 "00" "search",
            16 "00" "closed", 17 "00" "used_logins", 18 "00" "role_names", 19 "00" "second_factors",
            20 "00" "session_factors", 21 "00" "passkeys", 22 "00" "history", 23 "00" "device_logins",
            24 "00" "found_quickly")
    };
    ($engine:literal: $($version:literal $zeros:literal $name:literal),+) => {
        &[$($crate::directory::schema::Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/migrations/", $engine, "/", $zeros, $version, "_", $name, ".sql"
            )),
        }),+]
    };
}
pub(super) use migrations;

/// A step that a database has seen.
pub(super) struct Applied {
    pub(super) version: u32,
    pub(super) checksum: String,
    /// Unix seconds.
    pub(super) at: i64,
}

/// Why this program cannot work on a schema, or bring it up to date.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The database was written by a newer program.
    #[error("its schema is version {found}, and this postern knows versions up to {known}")]
    Newer {
        /// The version of the database.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A step that was applied is not the one that this program knows.
    #[error("step {version} of its schema is not the one that this postern knows")]
    Changed { version: u32 },
}

/// A known step, and when it was applied (Unix seconds).
#[derive(Debug)]
pub struct Status {
    pub migration: &'static Migration,
    /// When it was applied; pending where absent.
    pub applied: Option<i64>,
}

/// What is applied and what is pending of the steps that this program knows.
pub(super) fn compare(known: &'static [Migration], applied: &[Applied]) -> Result<Vec<Status>, Mismatch> {
    let newest = known.last().map_or(0, |migration| migration.version);
    if let Some(found) = applied.iter().map(|step| step.version).max().filter(|found| *found > newest) {
        return Err(Mismatch::Newer { found, known: newest });
    }
    let compare = |migration: &'static Migration| match applied.iter().find(|step| step.version == migration.version) {
        Some(step) if step.checksum != migration.checksum() => Err(Mismatch::Changed { version: migration.version }),
        found => Ok(Status { migration, applied: found.map(|step| step.at) }),
    };
    known.iter().map(compare).collect()
}

/// The steps that are pending.
pub(super) fn pending(steps: Vec<Status>) -> Vec<&'static Migration> {
    steps.into_iter().filter(|step| step.applied.is_none()).map(|step| step.migration).collect()
}

#[cfg(test)]
mod tests {
    use crate::directory::{postgres, sqlite};

    #[test]
    fn steps_are_numbered_without_gaps() {
        for steps in [postgres::migrate::MIGRATIONS, sqlite::migrate::MIGRATIONS] {
            assert!(steps.iter().zip(1..).all(|(migration, number)| migration.version == number));
        }
    }
}
