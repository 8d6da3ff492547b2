//! `user/{id}/password/`: somebody's password is set by who manages them, or by themselves.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::super::operation::throttled;
use super::super::password::of_login;
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, Methods, Verb};
use crate::clock;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Datum, Field, read};
use crate::compat::openwisp::value::Value;
use crate::directory::{DirectoryError, UserRecord, View, Viewer};
use crate::id::UserId;
use crate::login::LoginError;
use async_trait::async_trait;
use axum::body::Body;
use http::Method;
use serde_json::Value as Json;

const FIELDS: &[Field] = &[
    Field::text("current_password").required().nullable(),
    Field::text("new_password").required(),
    Field::text("confirm_password").required(),
];

const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";

pub(super) struct Password(pub UserId);

#[async_trait]
impl Endpoint for Password {
    const NAME: &'static str = "Change Password";
    const PERMISSION: &'static str = "openwisp_users.{}_user";
    const METHODS: Methods =
        Methods { allow: "PUT, OPTIONS", verbs: &[(Method::PUT, Verb::Update { partial: false })] };

    fn own(&self) -> Option<UserId> {
        Some(self.0)
    }

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(&[Field::text("status"), Field::text("message")])
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        match verb {
            Verb::Update { .. } => set(call, self.0, body).await,
            _ => seen(call, self.0).await.map(|_| Done::Gone),
        }
    }
}

/// The directory, as who asks sees the user in it: as a manager, or as themselves; the reference lets its staff alone do that.
async fn seen(call: &Call, id: UserId) -> Result<(View, UserRecord), ApiError> {
    let is_own =
        call.asker.user.id == id && (!call.is_compat() || call.asker.user.is_staff || manages_oneself(call).await?);
    if is_own && !call.is_superuser() {
        let view = call.view.as_seen_by(Viewer::Oneself(id));
        let found = view.user(&id.into()).await.map_err(refused::<UserRecord>)?;
        return Ok((view, found));
    }
    match call.view.user(&id.into()).await {
        Ok(found) => Ok((call.view.clone(), found)),
        Err(DirectoryError::Forbidden { .. }) => Err(ApiError::NotFound("User")),
        Err(error) => Err(refused::<UserRecord>(error)),
    }
}

/// Whether who asks is among those whom they manage: a manager of any organization is, a disabled one too.
async fn manages_oneself(call: &Call) -> Result<bool, ApiError> {
    let everything = call.api.store.as_seen_by(Viewer::Operator);
    let found = everything.person(call.asker.user.id).await.map_err(refused::<UserRecord>)?;
    Ok(found.ties.iter().any(|(_, is_admin)| *is_admin))
}

async fn set(call: &Call, id: UserId, body: Body) -> Result<Done, ApiError> {
    let sent = call.fields(body).await?;
    let (view, user) = seen(call, id).await?;
    let (data, mut errors) = read(FIELDS, &sent, false);
    // What Python takes for true.
    let is_said = |name: &str| match sent.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Text(text)) => !text.text.is_empty(),
        Some(Value::List(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    };
    let manages = call.is_superuser() || call.asker.memberships().iter().any(|tie| tie.is_admin);
    // The reference asks managers for no password at all, not even for their own.
    let must_know = if call.is_compat() { !manages } else { call.asker.user.id == id };
    if must_know && is_said("new_password") {
        // openwisp-users counts none; who has a token or a session could try passwords without end.
        if !call.is_compat() {
            call.api.login.limits().request_of(call.asker.user.id).await.map_err(throttled)?;
        }
        match data.get("current_password") {
            Some(Datum::Text(current)) => match call.api.login.knows(id, current.clone().into(), call.client.0).await {
                Ok(_) => {}
                Err(LoginError::Wrong) => errors.add("current_password", WRONG),
                Err(error) => return Err(of_login(error)),
            },
            Some(_) => errors.add("current_password", WRONG),
            None => {}
        }
    }
    // As they were sent, blanks and all.
    if data.get("new_password").is_some() && sent.get("current_password") == sent.get("new_password") {
        errors.add("new_password", "New password cannot be the same as your old password.");
    }
    if data.get("confirm_password").is_some() && sent.get("new_password") != sent.get("confirm_password") {
        errors.add("confirm_password", "The two password fields didn’t match.");
    }
    if !errors.is_empty() {
        let order = |name: &str| FIELDS.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
        return Err(ApiError::of_fields(errors.in_order_of(order)));
    }
    let password = data.text("new_password").unwrap_or_default().to_owned();
    call.settle(call.unfit("new_password", &password, user.personal()))?;
    let hash = call.api.login.hash(password.into()).await.map_err(of_login)?;
    view.set_password(&id.into(), Some(hash), clock::today()).await.map_err(refused::<UserRecord>)?;
    let mut told = Object::default();
    told.put("status", "Success");
    told.put("message", "Password updated successfully");
    Ok(Done::Told(told.end()))
}
