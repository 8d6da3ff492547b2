//! What the gateway asks of the directory, and what it is told.

use super::position::Position;
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use std::time::Duration;

/// How a request names an organization. The policy says which of these it is; it is never guessed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrgRef {
    Id(OrgId),
    Slug(String),
    /// By the key of a legacy system.
    External(String),
}

/// What a bearer token says, and of whom, read in one consistent look.
///
/// Revoked and expired tokens are told too: the caller judges them by its own clock, and may remember them.
#[derive(Debug)]
pub struct TokenSnapshot {
    pub token: TokenId,
    /// The token is refused from this second (Unix) on.
    pub expires_at: Option<i64>,
    pub revoked: bool,
    /// Its user, perhaps inactive, their active organizations and their rights.
    pub snapshot: facts::Snapshot,
}

/// Whoever has more members to note than these forgets everybody, which is cheaper.
pub const MEMBERS_AT_MOST: usize = 10_000;

/// Something that the facts rest on was made, changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A user, or a membership, ownership or right of theirs.
    User(UserId),
    /// An organization; whom it concerns tells [`super::Directory::members_of`].
    Organization(OrgId),
    Token(TokenId),
}

/// The changes after some position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// What this look saw: ask for the changes since this one next.
    pub position: Position,
    /// What changed, in the order in which it was written; the same one may come several times.
    pub changes: Vec<Change>,
    /// How long ago the oldest of them was written, where the store can tell.
    pub age: Option<Duration>,
    /// Some changes since then are not known: they were trimmed, are too many, or this is another database, or an older
    /// copy. `changes` is empty; whoever keeps facts must drop all of them.
    pub lost: bool,
    /// `lost` says no more than that nothing tells of changes here, and that it is time to forget.
    pub looked_over: bool,
}
