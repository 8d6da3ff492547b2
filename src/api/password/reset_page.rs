//! The page that a link leads to: whoever has the link chooses a new password, twice.
//!
//! The link is in the page's address, so the address goes nowhere: no referrer, no script, nothing from elsewhere, and no log.

use super::super::error::ApiError;
use super::super::page::{self, ALLOW, Visitor};
use super::super::paths::{ACCOUNT, LOGIN};
use super::super::{Api, Client};
use super::confirm;
use super::page::{Filled, Form, Problem, show};
use super::renew;
use crate::api::words::filters;
use crate::directory::StoreError;
use crate::id::UserId;
use crate::login::renew::Stored;
use askama::Template;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use std::sync::Arc;

const GONE: (&str, &str) = (
    "This link is not good",
    "It has been used, is too old, or is not complete. Whoever asked for it may ask for another one.",
);
const DONE: (&str, &str) = ("Your password has been changed", "Use it from now on. You are logged out everywhere.");
const BUSY: (&str, &str) = ("Try again", "The link cannot be looked at in this moment. Try again in a few seconds.");

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    style: &'static str,
    title: &'a str,
    text: &'a str,
    login: &'a str,
    kept: Kept,
}

/// What somebody goes on logging in with besides: whoever had their account may have set it up.
#[derive(Default)]
struct Kept {
    app: bool,
    passkeys: usize,
    /// Where they look at it.
    account: String,
}

/// Answers a request of any method.
pub async fn answer(
    State(api): State<Arc<Api>>,
    client: Extension<Client>,
    Path(link): Path<String>,
    request: Request,
) -> Response {
    let mut response = respond(&api, client.0, &link, request).await;
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn respond(api: &Api, client: Client, link: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = page::other_method(api, &parts.method) {
        return refused;
    }
    let Some(leave) = api.login.limits().ask(client.0).await else {
        return notice(api, StatusCode::TOO_MANY_REQUESTS, BUSY);
    };
    let found = owner(api, link).await;
    if matches!(found, Ok(None)) {
        leave.was_nobody();
    }
    drop(leave);
    let stored = match found {
        Ok(Some(stored)) => stored,
        Ok(None) => return notice(api, StatusCode::NOT_FOUND, GONE),
        Err(error) => {
            tracing::warn!(%error, "a link cannot be looked at");
            return notice(api, StatusCode::SERVICE_UNAVAILABLE, BUSY);
        }
    };
    let visitor = Visitor::of(api, &parts.headers);
    let form = Form { action: &api.links.at(parts.uri.path()), username: &stored.username, ..Form::default() };
    if parts.method != Method::POST {
        return show(api, &visitor, StatusCode::OK, form);
    }
    match choose(api, client, &visitor, &parts, body, &stored).await {
        Ok(()) => told(api, StatusCode::OK, DONE, kept(api, stored.user).await),
        Err(Ok(problem)) => problem.answer(api, &visitor, form),
        Err(Err(error)) => error.answer(api, ALLOW),
    }
}

/// Whose a link is; `None` where it is nobody's.
async fn owner(api: &Api, link: &str) -> Result<Option<Stored>, StoreError> {
    let Some((user, token)) = parts(link) else { return Ok(None) };
    Ok(api.login.of_link(user, token, &api.resets(), api.compat).await?.ok())
}

/// The user and the token of a link. A user's id may have hyphens, and so do tokens.
pub(in crate::api) fn parts(link: &str) -> Option<(UserId, &str)> {
    let split = |at: usize| {
        let (user, rest) = link.split_at_checked(at)?;
        Some((confirm::user(user)?, rest.strip_prefix('-')?))
    };
    split(32).or_else(|| split(36))
}

/// What is left of somebody whose password is new. The password has been changed, whether that can be told or not.
async fn kept(api: &Api, user: UserId) -> Kept {
    let look = async {
        let app = api.second_factors.is_some() && api.store.second_factor(user).await?.is_some();
        let passkeys = if api.passkeys.is_some() { api.store.passkeys(user).await?.len() } else { 0 };
        Ok::<_, StoreError>(Kept { app, passkeys, account: api.links.at(ACCOUNT) })
    };
    look.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what somebody logs in with besides cannot be looked at");
        Kept::default()
    })
}

async fn choose(
    api: &Api,
    Client(client): Client,
    visitor: &Visitor,
    parts: &Parts,
    body: Body,
    stored: &Stored,
) -> Result<(), Result<Problem, ApiError>> {
    let filled = Filled::read(api, parts, body).await.map_err(Err)?;
    // Browsers tell no origin where there is no referrer.
    if !visitor.sent_our_hidden_form(&parts.headers, &filled.csrf) {
        return Err(Ok(Problem::Stale));
    }
    api.login.limits().request(client).await.map_err(|state| Ok(Problem::throttled(state)))?;
    filled.check(false).map_err(Ok)?;
    renew(api, stored, filled.one, &filled.two).await.map_err(|refused| Ok(Problem::Refused(refused)))
}

/// A page that says something, and leads to the login page where there is one.
pub(in crate::api) fn notice(api: &Api, status: StatusCode, (title, text): (&str, &str)) -> Response {
    told(api, status, (title, text), Kept::default())
}

fn told(api: &Api, status: StatusCode, (title, text): (&str, &str), kept: Kept) -> Response {
    let login = if api.has_pages() { &*api.links.at(LOGIN) } else { "" };
    let page = page::answer(status, &Notice { style: page::STYLE, title, text, login, kept }, None);
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if is_busy { page::with_wait(page, 1, None) } else { page }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_link_is_a_user_and_a_token() {
        let id = "5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f";
        for user in [id.to_owned(), id.replace('-', "")] {
            let link = format!("{user}-abc-0123");
            let (found, token) = parts(&link).unwrap();
            assert_eq!((found.to_string().as_str(), token), (id, "abc-0123"));
        }
        for link in ["", "x-y", "5c1a5d0e9a5e5f3a8a630a1b2c3d4e5f", &"é".repeat(40)] {
            assert!(parts(link).is_none(), "{link}");
        }
    }
}
