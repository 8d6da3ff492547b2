//! A request for what postern answers itself, its identity API or its admin UI: its body is taken in, the control plane answers, and the
//! answer goes back as our own.

use super::body::AnswerBody;
use super::evaluate::validate_request;
use super::exchange::Exchange;
use super::reply;
use super::request_id::X_REQUEST_ID;
use crate::api::{LARGEST_BODY, Origin};
use crate::decision::{Denial, Reason};
use crate::telemetry::metrics::Outcome;
use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response};
use std::time::Duration;

/// For a whole body: passwords are short.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn answer(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let Some(api) = exchange.worker().shared.api.clone() else { return no_route(exchange) };
    let request = match gather(&mut exchange, LARGEST_BODY).await {
        Ok(request) => request,
        Err(denial) => return reply::refuse(exchange, &denial),
    };
    let (client, origin) = (exchange.client(), origin(&exchange, &request));
    let response = api.call(request, (client, exchange.link().client.peer()), origin).await;
    respond(exchange, response)
}

pub(super) async fn answer_admin(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let Some(admin) = exchange.worker().shared.admin.clone() else { return no_route(exchange) };
    let target = exchange.request().and_then(|request| request.uri().path_and_query()).map_or("", PathAndQuery::as_str);
    let largest = admin.largest_body(target);
    let request = match gather(&mut exchange, largest).await {
        Ok(request) => request,
        Err(denial) => return reply::refuse(exchange, &denial),
    };
    let (client, origin) = (exchange.client(), origin(&exchange, &request));
    let response = admin.call(request, client, origin).await;
    respond(exchange, response)
}

/// Where the admin UI has an address of its own: there are its pages, and those on which people log in.
pub(super) async fn answer_at_own_address(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let Some(request) = exchange.request() else { return no_route(exchange) };
    let is_of_logins = match validate_request(exchange.link(), request) {
        Ok((target, _)) => exchange.worker().shared.api.as_ref().is_some_and(|api| api.is_of_logins(target.decoded())),
        Err(denial) => return reply::refuse(exchange, &denial),
    };
    if is_of_logins { answer(exchange).await } else { answer_admin(exchange).await }
}

fn no_route(exchange: Box<Exchange>) -> Response<AnswerBody> {
    reply::refuse(exchange, &Denial::new(Reason::NoRoute))
}

/// The request with its whole body.
async fn gather(exchange: &mut Exchange, largest: u64) -> Result<Request<Bytes>, Denial> {
    let Some(request) = exchange.take() else { return Err(Denial::new(Reason::NoRoute)) };
    let (parts, mut body) = request.into_parts();
    let limit = largest.min(exchange.worker().shared.body_limit);
    match tokio::time::timeout(PATIENCE, body.gather(limit)).await {
        Ok(body) => Ok(Request::from_parts(parts, body?)),
        Err(_) => Err(Denial::new(Reason::BodyInvalid).with_hint("the body did not come in time")),
    }
}

fn respond(mut exchange: Box<Exchange>, response: Response<Bytes>) -> Response<AnswerBody> {
    exchange.answer(response.status(), Outcome::Allowed);
    let request_id = exchange.request_id().to_header();
    let mut response = response.map(|body| AnswerBody::own(body, exchange));
    response.headers_mut().insert(X_REQUEST_ID, request_id);
    response
}

/// What the client asked for: its scheme and host, or those that a trusted proxy says it asked for.
fn origin(exchange: &Exchange, request: &Request<Bytes>) -> Origin {
    let client = exchange.link().client.origin(request.headers(), &exchange.worker().shared.trusted_proxies);
    let scheme = if client.x_forwarded_proto == "https" { "https" } else { "http" };
    let host = client.x_forwarded_host.as_ref().or_else(|| request.headers().get(HOST));
    let host = host.and_then(|host| host.to_str().ok()).or_else(|| request.uri().authority().map(Authority::as_str));
    Origin(host.map(|host| format!("{scheme}://{host}")).unwrap_or_default())
}
