//! People: how they log in, what their record holds besides, and their e-mail addresses.

use super::error::{DirectoryError, StoreError};
use super::import::{ImportReport, Pieces};
use super::model::{UserRecord, UserSelector};
use super::name::Email;
use super::token::TokenDigest;
use crate::id::{OrgId, TokenId, UserId};
use crate::password::{Kinds, PasswordHash};
use async_trait::async_trait;
use jiff::civil::Date;
use serde::{Serialize, Serializer};

/// Whom a login identifier may mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginQuery {
    /// An e-mail address, whatever its case.
    pub email: Option<String>,
    /// Phone numbers, as they are kept.
    pub phones: Vec<String>,
    /// A username, as spelt.
    pub username: Option<String>,
    /// `Some`: of users whose primary organization has this slug, whatever its case; and of superusers who have none.
    pub organization: Option<String>,
}

impl LoginQuery {
    /// The address in the spellings that find it: stores compare without case, but some only where letters are ASCII.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let Some(email) = &self.email else { return Vec::new() };
        let mut spellings = vec![email.clone()];
        if !email.is_ascii() {
            for spelling in [email.to_lowercase(), email.to_uppercase()] {
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        spellings
    }
}

/// Somebody whom a login identifier means.
#[derive(Clone, Debug)]
pub struct LoginCandidate {
    /// Who.
    pub user: UserId,
    /// Login name.
    pub username: String,
    /// An inactive user does not log in.
    pub is_active: bool,
    /// Their passwords may last for another time.
    pub is_staff: bool,
    /// When they chose their password, where that is known.
    pub password_updated: Option<Date>,
    /// What a password is compared with.
    pub password: Option<PasswordHash>,
}

/// A token that is kept encrypted besides.
#[derive(Clone, Debug)]
pub struct SealedToken {
    /// Its record.
    pub token: TokenId,
    /// The token, encrypted (see [`super::seal`]).
    pub sealed: Vec<u8>,
}

/// A token to be kept encrypted, where the user has none.
#[derive(Clone, Debug)]
pub struct NewSealedToken {
    /// Whose it will be.
    pub user: UserId,
    /// Its digest.
    pub digest: TokenDigest,
    /// The token, encrypted.
    pub sealed: Vec<u8>,
    /// One that cannot be decrypted any more; it stays valid, but this one takes its place.
    pub instead_of: Option<TokenId>,
}

/// A date as it is written down.
fn as_text<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(|date| date.to_string()).serialize(serializer)
}

/// What a user's record holds besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Profile {
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
    /// Language of mails, such as `en-gb`.
    pub language: String,
    /// Date of birth.
    #[serde(serialize_with = "as_text")]
    pub birth_date: Option<Date>,
    /// From the day after this one on, the user is to be made inactive.
    #[serde(serialize_with = "as_text")]
    pub expiration_date: Option<Date>,
    /// When the person last chose the password.
    #[serde(serialize_with = "as_text")]
    pub password_updated: Option<Date>,
    /// Microseconds since the Unix epoch.
    pub last_login: Option<i64>,
    /// Whether the user's token was got by password; `None`: by the old installation, nobody knows how.
    pub password_based_token: Option<bool>,
    /// Whether some password may log the user in.
    pub has_password: bool,
    /// The primary organization, where usernames are per organization.
    pub organization: Option<OrgId>,
    /// What [`super::UserRecord::created`] leaves out, in microseconds.
    pub created_micros: u32,
    /// What [`super::UserRecord::modified`] leaves out, in microseconds.
    pub modified_micros: u32,
}

/// What to change of it; what is `None` stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct ProfileEdit {
    /// About the person.
    pub bio: Option<String>,
    /// Home page.
    pub url: Option<String>,
    /// Where the person works.
    pub company: Option<String>,
    /// Where the person is.
    pub location: Option<String>,
    /// What administrators note.
    pub notes: Option<String>,
    /// Language of mails.
    pub language: Option<String>,
    /// Date of birth.
    pub birth_date: Option<Option<Date>>,
    /// The last day of the account.
    pub expiration_date: Option<Option<Date>>,
    /// Microseconds since the Unix epoch.
    pub last_login: Option<Option<i64>>,
    /// How the user's token was got.
    pub password_based_token: Option<Option<bool>>,
    /// The primary organization.
    pub organization: Option<Option<OrgId>>,
}

/// An e-mail address of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailRecord {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// Whether the person has shown that it is theirs.
    pub verified: bool,
    /// The one that mails go to.
    pub is_primary: bool,
}

/// An e-mail address to be added.
#[derive(Clone, Debug)]
pub struct NewEmail {
    /// The address.
    pub email: Email,
    /// Whether it is known to be theirs.
    pub verified: bool,
    /// It takes the place of the primary one.
    pub is_primary: bool,
}

/// What a store can do for people: one part of [`super::Store`].
#[async_trait]
pub trait People: Send + Sync + 'static {
    /// Whom an identifier means: by phone, then by e-mail address, then by username; each once, and few.
    async fn login_candidates(&self, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError>;

    /// Of which kinds all users' passwords are.
    async fn password_kinds(&self) -> Result<Kinds, StoreError>;

    /// Gives a user a password, or none, that was chosen on a day.
    async fn set_password(
        &self,
        user: &UserSelector,
        password: Option<PasswordHash>,
        chosen: Date,
    ) -> Result<UserRecord, DirectoryError>;

    /// Keeps the same password in another form, unless it was changed meanwhile; whether it did.
    async fn upgrade_password(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Result<bool, StoreError>;

    /// Gives a user a new password that was chosen on a day, unless the one that is kept is another than `old` by now; whether it
    /// did. Of many who try at once, one succeeds.
    async fn exchange_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
        chosen: Date,
    ) -> Result<bool, StoreError>;

    /// What a user's record holds besides.
    async fn profile(&self, user: &UserSelector) -> Result<Profile, DirectoryError>;

    /// Changes it.
    async fn edit_profile(&self, user: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError>;

    /// A user's e-mail addresses, oldest first.
    async fn emails(&self, user: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError>;

    /// One e-mail address of a user.
    async fn email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError>;

    /// Adds an address. A verified one is nobody else's; a new primary one takes the old one's place.
    async fn create_email(&self, user: &UserSelector, email: NewEmail) -> Result<EmailRecord, DirectoryError>;

    /// Changes what is known of an address.
    async fn edit_email(
        &self,
        user: UserId,
        id: i64,
        verified: Option<bool>,
        is_primary: Option<bool>,
    ) -> Result<EmailRecord, DirectoryError>;

    /// Forgets an address.
    async fn delete_email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError>;

    /// The good token of a user that is kept encrypted.
    async fn sealed_token(&self, user: UserId) -> Result<Option<SealedToken>, StoreError>;

    /// Keeps a token encrypted, unless the user has a good one by now: then that one. Notes that it was got by password.
    async fn create_sealed_token(&self, token: NewSealedToken) -> Result<SealedToken, DirectoryError>;

    /// Brings an existing installation in, or up to date: all of it in one transaction, less what breaks a rule.
    async fn import(&self, pieces: Pieces) -> Result<ImportReport, DirectoryError>;
}
