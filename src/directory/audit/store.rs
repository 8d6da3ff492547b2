//! [`Store`] with a line for each change. What only reads, or only keeps books, passes through.

use super::{Audited, value};
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
use serde_json::{Value, json};

/// What was asked of a group or role: its records say how many hold it, and not who.
fn asked(edit: &BundleEdit) -> Value {
    let users = |users: &[UserSelector]| users.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({ "add": users(&edit.add), "remove": users(&edit.remove) })
}

/// Records that were made.
macro_rules! made {
    ($audited:ident, $what:literal, $made:expr) => {{
        let sink = $audited.target.open().map_err(|error| BatchError { index: 0, error: error.into() })?;
        let records = $made.await?;
        let pairs: Vec<_> = records.iter().map(|record| (Value::Null, value(Some(record)))).collect();
        let noted = $audited.note(sink, $what, None, &pairs);
        noted.map_err(|error| BatchError { index: 0, error: error.into() })?;
        Ok(records)
    }};
}

/// A record that was changed.
macro_rules! changed {
    ($audited:ident, $what:literal, $before:expr, $change:expr, $asked:expr) => {{
        let sink = $audited.target.open()?;
        // What is not there is the operation's to tell.
        let before = value($before.await.ok().as_ref());
        let asked: Option<Value> = $asked;
        let record = $change.await?;
        $audited.note(sink, $what, asked.as_ref(), &[(before, value(Some(&record)))])?;
        Ok(record)
    }};
}

/// A record that is gone.
macro_rules! deleted {
    ($audited:ident, $what:literal, $delete:expr) => {{
        let sink = $audited.target.open()?;
        let record = $delete.await?;
        $audited.note(sink, $what, None, &[(value(Some(&record)), Value::Null)])?;
        Ok(record)
    }};
}

#[async_trait]
impl Store for Audited {
    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn checksum_key(&self) -> &ChecksumKey {
        self.inner.checksum_key()
    }

    async fn token_snapshot(&self, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        self.inner.token_snapshot(digest).await
    }

    async fn user_snapshot(&self, user: UserId) -> Result<Option<facts::Snapshot>, StoreError> {
        self.inner.user_snapshot(user).await
    }

    async fn organization(&self, organization: &OrgRef) -> Result<Option<facts::Organization>, StoreError> {
        self.inner.organization(organization).await
    }

    async fn members_of(&self, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
        self.inner.members_of(organizations).await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.inner.position().await
    }

    async fn changes(&self, since: &Position) -> Result<Changes, StoreError> {
        self.inner.changes(since).await
    }

    async fn wait_for_changes(&self) {
        self.inner.wait_for_changes().await;
    }

    async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        self.inner.touch_tokens(uses).await
    }

    async fn user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        self.inner.user(user).await
    }

    async fn users(&self, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.inner.users(page).await
    }

    async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        self.inner.organization_record(organization).await
    }

    async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
        self.inner.organizations(page).await
    }

    async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        self.inner.membership(organization, user).await
    }

    async fn memberships(
        &self,
        filter: &MembershipFilter,
        page: Page,
    ) -> Result<Vec<MembershipRecord>, DirectoryError> {
        self.inner.memberships(filter, page).await
    }

    async fn token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        self.inner.token(token).await
    }

    async fn tokens(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<TokenRecord>, DirectoryError> {
        self.inner.tokens(user, page).await
    }

    async fn permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        self.inner.permission(permission).await
    }

    async fn permissions(&self, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
        self.inner.permissions(page).await
    }

    async fn user_permissions(&self, user: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError> {
        self.inner.user_permissions(user).await
    }

    async fn group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        self.inner.group(group).await
    }

    async fn groups(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError> {
        self.inner.groups(user, page).await
    }

    async fn group_users(&self, group: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.inner.group_users(group, page).await
    }

    async fn role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        self.inner.role(role).await
    }

    async fn roles(&self, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
        self.inner.roles(filter, page).await
    }

    async fn role_users(&self, role: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        self.inner.role_users(role, page).await
    }

    async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        made!(self, "user.create", self.inner.create_users(users))
    }

    async fn edit_user(&self, user: &UserSelector, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
        changed!(self, "user.edit", self.inner.user(user), self.inner.edit_user(user, edit), None)
    }

    async fn delete_user(&self, user: &UserSelector) -> Result<UserRecord, DirectoryError> {
        deleted!(self, "user.delete", self.inner.delete_user(user))
    }

    async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        made!(self, "organization.create", self.inner.create_organizations(organizations))
    }

    async fn edit_organization(
        &self,
        organization: &OrgSelector,
        edit: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        changed!(
            self,
            "organization.edit",
            self.inner.organization_record(organization),
            self.inner.edit_organization(organization, edit, actor),
            None
        )
    }

    async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        changed!(
            self,
            "organization.transfer",
            self.inner.organization_record(organization),
            self.inner.transfer_ownership(organization, to, actor),
            None
        )
    }

    async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        deleted!(self, "organization.delete", self.inner.delete_organization(organization))
    }

    async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        made!(self, "membership.create", self.inner.create_memberships(members))
    }

    async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError> {
        changed!(
            self,
            "membership.edit",
            self.inner.membership(organization, user),
            self.inner.edit_membership(organization, user, is_admin),
            None
        )
    }

    async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        deleted!(self, "membership.delete", self.inner.delete_membership(organization, user))
    }

    async fn create_tokens(&self, tokens: Vec<NewToken>) -> Result<Vec<TokenRecord>, BatchError> {
        made!(self, "token.create", self.inner.create_tokens(tokens))
    }

    async fn edit_token(&self, token: TokenId, edit: TokenEdit) -> Result<TokenRecord, DirectoryError> {
        changed!(self, "token.edit", self.inner.token(token), self.inner.edit_token(token, edit), None)
    }

    async fn revoke_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        changed!(self, "token.revoke", self.inner.token(token), self.inner.revoke_token(token), None)
    }

    async fn delete_token(&self, token: TokenId) -> Result<TokenRecord, DirectoryError> {
        deleted!(self, "token.delete", self.inner.delete_token(token))
    }

    async fn create_permissions(&self, permissions: Vec<NewPermission>) -> Result<Vec<PermissionRecord>, BatchError> {
        made!(self, "permission.create", self.inner.create_permissions(permissions))
    }

    async fn edit_permission(
        &self,
        permission: &PermissionName,
        edit: PermissionEdit,
    ) -> Result<PermissionRecord, DirectoryError> {
        changed!(
            self,
            "permission.edit",
            self.inner.permission(permission),
            self.inner.edit_permission(permission, edit),
            None
        )
    }

    async fn delete_permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        deleted!(self, "permission.delete", self.inner.delete_permission(permission))
    }

    async fn edit_user_permissions(
        &self,
        user: &UserSelector,
        edit: Grants,
    ) -> Result<Vec<GrantRecord>, DirectoryError> {
        changed!(
            self,
            "user.permissions",
            self.inner.user_permissions(user),
            self.inner.edit_user_permissions(user, edit),
            Some(json!({ "user": user.to_string() }))
        )
    }

    async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError> {
        made!(self, "group.create", self.inner.create_groups(groups))
    }

    async fn edit_group(&self, group: &GroupSelector, edit: BundleEdit) -> Result<GroupRecord, DirectoryError> {
        changed!(self, "group.edit", self.inner.group(group), self.inner.edit_group(group, edit), Some(asked(&edit)))
    }

    async fn delete_group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        deleted!(self, "group.delete", self.inner.delete_group(group))
    }

    async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError> {
        made!(self, "role.create", self.inner.create_roles(roles))
    }

    async fn edit_role(&self, role: &RoleSelector, edit: BundleEdit) -> Result<RoleRecord, DirectoryError> {
        changed!(self, "role.edit", self.inner.role(role), self.inner.edit_role(role, edit), Some(asked(&edit)))
    }

    async fn delete_role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        deleted!(self, "role.delete", self.inner.delete_role(role))
    }
}
