//! [`Store`] on SQLite: every operation sent to the thread that may do it.

use super::{SqliteStore, gateway, groups, memberships, organizations, owners, permissions, roles, tokens, users};
use crate::directory::name::PermissionName;
use crate::directory::token::{ChecksumKey, TokenDigest};
use crate::directory::{
    Actor, BatchError, BundleEdit, Changes, DirectoryError, GrantRecord, Grants, GroupRecord, GroupSelector,
    MembershipFilter, MembershipRecord, NewGroup, NewMembership, NewOrganization, NewPermission, NewRole, NewToken,
    NewUser, OrgRef, OrgSelector, OrganizationEdit, OrganizationRecord, Page, PermissionEdit, PermissionRecord,
    Position, RoleFilter, RoleRecord, RoleSelector, Store, StoreError, TokenEdit, TokenRecord, TokenSnapshot, UserEdit,
    UserRecord, UserSelector,
};
use crate::facts;
use crate::id::{OrgId, TokenId, UserId};
use async_trait::async_trait;

#[async_trait]
impl Store for SqliteStore {
    fn checksum_key(&self) -> &ChecksumKey {
        &self.key
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        let digest = *digest;
        self.read(move |tx| gateway::token_snapshot(tx, &digest)).await
    }

    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError> {
        self.read(move |tx| gateway::user_snapshot(tx, user)).await
    }

    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError> {
        let by = organization.clone();
        self.read(move |tx| gateway::find_organization(tx, &by)).await
    }

    async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        let organizations = organizations.to_vec();
        self.read(move |tx| gateway::members_of(tx, &organizations)).await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.feed.run(|feed| feed.position()).await
    }

    async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        let since = since.clone();
        self.feed.run(move |feed| feed.changes(&since)).await
    }

    async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        self.write(move |tx, _| gateway::touch_tokens(tx, &uses)).await
    }

    async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        self.write_all(users, users::create).await
    }

    async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| users::find(tx, &user)).await
    }

    async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.read(move |tx| users::list(tx, page)).await
    }

    async fn edit_user(&self, user: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, now| users::edit(tx, &user, edit, now)).await
    }

    async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, _| users::delete(tx, &user)).await
    }

    async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        self.write_all(organizations, organizations::create).await
    }

    async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.read(move |tx| organizations::find(tx, &organization)).await
    }

    async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
        self.read(move |tx| organizations::list(tx, page)).await
    }

    async fn edit_organization(
        &self,
        organization: &OrgSelector,
        edit: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx, now| organizations::edit(tx, &organization, edit, actor, now)).await
    }

    async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let (organization, to) = (organization.clone(), to.clone());
        self.write(move |tx, now| owners::transfer(tx, &organization, &to, actor, now)).await
    }

    async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx, _| organizations::delete(tx, &organization)).await
    }

    async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        self.write_all(members, |tx, new, now| memberships::create(tx, &new, now)).await
    }

    async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.read(move |tx| memberships::select(tx, &organization, &user)).await
    }

    async fn memberships(
        &self,
        filter: &MembershipFilter,
        page: Page,
    ) -> Result<Vec<MembershipRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| memberships::list(tx, &filter, page)).await
    }

    async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx, now| memberships::edit(tx, &organization, &user, is_admin, now)).await
    }

    async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx, _| memberships::delete(tx, &organization, &user)).await
    }

    async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new, now| tokens::create(tx, &new, now)).await
    }

    async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.read(move |tx| tokens::find(tx, token)).await
    }

    async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| tokens::list(tx, user.as_ref(), page)).await
    }

    async fn edit_token(&self, token: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, _| tokens::edit(tx, token, edit)).await
    }

    async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, now| tokens::revoke(tx, token, now)).await
    }

    async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx, _| tokens::delete(tx, token)).await
    }

    async fn create_permissions(&self, permissions: Vec<NewPermission>) -> Result<Vec<PermissionRecord>, BatchError> {
        self.write_all(permissions, |tx, new, _| permissions::create(tx, &new)).await
    }

    async fn permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.read(move |tx| permissions::find(tx, &permission)).await
    }

    async fn permissions(&self, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
        self.read(move |tx| permissions::list(tx, page)).await
    }

    async fn edit_permission(
        &self,
        permission: &PermissionName,
        edit: PermissionEdit,
    ) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx, _| permissions::edit(tx, &permission, edit)).await
    }

    async fn delete_permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx, _| permissions::delete(tx, &permission)).await
    }

    async fn user_permissions(&self, user: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| permissions::of_user(tx, users::find(tx, &user)?.id)).await
    }

    async fn edit_user_permissions(
        &self,
        user: &UserSelector,
        edit: Grants,
    ) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, _| permissions::edit_user(tx, &user, &edit)).await
    }

    async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError> {
        self.write_all(groups, |tx, new, _| groups::create(tx, new)).await
    }

    async fn group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| groups::find(tx, &group)).await
    }

    async fn groups(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| groups::list(tx, user.as_ref(), page)).await
    }

    async fn group_users(&self, group: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| groups::users(tx, &group, page)).await
    }

    async fn edit_group(&self, group: &GroupSelector, edit: BundleEdit) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx, _| groups::edit(tx, &group, &edit)).await
    }

    async fn delete_group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx, _| groups::delete(tx, &group)).await
    }

    async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError> {
        self.write_all(roles, |tx, new, _| roles::create(tx, new)).await
    }

    async fn role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| roles::find(tx, &role)).await
    }

    async fn roles(&self, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| roles::list(tx, &filter, page)).await
    }

    async fn role_users(&self, role: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| roles::users(tx, &role, page)).await
    }

    async fn edit_role(&self, role: &RoleSelector, edit: BundleEdit) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx, _| roles::edit(tx, &role, &edit)).await
    }

    async fn delete_role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx, _| roles::delete(tx, &role)).await
    }
}
