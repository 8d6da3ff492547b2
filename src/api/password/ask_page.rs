//! The page on which who has forgotten their password asks for a link. What it says then is the same whoever is meant.

use super::super::error::ApiError;
use super::super::page::{self, ALLOW, STALE, Visitor};
use super::super::{Api, Client, login};
use super::letter;
use super::reset_page::notice;
use crate::api::words::filters;
use crate::compat::openwisp::body;
use askama::Template;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use std::sync::Arc;

const MISSING: &str = "Say whose password it is.";
const SENT: (&str, &str) = (
    "Look into your mailbox",
    "If this is somebody who can log in here and has an e-mail address, a letter with a link is on its way there.",
);

#[derive(Template)]
#[template(path = "forgotten.html")]
struct Page<'a> {
    style: &'static str,
    problem: &'a str,
    action: &'a str,
    csrf: &'a str,
    label: &'a str,
    organizations: bool,
}

/// Answers a request of any method.
pub async fn answer(State(api): State<Arc<Api>>, client: Extension<Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = Visitor::of(&api, &parts.headers);
    match parts.method {
        Method::GET | Method::HEAD => ask(&api, &visitor, StatusCode::OK, ""),
        Method::POST => submit(&api, client.0, &visitor, &parts, body).await,
        other => ApiError::Method(other.to_string()).answer(&api, ALLOW),
    }
}

fn ask(api: &Api, visitor: &Visitor, status: StatusCode, problem: &str) -> Response {
    let Ok((csrf, cookie)) = visitor.form() else { return ApiError::Unavailable.answer(api, ALLOW) };
    let page = Page {
        style: page::STYLE,
        problem,
        action: &api.links.forgotten(),
        csrf: &csrf,
        label: &login::label(api.login.identifiers()),
        organizations: api.login.per_organization(),
    };
    page::answer(status, &page, cookie)
}

async fn submit(api: &Arc<Api>, Client(client): Client, visitor: &Visitor, parts: &Parts, body: Body) -> Response {
    let fields = match body::read(parts, body).await {
        Ok(fields) => fields,
        Err(error) => return ApiError::from(error).answer(api, ALLOW),
    };
    if !visitor.sent_our_form(&parts.headers, fields.text("csrf")) {
        return ask(api, visitor, StatusCode::FORBIDDEN, STALE);
    }
    if let Err(state) = api.login.limits().request(client).await {
        let page = ask(api, visitor, StatusCode::TOO_MANY_REQUESTS, &page::too_many(state.reset));
        return page::with_wait(page, page::seconds(state.reset), Some(state));
    }
    let input = fields.text("input").trim().to_owned();
    if input.is_empty() {
        return ask(api, visitor, StatusCode::BAD_REQUEST, MISSING);
    }
    let organization = fields.text("organization").trim().to_owned();
    let named = (api.login.per_organization() && !organization.is_empty()).then_some(organization);
    letter::write_to(api, input, named);
    notice(api, StatusCode::OK, SENT)
}
