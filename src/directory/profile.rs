//! What a user's record holds besides.

use super::engine::Directory;
use super::error::{DirectoryError, Noun, Unique};
use super::model::UserSelector;
use super::tx::Tx;
use super::{organizations, users};
use crate::id::OrgId;
use crate::password::PasswordHash;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use serde_json::json;

/// A date as it is written down.
fn as_text<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(|date| date.to_string()).serialize(serializer)
}

/// What a user's record holds besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Profile {
    pub bio: String,
    pub url: String,
    pub company: String,
    pub location: String,
    pub notes: String,
    /// Language of mails, such as `en-gb`.
    pub language: String,
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
    pub bio: Option<String>,
    pub url: Option<String>,
    pub company: Option<String>,
    pub location: Option<String>,
    pub notes: Option<String>,
    pub language: Option<String>,
    pub birth_date: Option<Option<Date>>,
    /// The last day of the account.
    pub expiration_date: Option<Option<Date>>,
    /// Microseconds since the Unix epoch.
    pub last_login: Option<Option<i64>>,
    /// How the user's token was got.
    pub password_based_token: Option<Option<bool>>,
    pub organization: Option<Option<OrgId>>,
}

impl Directory {
    /// What a user's record holds besides.
    pub async fn profile(&self, user: &UserSelector) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { profile(tx, &user).await })).await
    }

    pub async fn edit_profile(&self, user: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { edit_profile(tx, &user, edit).await })).await
    }
}

async fn profile(tx: &Tx<'_>, by: &UserSelector) -> Result<Profile, DirectoryError> {
    let user = users::find(tx, by).await?;
    let sql = "SELECT bio, url, company, location, notes, language, birth_date, expiration_date,
                      password_updated, last_login, password_based_token, password, organization_id,
                      created_micros, modified_micros
               FROM users WHERE id = $1";
    let row = tx.row(sql, &[&user.id]).await?;
    let row = row.ok_or_else(|| DirectoryError::NotFound { noun: Noun::User, reference: by.to_string() })?;
    let password = row.get::<Option<String>>("password")?.map(PasswordHash::from_stored);
    Ok(Profile {
        bio: row.get("bio")?,
        url: row.get("url")?,
        company: row.get("company")?,
        location: row.get("location")?,
        notes: row.get("notes")?,
        language: row.get("language")?,
        birth_date: row.date("birth_date")?,
        expiration_date: row.date("expiration_date")?,
        password_updated: row.date("password_updated")?,
        last_login: row.get("last_login")?,
        password_based_token: row.get("password_based_token")?,
        has_password: password.is_some_and(|password| password.is_usable()),
        organization: row.get("organization_id")?,
        created_micros: row.get("created_micros")?,
        modified_micros: row.get("modified_micros")?,
    })
}

async fn edit_profile(tx: &Tx<'_>, by: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
    // Two who edit one user do so one after the other.
    let user = users::find(tx, by).await?;
    tx.lock("users", &user.id).await?;
    let before = profile(tx, &user.id.into()).await?;
    if let Some(organization) = edit.organization.flatten() {
        organizations::find(tx, &organization.into()).await?;
    }
    let old = before.clone();
    let new = Profile {
        bio: edit.bio.unwrap_or(old.bio),
        url: edit.url.unwrap_or(old.url),
        company: edit.company.unwrap_or(old.company),
        location: edit.location.unwrap_or(old.location),
        notes: edit.notes.unwrap_or(old.notes),
        language: edit.language.unwrap_or(old.language),
        birth_date: edit.birth_date.unwrap_or(old.birth_date),
        expiration_date: edit.expiration_date.unwrap_or(old.expiration_date),
        last_login: edit.last_login.unwrap_or(old.last_login),
        password_based_token: edit.password_based_token.unwrap_or(old.password_based_token),
        organization: edit.organization.unwrap_or(old.organization),
        modified_micros: 0,
        ..old
    };
    let sql = "UPDATE users SET bio = $2, url = $3, company = $4, location = $5, notes = $6, language = $7,
                   birth_date = $8, expiration_date = $9, last_login = $10,
                   password_based_token = $11, organization_id = $12, modified = $13, modified_micros = 0 WHERE id = $1";
    let saved = tx
        .execute(
            sql,
            &[
                &user.id,
                &new.bio,
                &new.url,
                &new.company,
                &new.location,
                &new.notes,
                &new.language,
                &new.birth_date,
                &new.expiration_date,
                &new.last_login,
                &new.password_based_token,
                &new.organization,
                &tx.now,
            ],
        )
        .await;
    match saved {
        Err(failure) if failure.violates("users_username") => {
            Err(DirectoryError::Taken { unique: Unique::Username, value: user.username })
        }
        saved => {
            saved?;
            tx.changed_as("user.profile", json!({ "user": by.to_string() }), &before, &new);
            Ok(new)
        }
    }
}
