//! The records of the directory, what creates them, and what edits them. Times are whole seconds since the Unix epoch.

use super::error::DirectoryError;
use super::name::{Email, ExternalId, OrgName, PhoneNumber, Slug, Text, Username};
use super::token::TokenDigest;
use crate::id::{OrgId, TokenId, UserId};
use std::fmt;

/// Who asks for an operation, where a rule depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A superuser; the command line acts as one.
    Superuser,
    User(UserId),
}

/// How a caller refers to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSelector {
    Id(UserId),
    /// By what a person would write: an id, a username, or an e-mail address. Several matches are an error.
    Text(String),
}

/// How a caller refers to an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrgSelector {
    Id(OrgId),
    /// By what a person would write: an id or a slug. Several matches are an error.
    Text(String),
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

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many records; all where absent.
    pub limit: Option<u32>,
    pub offset: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UserRecord {
    pub id: UserId,
    /// Login name, unique, case matters.
    pub username: String,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub first_name: String,
    pub last_name: String,
    /// The key under which a legacy system knows the user, unique.
    pub external_id: Option<String>,
    /// An inactive user has no rights at all.
    pub is_active: bool,
    pub is_staff: bool,
    pub is_superuser: bool,
    /// When the record was made.
    pub created: i64,
    /// When it was last edited.
    pub modified: i64,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// A chosen id (imports); a new one where absent.
    pub id: Option<UserId>,
    pub username: Username,
    pub email: Option<Email>,
    pub phone_number: Option<PhoneNumber>,
    pub first_name: Text,
    pub last_name: Text,
    /// Key of a legacy system.
    pub external_id: Option<ExternalId>,
    /// May do anything at all.
    pub is_active: bool,
    pub is_staff: bool,
    pub is_superuser: bool,
}

impl NewUser {
    /// An active user with nothing but a name.
    ///
    /// # Errors
    /// The username is not valid.
    pub fn named(username: &str) -> Result<Self, DirectoryError> {
        Ok(Self {
            id: None,
            username: Username::new(username)?,
            email: None,
            phone_number: None,
            first_name: Text::empty(),
            last_name: Text::empty(),
            external_id: None,
            is_active: true,
            is_staff: false,
            is_superuser: false,
        })
    }
}

/// What to change of a user; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct UserEdit {
    pub username: Option<Username>,
    pub email: Option<Option<Email>>,
    pub phone_number: Option<Option<PhoneNumber>>,
    pub first_name: Option<Text>,
    pub last_name: Option<Text>,
    /// Key of a legacy system.
    pub external_id: Option<Option<ExternalId>>,
    /// May do anything at all.
    pub is_active: Option<bool>,
    pub is_staff: Option<bool>,
    pub is_superuser: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OrganizationRecord {
    pub id: OrgId,
    pub name: String,
    /// Unique, never reused.
    pub slug: String,
    /// The key under which a legacy system knows it, unique.
    pub external_id: Option<String>,
    /// Nobody but superusers passes a check for a disabled organization.
    pub is_active: bool,
    pub description: String,
    pub email: String,
    pub url: String,
    pub owner: Option<UserId>,
    pub owner_username: Option<String>,
    /// When the record was made.
    pub created: i64,
    /// When it was last edited.
    pub modified: i64,
}

/// An organization to be made.
#[derive(Clone, Debug)]
pub struct NewOrganization {
    /// A chosen id (imports); a new one where absent.
    pub id: Option<OrgId>,
    pub name: OrgName,
    /// Its slug; made of the name, with a number where that is taken, where absent.
    pub slug: Option<Slug>,
    /// Key of a legacy system.
    pub external_id: Option<ExternalId>,
    pub is_active: bool,
    pub description: Text,
    pub email: Option<Email>,
    pub url: Text,
}

impl NewOrganization {
    /// An active organization with nothing but a name.
    ///
    /// # Errors
    /// The name is not valid.
    pub fn named(name: &str) -> Result<Self, DirectoryError> {
        Ok(Self {
            id: None,
            name: OrgName::new(name)?,
            slug: None,
            external_id: None,
            is_active: true,
            description: Text::empty(),
            email: None,
            url: Text::empty(),
        })
    }
}

/// What to change of an organization; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct OrganizationEdit {
    pub name: Option<OrgName>,
    /// Superusers only.
    pub slug: Option<Slug>,
    /// Key of a legacy system.
    pub external_id: Option<Option<ExternalId>>,
    pub is_active: Option<bool>,
    pub description: Option<Text>,
    pub email: Option<Option<Email>>,
    pub url: Option<Text>,
}

/// The tie of a user to an organization.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MembershipRecord {
    pub user: UserId,
    pub username: String,
    pub organization: OrgId,
    pub slug: String,
    pub is_admin: bool,
    /// Owner; counts as a manager whatever `is_admin` says.
    pub is_owner: bool,
    /// When the record was made.
    pub created: i64,
    /// When it was last edited.
    pub modified: i64,
}

/// A membership to be made. The first manager made in an organization without owner becomes its owner.
#[derive(Clone, Debug)]
pub struct NewMembership {
    pub user: UserSelector,
    pub organization: OrgSelector,
    /// Manager, or a plain member.
    pub is_admin: bool,
}

/// Which memberships to list: those of a user, of an organization, of both, or all.
#[derive(Clone, Debug, Default)]
pub struct MembershipFilter {
    pub user: Option<UserSelector>,
    pub organization: Option<OrgSelector>,
}

/// A bearer token's record; the token itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TokenRecord {
    pub id: TokenId,
    pub user: UserId,
    pub username: String,
    /// What it is for, in its owner's words; perhaps empty.
    pub name: String,
    pub created: i64,
    /// It is refused from this second on.
    pub expires_at: Option<i64>,
    /// When it was revoked; refused since.
    pub revoked_at: Option<i64>,
    /// When it was last used, to the minute or so.
    pub last_used: Option<i64>,
}

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub user: UserSelector,
    /// The digest of the token.
    pub digest: TokenDigest,
    pub name: Text,
    /// It is refused from this second on.
    pub expires_at: Option<i64>,
}

/// What to change of a token; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct TokenEdit {
    pub name: Option<Text>,
    /// It is refused from this second on.
    pub expires_at: Option<Option<i64>>,
}
