//! `me/`: who asks, and what they may.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::own_profile::Profile;
use super::users::PROFILE;
use super::{Audience, Call, Done, Endpoint, Methods, Verb, Versions};
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::{CustomFields, DeclaredFields, View};
use crate::facts::{Level, Membership, Snapshot, UserFields, Value};
use crate::id::UserId;
use async_trait::async_trait;
use axum::body::Body;
use http::Method;
use serde_json::{Value as Json, json};

const FIELDS: &[Field] = &[
    Field::new("id", Shape::Uuid).read_only(),
    Field::text("username").read_only().or_none(),
    Field::new("email", Shape::Email).read_only().or_none(),
    Field::flag("is_staff").read_only(),
    Field::flag("is_superuser").read_only(),
];

/// By the organization's id.
const ORGANIZATION: &[Field] =
    &[Field::text("slug"), Field::text("name"), Field::flag("is_admin"), Field::flag("is_owner")];

pub(super) struct Me;

#[async_trait]
impl Endpoint for Me {
    const NAME: &'static str = "Me";
    /// Everybody may know who they are.
    const PERMISSION: &'static str = "";
    const HAS_VERSIONS: bool = true;
    const METHODS: Methods = Methods {
        allow: "GET, PATCH, HEAD, OPTIONS",
        verbs: &[
            (Method::GET, Verb::Read),
            (Method::PATCH, Verb::Update { partial: true }),
            (Method::HEAD, Verb::Read),
        ],
    };

    fn own(&self) -> Option<UserId> {
        None
    }

    fn fields(_: Audience) -> &'static [Field] {
        PROFILE
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        Profile.while_it_is(call, versions)
    }

    fn told(audience: Audience, verb: Verb) -> Json {
        if verb != Verb::Read {
            return Profile::told(audience, verb);
        }
        let ids = json!({ "type": "array", "items": { "type": "string", "format": "uuid" } });
        let words = json!({ "type": "array", "items": { "type": "string" } });
        let organization = schema::told(ORGANIZATION);
        schema::with(
            schema::told(FIELDS),
            [
                ("organizations", json!({ "type": "object", "additionalProperties": organization })),
                ("organizations_managed", ids.clone()),
                ("organizations_owned", ids),
                ("groups", words.clone()),
                ("permissions", words.clone()),
                ("organization_permissions", json!({ "type": "object", "additionalProperties": words })),
            ]
            .into_iter()
            .chain(audience.has_fields.then(|| ("fields", json!({ "type": "object" })))),
        )
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        if verb != Verb::Read {
            return Profile.act(call, verb, body).await;
        }
        Ok(Done::Told(tell(&call.asker, call.is_compat(), call.api.store.declared())))
    }
}

/// Who somebody is with what is declared of users, and what they may; `is_compat`: as openwisp-users counts managers.
#[must_use]
pub fn tell(asker: &Snapshot, is_compat: bool, declared: &DeclaredFields) -> String {
    let text = |value: Option<&Value>| value.map(|value| value.as_str().to_owned());
    let mut told = Object::default();
    told.put("id", &asker.user.id);
    told.put("username", &text(asker.user.username.as_ref()));
    told.put("email", &text(asker.user.email.as_deref()));
    told.put("is_staff", &asker.user.is_staff);
    told.put("is_superuser", &asker.user.is_superuser);
    told.put_object("organizations", |organizations| {
        for tie in asker.memberships() {
            organizations.put_object(&tie.organization.id.to_string(), |told| organization(told, tie));
        }
    });
    let ids = |has: fn(&Membership) -> bool| {
        asker.memberships().iter().filter(|tie| has(tie)).map(|tie| tie.organization.id).collect::<Vec<_>>()
    };
    let manages =
        if is_compat { |tie: &Membership| tie.is_admin } else { |tie: &Membership| tie.level() >= Level::Manager };
    told.put("organizations_managed", &ids(manages));
    told.put("organizations_owned", &ids(|tie| tie.is_owner));
    told.put("groups", &asker.groups().iter().map(|name| &**name).collect::<Vec<_>>());
    let everywhere = asker.permissions().map(|all| all.all_everywhere().iter().map(|name| &**name).collect::<Vec<_>>());
    told.put("permissions", &everywhere.unwrap_or_default());
    told.put_object("organization_permissions", |by_organization| {
        for (id, names) in asker.permissions().into_iter().flat_map(|all| all.all_by_organization()) {
            by_organization.put(&id.to_string(), &names.iter().map(|name| &**name).collect::<Vec<_>>());
        }
    });
    if !declared.is_empty() {
        let kept = asker.user.fields.as_deref().map(UserFields::json).and_then(CustomFields::parse);
        told.put("fields", &declared.told(&kept.unwrap_or_default()));
    }
    told.end()
}

fn organization(told: &mut Object, tie: &Membership) {
    told.put("slug", tie.organization.slug.as_str());
    told.put("name", tie.organization.name.as_str());
    told.put("is_admin", &tie.is_admin);
    told.put("is_owner", &tie.is_owner);
}
