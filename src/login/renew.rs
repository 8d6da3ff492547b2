//! New passwords: for who knows the old one, and for who has a link that says whose they are.
//!
//! Whoever is allowed to choose holds the hash that is kept ([`Stored`]), and the new one takes its place only while it is still
//! there: of two who use a link at once, one succeeds. The old password is tried within the limits of logins.

use super::reset::{Resets, Subject};
use super::{Login, LoginError, links};
use crate::clock;
use crate::directory::{DirectoryError, LoginCandidate, Revocation, StoreError, UserKey, Viewer};
use crate::id::UserId;
use crate::limit::Who;
use crate::password::PasswordHash;
use crate::password::validate::{Unfit, UnfitPassword, Validators};
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;

/// Whose password may be replaced, and what it must still be.
#[derive(Clone, Debug)]
pub struct Stored {
    pub user: UserId,
    pub username: String,
    password: PasswordHash,
}

/// Why a link is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// There is no such user.
    User,
    /// The token is not good: never was, is too old, was used, or its user has logged in since.
    Token,
}

impl Login {
    /// Whom a link may be sent to because of an identifier: active users with a password and an address.
    ///
    /// # Errors
    /// The store fails.
    pub async fn whom(
        &self,
        identifier: &str,
        organization: Option<String>,
    ) -> Result<Vec<LoginCandidate>, StoreError> {
        let Some(query) = self.query(identifier, organization) else { return Ok(Vec::new()) };
        let mut found = self.store.login_candidates(&query).await?;
        found.retain(|person| self.may_log_in(person) && person.password.as_ref().is_some_and(PasswordHash::is_usable));
        Ok(found)
    }

    /// A token for a link, with the address that it goes to; `None` where there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn link(&self, user: UserId, resets: &Resets) -> Result<Option<(String, String)>, StoreError> {
        let Some((found, emails)) = self.rests_on(user).await? else { return Ok(None) };
        let token = resets.make(subject(user, &found, &emails), clock::unix_seconds());
        Ok(token.zip(found.email.filter(|email| !email.is_empty())))
    }

    /// Whose link this is. `inactive`: whether somebody inactive may use it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn of_link(
        &self,
        user: UserId,
        token: &str,
        resets: &Resets,
        inactive: bool,
    ) -> Result<Result<Stored, NoLink>, StoreError> {
        let Some((found, emails)) = self.rests_on(user).await? else { return Ok(Err(NoLink::User)) };
        let subject = subject(user, &found, &emails);
        let invitations = links::invitations(&self.store, self.accounts.passwords.invitation_lifetime);
        // An invitation is for who has no password.
        let has_none = || !PasswordHash::from_stored(found.password()).is_usable();
        let is_good = resets.is_good(token, subject, clock::unix_seconds())
            || has_none() && invitations.is_good(token, subject, clock::unix_seconds());
        let whose = &found.snapshot.user;
        if !is_good || !(inactive || whose.is_active) {
            return Ok(Err(NoLink::Token));
        }
        let password = PasswordHash::from_stored(found.password());
        Ok(Ok(Stored { user, username: whose.known_as().into_owned(), password }))
    }

    async fn rests_on(&self, user: UserId) -> Result<Option<(Revocation, Vec<String>)>, StoreError> {
        let Some(found) = self.store.revocation(&UserKey::Id(user)).await? else { return Ok(None) };
        Ok(Some((found, links::addresses(&self.store, user).await?)))
    }

    /// Whether somebody who is known already knows their password too.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn knows(&self, user: UserId, password: SecretString, client: IpAddr) -> Result<Stored, LoginError> {
        let found = self.store.revocation(&UserKey::Id(user)).await?.ok_or(LoginError::Wrong)?;
        let stored = PasswordHash::from_stored(found.password());
        let counted = self.limits.attempt(Who::User(user), client).await.map_err(LoginError::Throttled)?;
        let matches = self.pool.first_match(password, vec![stored.clone()], None).await;
        if !matches!(matches, Ok(None)) {
            self.limits.give_back(counted).await;
        }
        matches?.ok_or(LoginError::Wrong)?;
        Ok(Stored { user, username: found.snapshot.user.known_as().into_owned(), password: stored })
    }

    /// What new passwords are looked at for.
    #[must_use]
    pub fn validators(&self) -> Validators {
        self.accounts.passwords.validators
    }

    /// Whether a new password will do.
    ///
    /// # Errors
    /// Within, why not; too many passwords are being computed.
    pub async fn fits(&self, stored: &Stored, new: SecretString) -> Result<Result<(), UnfitPassword>, LoginError> {
        let user = match self.store.as_seen_by(Viewer::Operator).user(&stored.user.into()).await {
            Ok(user) => user,
            Err(DirectoryError::Store(error)) => return Err(error.into()),
            // Deleted in this very moment.
            Err(_) => return Err(LoginError::Wrong),
        };
        if let Err(unfit) = self.validators().check(new.expose_secret(), user.personal()) {
            return Ok(Err(unfit));
        }
        let is_same = self.pool.first_match(new, vec![stored.password.clone()], None).await?.is_some();
        Ok(if is_same { Err(UnfitPassword(vec![Unfit::Reused])) } else { Ok(()) })
    }

    /// A new password as it is kept.
    ///
    /// # Errors
    /// It cannot be computed.
    pub async fn hash(&self, new: SecretString) -> Result<PasswordHash, LoginError> {
        let hash = self.pool.hash(new).await?;
        Ok(hash.map_err(|error| StoreError::Unavailable(format!("a password cannot be hashed: {error}")))?)
    }

    /// Puts a new password in the place of the stored one, unless that has changed meanwhile; whether it did. All of the user's
    /// sessions end with it.
    ///
    /// # Errors
    /// It cannot be computed or kept.
    pub async fn renew(&self, stored: &Stored, new: SecretString) -> Result<bool, LoginError> {
        let hash = self.hash(new).await?;
        let old = stored.password.clone();
        Ok(self.store.exchange_password(stored.user, old, hash, clock::today()).await?)
    }
}

/// What a token of somebody rests on.
fn subject<'p>(user: UserId, found: &'p Revocation, emails: &'p [String]) -> Subject<'p> {
    let email = found.email.as_deref().unwrap_or_default();
    Subject { user, password: found.password(), last_login: found.last_login, email, emails }
}
