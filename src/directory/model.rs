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
    /// Anybody else.
    User(UserId),
}

/// How a caller refers to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSelector {
    /// By id.
    Id(UserId),
    /// By what a person would write: an id, a username, or an e-mail address. Several matches are an error.
    Text(String),
}

/// How a caller refers to an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrgSelector {
    /// By id.
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
    /// After so many records.
    pub offset: u32,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UserRecord {
    /// Its id.
    pub id: UserId,
    /// Login name, unique, case matters.
    pub username: String,
    /// Unique, whatever the case.
    pub email: Option<String>,
    /// Unique, `+` and digits.
    pub phone_number: Option<String>,
    /// Given name, perhaps empty.
    pub first_name: String,
    /// Family name, perhaps empty.
    pub last_name: String,
    /// The key under which a legacy system knows the user, unique.
    pub external_id: Option<String>,
    /// An inactive user has no rights at all.
    pub is_active: bool,
    /// The staff flag.
    pub is_staff: bool,
    /// Passes every organization check.
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
    /// Login name.
    pub username: Username,
    /// E-mail address.
    pub email: Option<Email>,
    /// Phone number.
    pub phone_number: Option<PhoneNumber>,
    /// Given name.
    pub first_name: Text,
    /// Family name.
    pub last_name: Text,
    /// Key of a legacy system.
    pub external_id: Option<ExternalId>,
    /// May do anything at all.
    pub is_active: bool,
    /// The staff flag.
    pub is_staff: bool,
    /// Passes every organization check.
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
    /// Login name.
    pub username: Option<Username>,
    /// E-mail address.
    pub email: Option<Option<Email>>,
    /// Phone number.
    pub phone_number: Option<Option<PhoneNumber>>,
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name.
    pub last_name: Option<Text>,
    /// Key of a legacy system.
    pub external_id: Option<Option<ExternalId>>,
    /// May do anything at all.
    pub is_active: Option<bool>,
    /// The staff flag.
    pub is_staff: Option<bool>,
    /// Passes every organization check.
    pub is_superuser: Option<bool>,
}

/// An organization (a tenant).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OrganizationRecord {
    /// Its id.
    pub id: OrgId,
    /// For people.
    pub name: String,
    /// Unique, never reused.
    pub slug: String,
    /// The key under which a legacy system knows it, unique.
    pub external_id: Option<String>,
    /// Nobody but superusers passes a check for a disabled organization.
    pub is_active: bool,
    /// For people, perhaps empty.
    pub description: String,
    /// Contact, perhaps empty.
    pub email: String,
    /// Home page, perhaps empty.
    pub url: String,
    /// Its owner.
    pub owner: Option<UserId>,
    /// The owner's username.
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
    /// For people.
    pub name: OrgName,
    /// Its slug; made of the name, with a number where that is taken, where absent.
    pub slug: Option<Slug>,
    /// Key of a legacy system.
    pub external_id: Option<ExternalId>,
    /// Disabled where false.
    pub is_active: bool,
    /// For people.
    pub description: Text,
    /// Contact.
    pub email: Option<Email>,
    /// Home page.
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
    /// For people.
    pub name: Option<OrgName>,
    /// Superusers only.
    pub slug: Option<Slug>,
    /// Key of a legacy system.
    pub external_id: Option<Option<ExternalId>>,
    /// Disable or enable.
    pub is_active: Option<bool>,
    /// For people.
    pub description: Option<Text>,
    /// Contact.
    pub email: Option<Option<Email>>,
    /// Home page.
    pub url: Option<Text>,
}

/// The tie of a user to an organization.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MembershipRecord {
    /// The user.
    pub user: UserId,
    /// The user's login name.
    pub username: String,
    /// The organization.
    pub organization: OrgId,
    /// The organization's slug.
    pub slug: String,
    /// Manager by appointment.
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
    /// The user.
    pub user: UserSelector,
    /// The organization.
    pub organization: OrgSelector,
    /// Manager, or a plain member.
    pub is_admin: bool,
}

/// Which memberships to list: those of a user, of an organization, of both, or all.
#[derive(Clone, Debug, Default)]
pub struct MembershipFilter {
    /// Of this user.
    pub user: Option<UserSelector>,
    /// Of this organization.
    pub organization: Option<OrgSelector>,
}

/// A bearer token's record; the token itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// Their login name.
    pub username: String,
    /// What it is for, in its owner's words; perhaps empty.
    pub name: String,
    /// When it was made.
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
    /// Whose it will be.
    pub user: UserSelector,
    /// The digest of the token.
    pub digest: TokenDigest,
    /// What it is for.
    pub name: Text,
    /// It is refused from this second on.
    pub expires_at: Option<i64>,
}

/// What to change of a token; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct TokenEdit {
    /// What it is for.
    pub name: Option<Text>,
    /// It is refused from this second on.
    pub expires_at: Option<Option<i64>>,
}
