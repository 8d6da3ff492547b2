//! An e-mail address of a user.

use super::content::Kind;
use super::definition::{Writer, record};
use crate::directory::error::Unique;
use crate::directory::name::Email;
use crate::id::UserId;

record! {
    /// An e-mail address of a user.
    EmailRecord: Email, "account.{}_emailaddress", "email_addresses" as "e" "", by id {
        id: i64 => { kind: Kind::Number, fixed: true, }
        user "user_id": UserId => { column: "user_id", fixed: true, filter: true, }
        email: String => {
            filter: true, search: true, sort: true,
            unique: &[
                ("email_addresses_user_email", Unique::EmailAddress),
                ("email_addresses_verified", Unique::EmailAddress),
            ],
        }
        /// Whether the person has shown that it is theirs.
        verified: bool => { filter: true, writer: Writer::Superuser, }
        /// The one that mails go to.
        is_primary "primary": bool => { filter: true, writer: Writer::Oneself, }
    }

    const COLUMNS: &'static [&'static str] = &["id", "email", "verified", "primary"];
    const OF_USER: &'static str = "e.user_id = $?";
    const SEEN_BY_MANAGER: &'static str = "e.user_id IN (
        SELECT m.user_id FROM memberships m JOIN memberships mine ON mine.organization_id = m.organization_id
        JOIN organizations o ON o.id = m.organization_id JOIN users u ON u.id = m.user_id
        WHERE mine.user_id = $? AND mine.is_admin AND o.is_active AND NOT u.is_superuser)";
    const SEEN_BY_ONESELF: &'static str = "e.user_id = $?";
}

/// An e-mail address to be added.
#[derive(Clone, Debug)]
pub struct NewEmail {
    pub email: Email,
    /// Whether it is known to be theirs.
    pub verified: bool,
    /// It takes the place of the primary one.
    pub is_primary: bool,
}

/// What to change of an address; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct EmailEdit {
    /// Another address; it is not known to be theirs, unless `verified` says so.
    pub email: Option<Email>,
    pub verified: Option<bool>,
    pub is_primary: Option<bool>,
}
