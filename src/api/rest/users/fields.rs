//! The fields of users, in lists and alone, as superusers and as others see them.

use super::super::Audience;
use crate::compat::openwisp::serializer::{Field, Keys, Shape};

const ID: Field = Field::new("id", Shape::Uuid).read_only();
const USERNAME: Field = Field::new("username", Shape::Username)
    .required()
    .at_most(150)
    .help("Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.");
const EMAIL: Field = Field::new("email", Shape::Email).blank().nullable().at_most(254).label("Email address");
const EMAIL_VERIFIED: Field = Field::flag("email_verified").write_only();
const PASSWORD: Field = Field::text("password").required().at_most(128).write_only();
const FIRST_NAME: Field = Field::text("first_name").blank().at_most(150);
const LAST_NAME: Field = Field::text("last_name").blank().at_most(150);
const BIO: Field = Field::text("bio").blank();
const URL: Field = Field::new("url", Shape::Url).blank().at_most(200).label("URL");
const COMPANY: Field = Field::text("company").blank().at_most(30);
const LOCATION: Field = Field::text("location").blank().at_most(256);
const PHONE_NUMBER: Field = Field::new("phone_number", Shape::Phone).blank().nullable().at_most(128);
const BIRTH_DATE: Field = Field::date("birth_date");
const NOTES: Field = Field::text("notes").blank().help("notes for internal usage");
const IS_ACTIVE: Field = Field::flag("is_active")
    .label("Active")
    .help("Designates whether this user should be treated as active. Unselect this instead of deleting accounts.");
const IS_STAFF: Field =
    Field::flag("is_staff").label("Staff status").help("Designates whether the user can log into this admin site.");
const IS_SUPERUSER: Field = Field::flag("is_superuser")
    .label("Superuser status")
    .help("Designates that this user has all permissions without explicitly assigning them.");
const LAST_LOGIN: Field = Field::new("last_login", Shape::Moment).read_only().or_none();
const EXPIRATION_DATE: Field = Field::date("expiration_date").help(
    "If set, the account will be deactivated after this date passes and the user will no longer be able to log in.",
);
const DATE_JOINED: Field = Field::new("date_joined", Shape::Moment).read_only();
const GROUPS: Field = Field::new("groups", Shape::Keys(Keys::Numbers))
    .help("The groups this user belongs to. A user will get all permissions granted to each of their groups.");
const USER_PERMISSIONS: Field =
    Field::new("user_permissions", Shape::Keys(Keys::Numbers)).help("Specific permissions for this user.");

/// What the installation declares.
const FIELDS: Field = Field::new("fields", Shape::Map);

/// What people say of themselves.
pub(in crate::api::rest) const PROFILE: &[Field] = &[
    FIRST_NAME,
    LAST_NAME,
    BIO,
    URL,
    COMPANY,
    LOCATION,
    PHONE_NUMBER,
    BIRTH_DATE,
    Field::text("language").at_most(8).help("Of letters and pages, such as en-gb"),
];

const TIE: &[Field] = &[
    Field::new("organization", Shape::Key).required().nullable(),
    Field::flag("is_admin").label("Organization manager"),
];
/// The first counts, as in the reference.
const FIRST_TIE: Field = Field::new("organization_users", Shape::First(TIE));
const TIES: Field = Field::new("organization_users", Shape::Each(TIE));

macro_rules! in_lists {
    ($ties:expr, [$($superuser:expr)?], [$($own:expr)?]) => {
        {
            const ALL: &[Field] = &[
            ID,
            USERNAME,
            EMAIL.required(),
            EMAIL_VERIFIED,
            PASSWORD,
            FIRST_NAME,
            LAST_NAME,
            PHONE_NUMBER,
            BIRTH_DATE,
            IS_ACTIVE,
            IS_STAFF,
            $($superuser,)?
            EXPIRATION_DATE,
            GROUPS,
            $ties,
            $($own,)?
            ];
            ALL
        }
    };
}

macro_rules! alone {
    ($ties:expr, [$($superuser:expr)?], [$($permissions:expr)?], [$($own:expr)?]) => {
        {
            const ALL: &[Field] = &[
            ID,
            USERNAME,
            FIRST_NAME,
            LAST_NAME,
            EMAIL,
            BIO,
            URL,
            COMPANY,
            LOCATION,
            PHONE_NUMBER,
            BIRTH_DATE,
            NOTES,
            IS_ACTIVE,
            IS_STAFF,
            $($superuser,)?
            LAST_LOGIN,
            EXPIRATION_DATE,
            DATE_JOINED,
            GROUPS,
            $($permissions,)?
            $ties,
            $($own,)?
            ];
            ALL
        }
    };
}

pub(super) const fn in_lists(audience: Audience) -> &'static [Field] {
    match (audience.is_superuser, audience.is_compat, audience.has_fields) {
        (true, true, false) => in_lists!(FIRST_TIE, [IS_SUPERUSER], []),
        (false, true, false) => in_lists!(FIRST_TIE, [], []),
        (true, false, false) => in_lists!(TIES, [IS_SUPERUSER], []),
        (false, false, false) => in_lists!(TIES, [], []),
        (true, true, true) => in_lists!(FIRST_TIE, [IS_SUPERUSER], [FIELDS]),
        (false, true, true) => in_lists!(FIRST_TIE, [], [FIELDS]),
        (true, false, true) => in_lists!(TIES, [IS_SUPERUSER], [FIELDS]),
        (false, false, true) => in_lists!(TIES, [], [FIELDS]),
    }
}

pub(super) const fn alone(audience: Audience) -> &'static [Field] {
    match (audience.is_superuser, audience.is_compat, audience.has_fields) {
        (true, true, false) => alone!(FIRST_TIE, [IS_SUPERUSER], [USER_PERMISSIONS], []),
        (false, true, false) => alone!(FIRST_TIE.read_only(), [], [], []),
        (true, false, false) => alone!(TIES, [IS_SUPERUSER], [USER_PERMISSIONS], []),
        (false, false, false) => alone!(TIES, [], [], []),
        (true, true, true) => alone!(FIRST_TIE, [IS_SUPERUSER], [USER_PERMISSIONS], [FIELDS]),
        (false, true, true) => alone!(FIRST_TIE.read_only(), [], [], [FIELDS]),
        (true, false, true) => alone!(TIES, [IS_SUPERUSER], [USER_PERMISSIONS], [FIELDS]),
        (false, false, true) => alone!(TIES, [], [], [FIELDS]),
    }
}

#[cfg(test)]
mod tests {
    use super::PROFILE;
    use crate::directory::{Input, UserEdit, Writer};

    #[test]
    fn a_profile_is_what_the_directory_lets_people_say_of_themselves() {
        let theirs = UserEdit::fields().filter(|field| field.writer == Writer::Oneself && field.flag);
        let mut theirs: Vec<_> = theirs.map(|field| field.name).collect();
        let mut profile: Vec<_> = PROFILE.iter().map(|field| field.name).collect();
        theirs.sort_unstable();
        profile.sort_unstable();
        assert_eq!(profile, theirs);
    }
}
