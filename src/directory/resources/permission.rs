//! A permission: what groups, roles and users can be given.

use super::definition::resource;
use crate::directory::error::Unique;
use crate::directory::name::{PermissionName, Text};
use crate::id::PermissionId;

resource! {
    /// A permission. It is made before it is granted, so that a slip of the pen grants nothing.
    PermissionRecord, NewPermission, PermissionEdit:
    Permission, "auth.{}_permission", "permissions" as "p" "", by codename {
        id: PermissionId => { filter: true, }
        given {
            codename "permission": PermissionName => {
                help: "app.codename, such as config.add_device", edit_help: "The new app.codename",
                filter: true, search: true, sort: true,
                unique: &[("permissions_codename", Unique::Permission)],
            }
            name: Text<255> = Text::empty() => { help: "What it permits, for people", search: true, sort: true, }
        }
        kept {
            /// As Django calls it; empty where the codename says it.
            model: String => { shown: false, }
        }
    }

    const COLUMNS: &'static [&'static str] = &["permission", "name"];
    const SEEN_BY_MANAGER: &'static str = "";
    const SEEN_BY_ONESELF: &'static str = "";
}
