//! `/api/v1/users/device/`: a program on a device without a browser gets a token (RFC 8628). It asks for two codes, somebody types the one on a page where they
//! are logged in and sees who asks for what, and the program asks with the other until it is told.
//!
//! What programs send is a form, and what they are answered JSON, both as RFC 6749 has them: no name twice, errors as words.

pub mod code;

use super::error::ApiError;
use super::page::{self, ALLOW, STALE, Visitor};
use super::paths::{DEVICE, LOGIN};
use super::second_factor::{self, is_let_in};
use super::words::{filters, moment};
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::directory::name::Text;
use crate::directory::token::{Token, TokenDigest};
use crate::directory::{
    DeviceAnswer, DirectoryError, INTERVAL, NewDeviceLogin, NewToken, StoreError, UserKey, WaitingDevice,
};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::request_target::{is_ignorable, query};
use askama::Template;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long somebody may take, in seconds.
const PATIENCE: i64 = 600;
/// The one program that may ask: it is public, and has no secret (RFC 8628, 5.6).
pub const CLIENT: &str = "postern";
/// The grant of a device (RFC 8628, 3.4).
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const WRONG: &str = "Nobody waits for this code. Look at it once more, or begin again on the device.";
const BUSY: &str = "No device can be let in at this moment. Try again in a few seconds.";

/// An error of RFC 6749, 5.2, or RFC 8628, 3.5.
struct OAuthError(StatusCode, &'static str, Option<u64>);

impl OAuthError {
    const fn of(word: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, word, None)
    }

    fn busy(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%error, "a device cannot be let in");
        Self(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", Some(1))
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::busy(&error)
    }
}

impl From<getrandom::Error> for OAuthError {
    fn from(error: getrandom::Error) -> Self {
        Self::busy(&error)
    }
}

fn told(done: Result<Json, OAuthError>) -> Response {
    let (status, body, wait) = match done {
        Ok(body) => (StatusCode::OK, body, None),
        Err(OAuthError(status, word, wait)) => (status, json!({ "error": word }), wait),
    };
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, wait.into());
    }
    response
}

/// The fields of a form, each of which stands there once (RFC 6749, 3.2); empty ones count as left out.
async fn fields(parts: &Parts, body: Body) -> Result<BTreeMap<String, String>, OAuthError> {
    let refused = || OAuthError::of("invalid_request");
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(refused());
    }
    let body = body.collect().await.map_err(|_| refused())?.to_bytes();
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(&body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(refused());
        }
    }
    fields.retain(|_, value| !value.is_empty());
    Ok(fields)
}

fn is_ours(fields: &BTreeMap<String, String>) -> Result<(), OAuthError> {
    match fields.get("client_id").map(String::as_str) {
        Some(CLIENT) => Ok(()),
        Some(_) => Err(OAuthError::of("invalid_client")),
        None => Err(OAuthError::of("invalid_request")),
    }
}

fn wrong_method(api: &Api, parts: &Parts) -> Option<Response> {
    (parts.method != Method::POST).then(|| ApiError::Method(parts.method.to_string()).answer(api, "POST"))
}

/// The device authorization endpoint (RFC 8628, 3.1).
pub async fn begin(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(response) = wrong_method(&api, &parts) {
        return response;
    }
    told(begun(&api, client.0.0, &parts, body).await)
}

async fn begun(api: &Api, client: IpAddr, parts: &Parts, body: Body) -> Result<Json, OAuthError> {
    let limits = api.login.limits();
    let too_many = |wait| OAuthError(StatusCode::TOO_MANY_REQUESTS, "slow_down", Some(page::seconds(wait)));
    limits.request(client).await.map_err(|limit| too_many(limit.reset))?;
    limits.device(client).await.map_err(too_many)?;
    let fields = fields(parts, body).await?;
    is_ours(&fields)?;
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let scope = field("scope");
    if code::scope(&scope).is_none() {
        return Err(OAuthError::of("invalid_scope"));
    }
    let name = field("device_name");
    // Characters that show nothing, or turn what stands beside them, make a name look like another.
    if name.chars().count() > 100 || name.chars().any(|c| c.is_control() || is_ignorable(c)) {
        return Err(OAuthError::of("invalid_request"));
    }
    let page = api.links.absolute(&api.links.at(DEVICE)).ok_or_else(|| OAuthError::busy(&"there is no public_url"))?;
    let (device, user) = (code::device_code()?, code::user_code()?);
    let new = NewDeviceLogin {
        device: code::device_digest(&device),
        user: code::user_digest(&user).unwrap_or_default(),
        name,
        scope,
        address: client.to_string(),
        expires_at: clock::unix_seconds().saturating_add(PATIENCE),
    };
    if !api.store.begin_device_login(new).await? {
        return Err(OAuthError::busy(&"too many devices wait"));
    }
    Ok(json!({
        "device_code": device,
        "user_code": user,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?code={user}"),
        "expires_in": PATIENCE,
        "interval": INTERVAL,
    }))
}

/// The token endpoint, for this grant alone (RFC 8628, 3.4).
pub async fn token(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(response) = wrong_method(&api, &parts) {
        return response;
    }
    told(asked(&api, client.0.0, &parts, body).await)
}

async fn asked(api: &Api, client: IpAddr, parts: &Parts, body: Body) -> Result<Json, OAuthError> {
    let fields = fields(parts, body).await?;
    match fields.get("grant_type").map(String::as_str) {
        Some(GRANT) => {}
        Some(_) => return Err(OAuthError::of("unsupported_grant_type")),
        None => return Err(OAuthError::of("invalid_request")),
    }
    is_ours(&fields)?;
    let device = fields.get("device_code").ok_or_else(|| OAuthError::of("invalid_request"))?;
    let leave = api.login.limits().ask(client).await;
    let leave = leave.ok_or(OAuthError(StatusCode::TOO_MANY_REQUESTS, "slow_down", Some(60)))?;
    match api.store.ask_of_device(code::device_digest(device)).await? {
        DeviceAnswer::Unknown => {
            leave.was_nobody();
            Err(OAuthError::of("invalid_grant"))
        }
        DeviceAnswer::TooEarly => {
            // A device that waits as it was told never is.
            leave.was_nobody();
            Err(OAuthError::of("slow_down"))
        }
        DeviceAnswer::Pending => Err(OAuthError::of("authorization_pending")),
        DeviceAnswer::Expired => Err(OAuthError::of("expired_token")),
        DeviceAnswer::Denied => Err(OAuthError::of("access_denied")),
        DeviceAnswer::Approved { user, password, name, scope } => {
            let found = api.store.revocation(&UserKey::Id(user)).await?;
            let is_theirs = found.is_some_and(|found| second_factor::digest(&found)[..] == password[..]);
            if !is_theirs || !is_let_in(api, user).await? {
                tracing::info!(%user, "a device gets no token: its user is not let in, or has another password");
                return Err(OAuthError::of("access_denied"));
            }
            issue(api, user, &name, &scope).await
        }
    }
}

/// A token of theirs, narrowed to what was asked for: what they may not, it may not either.
async fn issue(api: &Api, user: UserId, name: &str, scope: &str) -> Result<Json, OAuthError> {
    let token = Token::generate(api.store.checksum_key())?;
    let lifetime = api.lifetime.map(|lifetime| i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX));
    let name = if name.is_empty() { "postern login".to_owned() } else { format!("postern login: {name}") };
    let new = NewToken {
        user: user.into(),
        digest: token.digest(),
        name: Text::new("name", &name).unwrap_or_else(|_| Text::empty()),
        expires_at: lifetime.map(|lifetime| clock::unix_seconds().saturating_add(lifetime)),
        scope: code::scope(scope).ok_or_else(|| OAuthError::of("invalid_scope"))?,
    };
    let view = api.as_oneself(user);
    match view.create_tokens(vec![new]).await.map_err(|error| error.error) {
        Ok(_) => {}
        Err(DirectoryError::Store(error)) => return Err(error.into()),
        // An organization that is not theirs, or a permission that nobody knows.
        Err(error) => {
            tracing::info!(%user, %error, "a device gets no token");
            return Err(OAuthError::of("access_denied"));
        }
    }
    let mut answer = json!({ "access_token": token.expose(), "token_type": "Bearer", "scope": scope });
    if let (Some(lifetime), Some(answer)) = (lifetime, answer.as_object_mut()) {
        answer.insert("expires_in".to_owned(), lifetime.into());
    }
    Ok(answer)
}

/// The revocation endpoint (RFC 7009): whoever has a token ends it. What is no token has ended already.
pub async fn revoke(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(response) = wrong_method(&api, &parts) {
        return response;
    }
    told(revoked(&api, client.0.0, &parts, body).await)
}

async fn revoked(api: &Api, client: IpAddr, parts: &Parts, body: Body) -> Result<Json, OAuthError> {
    let fields = fields(parts, body).await?;
    is_ours(&fields)?;
    let token = fields.get("token").ok_or_else(|| OAuthError::of("invalid_request"))?;
    let leave = api.login.limits().ask(client).await;
    let leave = leave.ok_or(OAuthError(StatusCode::TOO_MANY_REQUESTS, "slow_down", Some(60)))?;
    let Some(found) = api.store.token_snapshot(&TokenDigest::of(token)).await? else {
        leave.was_nobody();
        return Ok(json!({}));
    };
    let view = api.as_oneself(found.snapshot.user.id);
    match view.revoke_token(found.token).await {
        Ok(_) | Err(DirectoryError::NotFound { .. }) => Ok(json!({})),
        // The token is there still (RFC 7009, 2.2.1).
        Err(error) => Err(OAuthError::busy(&error)),
    }
}

#[derive(Default, Template)]
#[template(path = "device.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    csrf: &'a str,
    username: &'a str,
    code: &'a str,
    /// Who waits, where the code was right.
    waiting: Option<Waiting>,
    /// What was said to it.
    answer: &'a str,
}

struct Waiting {
    name: String,
    address: String,
    since: String,
    /// What it asks for; none: everything.
    scope: Vec<String>,
}

impl From<WaitingDevice> for Waiting {
    fn from(device: WaitingDevice) -> Self {
        let scope = device.scope.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Self { name: device.name, address: device.address, since: moment(device.created), scope }
    }
}

enum Refused {
    Stale,
    Wrong,
    Throttled(Duration, Option<Limit>),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The page on which somebody lets a device in.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let typed = query::single(parts.uri.query(), "code").ok().flatten().unwrap_or_default();
    let typed = if code::user_digest(&typed).is_some() { typed.into_owned() } else { String::new() };
    let here = api.links.at(DEVICE);
    let Some(person) = visitor.person(&api, client.0).await else {
        let back = if typed.is_empty() { here } else { format!("{here}?code={}", typed.replace(' ', "")) };
        return page::go_on(&page::with_next(&api.links.at(LOGIN), &back), []);
    };
    if person.has_old_password {
        return page::go_on(&api.links.change(), []);
    }
    let username = person.username();
    let show = |status, page: Page<'_>| {
        let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(&api, ALLOW) };
        page::answer(status, &Page { style: page::STYLE, action: &here, csrf: &csrf, username, ..page }, cookie)
    };
    if parts.method != Method::POST {
        return show(StatusCode::OK, Page { code: &typed, ..Page::default() });
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        submit(&api, client.0.0, person.snapshot.user.id, &fields).await
    } else {
        Err(Refused::Stale)
    };
    let again = |status, problem: &str| show(status, Page { problem, ..Page::default() });
    match done {
        Ok(Done::Asks(waiting)) => {
            show(StatusCode::OK, Page { code: fields.text("code"), waiting: Some(waiting), ..Page::default() })
        }
        Ok(Done::Answered(answer)) => show(StatusCode::OK, Page { answer, ..Page::default() }),
        Err(Refused::Stale) => again(StatusCode::FORBIDDEN, STALE),
        Err(Refused::Wrong) => again(StatusCode::BAD_REQUEST, WRONG),
        Err(Refused::Throttled(wait, limit)) => {
            let page = again(StatusCode::TOO_MANY_REQUESTS, &page::too_many(wait));
            page::with_wait(page, page::seconds(wait), limit)
        }
        Err(Refused::Store(error)) => {
            tracing::warn!(%error, "a device cannot be looked at");
            page::with_wait(again(StatusCode::SERVICE_UNAVAILABLE, BUSY), 1, None)
        }
    }
}

enum Done {
    Asks(Waiting),
    Answered(&'static str),
}

/// A code that was typed, or what is said to the device that has it. Codes are guesses until they are right (RFC 8628, 5.1).
async fn submit(api: &Api, client: IpAddr, user: UserId, fields: &Fields) -> Result<Done, Refused> {
    let limits = api.login.limits();
    limits.request(client).await.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
    limits.code(user).await.map_err(|wait| Refused::Throttled(wait, None))?;
    let digest = code::user_digest(fields.text("code")).ok_or(Refused::Wrong)?;
    let (approves, answer) = match fields.text("do") {
        "approve" => (true, Some("approved")),
        "deny" => (false, Some("denied")),
        _ => (false, None),
    };
    let done = match answer {
        Some(answer) => {
            let found = api.store.revocation(&UserKey::Id(user)).await?.ok_or(Refused::Wrong)?;
            let by = (user, second_factor::digest(&found));
            api.store.answer_device(digest, by, approves).await?.then_some(Done::Answered(answer))
        }
        None => api.store.waiting_device(digest).await?.map(|waiting| Done::Asks(waiting.into())),
    };
    let done = done.ok_or(Refused::Wrong)?;
    limits.no_guess(user).await;
    Ok(done)
}
