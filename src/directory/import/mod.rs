//! What an existing installation brings along, as it comes: ids, hashes and tokens stay what they were.
//!
//! It comes in [`ImportStream`], so that nobody holds all of it, and [`super::Directory::import`] takes all of them in one transaction.
//! What is there already is brought up to date, so that an import can be repeated; what breaks a rule of the directory is
//! left out and reported, and everything else stays. Where the pieces end too soon, nothing is kept.

mod writer;

use super::engine::Directory;
use super::token::TokenDigest;
use super::{DirectoryError, StoreError};
use crate::id::{OrgId, UserId};
use crate::password::PasswordHash;
use serde::Serialize;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Pieces that wait to be kept, at most.
const WAITING: usize = 4;
/// What is left out is told by name so many times; then it is counted.
const NAMED: usize = 10_000;

/// A moment in microseconds since the Unix epoch.
pub type Micros = i64;

/// A user. Dates are `2026-01-31`.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub id: UserId,
    pub username: String,
    pub email: Option<String>,
    /// Phone number, as it was kept.
    pub phone_number: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub password: Option<PasswordHash>,
    pub is_active: bool,
    pub is_staff: bool,
    pub is_superuser: bool,
    /// When the record was made.
    pub joined: Micros,
    pub last_login: Option<Micros>,
    pub bio: String,
    pub url: String,
    pub company: String,
    pub location: String,
    pub notes: String,
    pub language: String,
    pub birth_date: Option<String>,
    /// When the password was chosen.
    pub password_updated: Option<String>,
    /// Last day of the account.
    pub expiration_date: Option<String>,
    /// How the token was got.
    pub password_based_token: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct ImportedOrganization {
    pub id: OrgId,
    pub name: String,
    pub slug: String,
    pub is_active: bool,
    pub description: String,
    pub email: String,
    pub url: String,
    /// When the record was made.
    pub created: Micros,
    /// When it was last changed.
    pub modified: Micros,
}

#[derive(Clone, Debug)]
pub struct ImportedMembership {
    /// Its id, which an owner refers to.
    pub id: Uuid,
    pub user: UserId,
    pub organization: OrgId,
    /// Manager, or a plain member.
    pub is_admin: bool,
    /// When the record was made.
    pub created: Micros,
    /// When it was last changed.
    pub modified: Micros,
}

#[derive(Clone, Debug)]
pub struct ImportedEmail {
    pub id: i64,
    pub user: UserId,
    pub email: String,
    /// Whether it is known to be theirs.
    pub verified: bool,
    /// The one that mails go to.
    pub is_primary: bool,
}

#[derive(Clone, Debug)]
pub struct ImportedToken {
    pub user: UserId,
    /// Its digest.
    pub digest: TokenDigest,
    /// The token, encrypted, where there is a key for that.
    pub sealed: Option<Vec<u8>>,
    pub created: Micros,
}

/// A piece of it: records of any kinds. Whom a record refers to comes before it, in the same piece or an earlier one;
/// permissions, groups and what groups give come together.
#[derive(Clone, Debug, Default)]
pub struct Import {
    pub permissions: Vec<(i64, String, String)>,
    pub groups: Vec<(i64, String)>,
    /// Groups and the permissions that they give; a group that is named has these and no others.
    pub group_permissions: Vec<(i64, i64)>,
    pub organizations: Vec<ImportedOrganization>,
    pub users: Vec<ImportedUser>,
    pub memberships: Vec<ImportedMembership>,
    pub owners: Vec<(OrgId, UserId)>,
    pub user_groups: Vec<(UserId, i64)>,
    /// Users and what they may do of their own.
    pub user_permissions: Vec<(UserId, i64)>,
    pub emails: Vec<ImportedEmail>,
    pub tokens: Vec<ImportedToken>,
    /// What did not even become a record.
    pub skipped: Vec<SkippedRecord>,
}

impl Directory {
    /// Brings an existing installation's records in: all that fit, in one transaction.
    pub async fn import(&self, pieces: ImportStream) -> Result<ImportReport, DirectoryError> {
        self.write(move |tx| Box::pin(writer::import(tx, pieces))).await
    }
}

pub struct Sender(mpsc::Sender<Option<Import>>);

impl Sender {
    /// Waits until there is room; `false` where nobody takes it any more. Not for an async runtime's own threads.
    #[must_use]
    pub fn send(&self, piece: Import) -> bool {
        self.0.blocking_send(Some(piece)).is_ok()
    }

    /// That was all. A sender that is dropped without it has failed.
    pub fn end(self) {
        // Nobody may wait for it any more.
        let _ = self.0.blocking_send(None);
    }
}

/// An import, piece by piece.
pub struct ImportStream(mpsc::Receiver<Option<Import>>);

impl ImportStream {
    #[must_use]
    pub fn channel() -> (Sender, Self) {
        let (send, receive) = mpsc::channel(WAITING);
        (Sender(send), Self(receive))
    }

    /// One piece, and no other.
    #[must_use]
    pub fn of(import: Import) -> Self {
        let (send, receive) = mpsc::channel(2);
        for piece in [Some(import), None] {
            // There is room for both.
            let _ = send.try_send(piece);
        }
        Self(receive)
    }

    /// The next piece, where there is another.
    pub(super) async fn next(&mut self) -> Result<Option<Import>, StoreError> {
        self.0.recv().await.ok_or_else(ended)
    }

    /// The same, for a thread that may wait.
    pub(super) fn wait(&mut self) -> Result<Option<Import>, StoreError> {
        self.0.blocking_recv().ok_or_else(ended)
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("what is imported ended before its end; nothing of it is kept".to_owned())
}

/// What was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedRecord {
    pub kind: &'static str,
    /// Which one: an id, a name; never a secret.
    pub record: String,
    pub problem: String,
}

/// The kinds of records, as they are told.
const KINDS: [&str; 11] = [
    "organization",
    "user",
    "membership",
    "owner",
    "permission",
    "group",
    "group permission",
    "user group",
    "user permission",
    "e-mail address",
    "token",
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Records that are in the directory now, by kind.
    pub kept: Vec<(&'static str, usize)>,
    pub skipped: Vec<SkippedRecord>,
    /// What was left out besides, and is not named.
    pub unnamed: usize,
}

impl Default for ImportReport {
    fn default() -> Self {
        Self { kept: KINDS.map(|kind| (kind, 0)).into(), skipped: Vec::new(), unnamed: 0 }
    }
}

impl ImportReport {
    /// So many of a kind are in.
    pub(super) fn keep(&mut self, kind: &'static str, count: usize) {
        if let Some((_, kept)) = self.kept.iter_mut().find(|(known, _)| *known == kind) {
            *kept += count;
        }
    }

    pub(super) fn skip(&mut self, skipped_record: SkippedRecord) {
        if self.skipped.len() < NAMED {
            self.skipped.push(skipped_record);
        } else {
            self.unnamed += 1;
        }
    }
}
