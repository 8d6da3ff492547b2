//! `organization/{id}/role/`, `super-role/`: what permits things in an organization, or everywhere; and who holds it.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::{page, permissions, tell, users};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::serializer::{Data, Field, Keys, Shape};
use crate::directory::name::RightsName;
use crate::directory::{
    self, BundleEdit, DirectoryError, Grants, List, NewRole, Noun, OrgSelector, Resource, RoleRecord, RoleSelector,
    Scope, Unique, View,
};
use crate::id::{OrgId, RoleId};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const NAME: Field = Field::text("name").required().at_most(150);
const PERMISSIONS: Field =
    Field::new("permissions", Shape::Keys(Keys::Words)).help("All of them, such as config.add_device");
const ADD: Field = Field::new("add", Shape::Keys(Keys::Words)).write_only().help("Users who are to hold it");
const REMOVE: Field =
    Field::new("remove", Shape::Keys(Keys::Words)).write_only().help("Users who are to hold it no more");
const FIELDS: &[Field] = &[Field::new("id", Shape::Uuid).read_only(), NAME, PERMISSIONS, ADD, REMOVE];

const PERMISSION: &str = "openwisp_users.{}_role";

/// The list of an organization's roles, or of super roles.
pub(super) struct Roles(pub Option<OrgId>);

pub(super) struct One(pub Option<OrgId>, pub RoleId);

async fn initial(call: &Call, organization: Option<OrgId>) -> Result<(), ApiError> {
    match organization {
        Some(organization) => call.must_manage(organization).await,
        None if call.is_superuser() => Ok(()),
        None => Err(call.forbidden()),
    }
}

/// That who asks sees roles where this one is.
pub(super) async fn must_be_there(call: &Call, by: &RoleSelector) -> Result<(), ApiError> {
    let organization = match &by.scope {
        Some(Scope::Organization(OrgSelector::Id(id))) => Some(*id),
        _ => None,
    };
    initial(call, organization).await
}

fn scope<O: From<OrgId>>(organization: Option<OrgId>) -> Scope<O> {
    organization.map_or(Scope::Everywhere, |id| Scope::Organization(id.into()))
}

fn failed(error: DirectoryError) -> ApiError {
    let of = |field, message: &str| ApiError::of_fields(FieldErrors::of(field, message));
    match &error {
        DirectoryError::Taken { unique: Unique::RoleName | Unique::SuperRoleName, .. } => {
            of("name", "role with this name already exists.")
        }
        DirectoryError::NotFound { noun: Noun::Permission, .. } => of("permissions", &error.to_string()),
        DirectoryError::NotFound { noun: Noun::User, .. } | DirectoryError::NotMember { .. } => {
            of("add", "There is no such member.")
        }
        _ => refused::<RoleRecord>(error),
    }
}

#[async_trait]
impl Endpoint for Roles {
    const NAME: &'static str = "Roles";
    const PERMISSION: &'static str = PERMISSION;
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = RoleRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["name", "users", "permissions"];

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<RoleRecord>(&[])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        initial(call, self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(organization) = *self;
        if verb != Verb::Create {
            let read = |view: View, list: List| async move { view.roles(&list).await };
            let list = match organization {
                Some(organization) => List::of_organization(organization),
                None => List { filter: vec![("is_super".to_owned(), "true".to_owned())], ..List::default() },
            };
            return page::<RoleRecord, _, _>(call, list, read, tell).await;
        }
        let (data, mut errors) = call.data(FIELDS, body, false).await?;
        let permissions = permissions("permissions", data.keys("permissions"), &mut errors);
        call.settle(errors)?;
        let name = RightsName::new(data.text("name").unwrap_or_default()).map_err(failed)?;
        let permissions = permissions.unwrap_or_default();
        let new = NewRole { scope: scope(organization), name, permissions, users: users(data.keys("add")) };
        let path = match organization {
            Some(organization) => call.path(&format!("organization/{organization}/role/")),
            None => call.path("super-role/"),
        };
        let told = move |made: &Vec<RoleRecord>| {
            let made = made.first()?;
            Some(Done::Made { body: tell(made), location: Some(format!("{path}{}/", made.id)), alone: None })
        };
        let make = |view: View| async move { view.create_roles(vec![new]).await.map_err(|error| failed(error.error)) };
        call.make(call.view.clone(), told, make).await
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "Role";
    const PERMISSION: &'static str = PERMISSION;
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The role, for everybody who holds it: what it permits, they may no more.".to_owned()])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_role((self.1, self.selector()), move |role| versions.hold(&tell(role)))
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<RoleRecord>(&[])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        initial(call, self.0).await
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let by = self.selector();
        let found = call.view.role(&by).await.map_err(failed)?;
        match verb {
            Verb::Update { partial } => {
                let (data, mut errors) = call.data(FIELDS, body, partial).await?;
                let edit = read(&data, &mut errors)?;
                call.settle(errors)?;
                Ok(Done::Told(tell(&call.view.edit_role(&by, edit).await.map_err(failed)?)))
            }
            Verb::Delete => call.view.delete_role(&by).await.map(|_| Done::Gone).map_err(failed),
            _ => Ok(Done::Told(tell(&found))),
        }
    }
}

impl One {
    pub(super) fn selector(&self) -> RoleSelector {
        RoleSelector { text: self.1.to_string(), scope: Some(scope(self.0)) }
    }
}

fn read(data: &Data, errors: &mut FieldErrors) -> Result<BundleEdit, ApiError> {
    Ok(BundleEdit {
        name: data.text("name").map(RightsName::new).transpose().map_err(failed)?,
        permissions: permissions("permissions", data.keys("permissions"), errors),
        grants: Grants::default(),
        add: users(data.keys("add")),
        remove: users(data.keys("remove")),
    })
}
