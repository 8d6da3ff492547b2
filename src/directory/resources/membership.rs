//! The tie of a user to an organization.

use super::definition::record;
use crate::directory::selector::{OrgSelector, UserSelector};
use crate::id::{OrgId, UserId};
use uuid::Uuid;

record! {
    /// The tie of a user to an organization.
    MembershipRecord: Membership, "openwisp_users.{}_organizationuser", "memberships" as "m"
    "JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.organization_id
     LEFT JOIN owners w ON w.organization_id = m.organization_id AND w.user_id = m.user_id", by slug username {
        id: Uuid => { shown: false, fixed: true, }
        slug "org": String => { sql: "o.slug", search: true, sort: true, }
        organization "org_id": OrgId => { column: "organization_id", fixed: true, filter: true, }
        username "user": String => { sql: "u.username", search: true, sort: true, }
        /// The slug of their primary organization.
        user_org: Option<String> => { sql: "(SELECT o.slug FROM organizations o WHERE o.id = u.organization_id /*home*/)", sort: true, }
        user "user_id": UserId => { column: "user_id", fixed: true, filter: true, }
        /// What counts where levels are asked: `owner`, `manager` or `member`.
        level: String => {
            sql: "CASE WHEN w.user_id IS NOT NULL THEN 'owner' WHEN m.is_admin THEN 'manager' ELSE 'member' END",
            filter: true,
        }
        is_admin "manager": bool => { filter: true, }
        /// Counts as a manager whatever `is_admin` says.
        is_owner "owner": bool => { sql: "w.user_id IS NOT NULL", filter: true, }
        created: i64 => { sort: true, fixed: true, }
        modified: i64 => { sort: true, }
    }

    const COLUMNS: &'static [&'static str] = &["org", "user", "level"];
    const COLUMNS_IF_ANY: &'static [&'static str] = &["user_org"];
    const OF_USER: &'static str = "m.user_id = $?";
    const OF_ORGANIZATION: &'static str = "m.organization_id = $?";
    const SEEN_BY_MANAGER: &'static str = "NOT u.is_superuser AND o.is_active AND m.organization_id IN (
        SELECT organization_id FROM memberships WHERE user_id = $? AND is_admin)";
    const SEEN_BY_ONESELF: &'static str = "m.user_id = $?";
}

/// A membership to be made. The first manager made in an organization without owner becomes its owner.
#[derive(Clone, Debug)]
pub struct NewMembership {
    pub user: UserSelector,
    pub organization: OrgSelector,
    /// Manager, or a plain member.
    pub is_admin: bool,
}
