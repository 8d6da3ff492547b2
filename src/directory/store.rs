//! [`Store`]: what every store of the directory can do, with the rules that it keeps.
//!
//! Two kinds of callers: the gateway reads facts and the feed of changes ([`StoreError`]); commands and the identity API
//! run operations ([`DirectoryError`]), each of them one transaction. Methods may be called from any async runtime.

use super::error::{BatchError, DirectoryError, StoreError};
use super::model::{
    Actor, MembershipFilter, MembershipRecord, NewMembership, NewOrganization, NewToken, NewUser, OrgSelector,
    OrganizationEdit, OrganizationRecord, Page, TokenEdit, TokenRecord, UserEdit, UserRecord, UserSelector,
};
use super::name::PermissionName;
use super::position::Position;
use super::rights::{
    BundleEdit, GrantRecord, Grants, GroupRecord, GroupSelector, NewGroup, NewPermission, NewRole, PermissionEdit,
    PermissionRecord, RoleFilter, RoleRecord, RoleSelector,
};
use super::token::{ChecksumKey, TokenDigest};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use async_trait::async_trait;
use std::time::Duration;

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
    /// An organization; whom it concerns tells [`Store::members_of`].
    Organization(OrgId),
    /// A token.
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
}

/// A store of the directory.
#[async_trait]
pub trait Store: super::Credentials + super::People {
    /// The key that tells tokens of this installation.
    fn checksum_key(&self) -> &ChecksumKey;

    /// Tells this store from every other, copies of it included: two stores of the same identity have the same content and
    /// the same positions. Replicas of one installation see the same one.
    fn identity(&self) -> String;

    // What the gateway asks.

    /// What a token says, or `None` where nobody has it. One consistent look, one round.
    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError>;

    /// A user, their active organizations and their rights.
    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError>;

    /// An organization, active or not.
    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError>;

    /// All users who belong to one of these organizations, active or not; some more than [`MEMBERS_AT_MOST`] of them, where
    /// there are as many.
    async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError>;

    /// Where the outbox stands. Read it first, then facts: changes after it may concern them.
    async fn position(&self) -> Result<Position, StoreError>;

    /// The changes after a position; cheap where there are none, made to be asked many times a second.
    async fn changes(&self, since: &Position) -> Result<Changes, StoreError>;

    /// Waits until the outbox is worth another look: something may have changed, or it is time to see whether.
    async fn wait_for_changes(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

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

    // Permissions.

    /// Makes permissions, all or none. Codenames are unique.
    async fn create_permissions(&self, permissions: Vec<NewPermission>) -> Result<Vec<PermissionRecord>, BatchError>;

    /// One permission.
    async fn permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError>;

    /// Permissions by codename.
    async fn permissions(&self, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError>;

    /// Changes a permission; whoever had it has the new one.
    async fn edit_permission(
        &self,
        permission: &PermissionName,
        edit: PermissionEdit,
    ) -> Result<PermissionRecord, DirectoryError>;

    /// Deletes a permission, and takes it from whoever has it.
    async fn delete_permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError>;

    /// What a user may do and how they came by it, by permission: of their own, by their groups and super roles, and by
    /// roles in active organizations. Says nothing of inactive users and superusers, who may nothing and everything.
    async fn user_permissions(&self, user: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError>;

    /// Grants permissions to a user, and revokes such grants; what the user has by a group or a role stays.
    async fn edit_user_permissions(
        &self,
        user: &UserSelector,
        edit: Grants,
    ) -> Result<Vec<GrantRecord>, DirectoryError>;

    // Groups.

    /// Makes groups with their permissions and users, all or none. Names are unique.
    async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError>;

    /// One group.
    async fn group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError>;

    /// Groups by name; those of one user, or all.
    async fn groups(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError>;

    /// The users of a group, by username.
    async fn group_users(&self, group: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError>;

    /// Changes a group, its permissions and its users.
    async fn edit_group(&self, group: &GroupSelector, edit: BundleEdit) -> Result<GroupRecord, DirectoryError>;

    /// Deletes a group; its users lose what they had by it.
    async fn delete_group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError>;

    // Roles.

    /// Makes roles with their permissions and users, all or none. Names are unique in an organization, and among the super
    /// roles. Only members of an organization hold a role in it; who leaves it loses it.
    async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError>;

    /// One role.
    async fn role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError>;

    /// Super roles, then roles by slug; both by name.
    async fn roles(&self, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError>;

    /// The users who hold a role, by username.
    async fn role_users(&self, role: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError>;

    /// Changes a role, its permissions and who holds it.
    async fn edit_role(&self, role: &RoleSelector, edit: BundleEdit) -> Result<RoleRecord, DirectoryError>;

    /// Deletes a role; who held it loses what they had by it.
    async fn delete_role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError>;
}
