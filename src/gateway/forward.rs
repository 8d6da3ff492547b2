//! A permitted request on its way to the upstream, and the answer back.

use super::body::{AnswerBody, RequestBody, UpstreamBody};
use super::client::Origin;
use super::exchange::Exchange;
use super::headers::{Stripped, Trace, clean_answer, tell_the_way};
use super::reply;
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::identity::credential::remove_cookie;
use crate::net::deadline::{Phase, Ticks};
use crate::policy::Timeout;
use crate::target::query;
use crate::telemetry::metrics::Outcome;
use crate::upstream::{Pool, Timeouts};
use http::{HeaderName, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use std::rc::Rc;
use std::time::Duration;

/// A request that is ready to be sent: it was permitted, and its headers are ours.
pub struct Prepared {
    pool: Rc<Pool<RequestBody>>,
    depends_on_credential: bool,
    timeouts: Timeouts,
    /// For the whole exchange.
    total: Ticks,
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
    let (mut timeouts, mut total, mut limit) = (*pool.timeouts(), Ticks(0), worker.shared.body_limit);
    if let Some(further) = &permit.rule().further {
        (timeouts, total) = limits(timeouts, further.timeout.unwrap_or_default());
        if let Some(own) = further.body_limit {
            limit = own;
            request.body_mut().limit(limit);
        }
    }
    if request.body().size_hint().lower() > limit {
        return Err(Denial::new(Reason::BodyTooLarge));
    }
    let strip = worker.shared.policy.strip();
    let sent = std::mem::take(request.headers_mut());
    let stripped = Stripped::new(sent, |name| strip.contains(name), permit.rule().forward_authorization);
    let mut headers = stripped.into_inner();
    let places = &worker.shared.identity.places;
    let keeps = permit.rule().forward_authorization;
    if let Some(name) = places.cookie.as_deref().filter(|_| !keeps) {
        remove_cookie(&mut headers, name);
    }
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
    if let Some(name) = places.parameter.as_deref().filter(|_| !keeps)
        && let Some(target) = without_parameter(request.uri(), name)
    {
        *request.uri_mut() = Uri::try_from(target).map_err(|_| Denial::new(Reason::BadTarget))?;
    }
    *request.version_mut() = Version::HTTP_11;
    request.body_mut().wait_for_answer(timeouts.first_byte);
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    Ok(Prepared { pool: Rc::clone(pool), depends_on_credential, timeouts, total })
}

/// The target without a credential parameter; `None` where it has none.
#[must_use]
pub fn without_parameter(uri: &Uri, name: &str) -> Option<String> {
    let rest = query::without(uri.query()?, name)?;
    Some(if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{rest}", uri.path()) })
}

/// The usual limits with a route's own, and that for the whole exchange.
fn limits(usual: Timeouts, own: Timeout) -> (Timeouts, Ticks) {
    let or = |own: Option<Duration>, usual| own.map_or(usual, Ticks::from);
    let Timeout { connect, first_byte, idle, total } = own;
    let timeouts = Timeouts {
        connect: or(connect, usual.connect),
        first_byte: or(first_byte, usual.first_byte),
        idle: or(idle, usual.idle),
        ..usual
    };
    (timeouts, or(total, Ticks(0)))
}

/// Sends a prepared request and streams the answer back.
pub async fn forward(mut exchange: Box<Exchange>, prepared: Prepared) -> Response<AnswerBody> {
    let Prepared { pool, depends_on_credential, timeouts, total } = prepared;
    let Some(request) = exchange.request.take() else {
        return reply::refuse(exchange, &Denial::new(Reason::BadFraming));
    };
    exchange.hand_over();
    let deadlines = &exchange.link().connection.deadlines;
    if total != Ticks(0) {
        deadlines.arm(Phase::Total, total);
    }
    let sent = pool.send(request, deadlines, &timeouts).await;
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
            if let Some(besides) = exchange.noted.besides.take() {
                besides.put(response.headers_mut());
            }
            *response.version_mut() = Version::HTTP_11;
            let idle = timeouts.idle;
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
