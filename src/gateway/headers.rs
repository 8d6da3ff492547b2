//! Header hygiene: what a client may not send through, what the upstream is told, what a client may not see.
//!
//! The order is the protection: hop-by-hop headers and those that `Connection` names go first (RFC 9110, 7.6.1), then
//! everything that postern itself would send, in any spelling, and only then is anything injected.

use super::client::{Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use super::entropy::{Entropy, hex};
use super::span::Traced;
use crate::decision::{Denial, Permit, Told};
use crate::fold::{fold_eq, folded};
use crate::net::framing::{field_is_name, field_is_value};
use crate::policy::Policy;
use crate::upstream::h1::Head;
use crate::upstream::hop::{Options, is_hop_by_hop};
use crate::upstream::{HostHeader, Upstream};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent`, W3C Trace Context
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What postern itself says about the way of a request, in any spelling.
fn is_about_the_way(name: &str) -> bool {
    const WAY: [&str; 7] =
        ["forwarded", "traceparent", "tracestate", "xrequestid", "xrealip", "xclientip", "xclusterclientip"];
    // Most names are out of the question by their first byte (hyper gives names in lower case).
    match name.as_bytes().first() {
        Some(b'f' | b't' | b'x') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    folded(name).take(10).eq("xforwarded".bytes()) || WAY.iter().any(|way| folded(name).eq(way.bytes()))
}

/// The part of a request's head that is the client's: what it sent, without what must not pass.
pub struct Stripped(Head);

impl Stripped {
    /// Writes the client's headers behind `head`, all but: hop-by-hop headers and what `Connection` names, what postern says
    /// itself, what `strips` says, and what tells where the body ends. `host` is what the upstream sees as `Host`.
    #[must_use]
    pub fn write(
        mut head: Head,
        headers: &HeaderMap,
        host: Option<&HeaderValue>,
        strips: impl Fn(&str) -> bool,
        keep_authorization: bool,
    ) -> Self {
        let mut options = Options::default();
        for value in headers.get_all(header::CONNECTION) {
            options.read(value.as_bytes());
        }
        if let Some(host) = host {
            head.field(&header::HOST, host.as_bytes());
        }
        for (name, value) in headers {
            let text = name.as_str();
            let stays = *name == header::HOST
                || *name == header::CONTENT_LENGTH
                || (*name == header::AUTHORIZATION && !keep_authorization)
                || is_hop_by_hop(text)
                || is_about_the_way(text)
                || strips(text)
                || options.names(text);
            if !stays {
                head.field(name, value.as_bytes());
            }
        }
        Self(head)
    }

    /// Adds what the upstream is told by us: whose request it is, and where it came from.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn tell(self, permit: &Permit<'_>, request_id: &RequestId, way: &Way<'_>) -> Result<Head, Denial> {
        let Self(mut head) = self;
        let told = Told { request_id: request_id.as_str(), client_name: way.client.map(HeaderValue::as_bytes) };
        permit.inject(told, |name, value| {
            if !way.tells(name) {
                head.field(name, value);
            }
        })?;
        way.tell(request_id, &mut head);
        Ok(head)
    }

    /// What is written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The id of a request.
#[derive(Clone, Debug)]
pub enum RequestId {
    /// Made by us: 32 hexadecimal digits, the number of the trace too.
    Ours([u8; 32]),
    /// Given by a trusted proxy: a short word of visible ASCII.
    Given(HeaderValue),
}

impl RequestId {
    /// A trusted proxy's id for a request, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap, trusted: bool, entropy: &Entropy) -> Self {
        let given = if trusted { headers.get(&X_REQUEST_ID) } else { None };
        given.filter(|id| is_plain(id)).map_or_else(|| Self::Ours(new_id(entropy)), |id| Self::Given(id.clone()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ours(digits) => std::str::from_utf8(digits).unwrap_or_default(),
            Self::Given(value) => value.to_str().unwrap_or_default(),
        }
    }

    /// As a header.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        match self {
            Self::Ours(digits) => HeaderValue::from_bytes(digits).unwrap_or(HeaderValue::from_static("0")),
            Self::Given(value) => value.clone(),
        }
    }
}

fn new_id(entropy: &Entropy) -> [u8; 32] {
    let mut id = [0; 32];
    for (half, number) in id.chunks_exact_mut(16).zip([entropy.next(), entropy.next()]) {
        half.copy_from_slice(&hex(number));
    }
    id
}

/// A request's place in a trace: `traceparent` (`00-<trace>-<span>-<flags>`), and what a trusted proxy says beside it.
#[derive(Debug)]
pub struct Trace<'h> {
    parent: [u8; 55],
    state: Option<&'h HeaderValue>,
}

impl<'h> Trace<'h> {
    /// Goes on with what a trusted proxy began; begins anew for anybody else, with the request's own number where it has one.
    #[must_use]
    pub fn of(headers: &'h HeaderMap, trusted: bool, request_id: &RequestId, entropy: &Entropy) -> Self {
        let given = |name: &HeaderName| if trusted { headers.get(name) } else { None };
        let known = given(&TRACEPARENT).map(HeaderValue::as_bytes).filter(|parent| is_traceparent(parent));
        let mut parent = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let (begin, rest) = parent.split_at_mut(35);
        let (trace, span) = (begin.get_mut(3..).unwrap_or_default(), rest.get_mut(1..17).unwrap_or_default());
        span.copy_from_slice(&hex(entropy.next()));
        match (known, request_id) {
            (Some(known), _) => {
                trace.copy_from_slice(known.get(3..35).unwrap_or(&[b'0'; 32]));
                rest.get_mut(18..).unwrap_or_default().copy_from_slice(known.get(53..).unwrap_or(b"00"));
            }
            (None, RequestId::Ours(id)) => trace.copy_from_slice(id),
            (None, RequestId::Given(_)) => trace.copy_from_slice(&new_id(entropy)),
        }
        Self { parent, state: known.and_then(|_| given(&TRACESTATE)) }
    }

    /// What was settled at the request's head.
    #[must_use]
    pub fn settled(headers: &'h HeaderMap, traced: &Traced) -> Self {
        Self { parent: *traced.traceparent(), state: traced.goes_on().then(|| headers.get(&TRACESTATE)).flatten() }
    }

    /// What the upstream is told.
    #[must_use]
    pub const fn traceparent(&self) -> &[u8; 55] {
        &self.parent
    }

    /// The `traceparent` that a trusted proxy sent.
    #[must_use]
    pub fn given(headers: &HeaderMap) -> Option<&[u8]> {
        headers.get(&TRACEPARENT).map(HeaderValue::as_bytes).filter(|parent| is_traceparent(parent))
    }
}

/// A short word of visible ASCII.
fn is_plain(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// W3C Trace Context, version 00: `00-<32 hex>-<16 hex>-<2 hex>`, ids not all zero.
fn is_traceparent(text: &[u8]) -> bool {
    let hex = |range: std::ops::Range<usize>| {
        let digits = text.get(range).unwrap_or_default();
        !digits.is_empty() && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let not_zero = |range: std::ops::Range<usize>| text.get(range).is_some_and(|ids| ids.iter().any(|b| *b != b'0'));
    text.len() == 55
        && text.starts_with(b"00-")
        && [35, 52].iter().all(|dash| text.get(*dash) == Some(&b'-'))
        && hex(3..35)
        && hex(36..52)
        && hex(53..55)
        && not_zero(3..35)
        && not_zero(36..52)
}

/// What the upstream is told about the way of a request.
pub struct Way<'h> {
    /// Where it came from.
    pub origin: Origin,
    /// The `Host` that was asked for, or that the upstream sees instead.
    pub asked: Option<&'h HeaderValue>,
    /// Its place in a trace.
    pub trace: Trace<'h>,
    /// The name of the client's verified certificate.
    pub client: Option<&'h HeaderValue>,
}

impl Way<'_> {
    /// Whether this tells a header: then nothing else may. Names are in lower case.
    fn tells(&self, name: &HeaderName) -> bool {
        match name.as_str() {
            "x-forwarded-for" | "x-forwarded-proto" | "x-request-id" | "traceparent" => true,
            "x-forwarded-host" => self.asked.is_some() || self.origin.x_forwarded_host.is_some(),
            "forwarded" => self.origin.forwarded.is_some(),
            "tracestate" => self.trace.state.is_some(),
            _ => false,
        }
    }

    fn tell(&self, request_id: &RequestId, head: &mut Head) {
        let Self { origin, asked, trace, client: _ } = self;
        if let Some(asked) = origin.x_forwarded_host.as_ref().or(*asked) {
            head.field(&X_FORWARDED_HOST, asked.as_bytes());
        }
        head.field(&X_FORWARDED_FOR, origin.x_forwarded_for.as_bytes());
        head.field(&X_FORWARDED_PROTO, origin.x_forwarded_proto.as_bytes());
        if let Some(forwarded) = &origin.forwarded {
            head.field(&header::FORWARDED, forwarded.as_bytes());
        }
        head.field(&X_REQUEST_ID, request_id.as_str().as_bytes());
        head.field(&TRACEPARENT, &trace.parent);
        if let Some(state) = trace.state {
            head.field(&TRACESTATE, state.as_bytes());
        }
    }
}

/// Which `Host` the upstream sees at the configured address `at`, where the client asked for `asked`.
#[must_use]
pub fn host<'h>(upstream: &'h Upstream, at: usize, asked: Option<&'h HeaderValue>) -> Option<&'h HeaderValue> {
    match &upstream.host {
        HostHeader::Preserve => asked,
        HostHeader::Upstream => upstream.addresses.get(at).map(|address| &address.authority),
        HostHeader::Text(text) => Some(text),
    }
}

/// Whether a field of an upstream's answer goes on to the client: `X-Postern-*` and timings are for us alone. The name is in
/// lower case; hop-by-hop fields never come so far.
#[must_use]
pub fn answer_passes(name: &str) -> bool {
    name != "server-timing" && !is_ours(name)
}

/// The fields behind an answer's body that go on to the client; `None` where there are none. Those that frame, route or
/// authenticate a message have no meaning there (RFC 9110, 6.5.1).
#[must_use]
pub fn trailers(lines: &[Bytes]) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { continue };
        if answer_trailer_passes(&name) {
            trailers.append(name, value);
        }
    }
    Some(trailers).filter(|trailers| !trailers.is_empty())
}

/// Whether a field behind an answer's body goes on to the client.
#[must_use]
pub fn answer_trailer_passes(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 4] = [header::CONTENT_LENGTH, header::HOST, header::SET_COOKIE, header::AUTHORIZATION];
    let text = name.as_str();
    field_is_name(text) && !is_hop_by_hop(text) && answer_passes(text) && !NEVER.contains(name)
}

/// The fields behind a request's body that go on to the upstream: none that would have been judged, stripped or read as part of
/// the request's head, had it stood there, in whatever spelling (RFC 9110, 6.5.1).
#[must_use]
pub fn request_trailers(trailers: &HeaderMap, policy: &Policy) -> HeaderMap {
    const NEVER: [&str; 20] = [
        "accept",
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "host",
        "location",
        "max-forwards",
        "method",
        "origin",
        "path",
        "pragma",
        "range",
        "set-cookie",
    ];
    let mut passing = HeaderMap::new();
    for (name, value) in trailers {
        let text = name.as_str();
        let stays = !field_is_name(text)
            || is_hop_by_hop(text)
            || is_about_the_way(text)
            || policy.strip().contains(text)
            || policy.finds_organization_in(text)
            || ["if", "accept", "transfer", "upgrade", "sec", "proxy"].iter().any(|word| begins(text, word))
            || NEVER.iter().any(|never| fold_eq(text, never))
            || !field_is_value(value.as_bytes());
        if !stays {
            passing.append(name.clone(), value.clone());
        }
    }
    passing
}

/// Whether the name's first word is this one: `if_match` begins with `if`.
fn begins(name: &str, word: &str) -> bool {
    let first = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    first == word
}

/// Whether a client of HTTP/1.1 or 2 says that it takes trailers.
#[must_use]
pub fn takes_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn is_ours(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'x') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    folded(name).take(8).eq("xpostern".bytes())
}

/// Tells caches on the way that an answer depends on the credential.
pub fn vary_on_authorization(headers: &mut HeaderMap) {
    let names = |value: &HeaderValue| {
        let mut names = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"authorization"))
    };
    if !headers.get_all(header::VARY).iter().any(names) {
        headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    }
}

#[cfg(test)]
mod tests;
