//! How callers refer to records.

use crate::id::{GroupId, OrgId, RoleId, UserId};
use std::fmt;

/// How a caller refers to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSelector {
    Id(UserId),
    /// By what a person would write: an id, a username, `acme/ann`, or an e-mail address. Several matches are an error.
    Text(String),
}

/// How a caller refers to an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrgSelector {
    Id(OrgId),
    /// By what a person would write: an id or a slug. Several matches are an error.
    Text(String),
}

/// How a caller refers to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupSelector {
    Id(GroupId),
    /// By what a person would write: a name or an id. Several matches are an error.
    Text(String),
}

/// Where a role counts; `O` says how the organization is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<O> {
    /// In one organization, for its members.
    Organization(O),
    /// In every organization: a super role.
    Everywhere,
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

macro_rules! selector {
    ($selector:ident, $id:ident) => {
        impl From<$id> for $selector {
            fn from(id: $id) -> Self {
                Self::Id(id)
            }
        }

        impl From<&str> for $selector {
            fn from(text: &str) -> Self {
                Self::Text(text.to_owned())
            }
        }

        impl From<String> for $selector {
            fn from(text: String) -> Self {
                Self::Text(text)
            }
        }

        impl fmt::Display for $selector {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Id(id) => id.fmt(f),
                    Self::Text(text) => text.fmt(f),
                }
            }
        }
    };
}

selector!(UserSelector, UserId);
selector!(OrgSelector, OrgId);
selector!(GroupSelector, GroupId);
