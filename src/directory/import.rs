//! What an existing installation brings along, as it comes: ids, hashes and tokens stay what they were.
//!
//! [`super::Store::import`] takes all of it in one transaction. What is there already is brought up to date, so that an import
//! can be repeated; what breaks a rule of the directory is left out and reported, and everything else stays.

use super::token::TokenDigest;
use crate::id::{OrgId, UserId};
use crate::password::PasswordHash;
use serde::Serialize;
use uuid::Uuid;

/// A moment in microseconds since the Unix epoch.
pub type Micros = i64;

/// A user. Dates are `2026-01-31`.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// Its id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number, as it was kept.
    pub phone_number: Option<String>,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The stored password.
    pub password: Option<PasswordHash>,
    /// Flags.
    pub is_active: bool,
    /// The staff flag.
    pub is_staff: bool,
    /// Passes every organization check.
    pub is_superuser: bool,
    /// When the record was made.
    pub joined: Micros,
    /// Last login.
    pub last_login: Option<Micros>,
    /// About the person.
    pub bio: String,
    /// Home page.
    pub url: String,
    /// Where the person works.
    pub company: String,
    /// Where the person is.
    pub location: String,
    /// What administrators note.
    pub notes: String,
    /// Language of mails.
    pub language: String,
    /// Date of birth.
    pub birth_date: Option<String>,
    /// When the password was chosen.
    pub password_updated: Option<String>,
    /// Last day of the account.
    pub expiration_date: Option<String>,
    /// How the token was got.
    pub password_based_token: Option<bool>,
}

/// An organization.
#[derive(Clone, Debug)]
pub struct ImportedOrganization {
    /// Its id.
    pub id: OrgId,
    /// For people.
    pub name: String,
    /// Unique.
    pub slug: String,
    /// Disabled where false.
    pub is_active: bool,
    /// For people.
    pub description: String,
    /// Contact.
    pub email: String,
    /// Home page.
    pub url: String,
    /// When the record was made.
    pub created: Micros,
    /// When it was last changed.
    pub modified: Micros,
}

/// A membership.
#[derive(Clone, Debug)]
pub struct ImportedMembership {
    /// Its id, which an owner refers to.
    pub id: Uuid,
    /// Who.
    pub user: UserId,
    /// Where.
    pub organization: OrgId,
    /// Manager, or a plain member.
    pub is_admin: bool,
    /// When the record was made.
    pub created: Micros,
    /// When it was last changed.
    pub modified: Micros,
}

/// An e-mail address.
#[derive(Clone, Debug)]
pub struct ImportedEmail {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// Whether it is known to be theirs.
    pub verified: bool,
    /// The one that mails go to.
    pub is_primary: bool,
}

/// A token.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    /// Whose it is.
    pub user: UserId,
    /// Its digest.
    pub digest: TokenDigest,
    /// The token, encrypted, where there is a key for that.
    pub sealed: Option<Vec<u8>>,
    /// When it was made.
    pub created: Micros,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Organizations.
    pub organizations: Vec<ImportedOrganization>,
    /// Users.
    pub users: Vec<ImportedUser>,
    /// Memberships.
    pub memberships: Vec<ImportedMembership>,
    /// Organizations and the memberships of their owners.
    pub owners: Vec<(OrgId, Uuid)>,
    /// Permissions: number, `app.codename`, name.
    pub permissions: Vec<(i64, String, String)>,
    /// Groups: number, name.
    pub groups: Vec<(i64, String)>,
    /// Groups and the permissions that they give; a group that is named has these and no others.
    pub group_permissions: Vec<(i64, i64)>,
    /// Users and their groups.
    pub user_groups: Vec<(UserId, i64)>,
    /// Users and what they may do of their own.
    pub user_permissions: Vec<(UserId, i64)>,
    /// E-mail addresses.
    pub emails: Vec<ImportedEmail>,
    /// Tokens.
    pub tokens: Vec<ImportedToken>,
    /// What did not even become a record.
    pub misfits: Vec<Misfit>,
}

impl Import {
    /// Records of all kinds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.organizations.len()
            + self.users.len()
            + self.memberships.len()
            + self.owners.len()
            + self.permissions.len()
            + self.groups.len()
            + self.group_permissions.len()
            + self.user_groups.len()
            + self.user_permissions.len()
            + self.emails.len()
            + self.tokens.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The kind of record.
    pub kind: &'static str,
    /// Which one: an id, a name; never a secret.
    pub record: String,
    /// Why.
    pub problem: String,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Records that are in the directory now, by kind.
    pub kept: Vec<(&'static str, usize)>,
    /// What was left out.
    pub misfits: Vec<Misfit>,
}

/// Is told how many records are done.
pub type Progress = Box<dyn FnMut(usize) + Send>;
