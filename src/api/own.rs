//! What people change of their own: their profile and their e-mail addresses. The page of their account and the API do the same.

use super::Api;
use super::standing::{Doubt, Standing};
use crate::directory::name::{Email, PhoneNumber};
use crate::directory::{
    DirectoryError, EmailEdit, EmailRecord, List, NewEmail, StoreError, Unique, UserEdit, UserRecord, View,
};
use crate::id::UserId;
use crate::login::links;
use crate::mail::templates::{Kind, Values};
use std::net::IpAddr;
use std::time::Duration;

/// Said of a phone number that somebody else has.
pub(super) const NUMBER_TAKEN: &str = "This number cannot be yours here. If it is, ask an administrator.";

/// Whose account it is, and the directory as they see it.
pub(super) struct Own<'a> {
    pub api: &'a Api,
    pub view: View,
    pub user: UserId,
}

/// Why nothing was done.
pub(super) enum Refused {
    Directory(DirectoryError),
    /// Somebody else has the phone number.
    NumberTaken,
    /// They have as many addresses as they may have.
    Enough,
    /// No letters are sent here.
    NoLetters,
    /// They were sent as many as there may be.
    TooManyLetters,
    /// The address is not known to be theirs.
    NotConfirmed,
    /// They have not shown that they are themselves.
    Doubt(Doubt),
    Throttled(Duration),
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Directory(error.into())
    }
}

impl Own<'_> {
    /// Changes what they say of themselves. Who has which phone number is nobody's business: few that somebody has are tried in an hour.
    pub async fn edit_profile(&self, edit: UserEdit) -> Result<UserRecord, Refused> {
        self.counts().await?;
        let by = self.user.into();
        let number = edit.phone_number.as_ref().and_then(|number| number.as_ref().map(PhoneNumber::as_str));
        let is_new = number.is_some() && number != self.view.user(&by).await?.phone_number.as_deref();
        if !is_new {
            return Ok(self.view.edit_user(&by, edit).await?);
        }
        // There a number is what a message was sent to (openwisp-radius).
        if self.api.store.is_of_django() {
            return Err(Refused::NumberTaken);
        }
        let limits = self.api.login.limits();
        limits.conflict(self.user).await.map_err(Refused::Throttled)?;
        match self.view.edit_user(&by, edit).await {
            Err(DirectoryError::Taken { unique: Unique::PhoneNumber, .. }) => Err(Refused::NumberTaken),
            done => {
                limits.no_conflict(self.user).await;
                Ok(done?)
            }
        }
    }

    /// That they do not change their own without end.
    async fn counts(&self) -> Result<(), Refused> {
        self.api.login.limits().change(self.user).await.map_err(Refused::Throttled)
    }

    pub async fn emails(&self) -> Result<Vec<EmailRecord>, DirectoryError> {
        Ok(self.view.emails(&List::of_user(self.user)).await?.rows)
    }

    /// Whether an address of theirs lets somebody in, once it is confirmed: whom a provider knows by it; and on Django's tables whoever
    /// asks Django for a link, which django-allauth sends to any confirmed address.
    pub fn is_way_in(&self) -> bool {
        self.api.store.is_of_django() || self.api.providers.iter().any(|provider| provider.settings.link_by_email)
    }

    /// That whoever sits at this screen, or has this token, is the owner of the account: by their password, or a login a moment ago.
    async fn is_themselves(&self, session: Option<&str>, (client, password): (IpAddr, &str)) -> Result<(), Refused> {
        // As often as a password may be guessed elsewhere, also from an address that is known to be theirs.
        self.api.login.limits().request_of(self.user).await.map_err(|state| Refused::Throttled(state.reset))?;
        let standing = Standing::of(self.api, session, self.user).await?;
        standing.confirm(self.api, self.user, client, password).await.map_err(Refused::Doubt)
    }

    /// Adds an address without believing that it is theirs, and sends it a letter with a link that shows it.
    pub async fn add_email(
        &self,
        email: Email,
        session: Option<&str>,
        confirm: (IpAddr, &str),
    ) -> Result<EmailRecord, Refused> {
        self.counts().await?;
        if self.is_way_in() {
            self.is_themselves(session, confirm).await?;
        }
        let by = self.user.into();
        let made = self.view.create_email(&by, NewEmail { email, verified: false, is_primary: false }).await;
        let made = made.map_err(|error| match error {
            DirectoryError::Enough => Refused::Enough,
            error => error.into(),
        })?;
        match self.post(&self.view.user(&by).await?, &made).await {
            // It can be asked for again.
            Err(Refused::NoLetters | Refused::TooManyLetters) | Ok(()) => Ok(made),
            Err(refused) => Err(refused),
        }
    }

    /// Makes an address the one that letters go to, once it is theirs.
    pub async fn prefer_email(&self, id: i64) -> Result<EmailRecord, Refused> {
        self.counts().await?;
        if !self.view.email(self.user, id).await?.verified {
            return Err(Refused::NotConfirmed);
        }
        let edit = EmailEdit { is_primary: Some(true), ..EmailEdit::default() };
        Ok(self.view.edit_email(self.user, id, edit).await?)
    }

    /// Removes an address. One that is confirmed says who they are.
    pub async fn remove_email(&self, id: i64, session: Option<&str>, confirm: (IpAddr, &str)) -> Result<(), Refused> {
        self.counts().await?;
        if self.view.email(self.user, id).await?.verified {
            self.is_themselves(session, confirm).await?;
        }
        Ok(self.view.delete_email(self.user, id).await.map(drop)?)
    }

    /// Sends the link to an address once more.
    pub async fn confirm_email(&self, id: i64) -> Result<EmailRecord, Refused> {
        let address = self.view.email(self.user, id).await?;
        if !address.verified {
            self.post(&self.view.user(&self.user.into()).await?, &address).await?;
        }
        Ok(address)
    }

    async fn post(&self, user: &UserRecord, address: &EmailRecord) -> Result<(), Refused> {
        let sends = self.api.mail.as_ref().zip(self.api.links.site());
        let (mail, site) = sends.ok_or(Refused::NoLetters)?;
        if !self.api.login.limits().may_write_to(self.user).await {
            return Err(Refused::TooManyLetters);
        }
        let token = links::confirmation(&self.api.store, address);
        let link = token.and_then(|token| self.api.links.confirm_email(self.user, &token)).ok_or(Refused::NoLetters)?;
        let values = Values { site, username: &user.username, link: &link, ..Values::default() };
        mail.post(address.email.clone(), Kind::EmailConfirmation, &user.language, &values);
        Ok(())
    }
}
