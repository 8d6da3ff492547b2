//! A user: who they are, what they may do by their flags, and what else is known of them.

use super::content::{Given, HasPassword, Kind};
use super::definition::{Input, Writer, resource};
use crate::directory::error::{DirectoryError, Unique};
use crate::directory::fields::CustomFields;
use crate::directory::name::{Email, ExternalId, PhoneNumber, Prose, Text, Username};
use crate::directory::selector::OrgSelector;
use crate::id::{OrgId, UserId};
use crate::password::validate::Personal;
use jiff::civil::Date;

resource! {
    /// A user. Times are whole seconds since the Unix epoch.
    UserRecord, NewUser, UserEdit:
    User, "openwisp_users.{}_user", "users" as "u" "",
    by username {
        id: UserId => {
            given: true, help: "A chosen id, for users who come from elsewhere", filter: true, sort: true,
            unique: &[("users_pkey", Unique::UserId)],
        }
        given {
            /// Unique, case matters.
            username: Username => {
                help: "Login name", filter: true, search: true, sort: true,
                unique: &[("users_username", Unique::Username)],
            }
            /// Unique, whatever the case.
            email: Option<Email> = None => {
                help: "E-mail address", filter: true, search: true, sort: true, found_by: "lower(u.email) = lower($?)",
                unique: &[("users_email", Unique::Email)],
            }
            phone_number "phone": Option<PhoneNumber> = None => {
                help: "Phone number in international form, +39…", edit_help: "Phone number in international form",
                filter: true, search: true, writer: Writer::Oneself,
                unique: &[("users_phone_number", Unique::PhoneNumber)],
            }
            first_name: Text<150> = Text::empty() => {
                help: "Given name", search: true, sort: true, writer: Writer::Oneself,
            }
            last_name: Text<150> = Text::empty() => {
                help: "Family name", search: true, sort: true, writer: Writer::Oneself,
            }
            external_id: Option<ExternalId> = None => {
                help: "The key under which a legacy system knows the user", filter: true, imported: false,
                writer: Writer::Superuser, unique: &[("users_external_id", Unique::UserExternalId)],
            }
            /// An inactive user has no rights at all.
            is_active "active": bool = true => {
                help: "Whether the user may do anything at all",
                edit_help: "Let the user act, or with =false stop them at once", filter: true,
            }
            is_staff "staff": bool = false => {
                help: "Give the staff flag", edit_help: "Give the staff flag, or with =false take it", filter: true,
            }
            is_superuser "superuser": bool = false => {
                help: "Let the user pass every organization check",
                edit_help: "Make a superuser, or with =false an ordinary user", filter: true,
                writer: Writer::Superuser,
            }
            bio: Prose = Prose::empty() => { help: "About the user", writer: Writer::Oneself, }
            url: Text<200> = Text::empty() => { help: "Home page", writer: Writer::Oneself, }
            company: Text<30> = Text::empty() => { help: "Company", search: true, writer: Writer::Oneself, }
            location: Text<256> = Text::empty() => { help: "Where the user is", writer: Writer::Oneself, }
            notes: Prose = Prose::empty() => { help: "Notes for administrators", }
            language: Text<8> = Text::english() => {
                help: "Language of mails, such as en-gb", blank: "en-gb", filter: true, writer: Writer::Oneself,
            }
            birth_date: Option<Date> = None => { help: "Date of birth, such as 1990-12-31", writer: Writer::Oneself, }
            /// From the day after this one on, the user is to be made inactive.
            expiration_date: Option<Date> = None => {
                help: "Last day of the account, such as 2026-12-31", filter: true, sort: true,
            }
            /// The slug of the primary organization, one that they belong to; in an edit or of a new user, its id too.
            organization_slug "org": Option<OrgSelector> = None => {
                help: "Primary organization, by slug or id; the user becomes a member of it",
                edit_help: "Primary organization, by slug or id: one that they belong to",
                sql: "(SELECT o.slug FROM organizations o WHERE o.id = u.organization_id /*home*/)", filter: true, sort: true,
                found_by: "u.organization_id = (SELECT o.id FROM organizations o WHERE o.slug = $?)",
            }
            /// What the installation declares besides.
            fields: CustomFields = CustomFields::default() => {
                help: "A field of the installation's own; may be repeated", imported: false, filter: true,
            }
            /// Microseconds since the Unix epoch.
            last_login: Option<i64> = None => {
                kind: Kind::Moment, flag: false, sort: true, writer: Writer::Superuser,
            }
            /// openwisp-users tells an address or a number that was taken away as an empty text, and one that never was as none.
            email_blank: bool = false => { flag: false, shown: false, unique: &[("users_email_blank", Unique::Email)], }
            phone_blank: bool = false => {
                flag: false, shown: false, writer: Writer::Oneself, unique: &[("users_phone_blank", Unique::PhoneNumber)],
            }
            /// Whether the user's token was got by password; `None`: by the old installation, nobody knows how.
            password_based_token: Option<bool> = None => { flag: false, shown: false, writer: Writer::Superuser, }
        }
        kept {
            organization "org_id": Option<OrgId> => { shown: false, column: "organization_id", }
            /// When the person last chose the password.
            password_updated: Option<Date> => { filter: true, sort: true, writer: Writer::Superuser, }
            has_password: HasPassword => { sql: "u.password", }
            created: i64 => { sort: true, fixed: true, }
            /// What `created` leaves out, in microseconds.
            created_micros: u32 => { shown: false, sort: true, fixed: true, }
            modified: i64 => { sort: true, writer: Writer::Oneself, }
            modified_micros: u32 => { shown: false, writer: Writer::Oneself, }
        }
    }

    const COLUMNS: &'static [&'static str] = &["id", "username", "email", "active", "staff", "superuser"];
    const COLUMNS_IF_ANY: &'static [&'static str] = &["org"];
    const IS_TOTALLED: bool = true;
    const OF_ORGANIZATION: &'static str = "u.id IN (SELECT user_id FROM memberships WHERE organization_id = $?)";
    // Disabled organizations count, and superusers are nobody's.
    const SEEN_BY_MANAGER: &'static str = "NOT u.is_superuser AND u.id IN (
        SELECT m.user_id FROM memberships m JOIN memberships mine ON mine.organization_id = m.organization_id
        WHERE mine.user_id = $? AND mine.is_admin)";
    const SEEN_BY_ONESELF: &'static str = "u.id = $?";
}

impl UserRecord {
    /// What a password of theirs must not be like.
    #[must_use]
    pub fn personal(&self) -> Personal<'_> {
        Personal {
            username: &self.username,
            first_name: &self.first_name,
            last_name: &self.last_name,
            email: self.email.as_deref().unwrap_or_default(),
        }
    }
}

impl NewUser {
    /// What a password of theirs must not be like.
    #[must_use]
    pub fn personal(&self) -> Personal<'_> {
        Personal {
            username: self.username.as_str(),
            first_name: self.first_name.as_str(),
            last_name: self.last_name.as_str(),
            email: self.email.as_ref().map_or("", Email::as_str),
        }
    }

    /// An active user with nothing but a name.
    ///
    /// # Errors
    /// The username is not valid.
    pub fn named(username: &str) -> Result<Self, DirectoryError> {
        Self::read(vec![("username", Given::Text(username.to_owned()))])
    }
}
