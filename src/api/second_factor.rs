//! `/api/v1/users/login/code/`: the second step of a login, and where people set up an authenticator app and give it up.
//!
//! Who has shown their password, or comes from a provider, and must show more has no session yet: their browser keeps who they are, sealed, in a
//! cookie that only we read, for a few minutes. The same page is for who is logged in and wants to have one.

use super::error::ApiError;
use super::login::note_login;
use super::page::{self, Visitor};
use super::paths::{LOGIN, SECOND_FACTOR};
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::directory::{StoreError, UserKey, Viewer};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::redis::seal::{Name, Seal};
use crate::second_factor::{Demand, SecondFactors};
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ALLOW: &str = "GET, HEAD, POST";
/// How long the second step may take, in seconds.
const PATIENCE: u32 = 300;
const STALE: &str = "This form was open for too long, or your browser sends no cookies. Try again.";
const WRONG: &str = "This is not the code of this moment, or it has been used already.";
const BUSY: &str = "No code can be looked at in this moment. Try again in a few seconds.";

/// A login whose first step is done.
pub(super) struct Pending {
    pub user: UserId,
    /// Whether that was a password.
    pub by_password: bool,
    /// The password is too old.
    pub has_old_password: bool,
    /// Where to go on; empty: nowhere in particular.
    pub next: String,
}

impl Pending {
    fn seal(&self, seal: &Seal) -> Result<String, getrandom::Error> {
        let expires_at = clock::unix_seconds().saturating_add(i64::from(PATIENCE));
        let mut text = self.user.0.as_bytes().to_vec();
        text.extend(expires_at.to_be_bytes());
        text.extend([u8::from(self.by_password), u8::from(self.has_old_password)]);
        text.extend(self.next.bytes());
        Ok(BASE64URL_NOPAD.encode(&seal.seal(&name(seal), &text)?))
    }

    fn open(seal: &Seal, cookie: &str) -> Option<Self> {
        let text = seal.open(&name(seal), &BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?)?;
        let (user, rest) = text.split_first_chunk::<16>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let ([by_password, has_old_password], next) = rest.split_first_chunk::<2>()?;
        let next = std::str::from_utf8(next).ok()?.to_owned();
        let user = UserId(Uuid::from_bytes(*user));
        let pending = Self { user, by_password: *by_password == 1, has_old_password: *has_old_password == 1, next };
        (clock::unix_seconds() < i64::from_be_bytes(*expires_at)).then_some(pending)
    }
}

fn name(seal: &Seal) -> Name {
    seal.name("first step of a login", &[])
}

/// What a first step leads to.
pub(super) enum Step {
    /// A session, with these cookies.
    In(Vec<HeaderValue>),
    /// The page on which more is shown, with the cookie that it needs.
    More(HeaderValue),
}

/// Logs somebody in who has done the first step, or has them do the second.
pub(super) async fn go_in(api: &Api, visitor: &Visitor, pending: &Pending) -> Result<Step, StoreError> {
    let demand = match &api.second_factors {
        Some(factors) => factors.demand(pending.user).await?,
        None => Demand::Nothing,
    };
    if demand == Demand::Nothing {
        return begin(api, visitor, pending).await.map(Step::In);
    }
    let random = |error: getrandom::Error| StoreError::Unavailable(error.to_string());
    let cookie = visitor.pending_cookie(&pending.seal(&api.seal).map_err(random)?, PATIENCE);
    cookie.map(Step::More).ok_or_else(|| StoreError::Unavailable("a cookie cannot be set".to_owned()))
}

async fn begin(api: &Api, visitor: &Visitor, pending: &Pending) -> Result<Vec<HeaderValue>, StoreError> {
    let begun = api.identity.begin_session(pending.user, visitor.session.as_deref(), pending.by_password).await?;
    let over = visitor.pending.as_ref().and_then(|_| visitor.pending_cookie("", 0));
    if let Err(error) = note_login(api, pending.user).await {
        tracing::warn!(%error, "a login cannot be noted");
    }
    Ok(begun.into_iter().flatten().chain(over).collect())
}

/// Where somebody goes on who is logged in.
pub(super) fn onwards(api: &Api, pending: &Pending) -> String {
    match (pending.has_old_password, pending.next.as_str()) {
        (true, next) => format!("{}?next={}", api.links.change(), utf8_percent_encode(next, NON_ALPHANUMERIC)),
        (false, "") => api.links.at(LOGIN),
        (false, next) => next.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    csrf: &'a str,
    /// What is to be typed into an app, where one is set up, and the same as a link.
    secret: &'a str,
    uri: &'a str,
    /// Whether somebody is logged in, who gives it up with a code.
    ends: bool,
    /// Shown this once.
    codes: &'a [String],
    next: &'a str,
}

impl Default for Page<'_> {
    fn default() -> Self {
        Self {
            style: page::STYLE,
            problem: "",
            action: "",
            csrf: "",
            secret: "",
            uri: "",
            ends: false,
            codes: &[],
            next: "",
        }
    }
}

/// Who does what.
struct Visit<'a> {
    api: &'a Api,
    factors: &'a SecondFactors,
    visitor: Visitor,
    pending: Option<Pending>,
    user: UserId,
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

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(factors) = &api.second_factors else { return ApiError::NoRoute.answer(&api, "") };
    if ![Method::GET, Method::HEAD, Method::POST].contains(&parts.method) {
        return ApiError::Method(parts.method.to_string()).answer(&api, ALLOW);
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let pending = visitor.pending.as_deref().and_then(|cookie| Pending::open(&api.seal, cookie));
    let user = match &pending {
        Some(pending) => Some(pending.user),
        None => visitor.person(&api, client.0).await.map(|person| person.snapshot.user.id),
    };
    let Some(user) = user else { return page::go_on(&api.links.at(LOGIN), visitor.pending_cookie("", 0)) };
    let visit = Visit { api: &api, factors, visitor, pending, user };
    if parts.method != Method::POST {
        return visit.show(StatusCode::OK, "").await;
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visit.visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        visit.submit(client.0, fields.text("code")).await
    } else {
        Err(Refused::Stale)
    };
    match done {
        Ok(response) => response,
        Err(Refused::Stale) => visit.show(StatusCode::FORBIDDEN, STALE).await,
        Err(Refused::Wrong) => visit.show(StatusCode::BAD_REQUEST, WRONG).await,
        Err(Refused::Throttled(wait, limit)) => {
            let page = visit.show(StatusCode::TOO_MANY_REQUESTS, &page::too_many(wait)).await;
            page::with_wait(page, page::seconds(wait), limit)
        }
        Err(Refused::Store(error)) => visit.busy(&error),
    }
}

impl Visit<'_> {
    fn busy(&self, error: &StoreError) -> Response {
        tracing::warn!(%error, "a second factor cannot be looked at");
        page::with_wait(self.page(StatusCode::SERVICE_UNAVAILABLE, Page { problem: BUSY, ..Page::default() }), 1, None)
    }

    fn page(&self, status: StatusCode, page: Page<'_>) -> Response {
        let Ok((csrf, cookie)) = self.visitor.form() else { return ApiError::Unavailable.answer(self.api, ALLOW) };
        let action = self.api.links.at(SECOND_FACTOR);
        page::answer(status, &Page { csrf: &csrf, action: &action, ..page }, cookie)
    }

    async fn show(&self, status: StatusCode, problem: &str) -> Response {
        let offered = match self.factors.offered(self.user).await {
            Ok(offered) => offered,
            Err(error) => return self.busy(&error),
        };
        let Some(secret) = offered else {
            return self.page(status, Page { problem, ends: self.pending.is_none(), ..Page::default() });
        };
        let account = match self.api.store.snapshot_by(&UserKey::Id(self.user)).await {
            Ok(found) => found.and_then(|found| found.user.username.map(|name| name.as_str().to_owned())),
            Err(error) => return self.busy(&error),
        };
        let site = self.api.links.site().unwrap_or("postern");
        let uri = secret.uri(site, account.as_deref().unwrap_or("user"));
        self.page(status, Page { problem, secret: &secret.base32(), uri: &uri, ..Page::default() })
    }

    /// A code: the end of a login, of a set-up, of both, or of the second factor.
    async fn submit(&self, client: Client, code: &str) -> Result<Response, Refused> {
        let limits = self.api.login.limits();
        limits.request(client.0).await.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
        limits.code(self.user).await.map_err(|wait| Refused::Throttled(wait, None))?;
        let done = self.with(code).await;
        if !matches!(done, Err(Refused::Wrong)) {
            limits.no_guess(self.user).await;
        }
        done
    }

    async fn with(&self, code: &str) -> Result<Response, Refused> {
        if !self.factors.has(self.user).await? {
            let codes = self.factors.confirm(self.user, code).await?.ok_or(Refused::Wrong)?;
            let cookies = match &self.pending {
                Some(pending) => begin(self.api, &self.visitor, pending).await?,
                None => Vec::new(),
            };
            let next = self.pending.as_ref().map_or_else(|| self.api.links.at(LOGIN), |of| onwards(self.api, of));
            let mut response = self.page(StatusCode::OK, Page { codes: &codes, next: &next, ..Page::default() });
            for cookie in cookies {
                response.headers_mut().append(http::header::SET_COOKIE, cookie);
            }
            return Ok(response);
        }
        if !self.factors.takes(self.user, code).await? {
            return Err(Refused::Wrong);
        }
        if let Some(pending) = &self.pending {
            let cookies = begin(self.api, &self.visitor, pending).await?;
            return Ok(page::go_on(&onwards(self.api, pending), cookies));
        }
        let view = self.api.store.as_seen_by(Viewer::Oneself(self.user));
        view.delete_second_factor(&self.user.into())
            .await
            .map_err(|error| Refused::Store(StoreError::Unavailable(error.to_string())))?;
        Ok(page::go_on(&self.api.links.at(LOGIN), []))
    }
}
