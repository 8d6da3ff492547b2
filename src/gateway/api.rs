//! A request for the identity API: its body is taken in, the control plane answers, and the answer goes back as our own.

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::reply;
use super::request_id::X_REQUEST_ID;
use crate::api::{LARGEST_BODY, Origin};
use crate::decision::{Denial, Reason};
use crate::telemetry::metrics::Outcome;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response};
use std::time::Duration;

/// For a whole body: passwords are short.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn answer(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let (Some(api), Some(request)) = (exchange.worker().shared.api.clone(), exchange.take()) else {
        return reply::refuse(exchange, &Denial::new(Reason::NoRoute));
    };
    let (parts, mut body) = request.into_parts();
    let limit = LARGEST_BODY.min(exchange.worker().shared.body_limit);
    let body = match tokio::time::timeout(PATIENCE, body.gather(limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(denial)) => return reply::refuse(exchange, &denial),
        Err(_) => {
            let denial = Denial::new(Reason::BodyInvalid).with_hint("the body did not come in time");
            return reply::refuse(exchange, &denial);
        }
    };
    let client = exchange.client();
    let origin = origin(&exchange, &parts);
    let response = api.call(Request::from_parts(parts, body), client, origin).await;
    exchange.answer(response.status(), Outcome::Allowed);
    let request_id = exchange.request_id().to_header();
    let mut response = response.map(|body| AnswerBody::own(body, exchange));
    response.headers_mut().insert(X_REQUEST_ID, request_id);
    response
}

/// What the client asked for: its scheme and host, or those that a trusted proxy says it asked for.
fn origin(exchange: &Exchange, parts: &Parts) -> Origin {
    let client = exchange.link().client.origin(&parts.headers, &exchange.worker().shared.trusted_proxies);
    let scheme = if client.x_forwarded_proto == "https" { "https" } else { "http" };
    let host = client.x_forwarded_host.as_ref().or_else(|| parts.headers.get(HOST));
    let host = host.and_then(|host| host.to_str().ok()).or_else(|| parts.uri.authority().map(Authority::as_str));
    Origin(host.map(|host| format!("{scheme}://{host}")).unwrap_or_default())
}
