//! `…/history/`: what happened to a record, the newest first.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::page;
use super::{Audience, Call, Done, Endpoint, Methods, READ, Verb, groups, moment, organizations, roles, users};
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::Field;
use crate::directory::{self, HistoryOf, HistoryRecord, List, Resource, View};
use crate::id::{GroupId, OrgId, RoleId, UserId};
use async_trait::async_trait;
use axum::body::Body;
use serde_json::{Value as Json, json};

pub(super) struct OfUser(pub UserId);

pub(super) struct OfOrganization(pub OrgId);

pub(super) struct OfGroup(pub GroupId);

pub(super) struct OfRole(pub Option<OrgId>, pub RoleId);

/// Lists of what happened: each is there for whoever sees its record.
macro_rules! histories {
    ($($of:ident of $record:ty, |$it:ident| $subject:expr;)+) => {$(
        #[async_trait]
        impl Endpoint for $of {
            const NAME: &'static str = "History";
            const PERMISSION: &'static str = <$record as Endpoint>::PERMISSION;
            const METHODS: Methods = READ;
            const LISTED: &'static [directory::Field] = HistoryRecord::FIELDS;
            const COLUMNS: &'static [&'static str] = &["at", "what", "name", "changes", "by", "via"];

            fn fields(_: Audience) -> &'static [Field] {
                &[]
            }

            fn told(_: Audience, _: Verb) -> Json {
                schema()
            }

            async fn initial(&self, call: &Call) -> Result<(), ApiError> {
                match self.of() {
                    HistoryOf::Role(by) => roles::must_be_there(call, &by).await,
                    _ => Ok(()),
                }
            }

            async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
                list(call, self.of()).await
            }
        }

        impl $of {
            fn of(&self) -> HistoryOf {
                let $it = self;
                $subject
            }
        }
    )+};
}

histories! {
    OfUser of users::One, |it| HistoryOf::User(it.0);
    OfOrganization of organizations::One, |it| HistoryOf::Organization(it.0);
    OfGroup of groups::One, |it| HistoryOf::Group(it.0);
    OfRole of roles::One, |it| HistoryOf::Role(roles::One(it.0, it.1).selector());
}

async fn list(call: &Call, of: HistoryOf) -> Result<Done, ApiError> {
    let read = |view: View, list: List| {
        let of = of.clone();
        async move { view.history(&list, of).await }
    };
    let order = vec!["-id".to_owned()];
    page::<HistoryRecord, _, _>(call, List { order, ..List::default() }, read, tell).await
}

fn schema() -> Json {
    let change = json!({
        "type": "object", "required": ["field", "before", "after"],
        "properties": { "field": { "type": "string", "examples": ["first_name"] }, "before": { "examples": [""] }, "after": { "examples": ["Ann"] } },
    });
    let text = |about: &str, example: &str| json!({ "type": "string", "description": about, "examples": [example] });
    schema::object(
        [
            ("id", json!({ "type": "integer", "minimum": 1, "examples": [7] })),
            ("at", json!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"] })),
            ("what", text("The noun and the verb.", "user.edit")),
            ("name", text("What the record was called.", "ann")),
            (
                "by",
                json!({ "type": ["string", "null"], "description": "Who did it, where who asks sees them.", "examples": ["ann"] }),
            ),
            ("via", json!({ "enum": ["api", "cli", "server"], "examples": ["api"] })),
            ("changes", json!({ "type": "array", "items": change })),
        ],
        &["id", "at", "what", "name", "by", "via", "changes"],
    )
}

fn tell(record: &HistoryRecord) -> String {
    let mut told = Object::default();
    told.put("id", &record.id);
    told.put("at", &moment::of_micros(record.at));
    told.put("what", &record.what);
    told.put("name", &record.name);
    told.put("by", &record.who());
    told.put("via", &record.via);
    told.put_objects("changes", record.all_changes(), |object, (field, before, after)| {
        object.put("field", &field);
        object.put("before", &before);
        object.put("after", &after);
    });
    told.end()
}
