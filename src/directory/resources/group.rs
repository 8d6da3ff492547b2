//! A group: its permissions count everywhere.

use super::definition::record;
use crate::directory::error::Unique;
use crate::directory::name::{PermissionName, RightsName};
use crate::directory::selector::UserSelector;
use crate::id::GroupId;

record! {
    /// A group.
    GroupRecord: Group, "openwisp_users.{}_group", "groups" as "b" "", by name {
        id: GroupId => { fixed: true, filter: true, }
        /// Unique; policies may ask for it.
        name: String => { filter: true, search: true, sort: true, unique: &[("groups_name", Unique::GroupName)], }
        /// Codenames, sorted.
        permissions: Vec<String> => {
            sql: "(SELECT string_agg(p.codename, ',' ORDER BY p.codename) FROM group_permissions x
                   JOIN permissions p ON p.id = x.permission_id WHERE x.group_id = b.id)",
        }
        /// How many users are in it.
        users: u32 => { sql: "(SELECT count(*) FROM group_users x WHERE x.group_id = b.id /*seen*/)", }
    }

    const COLUMNS: &'static [&'static str] = &["id", "name", "users", "permissions"];
    const OF_USER: &'static str = "b.id IN (SELECT group_id FROM group_users WHERE user_id = $?)";
    const SEEN_BY_MANAGER: &'static str = "";
    const SEEN_BY_ONESELF: &'static str = "b.id IN (SELECT group_id FROM group_users WHERE user_id = $?)";
}

/// A group to be made.
#[derive(Clone, Debug)]
pub struct NewGroup {
    pub name: RightsName,
    pub permissions: Vec<PermissionName>,
    pub users: Vec<UserSelector>,
}
