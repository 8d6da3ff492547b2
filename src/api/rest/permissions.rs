//! `permission/` and `permission/{number}/`: what can be given. Superusers make them; everybody who may see them does.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::{page, tell};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::serializer::{Data, Datum, Field, Shape};
use crate::directory::name::PermissionName;
use crate::directory::{
    self, DirectoryError, Given, Input, List, NewPermission, PermissionEdit, PermissionRecord, Resource, Unique, View,
};
use crate::id::PermissionId;
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const FIELDS: &[Field] = &[
    Field::new("id", Shape::Number).read_only().label("ID"),
    Field::text("codename").required().at_most(200).help("app.codename, such as config.add_device"),
    Field::text("name").blank().at_most(255).help("What it permits, for people"),
];

const PERMISSION: &str = "auth.{}_permission";

/// The list.
pub(super) struct Permissions;

pub(super) struct One(pub i64);

#[async_trait]
impl Endpoint for Permissions {
    const NAME: &'static str = "Permissions";
    const PERMISSION: &'static str = PERMISSION;
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = PermissionRecord::FIELDS;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<PermissionRecord>(&[])
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        if verb != Verb::Create {
            let read = |view: View, list: List| async move { view.permissions(&list).await };
            return page::<PermissionRecord, _, _>(call, List::default(), read, tell).await;
        }
        let (data, errors) = call.data(FIELDS, body, false).await?;
        call.settle(errors)?;
        let new = NewPermission::read(given(&data)).map_err(failed)?;
        let path = call.path("permission/");
        let told = move |made: &Vec<PermissionRecord>| {
            let made = made.first()?;
            Some(Done::Made { body: tell(made), location: Some(format!("{path}{}/", made.id.0)), alone: None })
        };
        let make =
            |view: View| async move { view.create_permissions(vec![new]).await.map_err(|error| failed(error.error)) };
        call.make(call.view.clone(), told, make).await
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "Permission";
    const PERMISSION: &'static str = PERMISSION;
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The permission, in every role and group, and of every user who has it.".to_owned()])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_permission(PermissionId(self.0), move |permission| versions.hold(&tell(permission)))
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<PermissionRecord>(&[])
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let names = call.view.permission_names(vec![self.0]).await.map_err(failed)?;
        let (_, name) = names.into_iter().next().ok_or(ApiError::NotFound("Permission"))?;
        let name = PermissionName::new(&name).map_err(failed)?;
        match verb {
            Verb::Update { partial } => {
                let (data, errors) = call.data(FIELDS, body, partial).await?;
                call.settle(errors)?;
                let edit = PermissionEdit::read(given(&data)).map_err(failed)?;
                Ok(Done::Told(tell(&call.view.edit_permission(&name, edit).await.map_err(failed)?)))
            }
            Verb::Delete => call.view.delete_permission(&name).await.map(|_| Done::Gone).map_err(failed),
            _ => Ok(Done::Told(tell(&call.view.permission(&name).await.map_err(failed)?))),
        }
    }
}

fn failed(error: DirectoryError) -> ApiError {
    match error {
        DirectoryError::Taken { unique: Unique::Permission, .. } => {
            ApiError::of_fields(FieldErrors::of("codename", "permission with this codename already exists."))
        }
        error => refused::<PermissionRecord>(error),
    }
}

fn given(data: &Data) -> Vec<(&'static str, Given)> {
    let text = |(name, datum): (&'static str, &Datum)| match datum {
        Datum::Text(text) => Some((name, Given::Text(text.clone()))),
        _ => None,
    };
    data.iter().filter_map(text).collect()
}
