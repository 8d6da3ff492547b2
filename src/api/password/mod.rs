//! New passwords: [`change`] for who is logged in, [`reset`] for who asks for a link, [`confirm`] for who has one; and a page for each.
//!
//! Fields, their errors and the order in which they are found are the reference's. Limits are those of the token endpoint: one for
//! an address over all that take no credential, one for a user who has one.

pub mod ask_page;
pub mod change;
pub mod change_page;
pub mod confirm;
mod letter;
mod page;
pub mod reset;
pub mod reset_page;

pub(super) use letter::AT_ONCE as LETTERS_AT_ONCE;

use super::Api;
use super::error::ApiError;
use crate::compat::openwisp::fields::{FieldErrors, Fields, TextField};
use crate::directory::StoreError;
use crate::login::LoginError;
use crate::login::renew::Stored;
use crate::login::reset::Resets;
use crate::password::validate::UnfitPassword;
use data_encoding::HEXLOWER;
use secrecy::SecretString;

const MISMATCH: &str = "The two password fields didn’t match.";
/// Characters of a password's field.
const LONGEST: usize = 128;

impl Api {
    /// What makes the tokens of links, and knows them: Django's secret where it is configured, else one of this installation.
    pub(super) fn resets(&self) -> Resets {
        let mut secrets = self.identity.django_keys();
        if secrets.is_empty() {
            let ours = self.store.checksum_key().derive("postern password resets 1");
            secrets.push(HEXLOWER.encode(&ours).into());
        }
        Resets::new(&secrets, self.passwords.link_lifetime)
    }
}

/// Reads the field of a password. The reference drops blanks around each of them.
fn password(api: &Api, name: &'static str, fields: &Fields, errors: &mut FieldErrors) -> Option<String> {
    let text = TextField { name, required: true, trim: api.compat }.read(fields, errors)?;
    if text.chars().count() > LONGEST {
        errors.add(name, format!("Ensure this field has no more than {LONGEST} characters."));
        return None;
    }
    Some(text)
}

/// What goes wrong between a good request and a new password.
enum Refused {
    Mismatch,
    Unfit(UnfitPassword),
    /// It has been changed meanwhile.
    Late,
    /// It could not be tried, computed or kept.
    Login(LoginError),
}

impl From<LoginError> for Refused {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

/// Gives somebody the password that they have written twice.
async fn renew(api: &Api, stored: &Stored, one: String, two: &str) -> Result<(), Refused> {
    if one != two {
        return Err(Refused::Mismatch);
    }
    let new = SecretString::from(one);
    api.login.fits(stored, new.clone()).await?.map_err(Refused::Unfit)?;
    if api.login.renew(stored, new).await? { Ok(()) } else { Err(Refused::Late) }
}

/// As an error of the API; `late` where the password has been changed meanwhile.
fn of_refused(refused: Refused, late: impl FnOnce() -> FieldErrors) -> ApiError {
    ApiError::of_fields(match refused {
        Refused::Mismatch => of_field("new_password2", MISMATCH),
        Refused::Unfit(UnfitPassword(unfit)) => {
            let mut errors = FieldErrors::default();
            unfit.iter().for_each(|why| errors.add("new_password2", why.to_string()));
            errors
        }
        Refused::Late => late(),
        Refused::Login(error) => return of_login(error),
    })
}

fn of_field(field: &str, message: &str) -> FieldErrors {
    let mut errors = FieldErrors::default();
    errors.add(field, message);
    errors
}

/// Where no password is wrong, and something else is.
pub(super) fn of_login(error: LoginError) -> ApiError {
    match error {
        LoginError::Throttled(wait) => ApiError::Throttled { wait, state: None },
        LoginError::Busy(_) => ApiError::Busy,
        LoginError::Wrong => ApiError::Unavailable,
        LoginError::Store(error) => of_store(&error),
    }
}

fn of_store(error: &StoreError) -> ApiError {
    tracing::warn!(%error, "a password cannot be changed");
    ApiError::Unavailable
}
