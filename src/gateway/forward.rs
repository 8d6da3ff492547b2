//! A permitted request on its way to the upstream, and the answer back.
//!
//! Usually an idle connection is at hand: then the exchange itself is polled, and nothing is allocated for it. Connecting,
//! as after a connection that turned out to be stale, is a future of its own.

mod http2;

use super::Answer;
use super::body::{AnswerBody, RequestBody, UpstreamBody};
use super::exchange::Exchange;
use super::headers::{Stripped, Way, answer_passes, host, vary_on_authorization};
use super::live::Rules;
use super::reply;
use super::traceparent::Trace;
use super::upgrade::{self, Handshake};
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::identity::credential::remove_cookie;
use crate::net::deadline::{Deadlines, Phase, Ticks};
use crate::policy::Timeout;
use crate::target::query;
use crate::telemetry::metrics::Outcome;
use crate::upstream::cluster::{Balance, Endpoint};
use crate::upstream::h1::{self, Call, Failed, Framing, Head, Received};
use crate::upstream::h2::Place;
use crate::upstream::pool::{Connected, To};
use crate::upstream::{Fault, HostHeader, Pool, Protocol, SendError, Timeouts};
use arrayvec::ArrayVec;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
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
    /// Which address of a cluster.
    to: To,
    /// What keeps a caller at one address.
    key: Key,
    /// May be sent again, since nothing changes if it is done twice (RFC 9110, 9.2.2).
    idempotent: bool,
    timeouts: Timeouts,
    depends_on_credential: bool,
    /// What it asks to become.
    handshake: Option<Box<Handshake>>,
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
    rules: &Rc<Rules>,
    permit: &Permit<'_>,
    mut request: Request<RequestBody>,
    exchange: &Exchange,
) -> Result<Prepared, Denial> {
    let unreachable = || Denial::new(Reason::UpstreamUnreachable).with_hint("the route's upstream is not configured");
    let pool = rules.pools.get(permit.route().upstream).ok_or_else(unreachable)?;
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
    // Before the credential is taken out: what is judged again is the request as it came.
    let handshake = upgrade::handshake(permit, &request, &worker.entropy)?;
    if handshake.is_some() && pool.upstream().spoken() == Protocol::Http2 {
        let hint = "a WebSocket goes to an upstream that speaks HTTP/1.1";
        return Err(Denial::new(Reason::UpstreamUnreachable).with_hint(hint));
    }
    let keep = permit.rule().forward_authorization;
    let places = &worker.shared.identity.places;
    if let Some(name) = places.cookie.as_deref().filter(|_| !keep) {
        remove_cookie(request.headers_mut(), name);
    }
    let headers = request.headers();
    let rewritten = permit.rewritten().map(PathAndQuery::try_from).transpose();
    let rewritten = rewritten.map_err(|_| Denial::new(Reason::BadTarget))?;
    let target = rewritten.as_ref().or(request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
    let without = places.parameter.as_deref().filter(|_| !keep).and_then(|name| without_parameter(target, name));
    let head = Head::new(pool.buffer(), request.method(), without.as_deref().unwrap_or(target));
    let strip = rules.policy().strip();
    let key = key(pool, permit, exchange);
    let to = choose(pool, &key, &[])?;
    let asked = headers.get(HOST);
    let seen = host(pool.upstream(), to.as_ref().map_or(0, |to| to.origin), asked);
    let stripped = Stripped::write(head, headers, seen, |name| strip.contains(name), keep);
    let client = &exchange.link().client;
    let way = Way {
        origin: client.origin(headers, &worker.shared.trusted_proxies),
        asked,
        trace: match exchange.traced() {
            Some(traced) => traced.place(headers),
            None => Trace::of(headers, client.is_trusted(), exchange.request_id(), &worker.entropy),
        },
        client: client.name(),
    };
    let mut head = stripped.tell(permit, exchange.request_id(), &way)?;
    match &handshake {
        Some(handshake) => handshake.tell(&mut head),
        // gRPC servers want to hear it; to an upstream that turns out to speak HTTP/1.1 it is a hop-by-hop field.
        None if pool.may_speak_http2() && super::trailers::takes(headers) => {
            head.field(&TE, b"trailers");
            head.field(&CONNECTION, b"te");
        }
        None => {}
    }
    let framing = match hint.exact() {
        None => Framing::Chunked,
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => Framing::None,
        Some(length) => Framing::Length(length),
    };
    let head = head.end(framing);
    let idempotent = request.method().is_idempotent();
    let mut body = request.into_body();
    body.wait_for_answer(timeouts.first_byte);
    // Between two sides that speak HTTP/1.1 trailers stay behind.
    if framing == Framing::Chunked && (pool.may_speak_http2() || exchange.link().connection.is_stream()) {
        body.pass_trailers(Rc::clone(rules));
    }
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    let way = Onward { pool: Rc::clone(pool), to, key, idempotent, timeouts, depends_on_credential, handshake };
    Ok(Prepared { head, body, way, total })
}

/// The target without a credential parameter; `None` where it has none.
#[must_use]
pub fn without_parameter(target: &str, name: &str) -> Option<String> {
    let (path, query) = target.split_once('?')?;
    let rest = query::without(query, name)?;
    Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
}

/// Addresses of a cluster that are tried for one request, at most.
const MOST_TRIED: usize = 3;

/// What a consistent balance goes by.
type Key = ArrayVec<u8, 16>;

/// The user or the organization, as the cluster wants it; else the client's address. Without a cluster nothing asks for it.
fn key(pool: &Pool, permit: &Permit<'_>, exchange: &Exchange) -> Key {
    let id = match pool.cluster().map(|cluster| cluster.settings().balance) {
        None | Some(Balance::RoundRobin) => return Key::new(),
        Some(Balance::User) => exchange.noted.user.as_ref().map(|snapshot| snapshot.user.id.0),
        Some(Balance::Organization) => permit.organization().map(|organization| organization.id.0),
    };
    match (id, exchange.client()) {
        (Some(id), _) => Key::from(*id.as_bytes()),
        (None, IpAddr::V6(address)) => Key::from(address.octets()),
        (None, IpAddr::V4(address)) => address.octets().into_iter().collect(),
    }
}

/// An address of the cluster, where it is one.
fn choose(pool: &Pool, key: &Key, tried: &[Arc<Endpoint>]) -> Result<To, Denial> {
    let Some(cluster) = pool.cluster() else { return Ok(None) };
    let chosen = cluster.choose(key, tried, crate::clock::monotonic());
    chosen.map(Some).ok_or_else(|| Denial::new(Reason::UpstreamUnhealthy))
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
    let seated = match way.pool.cluster().map(|cluster| cluster.admission.try_enter()) {
        None => true,
        Some(Some(seat)) => {
            exchange.seat = seat;
            true
        }
        Some(None) => false,
    };
    match seated.then(|| way.pool.take(&way.to)).flatten() {
        Some(connection) => {
            exchange.link().connection.deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
            exchange.sending = Some(Sending { call: Call::new(connection, true, head, body, answer_passes), way });
            Answer::Sending(Some(exchange))
        }
        None => Answer::Later(Box::pin(connect_and_send(exchange, seated, head, body, way))),
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
            Err(way.pool.timeout(&way.to, "answer"))
        }
        Poll::Pending => return Poll::Pending,
        Poll::Ready(Ok(answer)) => Ok(answer),
        Poll::Ready(Err(Failed::Stale)) => return Poll::Ready(None),
        Poll::Ready(Err(Failed::Fault(fault))) => Err(way.pool.broken(&way.to, fault)),
    };
    deadlines.disarm(Phase::Upstream);
    let Some(mut exchange) = slot.take() else { return Poll::Pending };
    let Some(Sending { mut call, way }) = exchange.sending.take() else { return Poll::Pending };
    if let Some(buffer) = call.take_buffer() {
        way.pool.give_buffer(buffer);
    }
    Poll::Ready(Some(match sent {
        Ok(head) => answer(exchange, head, call, way),
        Err(failure) => failed(exchange, &way, &failure),
    }))
}

/// The unusual way: there was no idle connection, or no place yet among the requests at the cluster.
async fn connect_and_send(
    mut exchange: Box<Exchange>,
    seated: bool,
    head: h1::Request,
    body: RequestBody,
    mut way: Onward,
) -> Response<AnswerBody> {
    let deadlines = &exchange.link().connection.deadlines;
    if let (false, Some(cluster)) = (seated, way.pool.cluster()) {
        match way.pool.enter(cluster, deadlines, way.timeouts.connect).await {
            Ok(seat) => exchange.seat = seat,
            Err(failure) => {
                drop(body);
                return failed(exchange, &way, &failure);
            }
        }
    }
    let deadlines = &exchange.link().connection.deadlines;
    let (connection, reused) = match connect(&mut way, deadlines, false).await {
        Ok(Found::Http1(connection, reused)) => (connection, reused),
        Ok(Found::Http2(place)) => return http2::send(exchange, place, head, body, way).await,
        Err(failure) => {
            drop(body);
            return failed(exchange, &way, &failure);
        }
    };
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    exchange.sending = Some(Sending { call: Call::new(connection, reused, head, body, answer_passes), way });
    send(Some(exchange)).await
}

/// What a request can be sent on.
enum Found {
    /// A connection of HTTP/1.1, and whether it has served before.
    Http1(Box<h1::Connection>, bool),
    /// A place on one of HTTP/2.
    Http2(Place),
}

/// A connection to the request's address. An address of a cluster that cannot be connected to gives way to another, as long as
/// nothing was sent and the request may be repeated. `http1`: HTTP/2 will not do.
async fn connect(way: &mut Onward, deadlines: &Deadlines, http1: bool) -> Result<Found, SendError> {
    let mut tried = ArrayVec::<_, MOST_TRIED>::new();
    loop {
        if let Some(connection) = way.pool.take(&way.to) {
            return Ok(Found::Http1(connection, true));
        }
        let failure = match open(way, deadlines, http1 || way.handshake.is_some()).await {
            Ok(found) => return Ok(found),
            Err(failure) => failure,
        };
        let (Some(cluster), Some(to)) = (way.pool.cluster(), &way.to) else { return Err(failure) };
        // The last failure is noted by who tells it.
        let last = tried.remaining_capacity() <= 1 || !way.idempotent || deadlines.expired(Phase::Total);
        // The head was written for this address.
        let told = way.pool.upstream().host == HostHeader::Upstream;
        if last || told {
            return Err(failure);
        }
        let mut others = tried.clone();
        others.push(Arc::clone(to));
        let Ok(next) = choose(&way.pool, &way.key, &others) else { return Err(failure) };
        cluster.failed(to);
        tracing::debug!(error = %failure, "another address of the upstream is tried");
        (tried, way.to) = (others, next);
    }
}

/// Opens a connection to the request's address, or shares one.
async fn open(way: &Onward, deadlines: &Deadlines, http1: bool) -> Result<Found, SendError> {
    let Onward { pool, to, timeouts, .. } = way;
    if http1 {
        let connection = pool.connect_http1(to, deadlines, timeouts.connect).await?;
        return Ok(Found::Http1(connection, false));
    }
    if let Some(place) = pool.enter_http2(to) {
        return Ok(Found::Http2(place));
    }
    Ok(match pool.connect(to, deadlines, timeouts.connect).await? {
        Connected::Http1(connection) => Found::Http1(connection, false),
        Connected::Http2(place) => Found::Http2(place),
    })
}

/// Goes on after a connection turned out to be stale: nothing was written, so any other will do.
pub async fn send_anew(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let mut slot = Some(exchange);
    if let Some(response) = replace(&mut slot).await {
        return response;
    }
    send(slot).await
}

async fn send(mut slot: Option<Box<Exchange>>) -> Response<AnswerBody> {
    loop {
        if let Some(response) = poll_fn(|cx| poll(&mut slot, cx)).await {
            return response;
        }
        if let Some(response) = replace(&mut slot).await {
            return response;
        }
    }
}

/// Takes another connection for a request, or opens one; answers where there is none.
async fn replace(slot: &mut Option<Box<Exchange>>) -> Option<Response<AnswerBody>> {
    let (deadlines, sending) = slot.as_deref_mut()?.sending();
    let Sending { call, way } = sending?;
    // It was begun as HTTP/1.1, and stays so.
    let found = connect(way, deadlines, true).await;
    let found = found.and_then(|found| match found {
        Found::Http1(connection, reused) => Ok((connection, reused)),
        Found::Http2(_) => Err(way.pool.broken(&way.to, Fault::Cut)),
    });
    match found {
        Ok((connection, reused)) => call.again_on(connection, reused),
        Err(failure) => {
            let mut exchange = slot.take()?;
            let Sending { way, .. } = exchange.sending.take()?;
            return Some(failed(exchange, &way, &failure));
        }
    }
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    None
}

/// The answer's head is there.
fn answer(mut exchange: Box<Exchange>, head: h1::Answer, call: Call<RequestBody>, way: Onward) -> Response<AnswerBody> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::switched(exchange, way.handshake, head, call.into_socket());
    }
    if way.handshake.as_ref().is_some_and(|handshake| handshake.is_misread(head.status)) {
        return upgrade::not_switched(exchange);
    }
    let h1::Answer { status, mut headers } = head;
    answered(&mut exchange, &way, status, &mut headers, call.is_reused());
    let Onward { pool, to, timeouts, .. } = way;
    let body = match call.receive(timeouts.idle.duration()) {
        Received::Whole(bytes, connection) => {
            if let Some(connection) = connection {
                pool.give_back(connection, to);
            }
            AnswerBody::Own(Some(bytes), exchange)
        }
        Received::Partly(body) => AnswerBody::Upstream(UpstreamBody::new(body, pool, to, timeouts.idle, exchange)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Notes that the upstream has answered, and adds to its answer what we say.
fn answered(exchange: &mut Exchange, way: &Onward, status: StatusCode, headers: &mut HeaderMap, reused: bool) {
    let Onward { pool, to, depends_on_credential, .. } = way;
    let counts = pool.counts();
    if reused {
        counts.reused.set(counts.reused.get() + 1);
    }
    if let (Some(cluster), Some(to)) = (pool.cluster(), to) {
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                cluster.failed(to)
            }
            _ => cluster.succeeded(to),
        }
    }
    if counts.failing.replace(false) {
        tracing::info!(upstream = %pool.upstream().name, "the upstream answers again");
    }
    exchange.answer(status, Outcome::Allowed);
    if *depends_on_credential {
        vary_on_authorization(headers);
    }
    if let Some(besides) = exchange.noted.besides.take() {
        besides.put(headers);
    }
}

/// There is no answer.
fn failed(exchange: Box<Exchange>, way: &Onward, failure: &SendError) -> Response<AnswerBody> {
    let link = exchange.link();
    if link.body_too_large.get() {
        return reply::refuse(exchange, &Denial::new(Reason::BodyTooLarge));
    }
    if link.body_broken.get() {
        let denial = reply::of_broken_body(link.connection.broken_body());
        return reply::refuse(exchange, &denial);
    }
    let pool = &way.pool;
    if let SendError::Overloaded { .. } = failure {
        return reply::refuse(exchange, &reply::of_failure(failure));
    }
    if let (Some(cluster), Some(to)) = (pool.cluster(), &way.to) {
        cluster.failed(to);
    }
    // Said once, not once a request: the access lines have each.
    if !pool.counts().failing.replace(true) {
        tracing::warn!(request_id = exchange.request_id().as_str(), error = %failure, "the upstream fails");
    }
    reply::refuse(exchange, &reply::of_failure(failure))
}
