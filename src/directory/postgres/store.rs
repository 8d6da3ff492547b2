//! [`Store`] on PostgreSQL: every operation in a transaction of its own.

use super::{PostgresStore, groups, memberships, organizations, owners, permissions, roles, tokens, users};
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
use std::sync::Arc;

#[async_trait]
impl Store for PostgresStore {
    fn checksum_key(&self) -> &ChecksumKey {
        &self.key
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        let (inner, digest) = (Arc::clone(&self.inner), *digest);
        self.run(async move { inner.token_snapshot(digest).await }).await
    }

    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.user_snapshot(user).await }).await
    }

    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError> {
        let (inner, by) = (Arc::clone(&self.inner), organization.clone());
        self.run(async move { inner.find_organization(&by).await }).await
    }

    async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let organizations = organizations.to_vec();
        self.run(async move { inner.feed.members_of(&organizations).await }).await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        let inner = Arc::clone(&self.inner);
        self.run(async move { inner.feed.position().await }).await
    }

    async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        let (inner, since) = (Arc::clone(&self.inner), since.clone());
        self.run(async move { inner.changes(&since).await }).await
    }

    async fn wait_for_changes(&self) {
        self.inner.feed.wait().await;
    }

    async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        let (inner, uses) = (Arc::clone(&self.inner), uses.to_vec());
        self.run(async move { inner.touch_tokens(&uses).await }).await
    }

    async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        self.write_all(users, |tx, new| Box::pin(users::create(tx, new))).await
    }

    async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { users::find(tx, &user).await })).await
    }

    async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(async move { users::list(tx, page).await })).await
    }

    async fn edit_user(&self, user: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { users::edit(tx, &user, edit).await })).await
    }

    async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { users::delete(tx, &user).await })).await
    }

    async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        self.write_all(organizations, |tx, new| Box::pin(organizations::create(tx, new))).await
    }

    async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.read(move |tx| Box::pin(async move { organizations::find(tx, &organization).await })).await
    }

    async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(async move { organizations::list(tx, page).await })).await
    }

    async fn edit_organization(
        &self,
        organization: &OrgSelector,
        edit: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx| Box::pin(async move { organizations::edit(tx, &organization, edit, actor).await })).await
    }

    async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let (organization, to) = (organization.clone(), to.clone());
        self.write(move |tx| Box::pin(async move { owners::transfer(tx, &organization, &to, actor).await })).await
    }

    async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx| Box::pin(async move { organizations::delete(tx, &organization).await })).await
    }

    async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        self.write_all(members, |tx, new| Box::pin(memberships::create(tx, new))).await
    }

    async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.read(move |tx| Box::pin(async move { memberships::select(tx, &organization, &user).await })).await
    }

    async fn memberships(
        &self,
        filter: &MembershipFilter,
        page: Page,
    ) -> Result<Vec<MembershipRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| Box::pin(async move { memberships::list(tx, &filter, page).await })).await
    }

    async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx| Box::pin(async move { memberships::edit(tx, &organization, &user, is_admin).await })).await
    }

    async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx| Box::pin(async move { memberships::delete(tx, &organization, &user).await })).await
    }

    async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        self.write_all(tokens, |tx, new| Box::pin(tokens::create(tx, new))).await
    }

    async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.read(move |tx| Box::pin(async move { tokens::find(tx, token).await })).await
    }

    async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| Box::pin(async move { tokens::list(tx, user.as_ref(), page).await })).await
    }

    async fn edit_token(&self, token: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(async move { tokens::edit(tx, token, edit).await })).await
    }

    async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(async move { tokens::revoke(tx, token).await })).await
    }

    async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.write(move |tx| Box::pin(async move { tokens::delete(tx, token).await })).await
    }

    async fn create_permissions(&self, permissions: Vec<NewPermission>) -> Result<Vec<PermissionRecord>, BatchError> {
        self.write_all(permissions, |tx, new| Box::pin(permissions::create(tx, new))).await
    }

    async fn permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.read(move |tx| Box::pin(async move { permissions::find(tx, &permission).await })).await
    }

    async fn permissions(&self, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(async move { permissions::list(tx, page).await })).await
    }

    async fn edit_permission(
        &self,
        permission: &PermissionName,
        edit: PermissionEdit,
    ) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx| Box::pin(async move { permissions::edit(tx, &permission, edit).await })).await
    }

    async fn delete_permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx| Box::pin(async move { permissions::delete(tx, &permission).await })).await
    }

    async fn user_permissions(&self, user: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { permissions::of_user(tx, users::find(tx, &user).await?.id).await }))
            .await
    }

    async fn edit_user_permissions(
        &self,
        user: &UserSelector,
        edit: Grants,
    ) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { permissions::edit_user(tx, &user, &edit).await })).await
    }

    async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError> {
        self.write_all(groups, |tx, new| Box::pin(groups::create(tx, new))).await
    }

    async fn group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| Box::pin(async move { groups::find(tx, &group).await })).await
    }

    async fn groups(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| Box::pin(async move { groups::list(tx, user.as_ref(), page).await })).await
    }

    async fn group_users(&self, group: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| Box::pin(async move { groups::users(tx, &group, page).await })).await
    }

    async fn edit_group(&self, group: &GroupSelector, edit: BundleEdit) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx| Box::pin(async move { groups::edit(tx, &group, &edit).await })).await
    }

    async fn delete_group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx| Box::pin(async move { groups::delete(tx, &group).await })).await
    }

    async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError> {
        self.write_all(roles, |tx, new| Box::pin(roles::create(tx, new))).await
    }

    async fn role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| Box::pin(async move { roles::find(tx, &role).await })).await
    }

    async fn roles(&self, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| Box::pin(async move { roles::list(tx, &filter, page).await })).await
    }

    async fn role_users(&self, role: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| Box::pin(async move { roles::users(tx, &role, page).await })).await
    }

    async fn edit_role(&self, role: &RoleSelector, edit: BundleEdit) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx| Box::pin(async move { roles::edit(tx, &role, &edit).await })).await
    }

    async fn delete_role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx| Box::pin(async move { roles::delete(tx, &role).await })).await
    }
}
