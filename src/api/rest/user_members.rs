//! `user/{id}/membership/`: to which organizations a user belongs. One of them is what [`members`](super::members) has.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::{page, tell};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, keys};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::{self, DirectoryError, List, MembershipRecord, NewMembership, Noun, Resource, View};
use crate::id::UserId;
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const NEW: &[Field] =
    &[Field::new("organization", Shape::Key).required(), Field::flag("is_admin").label("Organization manager")];

pub(super) struct Memberships(pub UserId);

#[async_trait]
impl Endpoint for Memberships {
    const NAME: &'static str = "User Memberships";
    const PERMISSION: &'static str = super::members::PERMISSION;
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = MembershipRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["slug", "level", "created"];

    fn fields(_: Audience) -> &'static [Field] {
        NEW
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<MembershipRecord>(&[])
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(user) = *self;
        let failed = refused::<MembershipRecord>;
        if verb != Verb::Create {
            let read = |view: View, list: List| async move { view.memberships(&list).await };
            return page::<MembershipRecord, _, _>(call, List::of_user(user), read, tell).await;
        }
        let (data, errors) = call.data(NEW, body, false).await?;
        call.settle(errors)?;
        let unknown = || ApiError::of_fields(FieldErrors::of("organization", "There is no such organization."));
        let named = data.keys("organization").ok_or_else(unknown)?;
        let (organization, _) = keys::organization(named)
            .map_err(|problem| ApiError::of_fields(FieldErrors::of("organization", problem)))?;
        call.must_manage(organization).await.map_err(|error| match error {
            ApiError::Missing | ApiError::NotFound(_) => unknown(),
            error => error,
        })?;
        let is_admin = data.flag("is_admin") == Some(true);
        let new = NewMembership { user: user.into(), organization: organization.into(), is_admin };
        let path = call.path(&format!("user/{user}/membership/{organization}/"));
        let told = move |made: &Vec<MembershipRecord>| {
            let body = tell(made.first()?);
            Some(Done::Made { body, location: Some(path.clone()), alone: None })
        };
        let make = |view: View| async move {
            view.create_memberships(vec![new]).await.map_err(|error| match error.error {
                DirectoryError::NotFound { noun: Noun::Organization, .. } => unknown(),
                error @ DirectoryError::AlreadyMember { .. } => {
                    ApiError::of_fields(FieldErrors::of("organization", error.to_string()))
                }
                error => failed(error),
            })
        };
        call.make(call.view.clone(), told, make).await
    }
}
