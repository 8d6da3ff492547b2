//! A permitted request on its way to the upstream, and the answer back.

use super::body::{AnswerBody, RequestBody, UpstreamBody};
use super::client::Origin;
use super::exchange::Exchange;
use super::headers::{Stripped, Trace, clean_answer, tell_the_way};
use super::reply;
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::telemetry::metrics::Outcome;
use crate::upstream::Pool;
use http::{HeaderName, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use std::rc::Rc;

/// A request that is ready to be sent: it was permitted, and its headers are ours.
pub struct Prepared {
    pool: Rc<Pool<RequestBody>>,
    depends_on_credential: bool,
}

/// Makes a permitted request ready: strips, injects, says where it comes from.
///
/// # Errors
/// It cannot be sent after all.
pub fn prepare(
    worker: &Worker,
    permit: &Permit<'_>,
    request: &mut Request<RequestBody>,
    (origin, trace): (Origin, Trace),
) -> Result<Prepared, Denial> {
    let unreachable = || Denial::new(Reason::UpstreamUnreachable).with_hint("the route's upstream is not configured");
    let pool = worker.pools.get(permit.route().upstream).ok_or_else(unreachable)?;
    if request.body().size_hint().lower() > worker.shared.body_limit {
        return Err(Denial::new(Reason::BodyTooLarge));
    }
    let strip = worker.shared.policy.strip();
    let sent = std::mem::take(request.headers_mut());
    let stripped = Stripped::new(sent, |name| strip.contains(name), permit.rule().forward_authorization);
    let mut headers = stripped.into_inner();
    // One growth instead of several.
    headers.reserve(permit.rule().inject.len() + 8);
    permit.inject(&trace.request_id, |name: &HeaderName, value| {
        headers.insert(name.clone(), value);
    })?;
    tell_the_way(&mut headers, origin, trace, pool.upstream());
    *request.headers_mut() = headers;
    if let Some(target) = permit.rewritten() {
        *request.uri_mut() = Uri::try_from(target).map_err(|_| Denial::new(Reason::BadTarget))?;
    }
    *request.version_mut() = Version::HTTP_11;
    request.body_mut().wait_for_answer(pool.timeouts().first_byte);
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    Ok(Prepared { pool: Rc::clone(pool), depends_on_credential })
}

/// Sends a prepared request and streams the answer back.
pub async fn forward(mut exchange: Box<Exchange>, prepared: Prepared) -> Response<AnswerBody> {
    let Prepared { pool, depends_on_credential } = prepared;
    let Some(request) = exchange.request.take() else {
        return reply::refuse(exchange, &Denial::new(Reason::BadFraming));
    };
    exchange.hand_over();
    let sent = pool.send(request, &exchange.link().connection.deadlines).await;
    let failure = match sent {
        // Nobody asked it to switch, and what would be spoken then passes no judge.
        Ok((response, _)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let denial = Denial::new(Reason::UpstreamUnreachable).with_hint("the upstream switched protocols");
            return reply::refuse(exchange, &denial);
        }
        Ok((mut response, lease)) => {
            if pool.counts().failing.replace(false) {
                tracing::info!(upstream = %pool.upstream().name, "the upstream answers again");
            }
            exchange.answer(response.status(), Outcome::Allowed);
            clean_answer(response.headers_mut(), depends_on_credential);
            if let Some(besides) = exchange.besides.take() {
                besides.put(response.headers_mut());
            }
            *response.version_mut() = Version::HTTP_11;
            let idle = pool.timeouts().idle;
            return response.map(|incoming| AnswerBody::Upstream(UpstreamBody::new(incoming, lease, idle, exchange)));
        }
        Err(failure) => failure,
    };
    let link = exchange.link();
    if link.body_too_large.get() {
        return reply::refuse(exchange, &Denial::new(Reason::BodyTooLarge));
    }
    if link.body_broken.get() {
        let denial = reply::of_broken_body(link.connection.broken_body());
        return reply::refuse(exchange, &denial);
    }
    // Said once, not once a request: the access lines have each.
    if !pool.counts().failing.replace(true) {
        tracing::warn!(request_id = ?exchange.request_id(), error = %failure, "the upstream fails");
    }
    reply::refuse(exchange, &reply::of_failure(&failure))
}
