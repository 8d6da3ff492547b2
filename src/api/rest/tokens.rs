//! `me/token/`: named tokens of who asks, each narrowed to what it is for. The secret is told once, when it is made or rotated.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::keys;
use super::records::{page, permissions, tell, told};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, LIST, Methods, Verb, Versions};
use crate::clock;
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::serializer::{Data, Datum, Field, Keys, Shape};
use crate::directory::name::Text;
use crate::directory::token::Token;
use crate::directory::{
    self, DirectoryError, List, NewScope, NewToken, Noun, OrgSelector, Resource, TokenEdit, TokenRecord, View, Viewer,
};
use crate::id::TokenId;
use async_trait::async_trait;
use axum::body::Body;
use http::Method;
use jiff::Timestamp;
use serde_json::Value as Json;

const NAME: Field = Field::text("name").required().at_most(200).help("What it is for");
const EXPIRES_AT: Field =
    Field::text("expires_at").nullable().help("It is refused from then on, such as 2027-01-31T12:00:00Z");
const NEW: &[Field] = &[
    NAME,
    EXPIRES_AT,
    Field::flag("read_only").help("Whether it is good for requests alone that change nothing"),
    Field::new("organizations", Shape::Keys(Keys::Uuids)).help("Ids of organizations; none is all"),
    Field::new("permissions", Shape::Keys(Keys::Words)).help("Such as config.add_device; none is all"),
];
const EDIT: &[Field] = &[NAME, EXPIRES_AT];
const ROTATE: &[Field] = &[EXPIRES_AT];
/// What is told once, besides the record.
const SECRET: &[Field] = &[Field::text("token").help("The secret; it is told this once")];

const WRONG_TIME: &str =
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";

/// Makes another secret, or none any more.
pub(super) const ACT: Methods = Methods { allow: "POST, OPTIONS", verbs: &[(Method::POST, Verb::Create)] };

/// What goes with a token that is revoked.
pub(super) const REVOKED: [&str; 2] = [
    "Its secret stops working at once: whatever uses it is refused from now on.",
    "It stays revoked, and cannot have another secret.",
];

/// The list.
pub(super) struct Tokens;

pub(super) struct One(pub TokenId);

pub(super) struct Rotate(pub TokenId);

pub(super) struct Revoke(pub TokenId);

/// The directory as a place for one's own tokens, superusers' too.
fn own(call: &Call) -> View {
    call.view.as_seen_by(Viewer::Oneself(call.asker.user.id))
}

fn failed(error: DirectoryError) -> ApiError {
    let of = |field, message: String| ApiError::of_fields(FieldErrors::of(field, message));
    match error {
        DirectoryError::NotFound { noun: Noun::Organization, .. } => {
            of("organizations", "There is no such organization of theirs.".to_owned())
        }
        DirectoryError::NotFound { noun: Noun::Permission, .. } => of("permissions", error.to_string()),
        error => refused::<TokenRecord>(error),
    }
}

fn generate(call: &Call) -> Result<Token, ApiError> {
    Token::generate(call.api.store.checksum_key()).map_err(|error| {
        tracing::warn!(%error, "a token cannot be made");
        ApiError::Unavailable
    })
}

/// When it is to end: `None` where nothing is said of it.
fn end(data: &Data, errors: &mut FieldErrors) -> Option<Option<i64>> {
    match data.get("expires_at")? {
        Datum::Text(text) => match text.parse::<Timestamp>() {
            Ok(end) => Some(Some(end.as_second())),
            Err(_) => {
                errors.add("expires_at", WRONG_TIME);
                None
            }
        },
        _ => Some(None),
    }
}

fn with_secret(record: &TokenRecord, token: &Token) -> String {
    let mut told = told(record);
    told.put("token", token.expose());
    told.end()
}

#[async_trait]
impl Endpoint for Tokens {
    const NAME: &'static str = "My Tokens";
    const TELLS_SECRET: bool = true;
    const PERMISSION: &'static str = "";
    const METHODS: Methods = LIST;
    const LISTED: &'static [directory::Field] = TokenRecord::FIELDS;

    fn fields(_: Audience) -> &'static [Field] {
        NEW
    }

    fn told(_: Audience, verb: Verb) -> Json {
        schema::record::<TokenRecord>(if verb == Verb::Create { SECRET } else { &[] })
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        if verb != Verb::Create {
            let view = own(call);
            let read = |_: View, list: List| {
                let view = view.clone();
                async move { view.tokens(&list).await }
            };
            return page::<TokenRecord, _, _>(call, List::default(), read, tell).await;
        }
        let (data, mut errors) = call.data(NEW, body, false).await?;
        let expires_at = end(&data, &mut errors).or_else(|| usual_end(call));
        let permissions = permissions("permissions", data.keys("permissions"), &mut errors).unwrap_or_default();
        let mut organizations = Vec::new();
        for key in data.keys("organizations").unwrap_or_default() {
            match keys::organization(std::slice::from_ref(key)) {
                Ok((id, _)) => organizations.push(OrgSelector::Id(id)),
                Err(problem) => errors.add("organizations", problem),
            }
        }
        call.settle(errors)?;
        let token = generate(call)?;
        let new = NewToken {
            user: call.asker.user.id.into(),
            digest: token.digest(),
            name: Text::new("name", data.text("name").unwrap_or_default()).map_err(failed)?,
            expires_at: expires_at.flatten(),
            scope: NewScope { organizations, permissions, read_only: data.flag("read_only") == Some(true) },
        };
        let path = call.path("me/token/");
        let told = move |made: &Vec<TokenRecord>| {
            let made = made.first()?;
            let location = Some(format!("{path}{}/", made.id));
            Some(Done::Made { body: with_secret(made, &token), location, alone: Some(tell(made)) })
        };
        let make = |view: View| async move { view.create_tokens(vec![new]).await.map_err(|error| failed(error.error)) };
        call.make(own(call), told, make).await
    }
}

/// As long as a token of a login, where nothing is said.
fn usual_end(call: &Call) -> Option<Option<i64>> {
    let lifetime = call.api.lifetime?;
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Some(Some(clock::unix_seconds().saturating_add(lifetime)))
}

#[async_trait]
impl Endpoint for One {
    const NAME: &'static str = "My Token";
    const PERMISSION: &'static str = "";
    const HAS_VERSIONS: bool = true;

    fn fields(_: Audience) -> &'static [Field] {
        EDIT
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The token: whatever uses it is refused from now on.".to_owned()])
    }

    fn while_it_is(&self, call: &Call, versions: Versions) -> View {
        own(call).while_token(self.0, move |token| versions.hold(&tell(token)))
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(&[])
    }

    async fn act(&self, call: &Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
        let (view, id) = (own(call), self.0);
        let found = view.token(id).await.map_err(failed)?;
        match verb {
            Verb::Update { partial } => {
                let (data, mut errors) = call.data(EDIT, body, partial).await?;
                let expires_at = end(&data, &mut errors);
                call.settle(errors)?;
                let name = data.text("name").map(|name| Text::new("name", name)).transpose().map_err(failed)?;
                let edit = TokenEdit { name, expires_at };
                Ok(Done::Told(tell(&view.edit_token(id, edit).await.map_err(failed)?)))
            }
            Verb::Delete => view.delete_token(id).await.map(|_| Done::Gone).map_err(failed),
            _ => Ok(Done::Told(tell(&found))),
        }
    }
}

#[async_trait]
impl Endpoint for Rotate {
    const NAME: &'static str = "Another Secret";
    const TELLS_SECRET: bool = true;
    const PERMISSION: &'static str = "";
    const METHODS: Methods = ACT;

    fn fields(_: Audience) -> &'static [Field] {
        ROTATE
    }

    async fn question(&self, call: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        let token = own(call).token(self.0).await.map_err(failed)?;
        Ok(Some((format!("Make another secret for the token {}?", token.name), "Make another secret")))
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec![
            "The old secret stops working at once: whatever uses it is refused until it has the new one.".to_owned(),
        ])
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(SECRET)
    }

    async fn act(&self, call: &Call, _: Verb, body: Body) -> Result<Done, ApiError> {
        let view = own(call);
        view.token(self.0).await.map_err(failed)?;
        let (data, mut errors) = call.data(ROTATE, body, true).await?;
        let expires_at = end(&data, &mut errors);
        call.settle(errors)?;
        let token = generate(call)?;
        let (id, digest) = (self.0, token.digest());
        let told = move |rotated: &TokenRecord| Some(Done::Told(with_secret(rotated, &token)));
        let rotate = |view: View| async move { view.rotate_token(id, digest, expires_at).await.map_err(failed) };
        call.make(view, told, rotate).await
    }
}

#[async_trait]
impl Endpoint for Revoke {
    const NAME: &'static str = "No Secret any more";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = ACT;

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    async fn question(&self, call: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        let token = own(call).token(self.0).await.map_err(failed)?;
        Ok(Some((format!("Revoke the token {}?", token.name), "Revoke")))
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(REVOKED.map(str::to_owned).to_vec())
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(&[])
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let id = self.0;
        let told = |revoked: &TokenRecord| Some(Done::Told(tell(revoked)));
        call.make(own(call), told, |view: View| async move { view.revoke_token(id).await.map_err(failed) }).await
    }
}
