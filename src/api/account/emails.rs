//! Somebody's e-mail addresses: one is added without being believed, and a letter with a link shows that it is theirs.

use super::{Refused, Visit};
use crate::api::page;
use crate::api::standing::{Doubt, NOT_YOURS, Standing, TOO_OLD};
use crate::directory::name::Email;
use crate::directory::{EmailEdit, EmailRecord, List, NewEmail, UserRecord};
use crate::login::links;
use crate::mail::templates::{Kind, Values};
use std::net::IpAddr;

/// So many a user has by this page, at most: each can be sent letters.
const MOST: usize = 10;
const ENOUGH: &str = "These are enough addresses: remove one first.";
const NO_LETTERS: &str = "No letters are sent here.";
const NOT_CONFIRMED: &str = "Show first that this address is yours, by the link in its letter.";
const TOO_MANY: &str = "There were too many letters. Try again in an hour.";

impl Visit<'_> {
    pub(super) async fn emails(&self) -> Result<Vec<EmailRecord>, Refused> {
        Ok(self.view.emails(&List::of_user(self.user)).await?.rows)
    }

    /// Adds an address, and has it confirmed.
    pub(super) async fn add_email(&self, user: &UserRecord, text: &str) -> Result<(), Refused> {
        if self.emails().await?.len() >= MOST {
            return Err(Refused::Said(ENOUGH.to_owned()));
        }
        let email = Email::new(text).map_err(|error| Refused::of_field("email", &error))?;
        let new = NewEmail { email, verified: false, is_primary: false };
        let made = self.view.create_email(&self.user.into(), new).await;
        let made = made.map_err(|error| Refused::of_field("email", &error))?;
        match self.post(user, &made).await {
            // It can be asked for again.
            Err(Refused::Said(_)) => Ok(()),
            posted => posted,
        }
    }

    /// Makes an address the one that letters go to, once it is theirs.
    pub(super) async fn prefer_email(&self, id: i64) -> Result<(), Refused> {
        if !self.view.email(self.user, id).await?.verified {
            return Err(Refused::Said(NOT_CONFIRMED.to_owned()));
        }
        let edit = EmailEdit { is_primary: Some(true), ..EmailEdit::default() };
        Ok(self.view.edit_email(self.user, id, edit).await.map(drop)?)
    }

    /// Removes an address. By one that is confirmed its owner gets a new password, so whoever sits at this screen shows that they are they.
    pub(super) async fn remove_email(&self, id: i64, client: IpAddr, password: &str) -> Result<(), Refused> {
        if self.view.email(self.user, id).await?.verified {
            let standing = Standing::of(self.api, &self.visitor, self.user).await?;
            let confirmed = standing.confirm(self.api, self.user, client, password).await;
            confirmed.map_err(|doubt| match doubt {
                Doubt::TooOld => Refused::Said(TOO_OLD.to_owned()),
                Doubt::Wrong => Refused::Said(NOT_YOURS.to_owned()),
                Doubt::Throttled(wait) => Refused::Said(page::too_many(wait)),
                Doubt::Store(error) => Refused::Store(error),
            })?;
        }
        Ok(self.view.delete_email(self.user, id).await.map(drop)?)
    }

    /// Sends the link to an address once more.
    pub(super) async fn confirm_email(&self, user: &UserRecord, id: i64) -> Result<(), Refused> {
        let address = self.view.email(self.user, id).await?;
        if address.verified { Ok(()) } else { self.post(user, &address).await }
    }

    async fn post(&self, user: &UserRecord, address: &EmailRecord) -> Result<(), Refused> {
        let none = || Refused::Said(NO_LETTERS.to_owned());
        let (mail, site) = self.api.mail.as_ref().zip(self.api.links.site()).ok_or_else(none)?;
        if !self.api.login.limits().may_write_to(self.user).await {
            return Err(Refused::Said(TOO_MANY.to_owned()));
        }
        let token = links::confirmation(&self.api.store, address);
        let link = token.and_then(|token| self.api.links.confirm_email(self.user, &token)).ok_or_else(none)?;
        let values = Values { site, username: &user.username, link: &link, ..Values::default() };
        mail.post(address.email.clone(), Kind::EmailConfirmation, &user.language, &values);
        Ok(())
    }
}
