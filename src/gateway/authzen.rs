//! A call of AuthZEN: who asks must be good for it, its body is taken in, the control plane answers.

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::reply;
use super::request_id::X_REQUEST_ID;
use crate::authzen::endpoint::CONFIGURATION;
use crate::authzen::{self, Endpoint, LARGEST_BODY};
use crate::control::Control;
use crate::decision::{Denial, Reason};
use crate::policy::{Scheme, Schemes};
use crate::telemetry::metrics::Outcome;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// For a whole body, and for a whole answer once it is here.
const PATIENCE: Duration = Duration::from_secs(10);
/// The body of a question that a worker answers itself, where memory has what it is about.
const SMALL: usize = 4096;

/// What answers, and where it works.
pub struct Authzen {
    pub service: Arc<authzen::Authzen>,
    pub control: Control,
}

pub(super) async fn answer(mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    // Whoever asks finds the answer by the name that they gave to the question (AuthZEN 1.0, 10.1.3).
    let name = exchange.header(&X_REQUEST_ID).cloned();
    let mut response = match operate(&mut exchange).await {
        Ok(answer) => told(exchange, answer),
        Err(denial) => reply::refuse(exchange, &denial),
    };
    if let Some(name) = name {
        response.headers_mut().insert(X_REQUEST_ID, name);
    }
    response
}

struct Answer {
    body: Bytes,
    cache: HeaderValue,
}

async fn operate(exchange: &mut Exchange) -> Result<Answer, Denial> {
    let worker = Arc::clone(&exchange.worker().shared);
    let no_route = || Denial::new(Reason::NoRoute);
    let (method, path) = exchange.asked().ok_or_else(no_route)?;
    let Some(Authzen { service, control }) = &worker.authzen else { return Err(no_route()) };
    if path == CONFIGURATION {
        must_be(&method, &[Method::GET, Method::HEAD], "GET, HEAD")?;
        let body = service.configuration().ok_or_else(no_route)?;
        return Ok(Answer { body, cache: HeaderValue::from_static("max-age=3600") });
    }
    let endpoint = Endpoint::of(&path).ok_or_else(no_route)?;
    must_be(&method, &[Method::POST], "POST")?;
    let asker = exchange.authenticate(&Schemes::default().with(Scheme::Jwt)).await?;
    service.admits(endpoint, &asker)?;
    let (headers, body) = gather(exchange, LARGEST_BODY.min(worker.body_limit)).await?;
    let (service, policy) = (Arc::clone(service), exchange.policy());
    let is_small = endpoint == Endpoint::Evaluation && body.len() <= SMALL;
    let answer = async move { service.answer(endpoint, &headers, &body, &asker, policy).await };
    let answered = match is_small {
        true => control.run_from_here(PATIENCE, answer).await,
        false => control.run(PATIENCE, answer).await,
    };
    match answered {
        Ok(answer) => Ok(Answer { body: answer?, cache: HeaderValue::from_static("no-store") }),
        Err(_) => Err(Denial::new(Reason::StoreUnavailable).with_hint("the answer took too long")),
    }
}

fn must_be(method: &Method, known: &[Method], allow: &'static str) -> Result<(), Denial> {
    if known.contains(method) {
        return Ok(());
    }
    let denial = Denial::new(Reason::MethodNotAllowed);
    Err(Denial { allow: Some(HeaderValue::from_static(allow)), ..denial })
}

async fn gather(exchange: &mut Exchange, limit: u64) -> Result<(HeaderMap, Bytes), Denial> {
    let request = exchange.take().ok_or_else(|| Denial::new(Reason::BodyInvalid))?;
    let (parts, mut body) = request.into_parts();
    match tokio::time::timeout(PATIENCE, body.gather(limit)).await {
        Ok(body) => Ok((parts.headers, body?)),
        Err(_) => Err(Denial::new(Reason::BodyInvalid).with_fault("the body did not come in time")),
    }
}

fn told(mut exchange: Box<Exchange>, Answer { body, cache }: Answer) -> Response<AnswerBody> {
    exchange.answer(StatusCode::OK, Outcome::Allowed);
    let request_id = exchange.request_id().to_header();
    let mut response = Response::new(AnswerBody::own(body, exchange));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, cache);
    headers.insert(X_REQUEST_ID, request_id);
    response
}
