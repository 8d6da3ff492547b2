//! `…/user/` below a group and a role: who holds it, of those whom who asks sees.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::page;
use super::{Audience, Call, Done, Endpoint, Methods, READ, Verb, groups, roles};
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::{self, GroupSelector, List, Resource, UserRecord, View};
use crate::id::{GroupId, OrgId, RoleId};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::Value as Json;

const TOLD: &[Field] = &[
    Field::new("id", Shape::Uuid).read_only(),
    Field::text("username").read_only(),
    Field::new("email", Shape::Email).read_only().nullable(),
    Field::flag("is_active").read_only(),
];

pub(super) struct OfGroup(pub GroupId);

pub(super) struct OfRole(pub Option<OrgId>, pub RoleId);

fn tell(user: &UserRecord) -> String {
    let mut told = Object::default();
    told.put("id", &user.id);
    told.put("username", &user.username);
    told.put("email", &user.email);
    told.put("is_active", &user.is_active);
    told.end()
}

#[async_trait]
impl Endpoint for OfGroup {
    const NAME: &'static str = "Users of a Group";
    const PERMISSION: &'static str = <groups::One as Endpoint>::PERMISSION;
    const METHODS: Methods = READ;
    const LISTED: &'static [directory::Field] = UserRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["username", "email", "is_active"];

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(TOLD)
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let by = GroupSelector::Id(self.0);
        let read = |view: View, list: List| {
            let by = by.clone();
            async move { view.group_users(&by, &list).await }
        };
        page::<UserRecord, _, _>(call, List::default(), read, tell).await
    }
}

#[async_trait]
impl Endpoint for OfRole {
    const NAME: &'static str = "Users of a Role";
    const PERMISSION: &'static str = <roles::One as Endpoint>::PERMISSION;
    const METHODS: Methods = READ;
    const LISTED: &'static [directory::Field] = UserRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["username", "email", "is_active"];

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::told(TOLD)
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        roles::must_be_there(call, &roles::One(self.0, self.1).selector()).await
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let by = roles::One(self.0, self.1).selector();
        let read = |view: View, list: List| {
            let by = by.clone();
            async move { view.role_users(&by, &list).await }
        };
        page::<UserRecord, _, _>(call, List::default(), read, tell).await
    }
}
