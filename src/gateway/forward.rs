//! A permitted request on its way to the upstream, and the answer back.
//!
//! Usually an idle connection is at hand: then the exchange itself is polled, and nothing is allocated for it. Connecting,
//! as after a connection that turned out to be stale, is a future of its own.

use super::Answer;
use super::body::{AnswerBody, RequestBody, UpstreamBody};
use super::exchange::Exchange;
use super::headers::{Stripped, Trace, Way, answer_passes, host, vary_on_authorization};
use super::reply;
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::net::deadline::{Phase, Ticks};
use crate::policy::Timeout;
use crate::telemetry::metrics::Outcome;
use crate::upstream::h1::{self, Call, Failed, Framing, Head, Received};
use crate::upstream::{Pool, SendError, Timeouts};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode};
use http_body::Body;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A request that is ready to be sent: it was permitted, and its head is ours.
pub struct Prepared {
    head: h1::Request,
    body: RequestBody,
    way: Onward,
    /// For the whole exchange.
    total: Ticks,
}

/// Where a request goes, and what holds there.
struct Onward {
    pool: Rc<Pool>,
    timeouts: Timeouts,
    depends_on_credential: bool,
}

/// A request that is being sent.
pub struct Sending {
    call: Call<RequestBody>,
    way: Onward,
}

/// Makes a permitted request ready: strips, injects, says where it comes from.
///
/// # Errors
/// It cannot be sent after all.
pub fn prepare(
    worker: &Worker,
    permit: &Permit<'_>,
    mut request: Request<RequestBody>,
    exchange: &Exchange,
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
    let hint = request.body().size_hint();
    if hint.lower() > limit {
        return Err(Denial::new(Reason::BodyTooLarge));
    }
    let headers = request.headers();
    let rewritten = permit.rewritten().map(PathAndQuery::try_from).transpose();
    let rewritten = rewritten.map_err(|_| Denial::new(Reason::BadTarget))?;
    let target = rewritten.as_ref().or(request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
    let head = Head::new(pool.buffer(), request.method(), target);
    let strip = worker.shared.policy.strip();
    let seen = host(pool.upstream(), headers);
    let keep = permit.rule().forward_authorization;
    let stripped = Stripped::write(head, headers, seen, |name| strip.contains(name), keep);
    let client = &exchange.link().client;
    let way = Way {
        origin: client.origin(headers, &worker.shared.trusted_proxies),
        asked: headers.get(HOST),
        trace: Trace::of(headers, client.is_trusted(), exchange.request_id(), &worker.entropy),
    };
    let head = stripped.tell(permit, exchange.request_id(), &way)?.end(match hint.exact() {
        None => Framing::Chunked,
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => Framing::None,
        Some(length) => Framing::Length(length),
    });
    let mut body = request.into_body();
    body.wait_for_answer(timeouts.first_byte);
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    let way = Onward { pool: Rc::clone(pool), timeouts, depends_on_credential };
    Ok(Prepared { head, body, way, total })
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
pub fn forward(mut exchange: Box<Exchange>, prepared: Prepared) -> Answer {
    exchange.hand_over();
    if prepared.total != Ticks(0) {
        exchange.link().connection.deadlines.arm(Phase::Total, prepared.total);
    }
    let Prepared { head, body, way, .. } = prepared;
    match way.pool.take() {
        Some(connection) => {
            exchange.link().connection.deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
            exchange.sending = Some(Sending { call: Call::new(connection, true, head, body, answer_passes), way });
            Answer::Sending(Some(exchange))
        }
        None => Answer::Later(Box::pin(connect_and_send(exchange, head, body, way))),
    }
}

/// Sends on; `None` where another connection is needed first.
pub fn poll(slot: &mut Option<Box<Exchange>>, cx: &mut Context<'_>) -> Poll<Option<Response<AnswerBody>>> {
    // Both are there until this is ready, and it is not polled after that.
    let Some(exchange) = slot.as_deref_mut() else { return Poll::Pending };
    let (deadlines, sending) = exchange.sending();
    let Some(Sending { call, way }) = sending else { return Poll::Pending };
    let sent = match call.poll_answer(cx) {
        Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
            Err(way.pool.timeout("answer"))
        }
        Poll::Pending => return Poll::Pending,
        Poll::Ready(Ok(answer)) => Ok(answer),
        Poll::Ready(Err(Failed::Stale)) => return Poll::Ready(None),
        Poll::Ready(Err(Failed::Fault(fault))) => Err(way.pool.broken(fault)),
    };
    deadlines.disarm(Phase::Upstream);
    let Some(mut exchange) = slot.take() else { return Poll::Pending };
    let Some(Sending { mut call, way }) = exchange.sending.take() else { return Poll::Pending };
    if let Some(buffer) = call.take_buffer() {
        way.pool.give_buffer(buffer);
    }
    Poll::Ready(Some(match sent {
        Ok(head) => answer(exchange, head, call, way),
        Err(failure) => failed(exchange, &way.pool, &failure),
    }))
}

/// The unusual way: there was no idle connection.
async fn connect_and_send(
    mut exchange: Box<Exchange>,
    head: h1::Request,
    body: RequestBody,
    way: Onward,
) -> Response<AnswerBody> {
    let deadlines = &exchange.link().connection.deadlines;
    let connection = match way.pool.connect(deadlines, way.timeouts.connect).await {
        Ok(connection) => connection,
        Err(failure) => {
            drop(body);
            return failed(exchange, &way.pool, &failure);
        }
    };
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    exchange.sending = Some(Sending { call: Call::new(connection, false, head, body, answer_passes), way });
    let mut slot = Some(exchange);
    loop {
        // A new connection cannot be stale.
        if let Some(response) = poll_fn(|cx| poll(&mut slot, cx)).await {
            return response;
        }
    }
}

/// Goes on after a connection turned out to be stale: nothing was written, so any other will do.
pub async fn send_anew(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let mut slot = Some(exchange);
    loop {
        if let Some(failure) = replace(&mut slot).await
            && let Some(mut exchange) = slot.take()
            && let Some(Sending { way, .. }) = exchange.sending.take()
        {
            return failed(exchange, &way.pool, &failure);
        }
        if let Some(response) = poll_fn(|cx| poll(&mut slot, cx)).await {
            return response;
        }
    }
}

/// Takes another connection for a request, or opens one; says why there is none.
async fn replace(slot: &mut Option<Box<Exchange>>) -> Option<SendError> {
    let (deadlines, sending) = slot.as_deref_mut()?.sending();
    let Sending { call, way } = sending?;
    match way.pool.take() {
        Some(connection) => call.again_on(connection, true),
        None => match way.pool.connect(deadlines, way.timeouts.connect).await {
            Ok(connection) => call.again_on(connection, false),
            Err(failure) => return Some(failure),
        },
    }
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    None
}

/// The answer's head is there.
fn answer(mut exchange: Box<Exchange>, head: h1::Answer, call: Call<RequestBody>, way: Onward) -> Response<AnswerBody> {
    let h1::Answer { status, mut headers } = head;
    // Nobody asked it to switch, and what would be spoken then passes no judge.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let denial = Denial::new(Reason::UpstreamUnreachable).with_hint("the upstream switched protocols");
        return reply::refuse(exchange, &denial);
    }
    let Onward { pool, timeouts, depends_on_credential } = way;
    let counts = pool.counts();
    if call.is_reused() {
        counts.reused.set(counts.reused.get() + 1);
    }
    if counts.failing.replace(false) {
        tracing::info!(upstream = %pool.upstream().name, "the upstream answers again");
    }
    exchange.answer(status, Outcome::Allowed);
    if depends_on_credential {
        vary_on_authorization(&mut headers);
    }
    if let Some(besides) = exchange.noted.besides.take() {
        besides.put(&mut headers);
    }
    let body = match call.receive(timeouts.idle.duration()) {
        Received::Whole(bytes, connection) => {
            if let Some(connection) = connection {
                pool.give_back(connection);
            }
            AnswerBody::Own(Some(bytes), exchange)
        }
        Received::Partly(body) => AnswerBody::Upstream(UpstreamBody::new(body, pool, timeouts.idle, exchange)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// There is no answer.
fn failed(exchange: Box<Exchange>, pool: &Pool, failure: &SendError) -> Response<AnswerBody> {
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
        tracing::warn!(request_id = exchange.request_id().as_str(), error = %failure, "the upstream fails");
    }
    reply::refuse(exchange, &reply::of_failure(failure))
}
