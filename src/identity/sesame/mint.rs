//! A token for somebody of the directory, as the settings that read it want it.

use super::primary_key::{Field, KeyType, PrimaryKey};
use super::{Person, Sesame, isoformat};
use crate::clock;
use crate::directory::{Directory, DirectoryError, StoreError, UserKey, UserRecord, Usernames, login_of};
use data_encoding::HEXLOWER;
use secrecy::ExposeSecret;
use thiserror::Error;

/// Why there is no token for somebody.
#[derive(Debug, Error)]
pub enum MintError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// They are inactive, or have not what tokens rest on here, or the settings cannot make such a token.
    #[error("{0}")]
    Unfit(String),
}

impl From<StoreError> for MintError {
    fn from(error: StoreError) -> Self {
        Self::Directory(error.into())
    }
}

fn unfit<T>(why: impl Into<String>) -> Result<T, MintError> {
    Err(MintError::Unfit(why.into()))
}

/// A token, and until which second (Unix) it is good; `None`: for ever.
pub struct Minted {
    pub token: String,
    pub until: Option<i64>,
}

/// Makes a token for a user, whom it names by a field; good for `max_age` seconds, where that is said.
///
/// # Errors
/// See [`MintError`].
pub async fn mint(
    (sesame, field): (&Sesame, Field),
    store: &Directory,
    user: &UserRecord,
    (scope, max_age): (&str, Option<i64>),
) -> Result<Minted, MintError> {
    if !user.is_active {
        return unfit(format!("{} is inactive: no token would be good", user.username));
    }
    let Some(found) = store.revocation(&UserKey::Id(user.id)).await? else { return unfit("the user has just gone") };
    let text = |value: &Option<String>, what| match value {
        Some(value) => Ok(value.clone()),
        None => unfit(format!("{} has no {what}", user.username)),
    };
    let named = match field {
        Field::Id => user.id.to_string(),
        Field::Username if store.usernames().await? == Usernames::PerOrganization => {
            login_of(user.organization_slug.as_deref(), &user.username)
        }
        Field::Username => user.username.clone(),
        Field::Email => text(&user.email, "e-mail address")?,
        Field::ExternalId => text(&user.external_id, "external id")?,
    };
    let wrong = |what: &str| MintError::Unfit(format!("{named} is no {what}, as `key_type` wants it"));
    let key = match sesame.settings().key_type {
        KeyType::Uuid => PrimaryKey::Uuid(named.parse().map_err(|_| wrong("UUID"))?),
        KeyType::Binary => {
            PrimaryKey::Binary(HEXLOWER.decode(named.as_bytes()).map_err(|_| wrong("key in lower-case hex"))?)
        }
        KeyType::Signed(_) | KeyType::Unsigned(_) => {
            PrimaryKey::Integer(named.parse().map_err(|_| wrong("whole number"))?)
        }
        KeyType::Text => PrimaryKey::Text(named),
    };
    let (now, usual) = (clock::unix_seconds(), sesame.settings().max_age);
    let mut made = now;
    if let Some(wanted) = max_age {
        let Some(usual) = usual else { return unfit("tokens have no age here: `max_age` is `none`") };
        // A token carries the time that it was made at, and whoever reads it knows how long it is good.
        made = made.saturating_add(wanted).saturating_sub(usual);
    }
    let last_login = found.last_login.map(isoformat);
    if sesame.settings().invalidate_on_email_change && found.email.is_none() {
        return unfit(format!(
            "{} has no e-mail address, which tokens rest on here: `invalidate_on_email_change`",
            user.username
        ));
    }
    let password = found.password.as_ref().map(|password| password.expose_secret());
    let person = Person { password, email: found.email.as_deref(), last_login: last_login.as_deref() };
    match sesame.mint(&key, person, scope, made) {
        Some(token) => Ok(Minted { token, until: usual.map(|usual| made.saturating_add(usual)) }),
        None => unfit("the settings cannot make such a token: version 1 has no scopes, and keys must fit `key_type`"),
    }
}
