//! Links of this installation's own, with tokens as in [`super::reset`]: invitations, which let somebody choose their first password, and
//! those by which somebody shows that an e-mail address is theirs.

use super::Login;
use super::reset::{Resets, Subject};
use crate::clock;
use crate::directory::{Directory, DirectoryError, EmailEdit, EmailRecord, List, StoreError, UserKey, Viewer};
use crate::id::UserId;
use data_encoding::HEXLOWER;
use std::time::Duration;

/// How long a link is good that shows whose an address is: as long as allauth's (`EMAIL_CONFIRMATION_EXPIRE_DAYS`).
const CONFIRMATION: Duration = Duration::from_secs(3 * 86_400);

fn tokens(store: &Directory, purpose: &str, lifetime: Duration) -> Resets {
    let secret = HEXLOWER.encode(&store.checksum_key().derive(purpose));
    Resets::of(purpose, &[secret.into()], lifetime)
}

/// What makes the tokens of invitations, and knows them.
pub(super) fn invitations(store: &Directory, lifetime: Duration) -> Resets {
    tokens(store, "postern invitations 1", lifetime)
}

/// A token with which somebody chooses their first password; `None` for who has one.
///
/// # Errors
/// The store fails.
pub async fn invite(store: &Directory, user: UserId, lifetime: Duration) -> Result<Option<String>, StoreError> {
    let Some(found) = store.revocation(&UserKey::Id(user)).await? else { return Ok(None) };
    if crate::password::PasswordHash::from_stored(found.password()).is_usable() {
        return Ok(None);
    }
    let emails = addresses(store, user).await?;
    let email = found.email.as_deref().unwrap_or_default();
    let subject = Subject { user, password: found.password(), last_login: found.last_login, email, emails: &emails };
    Ok(invitations(store, lifetime).make(subject, clock::unix_seconds()))
}

/// All addresses of a user.
pub(super) async fn addresses(store: &Directory, user: UserId) -> Result<Vec<String>, StoreError> {
    Ok(records(store, user).await?.into_iter().map(|email| email.email).collect())
}

async fn records(store: &Directory, user: UserId) -> Result<Vec<EmailRecord>, StoreError> {
    match store.as_seen_by(Viewer::Operator).emails(&List::of_user(user)).await {
        Ok(emails) => Ok(emails.rows),
        Err(DirectoryError::Store(error)) => Err(error),
        // Deleted in this very moment.
        Err(_) => Ok(Vec::new()),
    }
}

/// A token that shows whose an address is, for a letter to it.
#[must_use]
pub fn confirmation(store: &Directory, address: &EmailRecord) -> Option<String> {
    tokens(store, CONFIRMATIONS, CONFIRMATION).make(of_address(address), clock::unix_seconds())
}

const CONFIRMATIONS: &str = "postern e-mail confirmations 1";

fn of_address(address: &EmailRecord) -> Subject<'_> {
    let emails = &[];
    Subject { user: address.user, password: "", last_login: Some(address.id), email: &address.email, emails }
}

impl Login {
    /// The address that a link shows to be somebody's; `None` for one that is not good.
    ///
    /// # Errors
    /// The store fails.
    pub async fn of_confirmation(&self, user: UserId, token: &str) -> Result<Option<EmailRecord>, StoreError> {
        let tokens = tokens(&self.store, CONFIRMATIONS, CONFIRMATION);
        let is_meant = |address: &EmailRecord| tokens.is_good(token, of_address(address), clock::unix_seconds());
        Ok(records(&self.store, user).await?.into_iter().find(is_meant))
    }

    /// Notes that an address is theirs; `false` where it is another's meanwhile.
    ///
    /// # Errors
    /// The store fails.
    pub async fn confirm(&self, address: &EmailRecord) -> Result<bool, StoreError> {
        let edit = EmailEdit { verified: Some(true), ..EmailEdit::default() };
        match self.store.as_seen_by(Viewer::Operator).edit_email(address.user, address.id, edit).await {
            Ok(_) => Ok(true),
            Err(DirectoryError::Store(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}
