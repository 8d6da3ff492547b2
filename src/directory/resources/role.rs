//! A role: of an organization, for its members, or a super role, which counts everywhere.

use super::definition::record;
use crate::directory::name::{PermissionName, RightsName};
use crate::directory::selector::{OrgSelector, Scope, UserSelector};
use crate::id::{OrgId, RoleId};

record! {
    /// A role, or a super role.
    RoleRecord: Role, "openwisp_users.{}_role",
    "(SELECT r.id, r.name, r.organization_id, o.slug, o.is_active,
         (SELECT string_agg(p.codename, ',' ORDER BY p.codename) FROM role_permissions x
          JOIN permissions p ON p.id = x.permission_id WHERE x.role_id = r.id) AS permissions,
         (SELECT count(*) FROM role_users x WHERE x.role_id = r.id) AS users
      FROM roles r JOIN organizations o ON o.id = r.organization_id
      UNION ALL
      SELECT r.id, r.name, CAST(NULL AS uuid), CAST(NULL AS text), true,
         (SELECT string_agg(p.codename, ',' ORDER BY p.codename) FROM super_role_permissions x
          JOIN permissions p ON p.id = x.permission_id WHERE x.super_role_id = r.id),
         (SELECT count(*) FROM super_role_users x WHERE x.super_role_id = r.id)
      FROM super_roles r)" as "b" "", by slug name {
        id: RoleId => { filter: true, }
        /// Unique in its organization, or among the super roles.
        name: String => { filter: true, search: true, sort: true, }
        /// The slug of its organization; a super role has none.
        slug "org": Option<String> => { filter: true, sort: true, }
        organization "org_id": Option<OrgId> => { column: "organization_id", filter: true, }
        is_super "super": bool => { sql: "b.organization_id IS NULL", filter: true, }
        /// Codenames, sorted.
        permissions: Vec<String> => {}
        /// How many users hold it.
        users: u32 => {}
    }

    const COLUMNS: &'static [&'static str] = &["org", "name", "super", "users", "permissions"];
    const OF_USER: &'static str = "b.id IN (SELECT role_id FROM role_users WHERE user_id = $?
        UNION ALL SELECT super_role_id FROM super_role_users WHERE user_id = $?)";
    const OF_ORGANIZATION: &'static str = "b.organization_id = $?";
    const SEEN_BY_MANAGER: &'static str = "b.is_active AND b.organization_id IN (
        SELECT organization_id FROM memberships WHERE user_id = $? AND is_admin)";
    const SEEN_BY_ONESELF: &'static str = "b.id IN (SELECT role_id FROM role_users WHERE user_id = $?
        UNION ALL SELECT super_role_id FROM super_role_users WHERE user_id = $?)";
}

impl RoleRecord {
    #[must_use]
    pub fn scope(&self) -> Scope<OrgId> {
        self.organization.map_or(Scope::Everywhere, Scope::Organization)
    }
}

/// A role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    pub scope: Scope<OrgSelector>,
    pub name: RightsName,
    pub permissions: Vec<PermissionName>,
    /// Who holds it: members, where it counts in an organization.
    pub users: Vec<UserSelector>,
}
