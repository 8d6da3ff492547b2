//! What the arguments of users, groups and roles have in common: permissions to grant, users to add.

use crate::directory::name::{PermissionName, RightsName};
use crate::directory::{BundleEdit, DirectoryError, Grants, UserSelector};

/// Permissions that must be named.
#[derive(clap::Args)]
pub struct Permissions {
    /// Permissions, app.codename each
    #[arg(required = true, value_name = "PERMISSION", value_delimiter = ',')]
    permissions: Vec<String>,
}

impl Permissions {
    /// The edit that grants them.
    pub(super) fn granted(self) -> Result<Grants, DirectoryError> {
        Ok(Grants { grant: permissions(self.permissions)?, revoke: Vec::new() })
    }

    /// The edit that revokes them.
    pub(super) fn revoked(self) -> Result<Grants, DirectoryError> {
        Ok(Grants { grant: Vec::new(), revoke: permissions(self.permissions)? })
    }
}

/// Users who must be named, with the flag or without.
#[derive(clap::Args)]
pub struct Users {
    /// Users: id, username or e-mail address
    #[arg(value_name = "USER", value_delimiter = ',', required_unless_present = "flagged")]
    users: Vec<String>,
    /// The same
    #[arg(long = "user", alias = "users", value_name = "USER", value_delimiter = ',')]
    flagged: Vec<String>,
}

impl Users {
    fn selectors(self) -> Vec<UserSelector> {
        self.users.into_iter().chain(self.flagged).map(UserSelector::from).collect()
    }

    /// The edit that adds them.
    pub(super) fn added(self) -> BundleEdit {
        BundleEdit { add: self.selectors(), ..BundleEdit::default() }
    }

    /// The edit that removes them.
    pub(super) fn removed(self) -> BundleEdit {
        BundleEdit { remove: self.selectors(), ..BundleEdit::default() }
    }
}

/// What to change of a group or a role.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Changes {
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// Exactly these permissions from now on, with commas or repeated; empty for none
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    permissions: Option<Vec<String>>,
}

impl Changes {
    pub(super) fn check(self) -> Result<BundleEdit, DirectoryError> {
        let exactly = |list: Vec<String>| permissions(list.into_iter().filter(|text| !text.is_empty()).collect());
        Ok(BundleEdit {
            name: self.name.map(|name| RightsName::new(&name)).transpose()?,
            permissions: self.permissions.map(exactly).transpose()?,
            ..BundleEdit::default()
        })
    }
}

/// Checks the words of a list.
pub(super) fn permissions(list: Vec<String>) -> Result<Vec<PermissionName>, DirectoryError> {
    list.iter().map(|text| PermissionName::new(text)).collect()
}
