//! A request for the identity API: its body is taken in, the control plane answers, and the answer goes back as our own.

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::reply;
use super::request_id::X_REQUEST_ID;
use crate::api::LARGEST_BODY;
use crate::decision::{Denial, Reason};
use crate::telemetry::metrics::Outcome;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use std::time::Duration;

/// For a whole body: passwords are short.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers it.
pub(super) async fn answer(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let (Some(api), Some(request)) = (exchange.worker().shared.api.clone(), exchange.take()) else {
        return reply::refuse(exchange, &Denial::new(Reason::NoRoute));
    };
    let (parts, mut body) = request.into_parts();
    let limit = LARGEST_BODY.min(exchange.worker().shared.body_limit);
    body.limit(limit);
    if body.size_hint().lower() > limit {
        return reply::refuse(exchange, &Denial::new(Reason::BodyTooLarge));
    }
    let body = match tokio::time::timeout(PATIENCE, body.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) if exchange.link().body_too_large.get() => {
            return reply::refuse(exchange, &Denial::new(Reason::BodyTooLarge));
        }
        Ok(Err(_)) => {
            let denial = reply::of_broken_body(exchange.link().connection.broken_body());
            return reply::refuse(exchange, &denial);
        }
        Err(_) => {
            let denial = Denial::new(Reason::BodyInvalid).with_hint("the body did not come in time");
            return reply::refuse(exchange, &denial);
        }
    };
    let client = exchange.client();
    let response = api.call(Request::from_parts(parts, body), client).await;
    exchange.answer(response.status(), Outcome::Allowed);
    let request_id = exchange.request_id().to_header();
    let mut response = response.map(|body| AnswerBody::Own(Some(body), exchange));
    response.headers_mut().insert(X_REQUEST_ID, request_id);
    response
}
