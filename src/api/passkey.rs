//! `/api/v1/users/login/passkey/`: people log in with a passkey, or show one behind a password.
//!
//! The page asks the browser by a script, and sends what it says by its form. What is asked for is good once, in this browser, for a while:
//! see [`crate::second_factor::challenge`]. A passkey alone must have verified its user, and so is two factors.

use super::assets;
use super::error::ApiError;
use super::page::{self, ALLOW, STALE, Visitor};
use super::paths::{LOGIN, PASSKEY, SECOND_FACTOR};
use super::second_factor::{Pending, Stage};
use super::standing::Standing;
use super::words::filters;
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::directory::{Factor, FactorProof, PasskeyUse, PasskeyUsed, StoreError};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::request_target::query;
use crate::second_factor::Passkeys;
use crate::second_factor::challenge::{Challenge, PATIENCE, Purpose};
use crate::webauthn::{Assertion, Expected, Known, authenticate};
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

const WRONG: &str = "Nobody can log in with this passkey.";
const COPIED: &str =
    "This passkey has been used elsewhere since: there may be a copy of it. Log in in another way, and remove it.";
const BUSY: &str = "Nobody can log in at this moment. Try again in a few seconds.";

#[derive(Template)]
#[template(path = "passkey.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    options: &'a str,
    csrf: &'a str,
    next: &'a str,
    /// Where they log in in another way.
    other: &'a str,
    script: &'a str,
}

/// Who shows one.
struct Visit<'a> {
    api: &'a Api,
    passkeys: &'a Passkeys,
    visitor: Visitor,
    /// Who they are by a first step or a session, where that is so.
    known: Option<(UserId, Stage)>,
    /// Whether it must have verified its user: it is all that they show, or their session began without a password.
    verifies: bool,
    next: String,
}

enum Refused {
    Stale,
    Wrong,
    Copied,
    Throttled(Duration, Option<Limit>),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(passkeys) = &api.passkeys else { return ApiError::NoRoute.answer(&api, "") };
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let pending = match Pending::of(&api, &visitor).await {
        Ok(pending) => pending,
        Err(refused) => return refused,
    };
    let known = match pending {
        Some(pending) => Some((pending.user, Stage::Login(pending))),
        None => visitor.somebody(&api, client.0).await.map(|person| {
            let stage = if person.lacks_second_factor { Stage::Lacking } else { Stage::Session };
            (person.snapshot.user.id, stage)
        }),
    };
    let next = query::single(parts.uri.query(), "next").ok().flatten().unwrap_or_default();
    let next = page::local(&next).unwrap_or_default().to_owned();
    if known.is_none() && !passkeys.alone {
        return page::go_on(&page::with_next(&api.links.at(LOGIN), &next), []);
    }
    let verifies = match &known {
        None => Ok(true),
        Some((_, Stage::Login(_))) => Ok(false),
        Some((user, _)) => {
            Standing::of(&api, visitor.session.as_deref(), *user).await.map(|standing| !standing.by_password)
        }
    };
    let verifies = match verifies {
        Ok(verifies) => verifies,
        Err(error) => {
            tracing::warn!(%error, "a session cannot be looked at");
            return ApiError::Unavailable.answer(&api, ALLOW);
        }
    };
    let mut visit = Visit { api: &api, passkeys, visitor, known, verifies, next };
    if parts.method != Method::POST {
        return visit.show(StatusCode::OK, "").await;
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visit.visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        visit.next = page::local(fields.text("next")).unwrap_or_default().to_owned();
        visit.submit(client.0, &fields).await
    } else {
        Err(Refused::Stale)
    };
    match done {
        Ok(response) => response,
        Err(Refused::Stale) => visit.show(StatusCode::FORBIDDEN, STALE).await,
        Err(Refused::Wrong) => visit.show(StatusCode::BAD_REQUEST, WRONG).await,
        Err(Refused::Copied) => visit.show(StatusCode::FORBIDDEN, COPIED).await,
        Err(Refused::Throttled(wait, limit)) => {
            let page = visit.show(StatusCode::TOO_MANY_REQUESTS, &page::too_many(wait)).await;
            page::with_wait(page, page::seconds(wait), limit)
        }
        Err(Refused::Store(error)) => {
            tracing::warn!(%error, "a passkey cannot be looked at");
            page::with_wait(visit.page(StatusCode::SERVICE_UNAVAILABLE, BUSY, &[]), 1, None)
        }
    }
}

/// A page whose script asks the browser for a passkey, with what it is asked for.
pub(super) fn with_script(mut page: Response, challenge: Option<HeaderValue>) -> Response {
    let headers = page.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, page::policy_with_script());
    if let Some(cookie) = challenge {
        headers.append(header::SET_COOKIE, cookie);
    }
    page
}

/// Bytes as a form brings them.
pub(super) fn bytes(fields: &Fields, name: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(fields.text(name).as_bytes()).ok()
}

impl Visit<'_> {
    fn user(&self) -> Option<UserId> {
        self.known.as_ref().map(|(user, _)| *user)
    }

    async fn show(&self, status: StatusCode, problem: &str) -> Response {
        let credentials = match self.credentials().await {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::warn!(%error, "a passkey cannot be looked at");
                return page::with_wait(self.page(StatusCode::SERVICE_UNAVAILABLE, BUSY, &[]), 1, None);
            }
        };
        self.page(status, problem, &credentials)
    }

    /// Those of who is known, by name.
    async fn credentials(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(user) = self.user() else { return Ok(Vec::new()) };
        Ok(self.api.store.passkeys(user).await?.into_iter().map(|passkey| passkey.credential).collect())
    }

    fn page(&self, status: StatusCode, problem: &str, credentials: &[Vec<u8>]) -> Response {
        let (api, visitor) = (self.api, &self.visitor);
        let made = Challenge::new().and_then(|challenge| {
            let sealed = challenge.seal(&api.seal, Purpose::Use(self.user()))?;
            Ok((challenge, sealed, visitor.form()?))
        });
        let Ok((challenge, sealed, (csrf, cookie))) = made else { return ApiError::Unavailable.answer(api, ALLOW) };
        let options = self.options(&challenge, credentials).to_string();
        let other = if self.known.is_some() { SECOND_FACTOR } else { LOGIN };
        let page = Page {
            style: page::STYLE,
            problem,
            action: &api.links.at(PASSKEY),
            options: &options,
            csrf: &csrf,
            next: &self.next,
            other: &page::with_next(&api.links.at(other), &self.next),
            script: &api.links.at(&assets::script()),
        };
        with_script(page::answer(status, &page, cookie), visitor.challenge_cookie(&sealed, PATIENCE))
    }

    /// What the browser is asked for (Web Authentication, 5.5).
    fn options(&self, challenge: &Challenge, credentials: &[Vec<u8>]) -> Json {
        json!({
            "challenge": BASE64URL_NOPAD.encode(&challenge.bytes),
            "rpId": self.passkeys.party.id,
            "allowCredentials": credentials.iter().map(|id| BASE64URL_NOPAD.encode(id)).collect::<Vec<_>>(),
            "userVerification": if self.verifies { "required" } else { "preferred" },
            "timeout": PATIENCE * 1000,
        })
    }

    async fn submit(&self, Client(client): Client, fields: &Fields) -> Result<Response, Refused> {
        let limits = self.api.login.limits();
        limits.request(client).await.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
        // A signature cannot be guessed: whoever tries codes as this user does not lock them out of their passkey.
        self.take(fields).await
    }

    async fn take(&self, fields: &Fields) -> Result<Response, Refused> {
        let (api, visitor) = (self.api, &self.visitor);
        let challenge = visitor.challenge.as_deref();
        let challenge = challenge.and_then(|cookie| Challenge::open(&api.seal, Purpose::Use(self.user()), cookie));
        let challenge = challenge.ok_or(Refused::Stale)?;
        let field = |name| bytes(fields, name).ok_or(Refused::Wrong);
        let (id, client_data) = (field("credential")?, field("client_data")?);
        let (authenticator_data, signature) = (field("authenticator_data")?, field("signature")?);
        let handle = field("user_handle")?;
        let credentials = self.credentials().await?;
        if self.known.is_some() && credentials.is_empty() {
            return Err(Refused::Wrong);
        }
        let known = api.store.passkey(id.clone()).await?.ok_or(Refused::Wrong)?;
        if self.user().is_some_and(|user| user != known.user) {
            return Err(Refused::Wrong);
        }
        let expected =
            Expected { party: &self.passkeys.party, challenge: &challenge.bytes, user_verification: self.verifies };
        let kept = Known {
            id: &id,
            public_key: &known.public_key,
            backup_eligible: known.backup_eligible,
            user: known.user.0.as_bytes(),
        };
        let assertion = Assertion {
            id: &id,
            client_data: &client_data,
            authenticator_data: &authenticator_data,
            signature: &signature,
            user_handle: (!handle.is_empty()).then_some(&handle[..]),
        };
        let shown = authenticate(expected, kept, &credentials, assertion).map_err(|failure| {
            tracing::info!(user = %known.user, %failure, "a passkey is refused");
            Refused::Wrong
        })?;
        let today = (!api.login.lets_expired_in()).then(clock::today);
        let using = PasskeyUse { passkey: known.id, shown, once: challenge.once(), today };
        match api.store.use_passkey(using).await? {
            PasskeyUsed::Used(user) => self.go_in(user).await,
            PasskeyUsed::Replayed => Err(Refused::Stale),
            PasskeyUsed::Regressed => {
                tracing::warn!(user = %known.user, passkey = %known.id, "a passkey's counter went back: there may be a copy of it");
                Err(Refused::Copied)
            }
            PasskeyUsed::Gone | PasskeyUsed::Inactive => Err(Refused::Wrong),
        }
    }

    async fn go_in(&self, user: UserId) -> Result<Response, Refused> {
        let (api, visitor) = (self.api, &self.visitor);
        let proof = FactorProof { at: clock::unix_seconds(), by: Factor::Passkey };
        let alone;
        let stage = match &self.known {
            Some((_, stage)) => stage,
            None => {
                let next = self.next.clone();
                alone = Stage::Login(Pending { user, by_password: false, has_old_password: false, next });
                &alone
            }
        };
        let over = visitor.challenge_cookie("", 0);
        let Some(cookies) = stage.go_in(api, visitor, user, proof).await? else {
            return Ok(page::go_on(&page::with_next(&api.links.at(LOGIN), &self.next), over));
        };
        // What has changed of the session counts where it goes on.
        api.identity.catch_up().await;
        Ok(page::go_on(&stage.onwards(api, &self.next), cookies.into_iter().chain(over)))
    }
}
