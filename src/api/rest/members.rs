//! `organization/{id}/member/` and `organization/{id}/member/{user}/`: who belongs to an organization.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::{page, tell};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::{self, BatchError, DirectoryError, List, MembershipRecord, NewMembership, Noun, Resource, View};
use crate::id::{OrgId, UserId};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const IS_ADMIN: Field = Field::flag("is_admin").label("Organization manager");
const NEW: &[Field] = &[Field::text("user").required().help("Their id, username or e-mail address"), IS_ADMIN];
const EDIT: &[Field] = &[Field::new("user", Shape::Uuid).read_only(), IS_ADMIN.required()];

pub(super) const PERMISSION: &str = "openwisp_users.{}_organizationuser";

/// The list.
pub(super) struct Members(pub OrgId);

pub(super) struct One(pub OrgId, pub UserId);

#[async_trait]
impl Endpoint for Members {
    const NAME: &'static str = "Organization Members";
    const PERMISSION: &'static str = PERMISSION;
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = MembershipRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["username", "level", "created"];

    fn fields(_: Audience) -> &'static [Field] {
        NEW
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<MembershipRecord>(&[])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        call.must_manage(self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(organization) = *self;
        if verb != Verb::Create {
            let read = |view: View, list: List| async move { view.memberships(&list).await };
            return page::<MembershipRecord, _, _>(call, List::of_organization(organization), read, tell).await;
        }
        let (data, errors) = call.data(NEW, body, false).await?;
        call.settle(errors)?;
        let user = data.text("user").unwrap_or_default();
        let is_admin = data.flag("is_admin") == Some(true);
        let new = NewMembership { user: user.into(), organization: organization.into(), is_admin };
        let failed = |error: BatchError| match error.error {
            DirectoryError::NotFound { noun: Noun::User, .. } | DirectoryError::Ambiguous { .. } => {
                ApiError::of_fields(FieldErrors::of("user", "There is no such user."))
            }
            error @ DirectoryError::AlreadyMember { .. } => {
                ApiError::of_fields(FieldErrors::of("user", error.to_string()))
            }
            error => refused::<MembershipRecord>(error),
        };
        let path = call.path(&format!("organization/{organization}/member/"));
        let told = move |made: &Vec<MembershipRecord>| {
            let made = made.first()?;
            let location = Some(format!("{path}{}/", made.user));
            Some(Done::Made { body: tell(made), location, alone: None })
        };
        let make = |view: View| async move { view.create_memberships(vec![new]).await.map_err(failed) };
        call.make(call.view.clone(), told, make).await
    }
}

fn failed(error: DirectoryError) -> ApiError {
    match error {
        DirectoryError::NotMember { .. } | DirectoryError::NotFound { .. } => ApiError::Missing,
        error => refused::<MembershipRecord>(error),
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "Organization Member";
    const PERMISSION: &'static str = PERMISSION;
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        EDIT
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec![
            "What the user may in this organization, and the roles that they hold in it; the user stays.".to_owned(),
        ])
    }

    async fn question(&self, call: &Call, verb: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        if verb != Verb::Delete {
            return Ok(None);
        }
        let found = call.view.membership(&self.0.into(), &self.1.into()).await.map_err(failed)?;
        Ok(Some((format!("Remove {} from {}?", found.username, found.slug), "Remove")))
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_membership((self.0, self.1), move |membership| versions.hold(&tell(membership)))
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<MembershipRecord>(&[])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        call.must_manage(self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let (organization, user) = (self.0.into(), self.1.into());
        let done = match verb {
            Verb::Update { partial } => {
                let (data, errors) = call.data(EDIT, body, partial).await?;
                call.settle(errors)?;
                match data.flag("is_admin") {
                    Some(is_admin) => call.view.edit_membership(&organization, &user, is_admin).await,
                    None => {
                        call.view.holds().await.map_err(failed)?;
                        call.view.membership(&organization, &user).await
                    }
                }
            }
            Verb::Delete => {
                call.view.delete_membership(&organization, &user).await.map_err(failed)?;
                return Ok(Done::Gone);
            }
            _ => call.view.membership(&organization, &user).await,
        };
        Ok(Done::Told(tell(&done.map_err(failed)?)))
    }
}
