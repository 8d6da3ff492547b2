//! What an existing installation brings along, as it comes: ids, hashes and tokens stay what they were.
//!
//! It comes in [`ImportStream`], so that nobody holds all of it, and [`super::Directory::import`] takes all of them in one transaction.
//! What is there already is brought up to date, so that an import can be repeated; what breaks a rule of the directory is
//! left out and reported, and everything else stays. Where the pieces end too soon, nothing is kept.

mod writer;

use super::engine::Directory;
use super::error::{DirectoryError, StoreError};
use super::resources::{EmailRecord, MembershipRecord, OrganizationRecord, PermissionRecord, Resource, UserRecord};
use super::token::TokenDigest;
use crate::id::{OrgId, UserId};
use crate::password::PasswordHash;
use serde::Serialize;
use tokio::sync::mpsc;

/// Pieces that wait to be kept, at most.
const WAITING: usize = 4;
/// What is left out is told by name so many times; then it is counted.
const NAMED: usize = 10_000;

/// A moment in microseconds since the Unix epoch.
pub type Micros = i64;

/// A user, and the password that nobody reads out.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub user: UserRecord,
    pub password: Option<PasswordHash>,
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
    pub permissions: Vec<PermissionRecord>,
    pub groups: Vec<(i64, String)>,
    /// Groups and the permissions that they give; a group that is named has these and no others.
    pub group_permissions: Vec<(i64, i64)>,
    pub organizations: Vec<OrganizationRecord>,
    pub users: Vec<ImportedUser>,
    pub memberships: Vec<MembershipRecord>,
    pub owners: Vec<(OrgId, UserId)>,
    pub user_groups: Vec<(UserId, i64)>,
    /// Users and what they may do of their own.
    pub user_permissions: Vec<(UserId, i64)>,
    pub emails: Vec<EmailRecord>,
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

    /// The next piece, where there is another; a thread of its own may wait for it.
    pub(super) async fn next(&mut self, has_thread: bool) -> Result<Option<Import>, StoreError> {
        let piece = if has_thread { self.0.blocking_recv() } else { self.0.recv().await };
        piece.ok_or_else(ended)
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("what is imported ended before its end; nothing of it is kept".to_owned())
}

/// What a rule of the store refused, for people: by the name that the rule has in the migrations, where it is known.
pub(super) fn in_words(constraint: Option<&str>, message: &str) -> String {
    let fields = [UserRecord::FIELDS, OrganizationRecord::FIELDS, PermissionRecord::FIELDS, EmailRecord::FIELDS];
    let mut rules = fields.into_iter().flatten().flat_map(|field| field.unique);
    if let Some((_, unique)) = rules.find(|(rule, _)| Some(*rule) == constraint) {
        return format!("{unique} already exists");
    }
    let is_reference = constraint.is_some_and(|rule| rule.ends_with("_fkey"));
    if is_reference || message == "FOREIGN KEY constraint failed" {
        return "whom or what it belongs to is not there".to_owned();
    }
    message.to_owned()
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
