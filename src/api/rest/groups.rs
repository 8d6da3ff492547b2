//! `group/` and `group/{number}/`: groups are everybody's, so a permission is all that is asked.

use super::super::error::ApiError;
use super::keys;
use super::records::page;
use super::refused::{refused, taken};
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Data, Field, Keys, Shape};
use crate::compat::openwisp::value::Value;
use crate::directory::name::{PermissionName, RightsName};
use crate::directory::{
    self, BundleEdit, GroupPermission, GroupRecord, GroupSelector, GroupWithPermissions, List, NewGroup, Resource,
    Unique, View, Viewer, by_model,
};
use crate::id::GroupId;
use async_trait::async_trait;
use axum::body::Body;
use std::collections::HashSet;

const FIELDS: &[Field] = &[
    Field::new("id", Shape::Number).read_only().label("ID"),
    Field::text("name").required().at_most(150),
    Field::new("permissions", Shape::Keys(Keys::Numbered)),
];

/// The list.
pub(super) struct Groups;

pub(super) struct One(pub GroupId);

#[async_trait]
impl Endpoint for Groups {
    const NAME: &'static str = "Group List Create";
    const PERMISSION: &'static str = "openwisp_users.{}_group";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = GroupRecord::FIELDS;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        match verb {
            Verb::Create => create(call, body).await,
            _ => all(call).await,
        }
    }
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "Group Detail";
    const PERMISSION: &'static str = "openwisp_users.{}_group";
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The group, for every user who is in it: what it permits, they may no more.".to_owned()])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_group(self.0, move |group| versions.hold(&tell(group)))
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(id) = *self;
        match verb {
            Verb::Update { partial } => edit(call, id, body, partial).await,
            Verb::Delete => {
                let deleted = call.view.delete_group(&id.into()).await;
                deleted.map(|_| Done::Gone).map_err(refused::<GroupRecord>)
            }
            _ => Ok(Done::Told(tell(&found(call, id).await?))),
        }
    }
}

async fn found(call: &Call, id: GroupId) -> Result<GroupWithPermissions, ApiError> {
    call.view.group_with_permissions(id).await.map_err(refused::<GroupRecord>)
}

/// By name.
async fn all(call: &Call) -> Result<Done, ApiError> {
    let read = |view: View, list: List| async move { view.groups_with_permissions(&list).await };
    page::<GroupRecord, _, _>(call, List::default(), read, tell).await
}

async fn create(call: &Call, body: Body) -> Result<Done, ApiError> {
    let (data, mut errors) = call.data(FIELDS, body, false).await?;
    let permissions = read(call, &data, &mut errors, None).await?;
    if permissions.is_none() && call.is_compat() {
        // The reference fails there, once all else is right.
        return Err(ApiError::of_fields(FieldErrors::of("permissions", "This field is required.")));
    }
    let permissions = permissions.unwrap_or_default();
    let name = RightsName::new(data.text("name").unwrap_or_default()).map_err(refused::<GroupRecord>)?;
    let new = NewGroup { name, permissions, users: Vec::new() };
    let path = (!call.is_compat()).then(|| call.path("group/"));
    let tell = move |made: &GroupWithPermissions| {
        let location = path.as_ref().map(|path| format!("{path}{}/", made.group.id));
        Some(Done::Made { body: tell(made), location, alone: None })
    };
    let make = |view: View| async move { view.create_group(new).await.map_err(refused::<GroupRecord>) };
    call.make(call.view.clone(), tell, make).await
}

async fn edit(call: &Call, id: GroupId, body: Body, partial: bool) -> Result<Done, ApiError> {
    found(call, id).await?;
    let (data, mut errors) = call.data(FIELDS, body, partial).await?;
    let permissions = read(call, &data, &mut errors, Some(id)).await?;
    let name = data.text("name").map(RightsName::new).transpose().map_err(refused::<GroupRecord>)?;
    let new = BundleEdit { name, permissions, ..BundleEdit::default() };
    if new.name.is_some() || new.permissions.is_some() {
        call.view.edit_group(&GroupSelector::Id(id), new).await.map_err(refused::<GroupRecord>)?;
    } else {
        call.view.holds().await.map_err(refused::<GroupRecord>)?;
    }
    Ok(Done::Told(tell(&found(call, id).await?)))
}

/// The permissions that were sent, once nothing is wrong.
async fn read(
    call: &Call,
    data: &Data,
    errors: &mut FieldErrors,
    id: Option<GroupId>,
) -> Result<Option<Vec<PermissionName>>, ApiError> {
    let everything = call.api.store.as_seen_by(Viewer::Operator);
    if let Some(name) = data.text("name") {
        let filter = vec![("name".to_owned(), name.to_owned())];
        let others = everything.groups(&List { filter, ..List::default() }).await.map_err(refused::<GroupRecord>)?;
        if others.rows.iter().any(|other| Some(other.id) != id) {
            let (field, message) = taken(Unique::GroupName);
            errors.add(field, message);
        }
    }
    let mut names = None;
    if let Some(sent) = data.keys("permissions") {
        // `12: model | What it permits`, as they are told.
        let number = |key: &Value| match key.as_str() {
            Some(text) => text.split(':').next().unwrap_or_default().into(),
            None => key.clone(),
        };
        let sent: Vec<Value> = sent.iter().map(number).collect();
        if let Some(other) = sent.iter().find(|key| matches!(key, Value::Float(_))) {
            errors.add("permissions", keys::wrong_type(other));
        }
        let there =
            everything.permission_names(keys::numbers(&sent).collect()).await.map_err(refused::<GroupRecord>)?;
        let known: HashSet<i64> = there.iter().map(|(id, _)| *id).collect();
        match keys::known(&sent, &known) {
            Ok(ids) => {
                let named =
                    there.into_iter().filter(|(id, _)| ids.contains(id)).map(|(_, name)| PermissionName::new(&name));
                names = Some(named.collect::<Result<_, _>>().map_err(refused::<GroupRecord>)?);
            }
            Err(problem) => errors.add("permissions", problem),
        }
    }
    if errors.is_empty() {
        return Ok(names);
    }
    let order = |name: &str| FIELDS.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
    Err(ApiError::of_fields(std::mem::take(errors).in_order_of(order)))
}

fn tell(group: &GroupWithPermissions) -> String {
    let mut permissions: Vec<_> = group
        .permissions
        .iter()
        .map(|GroupPermission { id, codename, model, name }| {
            let order = by_model(codename, model);
            (order, format!("{id}: {} | {name}", order[1]))
        })
        .collect();
    permissions.sort();
    let mut told = Object::default();
    told.put("id", &group.group.id);
    told.put("name", &group.group.name);
    told.put("permissions", &permissions.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>());
    told.end()
}
