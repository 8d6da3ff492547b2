//! `organization/` and `organization/{id}/`.

use super::super::error::ApiError;
use super::records::page;
use super::refused::{refused, taken};
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions, keys, moment};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Data, Datum, Field, Shape};
use crate::compat::openwisp::value::Value;
use crate::directory::{
    self, DirectoryError, Given, Input, List, NewOrganization, OrganizationEdit, OrganizationRecord, Resource, Unique,
    View, Viewer,
};
use crate::id::OrgId;
use async_trait::async_trait;
use axum::body::Body;
use uuid::Uuid;

const ID: Field = Field::new("id", Shape::Uuid).read_only();
const NAME: Field = Field::text("name").required().at_most(200).help("The name of the organization");
const IS_ACTIVE: Field = Field::flag("is_active");
const SLUG: Field = Field::new("slug", Shape::Slug)
    .required()
    .at_most(200)
    .help("The name in all lowercase, suitable for URL identification");
const DESCRIPTION: Field = Field::text("description").blank();
const EMAIL: Field = Field::new("email", Shape::Email).blank().at_most(254);
const URL: Field = Field::new("url", Shape::Url).blank().at_most(200).label("URL");
const OWNER: Field =
    Field::new("owner", Shape::Nested(&[Field::new("organization_user", Shape::Key).required().nullable()])).or_none();
const CREATED: Field = Field::new("created", Shape::Moment).read_only();
const MODIFIED: Field = Field::new("modified", Shape::Moment).read_only();

const IN_LISTS: &[Field] = &[ID, NAME, IS_ACTIVE, SLUG, DESCRIPTION, EMAIL, URL, CREATED, MODIFIED];
const ALONE: &[Field] = &[ID, NAME, IS_ACTIVE, SLUG, DESCRIPTION, EMAIL, URL, OWNER, CREATED, MODIFIED];

/// So many members are counted for who is asked whether an organization is to go.
const COUNTED: u32 = 1_000;

/// The list.
pub(super) struct Organizations;

pub(super) struct One(pub OrgId);

#[async_trait]
impl Endpoint for Organizations {
    const NAME: &'static str = "Organization List Create";
    const PERMISSION: &'static str = "openwisp_users.{}_organization";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = OrganizationRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["name", "slug", "is_active", "email", "created"];

    fn fields(_: Audience) -> &'static [Field] {
        IN_LISTS
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
    const NAME: &'static str = "Organization Detail";
    const PERMISSION: &'static str = "openwisp_users.{}_organization";
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        ALONE
    }

    async fn lost(&self, call: &Call) -> Result<Vec<String>, ApiError> {
        let list = List { counted_to: Some(COUNTED), ..List::of_organization(self.0).counted() };
        let failed = refused::<OrganizationRecord>;
        let members = call.view.memberships(&list).await.map_err(failed)?;
        let users = match members.total {
            1 => "one user; the user stays".to_owned(),
            total if members.has_more => format!("more than {total} users; the users stay"),
            total => format!("{total} users; the users stay"),
        };
        Ok(vec![
            format!("The memberships of {users}."),
            "Its roles, and what they permit.".to_owned(),
            "Its slug: no other organization can have it again.".to_owned(),
        ])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        call.view.while_organization(self.0, move |organization| versions.hold(&tell(organization, true)))
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let Self(id) = *self;
        match verb {
            Verb::Update { partial } => edit(call, id, body, partial).await,
            Verb::Delete => {
                let deleted = call.view.delete_organization(&id.into()).await;
                deleted.map(|_| Done::Gone).map_err(refused::<OrganizationRecord>)
            }
            _ => {
                let found = call.view.organization_record(&id.into()).await.map_err(refused::<OrganizationRecord>)?;
                Ok(Done::Told(tell(&found, true)))
            }
        }
    }
}

/// The newest first.
async fn all(call: &Call) -> Result<Done, ApiError> {
    let order = ["-created", "-created_micros", "-id"].map(str::to_owned).to_vec();
    let read = |view: View, list: List| async move { view.organizations(&list).await };
    page::<OrganizationRecord, _, _>(call, List { order, ..List::default() }, read, |one| tell(one, false)).await
}

async fn create(call: &Call, body: Body) -> Result<Done, ApiError> {
    let (data, errors) = call.data(IN_LISTS, body, false).await?;
    if !errors.is_empty() {
        return Err(ApiError::of_fields(errors));
    }
    if let Some(slug) = data.text("slug") {
        let everything = call.api.store.as_seen_by(Viewer::Operator);
        let there =
            everything.organizations(&List { filter: vec![("slug".into(), slug.into())], ..List::default() }).await;
        if let Some(there) = there.map_err(refused::<OrganizationRecord>)?.rows.first() {
            let (field, message) = taken(Unique::Slug);
            let mut errors = FieldErrors::of(field, message);
            if call.is_compat() {
                errors.add("organization", there.id.to_string());
            }
            return Err(ApiError::of_fields(errors));
        }
    }
    let mut given = given(&data);
    if call.is_compat() {
        // The reference asks for a slug, and makes one of the name.
        given.retain(|(name, _)| *name != "slug");
    }
    let new = NewOrganization::read(given).map_err(refused::<OrganizationRecord>)?;
    let path = (!call.is_compat()).then(|| call.path("organization/"));
    let tell = move |made: &Vec<OrganizationRecord>| {
        let made = made.first()?;
        let location = path.as_ref().map_or_else(|| made.url.clone(), |path| format!("{path}{}/", made.id));
        Some(Done::Made { body: tell(made, false), location: Some(location), alone: Some(tell(made, true)) })
    };
    let make = |view: View| async move {
        view.create_organizations(vec![new]).await.map_err(|error| refused::<OrganizationRecord>(error.error))
    };
    call.make(call.view.clone(), tell, make).await
}

async fn edit(call: &Call, id: OrgId, body: Body, partial: bool) -> Result<Done, ApiError> {
    let failed = refused::<OrganizationRecord>;
    call.view.organization_record(&id.into()).await.map_err(failed)?;
    let (data, mut errors) = call.data(ALONE, body, partial).await?;
    let owner = match data.get("owner") {
        Some(Datum::Nested(owner)) if !owner.is_empty() => owned_by(call, id, owner).await?.map_or_else(
            |problem| {
                errors.add_within("owner", FieldErrors::of("organization_user", problem));
                None
            },
            Some,
        ),
        // The reference fails there, once all else is right.
        Some(Datum::Nested(_)) if errors.is_empty() => {
            errors.add_within("owner", FieldErrors::of("organization_user", "This field is required."));
            None
        }
        _ => None,
    };
    if let Some(slug) = data.text("slug") {
        let everything = call.api.store.as_seen_by(Viewer::Operator);
        let there =
            everything.organizations(&List { filter: vec![("slug".into(), slug.into())], ..List::default() }).await;
        if there.map_err(failed)?.rows.iter().any(|there| there.id != id) {
            let (field, message) = taken(Unique::Slug);
            errors.add(field, message);
        }
    }
    if !errors.is_empty() {
        let order = |name: &str| ALONE.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
        return Err(ApiError::of_fields(errors.in_order_of(order)));
    }
    let new = OrganizationEdit::read(given(&data)).map_err(failed)?;
    let edited = call.view.edit_organization_and_owner(id, new, owner).await.map_err(failed)?;
    Ok(Done::Told(tell(&edited, true)))
}

/// Which membership makes an owner: `Ok(None)` where nobody is to be one.
async fn owned_by(call: &Call, id: OrgId, owner: &Data) -> Result<Result<Option<Uuid>, String>, ApiError> {
    let Some(keys) = owner.keys("organization_user") else { return Ok(Ok(None)) };
    // Where members are too many to choose from, people write down who it is.
    if let Some(name) =
        keys.first().and_then(Value::as_str).filter(|text| !call.is_compat() && keys::uuid(text).is_none())
    {
        return match call.view.membership(&id.into(), &name.into()).await {
            Ok(found) => Ok(Ok(Some(found.id))),
            Err(DirectoryError::Store(error)) => Err(refused::<OrganizationRecord>(error.into())),
            Err(_) => Ok(Err("There is no such member.".to_owned())),
        };
    }
    let (membership, unknown) = match keys::named(keys) {
        Ok(named) => named,
        Err(problem) => return Ok(Err(problem)),
    };
    match call.api.store.as_seen_by(Viewer::Operator).membership_by_id(membership).await {
        Ok(found) if found.organization == id => Ok(Ok(Some(membership))),
        Ok(_) | Err(DirectoryError::NotFound { .. }) => Ok(Err(unknown)),
        Err(error) => Err(refused::<OrganizationRecord>(error)),
    }
}

/// What was sent, as the directory reads it.
fn given(data: &Data) -> Vec<(&'static str, Given)> {
    let given = |(name, datum): (&'static str, &Datum)| match datum {
        Datum::Text(text) => Some((name, Given::Text(text.clone()))),
        Datum::Flag(flag) => Some((name, Given::Flag(*flag))),
        _ => None,
    };
    data.iter().filter_map(given).collect()
}

fn tell(organization: &OrganizationRecord, alone: bool) -> String {
    let OrganizationRecord { id, name, is_active, slug, description, email, url, owner_membership, .. } = organization;
    let mut told = Object::default();
    told.put("id", id);
    told.put("name", name);
    told.put("is_active", is_active);
    told.put("slug", slug);
    told.put("description", description);
    told.put("email", email);
    told.put("url", url);
    if alone {
        let owner = owner_membership.map(|id| {
            let mut owner = Object::default();
            owner.put("organization_user", &id);
            owner.end()
        });
        told.put_json("owner", owner.as_deref().unwrap_or("null"));
    }
    told.put("created", &moment::written(organization.created, organization.created_micros));
    told.put("modified", &moment::written(organization.modified, organization.modified_micros));
    told.end()
}
