//! `user/{id}/token/` and `user/{id}/session/`: what lets somebody in. Superusers see and end what is others', and nobody sees a secret.

use super::super::error::ApiError;
use super::super::openapi::schema;
use super::records::{page, tell};
use super::refused::refused;
use super::{Audience, Call, Done, Endpoint, Methods, READ, Verb, moment, tokens};
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::serializer::Field;
use crate::directory::token::TokenDigest;
use crate::directory::{self, List, Resource, SessionRecord, TokenRecord, View};
use crate::id::{TokenId, UserId};
use async_trait::async_trait;
use axum::body::Body;
use http::Method;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// What is read and deleted, and never edited.
const KEPT: Methods = Methods {
    allow: "GET, DELETE, HEAD, OPTIONS",
    verbs: &[(Method::GET, Verb::Read), (Method::DELETE, Verb::Delete), (Method::HEAD, Verb::Read)],
};

pub(super) struct Tokens(pub UserId);

pub(super) struct OneToken(pub UserId, pub TokenId);

pub(super) struct RevokeToken(pub UserId, pub TokenId);

pub(super) struct Sessions(pub UserId);

pub(super) struct OneSession(pub UserId, pub Uuid);

/// Their own, or a superuser's to see.
fn must_be_theirs(call: &Call, user: UserId) -> Result<(), ApiError> {
    if call.is_superuser() || call.asker.user.id == user { Ok(()) } else { Err(call.forbidden()) }
}

async fn token(call: &Call, user: UserId, id: TokenId) -> Result<TokenRecord, ApiError> {
    let found = call.view.token(id).await.map_err(refused::<TokenRecord>)?;
    if found.user == user { Ok(found) } else { Err(ApiError::Missing) }
}

#[async_trait]
impl Endpoint for Tokens {
    const NAME: &'static str = "User Tokens";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = READ;
    const LISTED: &'static [directory::Field] = TokenRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = &["name", "state", "created", "expires_at", "last_used", "read_only"];

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(&[])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        must_be_theirs(call, self.0)
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let read = |view: View, list: List| async move { view.tokens(&list).await };
        page::<TokenRecord, _, _>(call, List::of_user(self.0), read, tell).await
    }
}

#[async_trait]
impl Endpoint for OneToken {
    const NAME: &'static str = "User Token";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = KEPT;

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(&[])
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The token: whatever uses it is refused from now on.".to_owned()])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        must_be_theirs(call, self.0)
    }

    async fn act(&self, call: &Call, verb: Verb, _: Body) -> Result<Done, ApiError> {
        let found = token(call, self.0, self.1).await?;
        match verb {
            Verb::Delete => {
                let deleted = call.view.delete_token(self.1).await;
                deleted.map(|_| Done::Gone).map_err(refused::<TokenRecord>)
            }
            _ => Ok(Done::Told(tell(&found))),
        }
    }
}

#[async_trait]
impl Endpoint for RevokeToken {
    const NAME: &'static str = "No Secret any more";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = tokens::ACT;

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        schema::record::<TokenRecord>(&[])
    }

    async fn question(&self, call: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        let TokenRecord { name, username, .. } = token(call, self.0, self.1).await?;
        Ok(Some((format!("Revoke the token {name} of {username}?"), "Revoke")))
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(tokens::REVOKED.map(str::to_owned).to_vec())
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        must_be_theirs(call, self.0)
    }

    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let id = token(call, self.0, self.1).await?.id;
        let told = |revoked: &TokenRecord| Some(Done::Told(tell(revoked)));
        let revoke = |view: View| async move { view.revoke_token(id).await.map_err(refused::<TokenRecord>) };
        call.make(call.view.clone(), told, revoke).await
    }
}

async fn sessions(call: &Call, user: UserId) -> Result<Vec<SessionRecord>, ApiError> {
    let this = TokenDigest::of(call.session.as_deref().unwrap_or_default());
    call.view.sessions(&user.into(), this).await.map_err(refused::<TokenRecord>)
}

fn session(record: &SessionRecord) -> String {
    let mut told = Object::default();
    told.put("id", &record.id);
    told.put("created", &moment::written(record.created, 0));
    told.put("expires_at", &moment::written(record.expires_at, 0));
    told.put("is_this", &record.is_this);
    told.end()
}

fn session_schema() -> Json {
    let time = || json!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"] });
    let id = "10000000-0000-4000-8000-0000000000aa";
    schema::object(
        [
            ("id", json!({ "type": "string", "format": "uuid", "examples": [id] })),
            ("created", time()),
            ("expires_at", time()),
            ("is_this", json!({ "type": "boolean", "description": "It is that of who asks.", "examples": [false] })),
        ],
        &["id", "created", "expires_at", "is_this"],
    )
}

#[async_trait]
impl Endpoint for Sessions {
    const NAME: &'static str = "User Sessions";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = READ;
    const COLUMNS: &'static [&'static str] = &["created", "expires_at", "is_this"];

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        session_schema()
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        must_be_theirs(call, self.0)
    }

    /// They are few: all of them are on one page.
    async fn act(&self, call: &Call, _: Verb, _: Body) -> Result<Done, ApiError> {
        let all = sessions(call, self.0).await?;
        let mut told = Object::default();
        told.put("count", &all.len());
        told.put("next", &None::<String>);
        told.put("previous", &None::<String>);
        told.put_list("results", all.iter().map(session));
        Ok(Done::Told(told.end()))
    }
}

#[async_trait]
impl Endpoint for OneSession {
    const NAME: &'static str = "User Session";
    const PERMISSION: &'static str = "";
    const METHODS: Methods = KEPT;

    fn fields(_: Audience) -> &'static [Field] {
        &[]
    }

    fn told(_: Audience, _: Verb) -> Json {
        session_schema()
    }

    async fn question(&self, _: &Call, _: Verb) -> Result<Option<(String, &'static str)>, ApiError> {
        Ok(Some(("End this session?".to_owned(), "End the session")))
    }

    async fn lost(&self, _: &Call) -> Result<Vec<String>, ApiError> {
        Ok(vec!["The session: whoever is logged in by it must log in again.".to_owned()])
    }

    async fn initial(&self, call: &Call) -> Result<(), ApiError> {
        must_be_theirs(call, self.0)
    }

    async fn act(&self, call: &Call, verb: Verb, _: Body) -> Result<Done, ApiError> {
        if verb == Verb::Delete {
            let ended = call.view.end_session(&self.0.into(), self.1).await.map_err(refused::<TokenRecord>)?;
            return if ended { Ok(Done::Gone) } else { Err(ApiError::Missing) };
        }
        let found = sessions(call, self.0).await?.into_iter().find(|session| session.id == self.1);
        found.map(|found| Done::Told(session(&found))).ok_or(ApiError::Missing)
    }
}
