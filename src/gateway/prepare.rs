//! A permit becomes a request to the upstream: stripped, told whose it is, and where it goes.

use super::active_policy::Rules;
use super::evaluate::Permit;
use super::exchange::Exchange;
use super::handshake::handshake;
use super::headers::{ForwardingHeaders, Passing, Stripped, host};
use super::map_back::MapBack;
use super::request_body::RequestBody;
use super::traceparent::Trace;
use super::trailers;
use super::upstream_target::{Key, UpstreamTarget, choose};
use super::worker::Worker;
use crate::decision::{Awaited, CredentialNeed, Denial, Reason};
use crate::identity::cookie::remove_ours;
use crate::net::deadline::Ticks;
use crate::policy::Timeout;
use crate::request_target::query;
use crate::upstream::cluster::Balance;
use crate::upstream::h1::HeadWriter;
use crate::upstream::uwsgi::{self, Packet, Unsayable};
use crate::upstream::{Fields, Framing, Head, Pool, PutField, Timeouts};
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode};
use http_body::Body;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// Bytes of a body without a length, at most, that are held of somebody who is not known.
const HELD_OF_STRANGERS: u64 = 64 << 10;

/// A request that is ready to be sent: it was permitted, and its head is ours.
pub struct Prepared {
    pub(super) head: Head,
    pub(super) body: RequestBody,
    pub(super) target: UpstreamTarget,
    pub(super) total: Ticks,
    /// All of the body must be there before any of it goes on, since its length must be told: at most so many bytes.
    pub(super) hold: Option<u64>,
}

/// Makes a permitted request ready: strips, injects, says where it comes from.
///
/// # Errors
/// It cannot be sent after all.
pub fn prepare(
    worker: &Worker,
    rules: &Rc<Rules>,
    permit: &Permit,
    mut request: Request<RequestBody>,
    exchange: &Exchange,
) -> Result<Prepared, Denial> {
    let unreachable = || Denial::new(Reason::UpstreamUnreachable).with_hint("the route's upstream is not configured");
    let pool = rules.pools.get(permit.route().upstream).ok_or_else(unreachable)?;
    let own = permit.rule().options.as_ref().and_then(|options| options.timeout);
    let (timeouts, total) = limits(*pool.timeouts(), own.unwrap_or_default());
    request.body_mut().limit(permit.body_limit());
    let hint = request.body().size_hint();
    // Before the credential is taken out: what is judged again is the request as it came.
    let handshake = handshake(permit, &request, &worker.entropy);
    let is_uwsgi = pool.upstream().is_uwsgi();
    if handshake.is_some() && is_uwsgi {
        let hint = "a WebSocket goes to an upstream that speaks HTTP";
        return Err(Denial::new(Reason::UpstreamUnreachable).with_hint(hint));
    }
    let keep = permit.forwards_credential();
    let is_held = permit.holds_answer();
    let is_judged = is_held && permit.awaits() != Awaited::Nothing;
    // What HEAD is told is known of the object alone.
    let method = if is_judged && *request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let places = &worker.shared.identity.places;
    // They are no `Authorization`: whoever has them is the browser, to postern.
    remove_ours(request.headers_mut());
    let headers = request.headers();
    let rewritten = permit.rewritten().map(PathAndQuery::try_from).transpose();
    let rewritten = rewritten.map_err(|_| Denial::new(Reason::BadTarget))?;
    let target = rewritten.as_ref().or(request.uri().path_and_query()).map_or("/", PathAndQuery::as_str);
    let without = places.parameter.as_deref().filter(|_| !keep).and_then(|name| without_parameter(target, name));
    let target = without.as_deref().unwrap_or(target);
    let key = key(pool, permit, exchange);
    let endpoint = choose(pool, &key, &[])?;
    let asked = headers.get(HOST);
    let rewrite = permit.route().options.rewrite.as_ref();
    let at = endpoint.as_ref().map_or(0, |endpoint| endpoint.origin);
    let client = &exchange.link().client;
    let framing = match hint.exact() {
        None => Framing::Chunked,
        Some(0) if !headers.contains_key(CONTENT_LENGTH) => Framing::None,
        Some(length) => Framing::Length(length),
    };
    let told = RequestHead {
        permit,
        exchange,
        headers,
        host: host(pool.upstream(), at, asked),
        passing: Passing {
            policy: rules.policy(),
            kept: if client.is_trusted() { &worker.shared.keep_headers } else { &[] },
            authorization: keep,
            whole: is_held,
            plain_names: is_uwsgi,
        },
        forwarding: ForwardingHeaders {
            origin: client.origin(headers, &worker.shared.trusted_proxies),
            asked,
            trace: match exchange.traced() {
                Some(traced) => traced.place(headers),
                None => Trace::of(headers, client.is_trusted(), exchange.request_id(), &worker.entropy),
            },
            client: client.name(),
            prefix: rewrite.map_or("", |rewrite| &rewrite.stripped),
            signing: worker.signing(&method, target, &pool.upstream().name),
        },
    };
    let takes_trailers = pool.may_speak_http2() && handshake.is_none() && trailers::takes(headers);
    let fields = |takes_trailers| {
        let fields = Fields::new(&method, target, framing, takes_trailers);
        told.put(fields.map_err(|_| Denial::new(Reason::BadTarget))?)
    };
    let head = if is_uwsgi {
        let origin = &told.forwarding.origin;
        let client = uwsgi::Client { address: origin.address, is_https: origin.x_forwarded_proto == "https" };
        let packet = Packet::new(&method, target, client, pool.buffer()).map_err(unsayable)?;
        Head::Uwsgi(told.put(packet)?.framed(framing).map_err(unsayable)?)
    } else if !pool.may_speak_http2() || pool.keeps_http1(&endpoint) {
        let mut head = told.put(HeadWriter::new(pool.buffer(), &method, target))?;
        if let Some(handshake) = &handshake {
            handshake.tell(&mut head);
        }
        if takes_trailers {
            head.tell_of_trailers();
        }
        Head::Http1(head.end(framing, pool.upstream().title_case))
    } else {
        let mut fields = fields(takes_trailers)?;
        if let Some(handshake) = &handshake {
            handshake.tell(&mut fields);
            fields.ask_for_websocket(handshake.accept.clone());
        }
        Head::Either(fields)
    };
    let back = rewrite.filter(|rewrite| rewrite.maps_answers).map(|rewrite| {
        let own = pool.upstream().addresses.get(at).map(|address| &address.authority);
        Box::new(MapBack::new(&rewrite.stripped, &rewrite.add, asked, [told.host, own]))
    });
    let idempotent = request.method().is_idempotent();
    let mut body = request.into_body();
    body.wait_for_answer(timeouts.first_byte, timeouts.rate);
    // Between two sides that speak HTTP/1.1 trailers stay behind.
    if framing == Framing::Chunked && (pool.may_speak_http2() || exchange.link().connection.is_stream()) {
        body.pass_trailers(Rc::clone(rules));
    }
    let depends_on_credential = permit.rule().access.credential() != CredentialNeed::Ignored;
    let known = if permit.user().is_some() { u64::MAX } else { HELD_OF_STRANGERS };
    let held = || permit.rule().inspect_limit().min(permit.body_limit()).min(known);
    let hold = (is_uwsgi && framing == Framing::Chunked).then(held);
    let pool = Rc::clone(pool);
    let target = UpstreamTarget { pool, endpoint, key, idempotent, timeouts, depends_on_credential, handshake, back };
    Ok(Prepared { head, body, target, total, hold })
}

/// What a request is refused as that the uwsgi protocol cannot say.
fn unsayable(why: Unsayable) -> Denial {
    match why {
        Unsayable::Path => Denial::new(Reason::AmbiguousTarget),
        Unsayable::Fields => Denial::new(Reason::Ambiguous).with_fault("two headers would be one to the service"),
        Unsayable::TooLarge => Denial::new(Reason::BadFraming)
            .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            .with_fault("the head is larger than the service can be told"),
    }
}

/// What the upstream is told of a request, but for its body.
struct RequestHead<'a> {
    permit: &'a Permit,
    exchange: &'a Exchange,
    headers: &'a HeaderMap,
    host: Option<&'a HeaderValue>,
    passing: Passing<'a>,
    forwarding: ForwardingHeaders<'a>,
}

impl RequestHead<'_> {
    fn put<H: PutField>(&self, head: H) -> Result<H, Denial> {
        let stripped = Stripped::put(head, self.headers, self.host, &self.passing);
        stripped.tell(self.permit, self.exchange.request_id(), &self.forwarding)
    }
}

/// The target without a credential parameter; `None` where it has none.
#[must_use]
pub fn without_parameter(target: &str, name: &str) -> Option<String> {
    let (path, query) = target.split_once('?')?;
    let rest = query::without(query, name)?;
    Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
}

/// The user or the organization, as the cluster wants it; else the client's address. Without a cluster nothing asks for it.
fn key(pool: &Pool, permit: &Permit, exchange: &Exchange) -> Key {
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
