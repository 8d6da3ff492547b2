//! [`Store`]: what every store of the directory can do, with the rules that it keeps.
//!
//! Two kinds of callers: the gateway reads facts and the feed of changes ([`StoreError`]); commands and the identity API
//! run operations ([`DirectoryError`]), each of them one transaction. Methods may be called from any async runtime.

use super::error::{BatchError, DirectoryError, StoreError};
use super::model::{
    Actor, MembershipFilter, MembershipRecord, NewMembership, NewOrganization, NewToken, NewUser, OrgSelector,
    OrganizationEdit, OrganizationRecord, Page, TokenEdit, TokenRecord, UserEdit, UserRecord, UserSelector,
};
use super::token::{ChecksumKey, TokenDigest};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use async_trait::async_trait;

/// How a request names an organization. The policy says which of these it is; it is never guessed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrgRef {
    /// By id.
    Id(OrgId),
    /// By slug, as spelt.
    Slug(String),
    /// By the key of a legacy system.
    External(String),
}

/// What a bearer token says, and of whom, read in one consistent look.
///
/// Revoked and expired tokens are told too: the caller judges them by its own clock, and may remember them.
#[derive(Debug)]
pub struct TokenSnapshot {
    /// The token's record.
    pub token: TokenId,
    /// The token is refused from this second (Unix) on.
    pub expires_at: Option<i64>,
    /// The token is refused.
    pub revoked: bool,
    /// Its user, perhaps inactive, and their active organizations.
    pub snapshot: facts::Snapshot,
}

/// Something that the facts rest on was made, changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A user, or a membership or ownership of theirs.
    User(UserId),
    /// An organization; whom it concerns tells [`Store::members_of`].
    Organization(OrgId),
    /// A token.
    Token(TokenId),
}

/// The changes after some position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The position of the newest change that this answer covers: ask for the changes since this one next.
    pub position: u64,
    /// The changes in the order of their commits; the same one may come several times.
    pub changes: Vec<Change>,
    /// Some changes since then are not known: they were trimmed, are too many, or the database was replaced by an older
    /// one. `changes` is empty; whoever keeps facts must drop all of them.
    pub lost: bool,
}

/// A store of the directory.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The key that tells tokens of this installation.
    fn checksum_key(&self) -> &ChecksumKey;

    // What the gateway asks.

    /// What a token says, or `None` where nobody has it. One consistent look, one round.
    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError>;

    /// A user and their active organizations.
    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError>;

    /// An organization, active or not.
    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError>;

    /// All users who belong to an organization, active or not.
    async fn members_of(&self, organization: OrgId) -> Result<Vec<UserId>, StoreError>;

    /// The position of the newest change. Read it first, then facts: changes after it may concern them.
    async fn position(&self) -> Result<u64, StoreError>;

    /// The changes after a position; cheap where there are none, made to be asked many times a second.
    async fn changes(&self, since: u64) -> Result<Changes, StoreError>;

    /// Keeps when tokens were last used (Unix seconds); never earlier than what is kept. Unknown tokens are passed over.
    async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError>;

    // Users.

    /// Makes users, all or none. Usernames, e-mail addresses (whatever the case), phone numbers and external ids are unique.
    async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError>;

    /// One user.
    async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError>;

    /// Users by username.
    async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError>;

    /// Changes a user.
    async fn edit_user(&self, user: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError>;

    /// Deletes a user with their memberships and tokens; refused while they own an organization.
    async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError>;

    // Organizations.

    /// Makes organizations, all or none. A slug is unique and never reused; without one, it is made of the name.
    async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError>;

    /// One organization's record.
    async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError>;

    /// Organizations by slug.
    async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError>;

    /// Changes an organization; its slug, only for a superuser.
    async fn edit_organization(
        &self,
        organization: &OrgSelector,
        edit: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError>;

    /// Makes a member the owner; only the owner and superusers may. The old owner keeps their membership.
    async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError>;

    /// Deletes an organization with its memberships and ownership. Its slugs stay used.
    async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError>;

    // Memberships.

    /// Makes memberships, all or none. The first manager made in an organization without owner becomes its owner.
    async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError>;

    /// One membership.
    async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError>;

    /// Memberships by slug, then username.
    async fn memberships(&self, filter: &MembershipFilter, page: Page)
    -> Result<Vec<MembershipRecord>, DirectoryError>;

    /// Makes a member a manager, or a manager a plain member; an owner cannot be demoted.
    async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError>;

    /// Removes a member; refused for the owner.
    async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError>;

    // Tokens.

    /// Keeps tokens, all or none; a token belongs to one user only.
    async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError>;

    /// One token's record.
    async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError>;

    /// Tokens by username, then age; of one user, or all.
    async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError>;

    /// Renames a token, or changes when it expires.
    async fn edit_token(&self, token: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError>;

    /// Refuses a token from now on and keeps its record; a token that is revoked already stays as it is.
    async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError>;

    /// Forgets a token.
    async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError>;
}
