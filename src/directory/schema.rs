//! Steps of a database's schema, whatever the database: numbered, applied once, never changed after their release.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// One step of the schema.
#[derive(Debug)]
pub struct Migration {
    /// Its number; they count up from 1.
    pub version: u32,
    /// What it brings.
    pub name: &'static str,
    pub(super) sql: &'static str,
}

impl Migration {
    /// What tells whether an applied step is this one.
    pub(super) fn checksum(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.sql.as_bytes()))
    }
}

/// A known step, and when it was applied (Unix seconds).
#[derive(Debug)]
pub struct Status {
    /// The step.
    pub migration: &'static Migration,
    /// When it was applied; pending where absent.
    pub applied: Option<i64>,
}
