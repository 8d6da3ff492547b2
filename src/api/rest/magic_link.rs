//! `user/{id}/magic-link/`: a token with which somebody logs in as a user, for whoever may do all that the user may.

use super::super::error::ApiError;
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, Methods, Verb, moment};
use crate::clock;
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::{Field, Shape};
use crate::directory::{UserRecord, View};
use crate::id::UserId;
use crate::identity::sesame::mint::MintError;
use async_trait::async_trait;
use axum::body::Body;
use http::Method;

const FIELDS: &[Field] = &[
    Field::text("scope")
        .write_only()
        .blank()
        .at_most(150)
        .help("What it is for; other services may ask for another scope than the gate does"),
    Field::text("max_age")
        .write_only()
        .blank()
        .at_most(20)
        .help("How long it is good, such as 90s, 5m or 12h; at most as long as all are"),
    Field::new("user", Shape::Uuid).read_only(),
    Field::text("username").read_only().or_none(),
    Field::text("token").read_only().help("Whoever has it is the user"),
    Field::text("link").read_only().help("Where it logs them in, if tokens are read from the query").or_none(),
    Field::new("expires_at", Shape::Moment).read_only().or_none(),
];

pub(super) struct MagicLink(pub UserId);

#[async_trait]
impl Endpoint for MagicLink {
    const NAME: &'static str = "Magic Link";
    const TELLS_SECRET: bool = true;
    /// Making one is a permission of its own.
    const PERMISSION: &'static str = "openwisp_users.{}_magiclink";
    const METHODS: Methods = Methods { allow: "POST, OPTIONS", verbs: &[(Method::POST, Verb::Create)] };

    fn fields(_: Audience) -> &'static [Field] {
        FIELDS
    }

    async fn act(&self, call: &Call, _: Verb, body: Body) -> Result<Done, ApiError> {
        let identity = &call.api.identity;
        if !identity.makes_links() {
            return Err(ApiError::Missing);
        }
        let Self(id) = *self;
        let user = call.view.user(&id.into()).await.map_err(refused::<UserRecord>)?;
        let everything = call.api.store.user_snapshot(id).await.map_err(|error| refused::<UserRecord>(error.into()))?;
        // Whoever logs in as somebody may what they may.
        if !everything.is_some_and(|user| call.asker.may_all_of(&user)) {
            return Err(call.forbidden());
        }
        let (data, mut errors) = call.data(FIELDS, body, true).await?;
        let said = |name: &str| data.text(name).filter(|text| !text.is_empty());
        let scope = said("scope");
        let max_age = said("max_age").and_then(|text| match clock::parse_duration(text) {
            Ok(age) if identity.link_age().is_none_or(|all| age <= all) => Some(age),
            Ok(_) => {
                errors.add("max_age", "No link is good for so long.");
                None
            }
            Err(problem) => {
                errors.add("max_age", format!("It is {problem}."));
                None
            }
        });
        call.settle(errors)?;
        let minted = identity.mint(&user, (scope, max_age)).await.map_err(|error| match error {
            MintError::Directory(error) => refused::<UserRecord>(error),
            MintError::Unfit(why) => ApiError::of_fields(FieldErrors::of("__all__", why)),
        })?;
        let link =
            identity.parameter(scope).and_then(|name| call.api.links.absolute(&format!("/?{name}={}", minted.token)));
        let tell = move |user: &UserRecord| {
            let mut told = Object::default();
            told.put("user", &user.id);
            told.put("username", &user.username);
            told.put("token", &minted.token);
            told.put("link", &link);
            told.put("expires_at", &minted.until.map(|until| moment::written(until, 0)));
            Some(Done::Told(told.end()))
        };
        let note = |view: View| async move { view.note_magic_link(&id.into()).await.map_err(refused::<UserRecord>) };
        call.make(call.view.clone(), tell, note).await
    }
}
