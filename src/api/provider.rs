//! `/api/v1/users/login/with/NAME/`: people go to a provider of OpenID Connect, and come back from there with a session.
//!
//! A link leads there, and not a form: the page's policy would keep a form from ending at another origin. What came back must be of a
//! login that this browser began here, at that provider, a moment ago; whatever else comes is answered by a page, and nothing of what
//! it says is repeated.

use super::error::ApiError;
use super::page::{self, Visitor};
use super::password::reset_page::notice;
use super::paths::{PROVIDERS, SECOND_FACTOR};
use super::second_factor::{Pending, Step, go_in, onwards};
use super::words::filters;
use super::{Api, Client};
use crate::clock;
use crate::directory::name::{Email, Text, Username};
use crate::directory::{DirectoryError, NewUser, ProviderEntry, ProviderLogin};
use crate::login::limits::State as Limit;
use crate::oidc;
use crate::oidc::attempt::{Attempt, PATIENCE};
use crate::oidc::counts::Outcome;
use crate::oidc::provider::Provider;
use crate::oidc::redeem::{Failure, Subject, is_word};
use crate::request_target::query;
use askama::Template;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use std::sync::Arc;

const ALLOW: &str = "GET, HEAD";
/// Longest code that is taken to the provider.
const LONGEST_CODE: usize = 4096;

#[derive(Template)]
#[template(path = "go_on.html")]
struct GoOn<'a> {
    style: &'static str,
    next: &'a str,
}

/// Why nobody is logged in.
enum Refused {
    /// It is not of a login that this browser began here.
    Stale,
    /// It is of another provider than that login.
    MixedUp,
    /// The provider says so, or they themselves there.
    There(String),
    Redeem(Failure),
    Nobody,
    Inactive,
    /// Somebody else has the name or the address of whom it would make.
    Taken,
    Throttled(Limit),
    Directory(DirectoryError),
}

/// Sends a browser to the provider.
pub async fn begin(State(api): State<Arc<Api>>, Path(name): Path<String>, request: Request) -> Response {
    let Some(provider) = api.providers.get(&name) else { return ApiError::NoRoute.answer(&api, "") };
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return ApiError::Method(request.method().to_string()).answer(&api, ALLOW);
    }
    let (Some(endpoints), Some(redirect)) = (provider.endpoints().await, redirect(&api, provider)) else {
        return away(&api);
    };
    let next = query::single(request.uri().query(), "next").ok().flatten().unwrap_or_default();
    let visitor = Visitor::of(&api, request.headers());
    let begun = Attempt::begin(&name, page::local(&next).unwrap_or_default());
    let sealed = begun.and_then(|attempt| Ok((attempt.seal(&api.seal)?, attempt)));
    let Ok((cookie, attempt)) = sealed else { return ApiError::Unavailable.answer(&api, ALLOW) };
    let to = provider.authorization(&endpoints, &attempt, &redirect);
    page::go_on(&to, visitor.attempt_cookie(&cookie, PATIENCE))
}

/// Where the provider sends people back to: each has an address of its own, so that none answers for another (RFC 9700, 4.4.2.2).
fn redirect(api: &Api, provider: &Provider) -> Option<String> {
    api.links.absolute(&api.links.at(&format!("{PROVIDERS}{}/callback/", provider.settings.name)))
}

/// Takes what came back from it.
pub async fn end(
    State(api): State<Arc<Api>>,
    client: Extension<Client>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Some(provider) = api.providers.get(&name) else { return ApiError::NoRoute.answer(&api, "") };
    if request.method() != Method::GET {
        return ApiError::Method(request.method().to_string()).answer(&api, "GET");
    }
    let visitor = Visitor::of(&api, request.headers());
    let entered = enter(&api, client.0, provider, &visitor, request.uri().query()).await;
    let outcome = match &entered {
        Ok(_) => Outcome::LoggedIn,
        Err(Refused::Redeem(Failure::Away(_)) | Refused::Directory(_)) => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    api.providers.counts.count(&name, outcome);
    let mut response = match entered {
        Ok((step, done)) => {
            // What the provider's claim changed counts from here on.
            api.identity.catch_up().await;
            match step {
                Step::In(cookies) => go_on(&visitor, &onwards(&api, &done), cookies),
                Step::More(cookie) => page::go_on(&api.links.at(SECOND_FACTOR), [cookie]),
            }
        }
        Err(refused) => refuse(&api, provider, refused),
    };
    let headers = response.headers_mut();
    if let Some(over) = visitor.attempt_cookie("", 0) {
        headers.append(header::SET_COOKIE, over);
    }
    // The address of this page has the code in it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Logs somebody in, or leads to the second step.
async fn enter(
    api: &Api,
    client: Client,
    provider: &Provider,
    visitor: &Visitor,
    query: Option<&str>,
) -> Result<(Step, Pending), Refused> {
    // What stands twice, one reader could find otherwise than another.
    let one = |name: &str| query::single(query, name).map_err(|_| Refused::Stale);
    let attempt = visitor.attempt.as_deref().and_then(|cookie| Attempt::open(&api.seal, cookie));
    let attempt = attempt.filter(|attempt| *attempt.provider == *provider.settings.name).ok_or(Refused::Stale)?;
    if !one("state")?.is_some_and(|state| attempt.has_state(&state)) {
        return Err(Refused::Stale);
    }
    let endpoints = provider.endpoints().await;
    let endpoints = endpoints.ok_or_else(|| Refused::Redeem(Failure::Away("it has no endpoints".to_owned())))?;
    match one("iss")? {
        Some(issuer) if *issuer == *provider.settings.issuer => {}
        None if !endpoints.says_issuer => {}
        _ => return Err(Refused::MixedUp),
    }
    if let Some(error) = one("error")? {
        return Err(Refused::There(error.into_owned()));
    }
    let code = one("code")?.ok_or(Refused::Stale)?;
    if code.is_empty() || code.len() > LONGEST_CODE || !code.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(Refused::Stale);
    }
    api.login.limits().request(client.0).await.map_err(Refused::Throttled)?;
    let redirect = redirect(api, provider).ok_or(Refused::Stale)?;
    let subject = provider.redeem(&endpoints, &attempt, &code, &redirect).await.map_err(Refused::Redeem)?;
    let entry = api.store.enter(login(api, provider, &attempt, subject)).await.map_err(|error| match error {
        DirectoryError::Taken { .. } => Refused::Taken,
        error => Refused::Directory(error),
    })?;
    let user = match entry {
        ProviderEntry::Entered(user) => user,
        ProviderEntry::Replayed => return Err(Refused::Stale),
        ProviderEntry::Nobody => return Err(Refused::Nobody),
        ProviderEntry::Inactive => return Err(Refused::Inactive),
    };
    let done = Pending { user, by_password: false, has_old_password: false, next: attempt.next };
    let step = go_in(api, visitor, &done).await.map_err(|error| Refused::Directory(error.into()))?;
    Ok((step, done))
}

/// What the directory is asked.
fn login(api: &Api, provider: &Provider, attempt: &Attempt, subject: Subject) -> ProviderLogin {
    let settings = &provider.settings;
    let ties = oidc::grants(&settings.grants, &subject.values);
    let Subject { key, email, username, first_name, last_name, values: _ } = subject;
    let email = email.and_then(|email| Email::new(&email).ok());
    let named = |field: &'static str, text: Option<String>| {
        text.and_then(|text| Text::new(field, &text).ok()).unwrap_or_else(Text::empty)
    };
    let create = username.filter(|_| settings.create_users).and_then(|username| {
        Username::new(&username).ok()?;
        Some(NewUser {
            email: email.clone(),
            first_name: named("first_name", first_name),
            last_name: named("last_name", last_name),
            ..NewUser::named(&username).ok()?
        })
    });
    ProviderLogin {
        provider: settings.name.to_string(),
        issuer: settings.issuer.to_string(),
        subject: key,
        once: (attempt.digest(), attempt.expires_at),
        link: email.filter(|_| settings.link_by_email),
        create,
        ties,
        today: (!api.login.lets_expired_in()).then(clock::today),
    }
}

fn go_on(visitor: &Visitor, next: &str, cookies: Vec<HeaderValue>) -> Response {
    if !visitor.settings.strict {
        return page::go_on(next, cookies);
    }
    // A redirect would still be the provider's, and no `Strict` cookie goes along with it.
    let mut response = page::answer(StatusCode::OK, &GoOn { style: page::STYLE, next }, None);
    let headers = response.headers_mut();
    if let Ok(refresh) = HeaderValue::try_from(format!("0; url={next}")) {
        headers.insert(header::REFRESH, refresh);
    }
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

const STALE: (&str, &str) = (
    "Nobody is logged in",
    "This login took too long, was begun in another window, or has been used already. Log in again.",
);
const MIXED_UP: (&str, &str) =
    ("Nobody is logged in", "The answer is not that of the provider which you went to. Log in again.");
const DENIED: (&str, &str) = ("Nobody is logged in", "You have not agreed to log in here.");
const THERE: (&str, &str) =
    ("Nobody is logged in", "The provider could not log you in. Try again, or ask an administrator.");
const UNFIT: (&str, &str) =
    ("Nobody is logged in", "What the provider says of you cannot be believed. Try again, or ask an administrator.");
const NOBODY: (&str, &str) = (
    "You have no account here",
    "The provider knows you, and nobody here has been told who you are. Ask an administrator.",
);
const INACTIVE: (&str, &str) = ("Nobody is logged in", "Your account is not active. Ask an administrator.");
const TAKEN: (&str, &str) = (
    "You have no account here",
    "Somebody here has your name or your e-mail address already. If that is you, log in as before, and ask an administrator to connect the two.",
);
const THROTTLED: (&str, &str) = ("Try again later", "There were too many attempts.");
const AWAY: (&str, &str) = ("Try again", "The provider cannot be reached at this moment. Try again in a few seconds.");
const BUSY: (&str, &str) = ("Try again", "Nobody can log in at this moment. Try again in a few seconds.");

fn away(api: &Api) -> Response {
    notice(api, StatusCode::SERVICE_UNAVAILABLE, AWAY)
}

fn refuse(api: &Api, provider: &Provider, refused: Refused) -> Response {
    let name = &*provider.settings.name;
    let say = |status, words| notice(api, status, words);
    match refused {
        Refused::Stale => say(StatusCode::BAD_REQUEST, STALE),
        Refused::MixedUp => {
            tracing::warn!(provider = name, "an answer of another issuer is refused");
            say(StatusCode::BAD_REQUEST, MIXED_UP)
        }
        Refused::There(error) => {
            let code = if is_word(&error) { &*error } else { "unreadable" };
            tracing::info!(provider = name, code, "a provider does not log somebody in");
            say(StatusCode::FORBIDDEN, if code == "access_denied" { DENIED } else { THERE })
        }
        Refused::Redeem(Failure::Away(problem)) => {
            tracing::warn!(provider = name, problem, "a login at a provider fails");
            away(api)
        }
        Refused::Redeem(Failure::Code(problem)) => {
            tracing::warn!(provider = name, problem, "a provider gives nothing for a code");
            say(StatusCode::BAD_REQUEST, STALE)
        }
        Refused::Redeem(problem) => {
            tracing::warn!(provider = name, %problem, "a login at a provider is refused");
            say(StatusCode::FORBIDDEN, UNFIT)
        }
        Refused::Nobody => say(StatusCode::FORBIDDEN, NOBODY),
        Refused::Inactive => say(StatusCode::FORBIDDEN, INACTIVE),
        Refused::Taken => say(StatusCode::FORBIDDEN, TAKEN),
        Refused::Throttled(limit) => {
            page::with_wait(say(StatusCode::TOO_MANY_REQUESTS, THROTTLED), page::seconds(limit.reset), Some(limit))
        }
        Refused::Directory(DirectoryError::Store(error)) => {
            tracing::warn!(%error, "a login fails");
            say(StatusCode::SERVICE_UNAVAILABLE, BUSY)
        }
        Refused::Directory(error) => {
            tracing::warn!(provider = name, %error, "a login at a provider is refused");
            say(StatusCode::FORBIDDEN, THERE)
        }
    }
}
