//! `me/email/`, `me/email/{number}/` and its `confirm/`: the addresses of who asks. They are not believed before a link in a letter has shown
//! that they are theirs.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::emails::{FIELDS, tell};
use super::own_profile::{answer, own, own_by};
use super::records::page;
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::name::Email;
use crate::directory::{self, EmailRecord, List, Resource, View};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const NEW: &[Field] = &[
    Field::new("email", Shape::Email).required().at_most(254).label("Email address"),
    Field::new("current_password", Shape::Untrimmed)
        .blank()
        .help("Your password, if you have one; needed where a confirmed address is a way in"),
];
const EDIT: &[Field] = &[Field::flag("primary").help("Whether letters go to it; it must be confirmed")];
const DELETED_WITH: &[Field] = &[Field::new("current_password", Shape::Untrimmed)
    .blank()
    .help("Your password, if you have one; needed to remove a confirmed address")];

/// The list.
pub(super) struct Emails;

pub(super) struct One(pub i64);

pub(super) struct Confirm(pub i64);

#[async_trait]
impl Endpoint for Emails {
    const NAME: &'static str = "My Addresses";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = EmailRecord::FIELDS;

    fn fields(_: Audience) -> &'static [Field] {
        NEW
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(FIELDS)
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        if verb != Verb::Create {
            let own = own(call);
            let read = |_: View, list: List| {
                let view = own.view.clone();
                async move { view.emails(&list).await }
            };
            return page::<EmailRecord, _, _>(call, List::of_user(own.user), read, tell).await;
        }
        let (data, errors) = call.data(NEW, body, false).await?;
        call.settle(errors)?;
        let email = Email::new(data.text("email").unwrap_or_default()).map_err(refused::<EmailRecord>)?;
        let path = call.path("me/email/");
        let told = move |made: &EmailRecord| {
            Some(Done::Made { body: tell(made), location: Some(format!("{path}{}/", made.id)), alone: None })
        };
        let (session, password) = (call.session.as_deref(), data.text("current_password").unwrap_or_default());
        let add = |view: View| async move {
            let added = own_by(call, &view).add_email(email, session, (call.client.0, password)).await;
            added.map_err(answer::<EmailRecord>)
        };
        call.make(own(call).view, told, add).await
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "My Address";
    const PERMISSION: &'static str = "";
    const HAS_VERSIONS: bool = true;
    const DELETED_WITH: &'static [Field] = DELETED_WITH;

    fn fields(_: Audience) -> &'static [Field] {
        EDIT
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(FIELDS)
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_email((call.asker.user.id, self.0), move |email| versions.hold(&tell(email)))
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let (own, id) = (own(call), self.0);
        let found = own.view.email(own.user, id).await.map_err(refused::<EmailRecord>)?;
        match verb {
            Verb::Update { partial } => {
                let (data, mut errors) = call.data(EDIT, body, partial).await?;
                let wanted = data.flag("primary").unwrap_or(found.is_primary);
                if found.is_primary && !wanted {
                    errors.add("primary", "Make another address the primary one.");
                }
                call.settle(errors)?;
                let is_changed = wanted != found.is_primary;
                let edited = if is_changed {
                    own.prefer_email(id).await.map_err(answer::<EmailRecord>)?
                } else {
                    own.view.holds().await.map_err(refused::<EmailRecord>)?;
                    found
                };
                Ok(Done::Told(tell(&edited)))
            }
            Verb::Delete => {
                let (data, errors) = call.data(DELETED_WITH, body, true).await?;
                call.settle(errors)?;
                let password = data.text("current_password").unwrap_or_default();
                let removed = own.remove_email(id, call.session.as_deref(), (call.client.0, password)).await;
                removed.map(|()| Done::Gone).map_err(answer::<EmailRecord>)
            }
            _ => Ok(Done::Told(tell(&found))),
        }
    }
}

#[async_trait]
impl Endpoint for Confirm {
    const NAME: &'static str = "Another Letter";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = super::tokens::ACT;

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(FIELDS)
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let confirmed = own(call).confirm_email(self.0).await;
        Ok(Done::Told(tell(&confirmed.map_err(answer::<EmailRecord>)?)))
    }
}
