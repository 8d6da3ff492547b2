//! A permit becomes a request to the upstream: stripped, told whose it is, and where it goes.

use super::active_policy::Rules;
use super::exchange::Exchange;
use super::handshake::handshake;
use super::headers::{Passing, Stripped, Way, host};
use super::map_back::MapBack;
use super::onward::{Key, UpstreamTarget, choose};
use super::request_body::RequestBody;
use super::traceparent::Trace;
use super::trailers;
use super::worker::Worker;
use crate::decision::{CredentialNeed, Denial, Permit, Reason};
use crate::identity::cookie::remove_ours;
use crate::net::deadline::Ticks;
use crate::policy::{BodyLimit, Timeout};
use crate::request_target::query;
use crate::upstream::cluster::Balance;
use crate::upstream::h1::{self, Framing, Head};
use crate::upstream::{Pool, Protocol, Timeouts};
use http::Request;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE};
use http::uri::PathAndQuery;
use http_body::Body;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// A request that is ready to be sent: it was permitted, and its head is ours.
pub struct Prepared {
    pub(super) head: h1::Request,
    pub(super) body: RequestBody,
    pub(super) way: UpstreamTarget,
    pub(super) total: Ticks,
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
    if let Some(options) = &permit.rule().options {
        (timeouts, total) = limits(timeouts, options.timeout.unwrap_or_default());
        if let Some(BodyLimit(own)) = options.body_limit {
            limit = own;
            request.body_mut().limit(limit);
        }
    }
    let hint = request.body().size_hint();
    if hint.lower() > limit {
        return Err(Denial::new(Reason::BodyTooLarge));
    }
    // Before the credential is taken out: what is judged again is the request as it came.
    let handshake = handshake(permit, &request, &worker.entropy)?;
    if handshake.is_some() && pool.upstream().spoken() == Protocol::Http2 {
        let hint = "a WebSocket goes to an upstream that speaks HTTP/1.1";
        return Err(Denial::new(Reason::UpstreamUnreachable).with_hint(hint));
    }
    let keep = permit.rule().forward_authorization;
    let places = &worker.shared.identity.places;
    // They are no `Authorization`: whoever has them is the browser, to postern.
    remove_ours(request.headers_mut());
    let headers = request.headers();
    let rewritten = permit.rewritten().map(PathAndQuery::try_from).transpose();
    let rewritten = rewritten.map_err(|_| Denial::new(Reason::BadTarget))?;
    let target = rewritten.as_ref().or(request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
    let without = places.parameter.as_deref().filter(|_| !keep).and_then(|name| without_parameter(target, name));
    let head = Head::new(pool.buffer(), request.method(), without.as_deref().unwrap_or(target));
    let key = key(pool, permit, exchange);
    let to = choose(pool, &key, &[])?;
    let asked = headers.get(HOST);
    let rewrite = permit.route().options.rewrite.as_ref();
    let at = to.as_ref().map_or(0, |to| to.origin);
    let seen = host(pool.upstream(), at, asked);
    let client = &exchange.link().client;
    let kept: &[_] = if client.is_trusted() { &worker.shared.keep_headers } else { &[] };
    let passing = Passing { policy: rules.policy(), kept, authorization: keep };
    let stripped = Stripped::write(head, headers, seen, &passing);
    let way = Way {
        origin: client.origin(headers, &worker.shared.trusted_proxies),
        asked,
        trace: match exchange.traced() {
            Some(traced) => traced.place(headers),
            None => Trace::of(headers, client.is_trusted(), exchange.request_id(), &worker.entropy),
        },
        client: client.name(),
        prefix: rewrite.map_or("", |rewrite| &rewrite.stripped),
    };
    let mut head = stripped.tell(permit, exchange.request_id(), &way)?;
    match &handshake {
        Some(handshake) => handshake.tell(&mut head),
        // gRPC servers want to hear it; to an upstream that turns out to speak HTTP/1.1 it is a hop-by-hop field.
        None if pool.may_speak_http2() && trailers::takes(headers) => {
            head.field(&TE, b"trailers");
            head.field(&CONNECTION, b"te");
        }
        None => {}
    }
    let back = rewrite.filter(|rewrite| rewrite.maps_answers).map(|rewrite| {
        let own = pool.upstream().addresses.get(at).map(|address| &address.authority);
        Box::new(MapBack::new(&rewrite.stripped, &rewrite.add, asked, [seen, own]))
    });
    let framing = match hint.exact() {
        None => Framing::Chunked,
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => Framing::None,
        Some(length) => Framing::Length(length),
    };
    let mut head = head.end(framing);
    if pool.upstream().title_case {
        head = head.in_title_case();
    }
    let idempotent = request.method().is_idempotent();
    let mut body = request.into_body();
    body.wait_for_answer(timeouts.first_byte, timeouts.rate);
    // Between two sides that speak HTTP/1.1 trailers stay behind.
    if framing == Framing::Chunked && (pool.may_speak_http2() || exchange.link().connection.is_stream()) {
        body.pass_trailers(Rc::clone(rules));
    }
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    let way =
        UpstreamTarget { pool: Rc::clone(pool), to, key, idempotent, timeouts, depends_on_credential, handshake, back };
    Ok(Prepared { head, body, way, total })
}

/// The target without a credential parameter; `None` where it has none.
#[must_use]
pub fn without_parameter(target: &str, name: &str) -> Option<String> {
    let (path, query) = target.split_once('?')?;
    let rest = query::without(query, name)?;
    Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
}

/// The user or the organization, as the cluster wants it; else the client's address. Without a cluster nothing asks for it.
fn key(pool: &Pool, permit: &Permit<'_>, exchange: &Exchange) -> Key {
    let id = match pool.cluster().map(|cluster| cluster.settings().balance) {
        None | Some(Balance::RoundRobin) => return Key::new(),
        Some(Balance::User) => exchange.info.user.as_ref().map(|snapshot| snapshot.user.id.0),
        Some(Balance::Organization) => permit.organization().map(|organization| organization.id.0),
    };
    match (id, exchange.client()) {
        (Some(id), _) => Key::from(*id.as_bytes()),
        (None, IpAddr::V6(address)) => Key::from(address.octets()),
        (None, IpAddr::V4(address)) => address.octets().into_iter().collect(),
    }
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
