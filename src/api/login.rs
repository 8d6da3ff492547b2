//! `/api/v1/users/login/`: people log in with a form, and go on with a session.
//!
//! Limits, the pool of passwords and what is said to whom are those of the token endpoint. A login never goes on with the session
//! of before, and a password that is too old begins one that is good for choosing a new one alone.

use super::error::ApiError;
use super::page::{self, ALLOW, Account, STALE, Visitor};
use super::paths::{LOGIN, PASSKEY, PROVIDERS, SECOND_FACTOR};
use super::second_factor::{Pending, Step, go_in, onwards};
use super::trusted_login;
use super::words::filters;
use super::{Api, Client, Peer};
use crate::clock;
use crate::compat::openwisp::body;
use crate::config::accounts::Identifier;
use crate::directory::{StoreError, UserKey};
use crate::id::UserId;
use crate::login::limits::State as Limit;
use crate::login::{Attempt, LoginError};
use crate::oidc::provider::Provider;
use crate::request_target::query;
use askama::Template;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

const WRONG: &str = "Nobody can log in with this. Check what you typed, and try again.";
const MISSING: &str = "Fill in both fields.";
const BUSY: &str = "Nobody can log in at this moment. Try again in a few seconds.";

/// The form, and what it was sent with.
#[derive(Default)]
struct Form {
    username: String,
    organization: String,
    next: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    csrf: &'a str,
    next: &'a str,
    label: &'a str,
    username: &'a str,
    organizations: bool,
    organization: &'a str,
    forgotten: &'a str,
    providers: Vec<Elsewhere<'a>>,
    /// Where they log in with a passkey; empty: nowhere.
    passkey: &'a str,
}

/// Where people log in besides.
pub(super) struct Elsewhere<'a> {
    pub label: &'a str,
    pub address: String,
    pub is_away: bool,
}

/// Why the form is shown again.
enum Refused {
    Stale,
    Missing,
    Wrong,
    Throttled(Duration, Option<Limit>),
    Busy,
}

/// Answers a request of any method.
pub async fn answer(
    State(api): State<Arc<Api>>,
    client: Extension<Client>,
    peer: Extension<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => show(&api, (client.0, peer.0), &parts).await,
        Method::POST => submit(&api, client.0, parts, body).await,
        other => ApiError::Method(other.to_string()).answer(&api, ALLOW),
    }
}

async fn show(api: &Api, (client, peer): (Client, Peer), request: &Parts) -> Response {
    let visitor = Visitor::of(api, &request.headers);
    let next = query::single(request.uri.query(), "next").ok().flatten().unwrap_or_default();
    let next = page::local(&next).unwrap_or_default();
    if request.method == Method::GET
        && let Some(answer) = trusted_login::answer(api, (client, peer), &request.headers, &visitor, next).await
    {
        return answer;
    }
    let Some(person) = visitor.somebody(api, client).await else {
        return ask(api, &visitor, StatusCode::OK, "", &Form { next: next.to_owned(), ..Form::default() });
    };
    if person.lacks_second_factor {
        return page::go_on(&page::with_next(&api.links.at(SECOND_FACTOR), next), []);
    }
    let username = person.username();
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    page::answer(StatusCode::OK, &Account { next, ..Account::new(api, "You are logged in", username, &csrf) }, cookie)
}

fn ask(api: &Api, visitor: &Visitor, status: StatusCode, problem: &str, form: &Form) -> Response {
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    let page = Page {
        style: page::STYLE,
        problem,
        action: &api.links.at(LOGIN),
        csrf: &csrf,
        next: &form.next,
        label: &label(api.login.identifiers()),
        username: &form.username,
        organizations: api.login.per_organization(),
        organization: &form.organization,
        forgotten: &if api.mail.is_some() { api.links.forgotten() } else { String::new() },
        passkey: &match &api.passkeys {
            Some(passkeys) if passkeys.alone => page::with_next(&api.links.at(PASSKEY), &form.next),
            _ => String::new(),
        },
        providers: api.providers.iter().map(|provider| elsewhere(api, provider, &form.next)).collect(),
    };
    page::answer(status, &page, cookie)
}

pub(super) fn elsewhere<'a>(api: &Api, provider: &'a Provider, next: &str) -> Elsewhere<'a> {
    let address = page::with_next(&api.links.at(&format!("{PROVIDERS}{}/", provider.settings.name)), next);
    Elsewhere { label: &provider.settings.label, address, is_away: provider.is_away() }
}

/// What people may name themselves by, in words.
pub(super) fn label(identifiers: &[Identifier]) -> String {
    let words = identifiers.iter().map(|identifier| match identifier {
        Identifier::Email => "e-mail address",
        Identifier::Phone => "phone number",
        Identifier::Username => "username",
    });
    let words: Vec<_> = words.collect();
    let text = match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "username".to_owned(),
    };
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    first.to_uppercase() + rest
}

async fn submit(api: &Api, client: Client, parts: Parts, body: Body) -> Response {
    let visitor = Visitor::of(api, &parts.headers);
    let fields = match body::read(&parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(api, ALLOW),
    };
    let form = Form {
        username: fields.text("username").trim().to_owned(),
        organization: fields.text("organization").trim().to_owned(),
        next: page::local(fields.text("next")).unwrap_or_default().to_owned(),
    };
    let entered = if visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        enter(api, client, &visitor, &form, fields.text("password").to_owned()).await
    } else {
        Err(Refused::Stale)
    };
    match entered {
        Ok((Step::In(cookies), done)) => page::go_on(&onwards(api, &done), cookies),
        Ok((Step::More(cookie), _)) => page::go_on(&api.links.at(SECOND_FACTOR), [cookie]),
        Err(refused) => again(api, &visitor, &form, refused),
    }
}

/// Logs somebody in, or leads to the second step.
async fn enter(
    api: &Api,
    Client(client): Client,
    visitor: &Visitor,
    form: &Form,
    password: String,
) -> Result<(Step, Pending), Refused> {
    let counted = api.login.limits().request(client).await;
    counted.map_err(|state| Refused::Throttled(state.reset, Some(state)))?;
    if form.username.is_empty() || password.is_empty() {
        return Err(Refused::Missing);
    }
    let organization =
        (api.login.per_organization() && !form.organization.is_empty()).then(|| form.organization.clone());
    let attempt = Attempt { identifier: form.username.clone(), password: password.into(), organization, client };
    let person = api.login.check(attempt).await.map_err(|error| match error {
        LoginError::Wrong => Refused::Wrong,
        LoginError::Throttled(wait) => Refused::Throttled(wait, None),
        LoginError::Busy(_) => Refused::Busy,
        LoginError::Store(error) => unavailable(&error),
    })?;
    let has_old_password = person.is_expired();
    let done = Pending { user: person.user, by_password: true, has_old_password, next: form.next.clone() };
    let step = go_in(api, visitor, &done).await.map_err(|error| unavailable(&error))?;
    Ok((step, done))
}

fn unavailable(error: &StoreError) -> Refused {
    tracing::warn!(%error, "a login fails");
    Refused::Busy
}

/// The last login is that of a session, as in Django.
pub(super) async fn note_login(api: &Api, user: UserId) -> Result<(), StoreError> {
    let Some(found) = api.store.revocation(&UserKey::Id(user)).await? else { return Ok(()) };
    let now = i64::try_from(clock::unix().as_micros()).unwrap_or(i64::MAX);
    // Where somebody else was quicker, theirs is the last.
    api.store.move_last_login(user, found.last_login, now).await.map(drop)
}

fn again(api: &Api, visitor: &Visitor, form: &Form, refused: Refused) -> Response {
    let show = |status, problem| ask(api, visitor, status, problem, form);
    match refused {
        Refused::Stale => show(StatusCode::FORBIDDEN, STALE),
        Refused::Missing => show(StatusCode::BAD_REQUEST, MISSING),
        Refused::Wrong => show(StatusCode::BAD_REQUEST, WRONG),
        Refused::Busy => page::with_wait(show(StatusCode::SERVICE_UNAVAILABLE, BUSY), 1, None),
        Refused::Throttled(wait, limit) => {
            let page = show(StatusCode::TOO_MANY_REQUESTS, &page::too_many(wait));
            page::with_wait(page, page::seconds(wait), limit)
        }
    }
}
