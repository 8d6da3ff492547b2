//! `/api/v1/users/account/passkeys/`: somebody's own passkeys: to add one, and to remove one. Either needs their password once more, or a
//! login a moment ago where they have none; and the second factor, shown a moment ago, of who has one.

use super::assets;
use super::error::ApiError;
use super::factor_letter;
use super::page::{self, ALLOW, STALE, Visitor};
use super::passkey::{bytes, with_script};
use super::paths::{ACCOUNT, LOGIN, PASSKEYS, SECOND_FACTOR};
use super::standing::{Doubt, Lacks, NOT_YOURS, Standing, TOO_OLD};
use super::words::{filters, moment};
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::directory::name::Text;
use crate::directory::{DirectoryError, Factor, FactorProof, NewPasskey, PasskeyKept, PasskeyRecord, StoreError, View};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::second_factor::Passkeys;
use crate::second_factor::challenge::{Challenge, PATIENCE, Purpose};
use crate::webauthn::public_key::ALGORITHMS;
use crate::webauthn::{Expected, register};
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const NAME: &str = "The name of a passkey has 1 to 200 characters.";
const UNFIT: &str = "This passkey cannot be used here. Try again, or take another device.";
const TAKEN: &str = "This passkey is somebody's already.";
const TOO_MANY: &str = "You have as many passkeys as one may have. Remove one first.";
const GONE: &str = "It is not there any more.";
const BUSY: &str = "Your passkeys cannot be looked at in this moment. Try again in a few seconds.";

struct Own {
    id: Uuid,
    name: String,
    since: String,
    used: String,
    is_synced: bool,
}

#[derive(Default, Template)]
#[template(path = "passkeys.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    options: &'a str,
    csrf: &'a str,
    asks_password: bool,
    /// Whether one logs in by itself.
    alone: bool,
    passkeys: Vec<Own>,
    account: &'a str,
    script: &'a str,
}

struct Visit<'a> {
    api: &'a Api,
    settings: &'a Passkeys,
    visitor: Visitor,
    user: UserId,
    username: String,
    view: View,
    standing: Standing,
}

enum Refused {
    Stale,
    Said(StatusCode, String),
    Throttled(Duration, Option<Limit>),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => Self::Store(error),
            error => said(&format!("This is not possible: {error}.")),
        }
    }
}

fn said(problem: &str) -> Refused {
    Refused::Said(StatusCode::BAD_REQUEST, problem.to_owned())
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(settings) = &api.passkeys else { return ApiError::NoRoute.answer(&api, "") };
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let here = api.links.at(PASSKEYS);
    let Some(person) = visitor.person(&api, client.0).await else {
        return page::go_on(&page::with_next(&api.links.at(LOGIN), &here), []);
    };
    if person.has_old_password {
        return page::go_on(&api.links.change(), []);
    }
    let user = person.snapshot.user.id;
    let standing = match Standing::of(&api, visitor.session.as_deref(), user).await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(%error, "somebody's passkeys cannot be looked at");
            return ApiError::Unavailable.answer(&api, ALLOW);
        }
    };
    if standing.lacks() == Some(Lacks::Proof) {
        return page::go_on(&page::with_next(&api.links.at(SECOND_FACTOR), &here), []);
    }
    let view = api.as_oneself(user);
    let visit = Visit { api: &api, settings, username: person.username().to_owned(), view, standing, visitor, user };
    if parts.method != Method::POST {
        return visit.show(StatusCode::OK, "").await;
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visit.visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        visit.submit(client.0.0, &fields).await
    } else {
        Err(Refused::Stale)
    };
    match done {
        Ok(cookies) => page::go_on(&here, cookies.into_iter().chain(visit.visitor.challenge_cookie("", 0))),
        Err(Refused::Stale) => visit.show(StatusCode::FORBIDDEN, STALE).await,
        Err(Refused::Said(status, problem)) => visit.show(status, &problem).await,
        Err(Refused::Throttled(wait, limit)) => {
            let page = visit.show(StatusCode::TOO_MANY_REQUESTS, &page::too_many(wait)).await;
            page::with_wait(page, page::seconds(wait), limit)
        }
        Err(Refused::Store(error)) => visit.busy(&error),
    }
}

impl Visit<'_> {
    fn busy(&self, error: &StoreError) -> Response {
        tracing::warn!(%error, "somebody's passkeys cannot be looked at");
        page::with_wait(self.page(StatusCode::SERVICE_UNAVAILABLE, BUSY, Vec::new()), 1, None)
    }

    async fn show(&self, status: StatusCode, problem: &str) -> Response {
        match self.api.store.passkeys(self.user).await {
            Ok(passkeys) => self.page(status, problem, passkeys),
            Err(error) => self.busy(&error),
        }
    }

    fn page(&self, status: StatusCode, problem: &str, passkeys: Vec<PasskeyRecord>) -> Response {
        let (api, visitor) = (self.api, &self.visitor);
        let made = Challenge::new().and_then(|challenge| {
            let sealed = challenge.seal(&api.seal, Purpose::Make(self.user))?;
            Ok((challenge, sealed, visitor.form()?))
        });
        let Ok((challenge, sealed, (csrf, cookie))) = made else { return ApiError::Unavailable.answer(api, ALLOW) };
        let options = self.options(&challenge, &passkeys).to_string();
        let own = passkeys.into_iter().map(|passkey| Own {
            id: passkey.id,
            name: passkey.name,
            since: moment(passkey.created),
            used: passkey.last_used.map(moment).unwrap_or_default(),
            is_synced: passkey.backup_eligible,
        });
        let page = Page {
            style: page::STYLE,
            problem,
            action: &api.links.at(PASSKEYS),
            options: &options,
            csrf: &csrf,
            asks_password: self.standing.has_password,
            alone: self.settings.alone,
            passkeys: own.collect(),
            account: &api.links.at(ACCOUNT),
            script: &api.links.at(&assets::script()),
        };
        with_script(page::answer(status, &page, cookie), visitor.challenge_cookie(&sealed, PATIENCE))
    }

    /// What the browser is asked for (Web Authentication, 5.4). One that logs in alone must be found without a name, and verify its user.
    fn options(&self, challenge: &Challenge, passkeys: &[PasskeyRecord]) -> Json {
        let need = if self.settings.alone { "required" } else { "preferred" };
        let algorithms = ALGORITHMS.map(|algorithm| json!({ "type": "public-key", "alg": algorithm }));
        json!({
            "challenge": BASE64URL_NOPAD.encode(&challenge.bytes),
            "rp": { "id": self.settings.party.id, "name": self.api.links.site().unwrap_or(&self.settings.party.id) },
            "user": { "id": BASE64URL_NOPAD.encode(self.user.0.as_bytes()), "name": self.username, "displayName": self.username },
            "pubKeyCredParams": algorithms,
            "excludeCredentials": passkeys.iter().map(|one| BASE64URL_NOPAD.encode(&one.credential)).collect::<Vec<_>>(),
            "authenticatorSelection": {
                "residentKey": need, "requireResidentKey": self.settings.alone, "userVerification": need,
            },
            "attestation": "none",
            "timeout": PATIENCE * 1000,
        })
    }

    /// Adds or removes one; the cookies under which the session goes on.
    async fn submit(&self, client: IpAddr, fields: &Fields) -> Result<Vec<HeaderValue>, Refused> {
        let limits = self.api.login.limits();
        limits.request_of(self.user).await.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
        self.is_themselves(client, fields).await?;
        match fields.text("remove") {
            "" => self.add(fields).await,
            id => {
                let id = Uuid::try_parse(id).map_err(|_| said(GONE))?;
                if !self.view.delete_passkey(&self.user.into(), id, self.has_other_way()).await? {
                    return Err(said(GONE));
                }
                factor_letter::post(self.api, self.user).await;
                Ok(Vec::new())
            }
        }
    }

    /// Whether they log in by something that the directory does not know of: a link, what is in front of us, or what shows codes.
    fn has_other_way(&self) -> bool {
        self.api.identity.takes_links() || self.api.trusted_header.is_some() || self.standing.has_shown_code()
    }

    /// A session may be somebody else's at this screen.
    async fn is_themselves(&self, client: IpAddr, fields: &Fields) -> Result<(), Refused> {
        let confirmed = self.standing.confirm(self.api, self.user, client, fields.text("password")).await;
        confirmed.map_err(|doubt| match doubt {
            Doubt::TooOld => Refused::Said(StatusCode::FORBIDDEN, TOO_OLD.to_owned()),
            Doubt::Wrong => said(NOT_YOURS),
            Doubt::Throttled(wait) => Refused::Throttled(wait, None),
            Doubt::Store(error) => Refused::Store(error),
        })
    }

    async fn add(&self, fields: &Fields) -> Result<Vec<HeaderValue>, Refused> {
        let name = Text::<200>::new("name", fields.text("name").trim()).ok();
        let name = name.filter(|name| !name.as_str().is_empty()).ok_or_else(|| said(NAME))?;
        let challenge = self.visitor.challenge.as_deref();
        let challenge = challenge.and_then(|cookie| Challenge::open(&self.api.seal, Purpose::Make(self.user), cookie));
        let challenge = challenge.ok_or(Refused::Stale)?;
        let (client_data, attestation) = (bytes(fields, "client_data"), bytes(fields, "attestation"));
        let (client_data, attestation) = client_data.zip(attestation).ok_or_else(|| said(UNFIT))?;
        let expected = Expected {
            party: &self.settings.party,
            challenge: &challenge.bytes,
            user_verification: self.settings.alone,
        };
        let credential = register(expected, &client_data, &attestation).map_err(|failure| {
            tracing::info!(user = %self.user, %failure, "a new passkey is refused");
            said(UNFIT)
        })?;
        let name = name.as_str().to_owned();
        let new = NewPasskey { user: self.user, name, credential, once: challenge.once() };
        match self.api.store.keep_passkey(new).await? {
            PasskeyKept::Kept(_) => {
                factor_letter::post(self.api, self.user).await;
                Ok(self.proven().await?)
            }
            PasskeyKept::Replayed => Err(Refused::Stale),
            PasskeyKept::Taken => Err(said(TAKEN)),
            PasskeyKept::TooMany => Err(said(TOO_MANY)),
        }
    }

    /// Where second factors are asked for, and this is the first, the session has shown it. Otherwise a session proves nothing by what it
    /// has made itself.
    async fn proven(&self) -> Result<Vec<HeaderValue>, StoreError> {
        if self.api.second_factors.is_none() || !self.standing.lacks_any() {
            return Ok(Vec::new());
        }
        let session = self.visitor.session.as_deref().unwrap_or_default();
        let proof = FactorProof { at: clock::unix_seconds(), by: Factor::Passkey };
        let proven = self.api.identity.prove_session(self.user, session, proof).await?;
        Ok(proven.into_iter().flatten().flatten().collect())
    }
}
