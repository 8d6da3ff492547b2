//! `/api/v1/users/logout/`: a session ends, where its owner says so by a form of ours; a mere link ends nothing.

use super::error::ApiError;
use super::page::{self, ALLOW, Account, Visitor};
use super::paths::LOGOUT;
use super::{Api, Client};
use crate::compat::openwisp::body;
use crate::directory::token::TokenDigest;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use std::sync::Arc;

const STALE: &str = "This form was open for too long. Try again.";
const BUSY: &str = "You are still logged in: nobody can log out at this moment. Try again in a few seconds.";

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = Visitor::of(&api, &parts.headers);
    match parts.method {
        Method::GET | Method::HEAD => show(&api, client.0, &visitor, StatusCode::OK, "").await,
        Method::POST => submit(&api, client.0, &visitor, &parts, body).await,
        other => ApiError::Method(other.to_string()).answer(&api, ALLOW),
    }
}

async fn show(api: &Api, client: Client, visitor: &Visitor, status: StatusCode, problem: &str) -> Response {
    // Who has shown no second factor may leave.
    let person = visitor.somebody(api, client).await;
    let username = person.map(|person| person.username().to_owned()).unwrap_or_default();
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    let title = if username.is_empty() { "You are not logged in" } else { "Log out" };
    page::answer(status, &Account { problem, ..Account::new(api, title, &username, &csrf) }, cookie)
}

async fn submit(api: &Api, client: Client, visitor: &Visitor, parts: &Parts, body: Body) -> Response {
    let fields = match body::read(parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(api, ALLOW),
    };
    if !visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        return show(api, client, visitor, StatusCode::FORBIDDEN, STALE).await;
    }
    if let Some(session) = &visitor.session
        && let Err(error) = api.store.delete_session(&TokenDigest::of(session)).await
    {
        tracing::warn!(%error, "a session cannot be ended");
        return page::with_wait(show(api, client, visitor, StatusCode::SERVICE_UNAVAILABLE, BUSY).await, 1, None);
    }
    page::go_on(&api.links.at(LOGOUT), visitor.goodbye())
}
