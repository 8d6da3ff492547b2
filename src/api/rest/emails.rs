//! `user/{id}/email/` and `user/{id}/email/{number}/`.

use super::super::error::ApiError;
use super::records::page;
use super::refused::{refused, taken};
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::name::Email;
use crate::directory::{
    self, DirectoryError, EmailEdit, EmailRecord, List, NewEmail, Resource, Rows, Unique, View, Viewer,
};
use crate::id::UserId;
use async_trait::async_trait;
use axum::body::Body;

pub(super) const FIELDS: &[Field] = &[
    Field::new("id", Shape::Number).read_only().label("ID"),
    Field::new("email", Shape::Email).required().at_most(254).label("Email address"),
    Field::flag("verified").read_only(),
    Field::flag("primary"),
];

/// The list.
pub(super) struct Emails(pub UserId);

pub(super) struct One(pub UserId, pub i64);

#[async_trait]
impl Endpoint for Emails {
    const NAME: &'static str = "Email List Create";
    const PERMISSION: &'static str = "account.{}_emailaddress";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = EmailRecord::FIELDS;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        is_there(call, self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        match verb {
            Verb::Create => create(call, self.0, body).await,
            _ => all(call, self.0).await,
        }
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "Email Update";
    const PERMISSION: &'static str = "account.{}_emailaddress";
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The address: nobody logs in with it any more.".to_owned()])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_email((self.0, self.1), move |email| versions.hold(&tell(email)))
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        is_there(call, self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(user, number) = *self;
        match verb {
            Verb::Update { partial } => edit(call, user, number, body, partial).await,
            Verb::Delete => {
                let deleted = call.view.delete_email(user, number).await;
                deleted.map(|_| Done::Gone).map_err(refused::<EmailRecord>)
            }
            _ => {
                let found = call.view.email(user, number).await.map_err(refused::<EmailRecord>)?;
                Ok(Done::Told(tell(&found)))
            }
        }
    }
}

/// That who asks sees the user: a superuser everybody, others the members of active organizations that they manage.
async fn is_there(call: &Call, user: UserId) -> Result<(), ApiError> {
    let found = match call.api.store.as_seen_by(Viewer::Operator).person(user).await {
        Ok(found) => found,
        Err(DirectoryError::NotFound { .. }) => return Err(ApiError::Missing),
        Err(error) => return Err(refused::<EmailRecord>(error)),
    };
    let manages = |id| call.asker.membership(id).is_some_and(|tie| tie.is_admin);
    let is_theirs = !found.user.is_superuser && found.ties.iter().any(|(id, _)| manages(*id));
    if call.is_superuser() || is_theirs { Ok(()) } else { Err(ApiError::Missing) }
}

async fn all(call: &Call, user: UserId) -> Result<Done, ApiError> {
    let read = |view: View, list: List| async move { view.emails(&list).await };
    page::<EmailRecord, _, _>(call, List::of_user(user), read, tell).await
}

async fn create(call: &Call, user: UserId, body: Body) -> Result<Done, ApiError> {
    let (data, mut errors) = call.data(FIELDS, body, false).await?;
    let email = data.text("email").unwrap_or_default();
    let is_primary = data.flag("primary") == Some(true);
    must_be_free(call, &mut errors, email, None).await?;
    settle(errors)?;
    fits(call, user, (None, email, is_primary, false)).await?;
    let email = Email::new(email).map_err(refused::<EmailRecord>)?;
    let new = NewEmail { email, verified: false, is_primary };
    let path = (!call.is_compat()).then(|| call.path(&format!("user/{user}/email/")));
    let tell = move |made: &EmailRecord| {
        let location = path.as_ref().map(|path| format!("{path}{}/", made.id));
        Some(Done::Made { body: tell(made), location, alone: None })
    };
    let make = |view: View| async move { view.create_email(&user.into(), new).await.map_err(refused::<EmailRecord>) };
    call.make(call.view.clone(), tell, make).await
}

async fn edit(call: &Call, user: UserId, id: i64, body: Body, partial: bool) -> Result<Done, ApiError> {
    let failed = refused::<EmailRecord>;
    let before = call.view.email(user, id).await.map_err(failed)?;
    let (data, mut errors) = call.data(FIELDS, body, partial).await?;
    if let Some(email) = data.text("email") {
        must_be_free(call, &mut errors, email, Some(id)).await?;
    }
    settle(errors)?;
    let email = data.text("email").unwrap_or(&before.email);
    let is_primary = data.flag("primary").unwrap_or(before.is_primary);
    fits(call, user, (Some(id), email, is_primary, before.verified)).await?;
    let new = EmailEdit {
        email: (email != before.email).then(|| Email::new(email)).transpose().map_err(failed)?,
        // The reference goes on believing that it is theirs.
        verified: call.is_compat().then_some(before.verified),
        is_primary: Some(is_primary),
    };
    let edited = call.view.edit_email(user, id, new).await.map_err(failed)?;
    Ok(Done::Told(tell(&edited)))
}

fn settle(errors: FieldErrors) -> Result<(), ApiError> {
    let order = |name: &str| FIELDS.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
    if errors.is_empty() { Ok(()) } else { Err(ApiError::of_fields(errors.in_order_of(order))) }
}

/// That nobody has shown that the address is theirs.
async fn must_be_free(call: &Call, errors: &mut FieldErrors, email: &str, but: Option<i64>) -> Result<(), ApiError> {
    let filter = vec![("email".to_owned(), email.to_owned()), ("verified".to_owned(), "true".to_owned())];
    let everything = call.api.store.as_seen_by(Viewer::Operator);
    let list = List { filter, ..List::default() };
    let look = async { everything.emails(&list).await.map_err(refused::<EmailRecord>) };
    let is_taken = |others: &Rows<EmailRecord>| others.rows.iter().any(|other| Some(other.id) != but);
    let others = call.is_taken(look, is_taken).await?;
    if !errors.concerns("email") && is_taken(&others) {
        let (field, message) = taken(Unique::EmailAddress);
        errors.add(field, message);
    }
    Ok(())
}

/// What Django's model checks when all fields are right: the address in lower case, and one primary one. Without `compat` a new
/// primary address takes the place of the old one.
async fn fits(
    call: &Call,
    user: UserId,
    (id, email, is_primary, verified): (Option<i64>, &str, bool, bool),
) -> Result<(), ApiError> {
    if !call.is_compat() {
        return Ok(());
    }
    let everything = call.api.store.as_seen_by(Viewer::Operator);
    let theirs = everything.emails(&List::of_user(user)).await.map_err(refused::<EmailRecord>)?.rows;
    let others = || theirs.iter().filter(|other| Some(other.id) != id);
    let email = email.to_lowercase();
    let mut errors = FieldErrors::default();
    if others().any(|other| other.email == email) {
        errors.add("__all__", "Email address with this User and Email address already exists.");
    }
    if is_primary && others().any(|other| other.is_primary) {
        errors.add("__all__", "Constraint “unique_primary_email” is violated.");
    }
    let mut clash = FieldErrors::default();
    if verified {
        must_be_free(call, &mut clash, &email, id).await?;
    }
    if !clash.is_empty() {
        errors.add("__all__", "Constraint “unique_verified_email” is violated.");
    }
    settle(errors)
}

pub(super) fn tell(email: &EmailRecord) -> String {
    let mut told = Object::default();
    told.put("id", &email.id);
    told.put("email", &email.email);
    told.put("verified", &email.verified);
    told.put("primary", &email.is_primary);
    told.end()
}
