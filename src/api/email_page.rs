//! The page that a letter's link leads to: whoever has it shows that an e-mail address is theirs. By a button, since programs that look
//! at letters follow links.

use super::error::ApiError;
use super::page::{self, ALLOW, STALE, Visitor};
use super::password::reset_page::{notice, parts};
use super::words::filters;
use super::{Api, Client};
use crate::compat::openwisp::body;
use crate::directory::{EmailRecord, StoreError};
use askama::Template;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use std::sync::Arc;

const GONE: (&str, &str) =
    ("This link is not good", "It is too old, is not complete, or the address has been changed. Ask for another one.");
const DONE: (&str, &str) = ("Your e-mail address is confirmed", "You may close this page.");
const BUSY: (&str, &str) = ("Try again", "The link cannot be looked at in this moment. Try again in a few seconds.");

#[derive(Template)]
#[template(path = "email.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    email: &'a str,
    action: &'a str,
    csrf: &'a str,
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
    let (head, body) = request.into_parts();
    if let Some(refused) = page::other_method(api, &head.method) {
        return refused;
    }
    let Some(leave) = api.login.limits().ask(client.0).await else {
        return notice(api, StatusCode::TOO_MANY_REQUESTS, BUSY);
    };
    let found = address(api, link).await;
    if matches!(found, Ok(None)) {
        leave.was_nobody();
    }
    drop(leave);
    let address = match found {
        Ok(Some(address)) => address,
        Ok(None) => return notice(api, StatusCode::NOT_FOUND, GONE),
        Err(error) => return busy(api, &error),
    };
    let visitor = Visitor::of(api, &head.headers);
    let action = api.links.at(head.uri.path());
    if head.method != Method::POST {
        return show(api, &visitor, StatusCode::OK, (&action, &address.email), "");
    }
    let fields = match body::read(&head, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(api, ALLOW),
    };
    if !visitor.sent_our_hidden_form(&head.headers, fields.text("csrf")) {
        return show(api, &visitor, StatusCode::FORBIDDEN, (&action, &address.email), STALE);
    }
    match api.login.confirm(&address).await {
        Ok(true) => notice(api, StatusCode::OK, DONE),
        Ok(false) => notice(api, StatusCode::NOT_FOUND, GONE),
        Err(error) => busy(api, &error),
    }
}

async fn address(api: &Api, link: &str) -> Result<Option<EmailRecord>, StoreError> {
    let Some((user, token)) = parts(link) else { return Ok(None) };
    api.login.of_confirmation(user, token).await
}

fn busy(api: &Api, error: &StoreError) -> Response {
    tracing::warn!(%error, "an e-mail address cannot be confirmed");
    notice(api, StatusCode::SERVICE_UNAVAILABLE, BUSY)
}

fn show(api: &Api, visitor: &Visitor, status: StatusCode, (action, email): (&str, &str), problem: &str) -> Response {
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    page::answer(status, &Page { style: page::STYLE, problem, email, action, csrf: &csrf }, cookie)
}
