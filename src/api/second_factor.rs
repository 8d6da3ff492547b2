//! `/api/v1/users/login/code/`: the second step of a login, and where people set up an authenticator app and give it up.
//!
//! Who has shown their password, or comes from a provider, and must show more has no session yet: their browser keeps who they are, sealed, in a
//! cookie that only we read, for a few minutes. The same page is for who is logged in and wants to have one.

use super::error::ApiError;
use super::factor_letter;
use super::login::{Elsewhere, elsewhere, note_login};
use super::page::{self, ALLOW, STALE, Visitor};
use super::paths::{LOGIN, LOGOUT, PASSKEY, SECOND_FACTOR};
use super::standing::{Doubt, Lacks, NOT_YOURS, Standing, TOO_OLD};
use super::words::filters;
use super::{Api, Client};
use crate::clock;
use crate::compat::openwisp::body;
use crate::compat::openwisp::value::Fields;
use crate::directory::{DirectoryError, Factor, FactorProof, Revocation, StoreError, UserKey, Viewer};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::redis::seal::{Name, Seal};
use crate::request_target::query;
use crate::second_factor::{Demand, Offer, SecondFactors};
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::header::HeaderValue;
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long the second step may take, in seconds.
const PATIENCE: u32 = 300;
const WRONG: &str = "This is not the code of this moment, or it has been used already.";
const BY_LINK: &str = "Nobody sets up an app with a login link alone. Log out, and log in in another way.";
const ONCE_MORE: &str = "Log in once more, to show that it is you. Then you set up an app.";
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
    fn seal(&self, seal: &Seal, password: &[u8; 32]) -> Result<String, getrandom::Error> {
        let expires_at = clock::unix_seconds().saturating_add(i64::from(PATIENCE));
        let mut text = self.user.0.as_bytes().to_vec();
        text.extend(expires_at.to_be_bytes());
        text.extend(password);
        text.extend([u8::from(self.by_password), u8::from(self.has_old_password)]);
        text.extend(self.next.bytes());
        Ok(BASE64URL_NOPAD.encode(&seal.seal(&name(seal), &text)?))
    }

    fn open(seal: &Seal, cookie: &str) -> Option<(Self, [u8; 32])> {
        let text = seal.open(&name(seal), &BASE64URL_NOPAD.decode(cookie.as_bytes()).ok()?)?;
        let (user, rest) = text.split_first_chunk::<16>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (password, rest) = rest.split_first_chunk::<32>()?;
        let ([by_password, has_old_password], next) = rest.split_first_chunk::<2>()?;
        let next = std::str::from_utf8(next).ok()?.to_owned();
        let user = UserId(Uuid::from_bytes(*user));
        let pending = Self { user, by_password: *by_password == 1, has_old_password: *has_old_password == 1, next };
        (clock::unix_seconds() < i64::from_be_bytes(*expires_at)).then_some((pending, *password))
    }

    /// That of a browser, where it is good still, or the answer that says that nobody can tell.
    pub async fn of(api: &Api, visitor: &Visitor) -> Result<Option<Self>, Response> {
        Self::find(api, visitor).await.map_err(|error| {
            tracing::warn!(%error, "the first step of a login cannot be looked at");
            ApiError::Unavailable.answer(api, ALLOW)
        })
    }

    /// It ends with the password that it was begun with, and with its user.
    async fn find(api: &Api, visitor: &Visitor) -> Result<Option<Self>, StoreError> {
        let opened = visitor.pending.as_deref().and_then(|cookie| Self::open(&api.seal, cookie));
        let Some((pending, password)) = opened else { return Ok(None) };
        let Some(found) = api.store.revocation(&UserKey::Id(pending.user)).await? else { return Ok(None) };
        Ok((digest(&found) == password && is_let_in(api, pending.user).await?).then_some(pending))
    }
}

/// Whether somebody is let in at all: they are there and active, and their account has not expired.
pub(super) async fn is_let_in(api: &Api, user: UserId) -> Result<bool, StoreError> {
    let user = match api.store.as_seen_by(Viewer::Operator).user(&user.into()).await {
        Ok(user) => user,
        Err(DirectoryError::Store(error)) => return Err(error),
        // Deleted in this very moment.
        Err(_) => return Ok(false),
    };
    let has_expired = user.expiration_date.is_some_and(|last| last < clock::today());
    Ok(user.is_active && (!has_expired || api.login.lets_expired_in()))
}

/// Of the password that somebody has, as it is kept.
pub(super) fn digest(found: &Revocation) -> [u8; 32] {
    Sha256::digest(found.password()).into()
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
        return begin(api, visitor, pending, None).await.map(Step::In);
    }
    let found = api.store.revocation(&UserKey::Id(pending.user)).await?;
    let found = found.ok_or_else(|| StoreError::Unavailable("the user has just gone".to_owned()))?;
    let sealed = pending.seal(&api.seal, &digest(&found));
    let sealed = sealed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    visitor
        .pending_cookie(&sealed, PATIENCE)
        .map(Step::More)
        .ok_or_else(|| StoreError::Unavailable("a cookie cannot be set".to_owned()))
}

async fn begin(
    api: &Api,
    visitor: &Visitor,
    pending: &Pending,
    proof: Option<FactorProof>,
) -> Result<Vec<HeaderValue>, StoreError> {
    let how = (pending.by_password, proof);
    let begun = api.identity.begin_session(pending.user, visitor.session.as_deref(), how).await?;
    let over = visitor.pending.as_ref().and_then(|_| visitor.pending_cookie("", 0));
    if let Err(error) = note_login(api, pending.user).await {
        tracing::warn!(%error, "a login cannot be noted");
    }
    Ok(begun.into_iter().flatten().chain(over).collect())
}

/// Where somebody goes on who is logged in.
pub(super) fn onwards(api: &Api, pending: &Pending) -> String {
    match (pending.has_old_password, pending.next.as_str()) {
        (true, next) => page::with_next(&api.links.change(), next),
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
    /// The same as only we read it.
    offer: &'a str,
    /// Whether the current password is asked for too.
    asks_password: bool,
    /// Whether somebody is logged in, who gives it up with a code.
    ends: bool,
    /// Shown this once.
    codes: &'a [String],
    next: &'a str,
    /// Where a passkey is shown in the place of a code; empty: nowhere.
    passkey: &'a str,
    /// Where they log out, where they must log in once more; empty: they need not.
    logout: &'a str,
    /// Where they do so at once: the providers that know them.
    providers: &'a [Elsewhere<'a>],
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
            offer: "",
            asks_password: false,
            ends: false,
            codes: &[],
            next: "",
            passkey: "",
            logout: "",
            providers: &[],
        }
    }
}

/// What somebody is here for.
pub(super) enum Stage {
    /// To end a login.
    Login(Pending),
    /// To go on with a session that has not shown a second factor.
    Lacking,
    /// To set one up or to end it, or to show it once more.
    Session,
}

impl Stage {
    /// The cookies of the session that begins, or goes on, with a second factor; `None` where it has ended.
    pub async fn go_in(
        &self,
        api: &Api,
        visitor: &Visitor,
        user: UserId,
        proof: FactorProof,
    ) -> Result<Option<Vec<HeaderValue>>, StoreError> {
        if let Self::Login(pending) = self {
            return begin(api, visitor, pending, Some(proof)).await.map(Some);
        }
        let session = visitor.session.as_deref().unwrap_or_default();
        let proven = api.identity.prove_session(user, session, proof).await?;
        Ok(proven.map(|cookies| cookies.into_iter().flatten().collect()))
    }

    /// Where they go on then.
    pub fn onwards(&self, api: &Api, next: &str) -> String {
        match self {
            Self::Login(pending) => onwards(api, pending),
            _ if next.is_empty() => api.links.at(LOGIN),
            _ => next.to_owned(),
        }
    }
}

/// Who does what.
struct Visit<'a> {
    api: &'a Api,
    factors: &'a SecondFactors,
    visitor: Visitor,
    stage: Stage,
    /// That of their session; none at the end of a login.
    standing: Option<Standing>,
    user: UserId,
    /// Where their session goes on; empty: nowhere in particular.
    next: String,
    /// What a form gives back that sets an app up.
    offer: Option<Offer>,
}

enum Refused {
    Stale,
    Wrong,
    Password,
    Lacks,
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
    if let Some(refused) = page::other_method(&api, &parts.method) {
        return refused;
    }
    let visitor = Visitor::of(&api, &parts.headers);
    let pending = match Pending::of(&api, &visitor).await {
        Ok(pending) => pending,
        Err(refused) => return refused,
    };
    let next = query::single(parts.uri.query(), "next").ok().flatten().unwrap_or_default();
    let next = page::local(&next).unwrap_or_default().to_owned();
    let (user, stage) = match pending {
        Some(pending) => (pending.user, Stage::Login(pending)),
        None => match visitor.somebody(&api, client.0).await {
            Some(person) if person.lacks_second_factor => (person.snapshot.user.id, Stage::Lacking),
            Some(person) if person.has_old_password => return page::go_on(&api.links.change(), []),
            Some(person) => (person.snapshot.user.id, Stage::Session),
            None => {
                let login = page::with_next(&api.links.at(LOGIN), &next);
                return page::go_on(&login, visitor.pending_cookie("", 0));
            }
        },
    };
    let standing = match &stage {
        Stage::Login(_) => Ok(None),
        _ => Standing::of(&api, visitor.session.as_deref(), user).await.map(Some),
    };
    let standing = match standing {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(%error, "a session cannot be looked at");
            return ApiError::Unavailable.answer(&api, ALLOW);
        }
    };
    let mut visit = Visit { api: &api, factors, visitor, stage, standing, user, next, offer: None };
    if parts.method != Method::POST {
        return visit.show(StatusCode::OK, "").await;
    }
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(&api, ALLOW),
    };
    let done = if visit.visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        visit.offer = factors.offered(user, fields.text("offer"));
        visit.next = page::local(fields.text("next")).unwrap_or_default().to_owned();
        visit.submit(client.0, &fields).await
    } else {
        Err(Refused::Stale)
    };
    match done {
        Ok(response) => response,
        Err(Refused::Stale) => visit.show(StatusCode::FORBIDDEN, STALE).await,
        Err(Refused::Wrong) => visit.show(StatusCode::BAD_REQUEST, WRONG).await,
        Err(Refused::Lacks) => visit.show(StatusCode::FORBIDDEN, "").await,
        Err(Refused::Password) => visit.show(StatusCode::BAD_REQUEST, NOT_YOURS).await,
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
        let next = if page.next.is_empty() { &self.next } else { page.next };
        page::answer(status, &Page { csrf: &csrf, action: &action, next, ..page }, cookie)
    }

    async fn show(&self, status: StatusCode, problem: &str) -> Response {
        let found = match self.look().await {
            Ok(found) => found,
            Err(error) => return self.busy(&error),
        };
        let Some(found) = found else {
            let ends = matches!(self.stage, Stage::Session) && self.next.is_empty();
            let passkey = match self.passkey(ends).await {
                Ok(passkey) => passkey,
                Err(error) => return self.busy(&error),
            };
            return self.page(status, Page { problem, ends, passkey: &passkey, ..Page::default() });
        };
        match self.lacks() {
            None => {}
            Some(Lacks::Proof) => {
                let here = self.api.links.at(SECOND_FACTOR);
                return page::go_on(&page::with_next(&here, &here), []);
            }
            Some(Lacks::Login) => {
                return self.log_in_once_more().await.unwrap_or_else(|error| self.busy(&error));
            }
        }
        let fresh;
        let offer = match &self.offer {
            // After a code that was mistyped, the app has it already.
            Some(offer) => offer,
            None => match self.factors.offer(self.user) {
                Ok(offer) => {
                    fresh = offer;
                    &fresh
                }
                Err(error) => return self.busy(&error),
            },
        };
        let account = found.snapshot.user.username.as_ref().map_or("user", |name| name.as_str());
        let uri = offer.secret.uri(self.api.links.site().unwrap_or("postern"), account);
        let (secret, asks_password) = (offer.secret.base32(), self.asks_password());
        let page = Page { problem, secret: &secret, uri: &uri, offer: &offer.sealed, asks_password, ..Page::default() };
        self.page(status, page)
    }

    /// The page for who must log in once more. A provider that knows them says who they are, and leads to where the app is set up: behind the
    /// login where they must have one, and else on this page.
    async fn log_in_once_more(&self) -> Result<Response, StoreError> {
        let (api, is_lacking) = (self.api, matches!(self.stage, Stage::Lacking));
        let view = api.store.as_seen_by(Viewer::Oneself(self.user));
        let known = view.subjects(&self.user.into()).await.map_err(|error| match error {
            DirectoryError::Store(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })?;
        let here = page::with_next(&api.links.at(SECOND_FACTOR), &self.next);
        let next = if is_lacking { &self.next } else { &here };
        let knows = |issuer: &str| known.iter().any(|known| *known.issuer == *issuer);
        let providers = api.providers.iter().filter(|provider| knows(&provider.settings.issuer));
        let providers: Vec<_> = providers.map(|provider| elsewhere(api, provider, next)).collect();
        let problem = match (providers.is_empty(), is_lacking) {
            (false, _) => ONCE_MORE,
            (true, true) => BY_LINK,
            (true, false) => TOO_OLD,
        };
        let logout = api.links.at(LOGOUT);
        let page = Page { problem, logout: &logout, providers: &providers, ..Page::default() };
        Ok(self.page(StatusCode::FORBIDDEN, page))
    }

    /// Somebody who may set an app up: they have no second factor yet, or come with a session that goes nowhere else.
    async fn look(&self) -> Result<Option<Revocation>, StoreError> {
        let is_asked = !matches!(self.stage, Stage::Session) || !self.next.is_empty();
        if self.factors.has_app(self.user).await? || is_asked && self.has_passkeys().await? {
            return Ok(None);
        }
        self.api.store.revocation(&UserKey::Id(self.user)).await
    }

    /// Where they show a passkey in the place of a code; empty: they have none.
    async fn passkey(&self, ends: bool) -> Result<String, StoreError> {
        let is_there = self.api.passkeys.is_some() && !ends && self.has_passkeys().await?;
        Ok(if is_there { page::with_next(&self.api.links.at(PASSKEY), &self.next) } else { String::new() })
    }

    async fn has_passkeys(&self) -> Result<bool, StoreError> {
        Ok(!self.api.store.passkeys(self.user).await?.is_empty())
    }

    /// A session may be somebody else's at this screen; the first step of a login has just been done.
    fn asks_password(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.has_password)
    }

    /// What must come before an app is set up. A session that goes nowhere without one, and did not begin with a password, may have begun
    /// with a link, and that may be somebody else's: who comes from a provider logs in there once more.
    fn lacks(&self) -> Option<Lacks> {
        let standing = self.standing.as_ref()?;
        match self.stage {
            Stage::Lacking if !standing.has_password => Some(Lacks::Login),
            _ => standing.lacks(),
        }
    }

    /// A code: the end of a login, of a set-up, of both, or of the second factor; or what a session has shown.
    async fn submit(&self, client: Client, fields: &Fields) -> Result<Response, Refused> {
        let limits = self.api.login.limits();
        limits.request(client.0).await.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
        limits.code(self.user).await.map_err(|wait| Refused::Throttled(wait, None))?;
        let done = match fields.text("offer") {
            "" => self.take(fields.text("code"), fields.text("do") == "end").await,
            _ => self.set_up(client.0, fields).await,
        };
        match &done {
            Ok(_) => limits.right_code(self.user).await,
            Err(Refused::Wrong | Refused::Password) => {}
            Err(_) => limits.no_guess(self.user).await,
        }
        done
    }

    async fn set_up(&self, client: IpAddr, fields: &Fields) -> Result<Response, Refused> {
        let offer = self.offer.as_ref().ok_or(Refused::Stale)?;
        self.look().await?.ok_or(Refused::Wrong)?;
        if self.lacks().is_some() {
            return Err(Refused::Lacks);
        }
        if let Some(standing) = &self.standing {
            let confirmed = standing.confirm(self.api, self.user, client, fields.text("password")).await;
            confirmed.map_err(|doubt| match doubt {
                Doubt::TooOld => Refused::Lacks,
                Doubt::Wrong => Refused::Password,
                Doubt::Throttled(wait) => Refused::Throttled(wait, None),
                Doubt::Store(error) => Refused::Store(error),
            })?;
        }
        let codes = self.factors.confirm(self.user, offer, fields.text("code")).await?.ok_or(Refused::Wrong)?;
        factor_letter::post(self.api, self.user).await;
        let proof = FactorProof { at: clock::unix_seconds(), by: Factor::App };
        let cookies = match &self.standing {
            Some(standing) if !standing.lacks_any() => None,
            // One that has ended meanwhile goes on nowhere, but the app is set up.
            _ => self.stage.go_in(self.api, &self.visitor, self.user, proof).await?,
        };
        let cookies = cookies.unwrap_or_default();
        let next = self.stage.onwards(self.api, &self.next);
        let mut response = self.page(StatusCode::OK, Page { codes: &codes, next: &next, ..Page::default() });
        for cookie in cookies {
            response.headers_mut().append(http::header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    async fn take(&self, code: &str, ends: bool) -> Result<Response, Refused> {
        let proof = self.factors.takes(self.user, code).await?.ok_or(Refused::Wrong)?;
        if !(ends && matches!(self.stage, Stage::Session)) {
            return Ok(match self.stage.go_in(self.api, &self.visitor, self.user, proof).await? {
                Some(cookies) => {
                    // What has changed of the session counts where it goes on.
                    self.api.identity.catch_up().await;
                    page::go_on(&self.stage.onwards(self.api, &self.next), cookies)
                }
                None => page::go_on(&page::with_next(&self.api.links.at(LOGIN), &self.next), []),
            });
        }
        let view = self.api.as_oneself(self.user);
        view.delete_second_factor(&self.user.into())
            .await
            .map_err(|error| Refused::Store(StoreError::Unavailable(error.to_string())))?;
        factor_letter::post(self.api, self.user).await;
        Ok(page::go_on(&self.api.links.at(LOGIN), []))
    }
}
