//! A permitted request on its way to the upstream, and the answer back.

use super::body::{AnswerBody, BodyFate, RequestBody, UpstreamBody};
use super::client::Origin;
use super::headers::{Stripped, Trace, clean_answer, tell_the_way};
use super::record::Record;
use super::reply;
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::net::io::Connection;
use crate::telemetry::metrics::Outcome;
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use std::rc::Rc;

/// Forwards a request and streams the answer back.
pub async fn forward(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    mut record: Record,
    permit: &Permit<'_>,
    (origin, trace): (Origin, Trace),
    mut parts: Parts,
    body: Incoming,
) -> Response<AnswerBody> {
    let Some(pool) = worker.pools.get(permit.route().upstream) else {
        return reply::refuse(record, &Denial::new(Reason::UpstreamUnreachable));
    };
    if body.size_hint().lower() > worker.shared.body_limit {
        return reply::refuse(record, &Denial::new(Reason::BodyTooLarge));
    }
    let strip = worker.shared.policy.strip();
    let headers = std::mem::take(&mut parts.headers);
    let stripped = Stripped::new(headers, |name| strip.contains(name), permit.rule().forward_authorization);
    parts.headers = stripped.into_inner();
    let put = |name: &http::HeaderName, value| {
        parts.headers.insert(name.clone(), value);
    };
    if let Err(denial) = permit.inject(&trace.request_id, put) {
        return reply::refuse(record, &denial);
    }
    tell_the_way(&mut parts.headers, origin, trace, pool.upstream());
    if let Some(target) = permit.rewritten() {
        match Uri::try_from(target) {
            Ok(uri) => parts.uri = uri,
            Err(_) => return reply::refuse(record, &Denial::new(Reason::BadTarget)),
        }
    }
    parts.version = Version::HTTP_11;

    let fate = Rc::new(BodyFate::default());
    let first_byte = pool.timeouts().first_byte;
    let limit = worker.shared.body_limit;
    let body = RequestBody::new(body, limit, Rc::clone(&fate), Rc::clone(connection), first_byte);
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    record.hand_over();
    match pool.send(Request::from_parts(parts, body), &connection.deadlines).await {
        // Nobody asked it to switch, and what would be spoken then passes no judge.
        Ok((response, _)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => reply::refuse(
            record,
            &Denial::new(Reason::UpstreamUnreachable).with_hint("the upstream switched protocols"),
        ),
        Ok((response, lease)) => {
            record.answer(response.status(), Outcome::Allowed);
            let (mut parts, incoming) = response.into_parts();
            clean_answer(&mut parts.headers, depends_on_credential);
            parts.version = Version::HTTP_11;
            let body = UpstreamBody::new(incoming, lease, pool.timeouts().idle, record);
            Response::from_parts(parts, AnswerBody::Upstream(body))
        }
        Err(_) if fate.too_large.get() => reply::refuse(record, &Denial::new(Reason::BodyTooLarge)),
        Err(_) if fate.broken.get() => reply::refuse(record, &reply::of_broken_body(connection.broken_body())),
        Err(failure) => {
            tracing::warn!(request_id = ?record.request_id(), error = %failure, "the upstream failed");
            reply::refuse(record, &reply::of_failure(&failure))
        }
    }
}
