//! What the upstream made of a request: noted, and told.

use super::super::body::AnswerBody;
use super::super::exchange::Exchange;
use super::super::headers::vary_on_authorization;
use super::super::upstream_target::UpstreamTarget;
use super::super::{failures, reply};
use crate::decision::{Denial, Reason};
use crate::identity::cookie::remove_set_ours;
use crate::telemetry::metrics::Outcome;
use crate::upstream::SendError;
use http::{HeaderMap, Response, StatusCode};

/// Notes that the upstream has answered.
pub fn has_answered(target: &UpstreamTarget, status: StatusCode, reused: bool) {
    let UpstreamTarget { pool, endpoint, .. } = target;
    let counts = pool.counts();
    if reused {
        counts.reused.set(counts.reused.get() + 1);
    }
    if let (Some(cluster), Some(endpoint)) = (pool.cluster(), endpoint) {
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                cluster.failed(endpoint)
            }
            _ => cluster.succeeded(endpoint),
        }
    }
    if counts.failing.replace(false) {
        tracing::info!(upstream = %pool.upstream().name, "the upstream answers again");
    }
}

/// Notes that its answer goes on, and adds to that what we say.
pub fn dress(exchange: &mut Exchange, target: &UpstreamTarget, status: StatusCode, headers: &mut HeaderMap) {
    let UpstreamTarget { depends_on_credential, back, .. } = target;
    without_our_cookies(exchange, headers);
    exchange.answer(status, Outcome::Allowed);
    if let Some(back) = back {
        back.apply(headers);
    }
    if *depends_on_credential {
        vary_on_authorization(headers);
    }
    if let Some(besides) = exchange.info.besides.take() {
        besides.put(headers);
    }
}

/// Takes out of an upstream's answer what would set postern's own cookies: it could give a browser somebody else's session.
pub fn without_our_cookies(exchange: &Exchange, headers: &mut HeaderMap) {
    let count = remove_set_ours(headers);
    if count > 0 {
        exchange.worker().shard.upstream_cookies_dropped.add(count);
    }
}

pub(super) fn failed(
    mut exchange: Box<Exchange>,
    target: &UpstreamTarget,
    failure: &SendError,
) -> Response<AnswerBody> {
    let link = exchange.link();
    if link.body_too_large.get() {
        return reply::refuse(exchange, &Denial::new(Reason::BodyTooLarge));
    }
    if link.body_broken.get() {
        let denial = failures::of_broken_body(link.connection.broken_body());
        return reply::refuse(exchange, &denial);
    }
    let pool = &target.pool;
    exchange.fault(failure.to_string());
    // No address is to blame.
    if let SendError::Overloaded { .. } | SendError::Descriptors { .. } | SendError::NoWebSockets { .. } = failure {
        return reply::refuse(exchange, &failures::of_failure(failure));
    }
    if let (Some(cluster), Some(endpoint)) = (pool.cluster(), &target.endpoint) {
        cluster.failed(endpoint);
    }
    // Said once, not once a request: the access lines have each.
    if !pool.counts().failing.replace(true) {
        tracing::warn!(request_id = exchange.request_id().as_str(), error = %failure, "the upstream fails");
    }
    reply::refuse(exchange, &failures::of_failure(failure))
}
