//! A bearer token's record; the token itself is nowhere.

use super::definition::record;
use crate::directory::name::{PermissionName, Text};
use crate::directory::selector::{OrgSelector, UserSelector};
use crate::directory::token::TokenDigest;
use crate::id::{TokenId, UserId};

record! {
    /// A bearer token's record. Times are whole seconds since the Unix epoch.
    TokenRecord: Token, "openwisp_users.{}_apikey", "tokens" as "t" "JOIN users u ON u.id = t.user_id",
    by username {
        id: TokenId => { fixed: true, filter: true, }
        username "user": String => { sql: "u.username", search: true, sort: true, }
        /// The slug of their primary organization.
        user_org: Option<String> => { sql: "(SELECT o.slug FROM organizations o WHERE o.id = u.organization_id /*home*/)", sort: true, }
        user "user_id": UserId => { column: "user_id", fixed: true, filter: true, }
        /// What it is for, in its owner's words; perhaps empty.
        name: String => { filter: true, search: true, sort: true, }
        /// `active`, `expired` or `revoked`, when it was read.
        state: String => { sql: "''", }
        created: i64 => { sort: true, fixed: true, }
        /// It is refused from this second on.
        expires_at: Option<i64> => { sort: true, }
        /// When it was revoked; refused since.
        revoked_at: Option<i64> => { sort: true, fixed: true, }
        /// When it was last used, to the minute or so.
        last_used: Option<i64> => { sort: true, fixed: true, }
        /// It is good for requests alone that change nothing.
        read_only: bool => { filter: true, fixed: true, }
        /// The organizations that it is narrowed to, by their ids; none is all that its user has.
        organizations: Vec<String> => { sql: "NULLIF(t.organizations, '')", }
        /// The permissions that it is narrowed to; none is all that its user has.
        permissions: Vec<String> => { sql: "NULLIF(t.permissions, '')", }
    }

    const COLUMNS: &'static [&'static str] = &[
        "id", "user", "name", "state", "expires_at", "last_used", "read_only", "organizations", "permissions",
    ];
    const COLUMNS_IF_ANY: &'static [&'static str] = &["user_org"];
    const OF_USER: &'static str = "t.user_id = $?";
    // Not those of others: they may be good elsewhere.
    const SEEN_BY_MANAGER: &'static str = "t.user_id = $?";
    const SEEN_BY_ONESELF: &'static str = "t.user_id = $?";

    fn at(&mut self, now: i64) {
        self.state = match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(at)) if at <= now => "expired",
            _ => "active",
        }
        .to_owned();
    }
}

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub user: UserSelector,
    /// The digest of the token.
    pub digest: TokenDigest,
    pub name: Text<200>,
    /// It is refused from this second on.
    pub expires_at: Option<i64>,
    /// What it is narrowed to.
    pub scope: NewScope,
}

/// What a token is to be narrowed to; what is empty narrows nothing. A scope stays what it was when its token was made.
#[derive(Clone, Debug, Default)]
pub struct NewScope {
    pub organizations: Vec<OrgSelector>,
    pub permissions: Vec<PermissionName>,
    pub read_only: bool,
}

/// What to change of a token; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct TokenEdit {
    pub name: Option<Text<200>>,
    /// It is refused from this second on.
    pub expires_at: Option<Option<i64>>,
}
