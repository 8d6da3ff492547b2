//! What users may do besides their levels: permissions, and the bundles of them that users hold.
//!
//! A *group* and a *super role* count everywhere, a *role* in its organization, for members of it. A permission is made
//! before it is granted, so that a slip of the pen grants nothing.

use super::model::{OrgSelector, UserSelector};
use super::name::{PermissionName, RightsName, Text};
use crate::id::{GroupId, OrgId, PermissionId, RoleId};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PermissionRecord {
    pub id: PermissionId,
    pub codename: String,
    pub name: String,
}

/// A permission to be made.
#[derive(Clone, Debug)]
pub struct NewPermission {
    pub codename: PermissionName,
    pub name: Text,
}

/// What to change of a permission; what is `None` stays. Whoever had it has the new one.
#[derive(Clone, Debug, Default)]
pub struct PermissionEdit {
    pub codename: Option<PermissionName>,
    pub name: Option<Text>,
}

/// A permission that a user has, and how they came by it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GrantRecord {
    pub permission: String,
    /// The slug of the one organization where it counts; everywhere where absent.
    pub organization: Option<String>,
    /// How the user came by it.
    pub through: Through,
    /// The name of the group or role; empty for the user's own.
    pub name: String,
}

/// How a user came by a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// It was granted to the user.
    User,
    Group,
    /// By a role in an organization.
    Role,
    SuperRole,
}

impl Through {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::SuperRole => "super-role",
        }
    }
}

/// Permissions to give and to take; those to take go first. What is given twice is given, what was not there is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub grant: Vec<PermissionName>,
    pub revoke: Vec<PermissionName>,
}

/// How a caller refers to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupSelector {
    Id(GroupId),
    /// By what a person would write: a name or an id. Several matches are an error.
    Text(String),
}

impl From<GroupId> for GroupSelector {
    fn from(id: GroupId) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for GroupSelector {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for GroupSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A group: its permissions count everywhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GroupRecord {
    pub id: GroupId,
    /// Unique; policies may ask for it.
    pub name: String,
    /// Codenames, sorted.
    pub permissions: Vec<String>,
    /// How many users are in it.
    pub users: u32,
}

/// A group to be made.
#[derive(Clone, Debug)]
pub struct NewGroup {
    pub name: RightsName,
    pub permissions: Vec<PermissionName>,
    pub users: Vec<UserSelector>,
}

/// Where a role counts; `O` says how the organization is named.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope<O> {
    /// In one organization, for its members.
    Organization(O),
    /// In every organization: a super role.
    Everywhere,
}

/// The organization of a role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleOrganization {
    pub id: OrgId,
    pub slug: String,
}

/// How a caller refers to a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSelector {
    /// A name, or an id. Several matches are an error.
    pub text: String,
    /// Among these roles; among all where absent.
    pub scope: Option<Scope<OrgSelector>>,
}

impl From<RoleId> for RoleSelector {
    fn from(id: RoleId) -> Self {
        Self { text: id.to_string(), scope: None }
    }
}

/// A role: of an organization, or a super role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RoleRecord {
    pub id: RoleId,
    pub scope: Scope<RoleOrganization>,
    /// Unique in its organization, or among the super roles.
    pub name: String,
    /// Codenames, sorted.
    pub permissions: Vec<String>,
    /// How many users hold it.
    pub users: u32,
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

/// Which roles to list; all where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct RoleFilter {
    pub scope: Option<Scope<OrgSelector>>,
    /// Those that this user holds.
    pub user: Option<UserSelector>,
}

/// What to change of a group or a role; what is empty or `None` stays. What is taken goes first.
#[derive(Clone, Debug, Default)]
pub struct BundleEdit {
    pub name: Option<RightsName>,
    /// Exactly these permissions from now on, before the grants.
    pub permissions: Option<Vec<PermissionName>>,
    /// Permissions to give and to take.
    pub grants: Grants,
    /// Users to give it to; whoever has it keeps it.
    pub add: Vec<UserSelector>,
    /// Users to take it from; who does not have it is passed over.
    pub remove: Vec<UserSelector>,
}
