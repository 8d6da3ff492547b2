//! Header hygiene: what a client may not send through, what the upstream is told, what a client may not see.
//!
//! The order is the protection: hop-by-hop headers and those that `Connection` names go first (RFC 9110, 7.6.1), then
//! everything that postern itself would send, in any spelling, and only then is anything injected.

use super::client::{Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use super::entropy::{Entropy, hex};
use crate::fold::folded;
use crate::upstream::{HostHeader, Upstream};
use arrayvec::ArrayVec;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent`, W3C Trace Context
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Names that a request keeps whatever `Connection` says: without them it would be another request.
const ESSENTIAL: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING];

/// Hop-by-hop whether `Connection` names them or not.
fn is_hop_by_hop(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'e') => name == "expect",
        Some(b'h') => name == "http2-settings",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

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

/// Headers that no client can have put there: what was sent, without what must not pass.
#[derive(Debug)]
pub struct Stripped(HeaderMap);

/// Names to be removed, found before removing begins; a request with more of them is handled in rounds.
type Doomed = ArrayVec<HeaderName, 32>;

impl Stripped {
    /// Takes away hop-by-hop headers, what `Connection` names, what postern says itself, and what `strips` says.
    #[must_use]
    pub fn new(mut headers: HeaderMap, strips: impl Fn(&str) -> bool, keep_authorization: bool) -> Self {
        remove_nominated(&mut headers);
        loop {
            let dooms = |name: &&HeaderName| {
                let text = name.as_str();
                is_hop_by_hop(text)
                    || is_about_the_way(text)
                    || strips(text)
                    || (!keep_authorization && **name == header::AUTHORIZATION)
            };
            let mut doomed = Doomed::new();
            doomed.extend(headers.keys().filter(dooms).take(doomed.capacity()).cloned());
            for name in &doomed {
                headers.remove(name);
            }
            if !doomed.is_full() {
                return Self(headers);
            }
        }
    }

    /// The headers, for whoever holds a permit and adds to them.
    #[must_use]
    pub fn into_inner(self) -> HeaderMap {
        self.0
    }
}

fn remove_nominated(headers: &mut HeaderMap) {
    // Nearly always there is none, or it names nothing.
    match headers.get(header::CONNECTION) {
        None => return,
        Some(only) if is_usual(only.as_bytes()) && headers.get_all(header::CONNECTION).iter().nth(1).is_none() => {
            return;
        }
        Some(_) => {}
    }
    let mut nominated: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let names = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        nominated.extend(names.filter(|name| !is_usual(name)).filter_map(|name| HeaderName::from_bytes(name).ok()));
    }
    for name in nominated.iter().filter(|name| !ESSENTIAL.contains(name)) {
        headers.remove(name);
    }
}

/// An option of `Connection` that names no header.
fn is_usual(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
}

/// The id of a request and its place in a trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// `X-Request-Id`
    pub request_id: HeaderValue,
    traceparent: HeaderValue,
    tracestate: Option<HeaderValue>,
}

impl Trace {
    /// Goes on with what a trusted proxy began; begins anew for anybody else, with one number as request id and trace id.
    #[must_use]
    pub fn of(headers: &HeaderMap, trusted: bool, entropy: &Entropy) -> Self {
        let given = |name: &HeaderName| if trusted { headers.get(name) } else { None };
        let parent = given(&TRACEPARENT).map(HeaderValue::as_bytes).filter(|parent| is_traceparent(parent));
        let (high, low, span) = (hex(entropy.next()), hex(entropy.next()), hex(entropy.next()));
        // Both values in one allocation: the id, and `00-<trace>-<span>-<flags>`.
        let mut text = Vec::with_capacity(32 + 55);
        for piece in [&high, &low] {
            text.extend_from_slice(piece);
        }
        text.extend_from_slice(b"00-");
        match parent.and_then(|parent| parent.get(3..35)) {
            Some(trace) => text.extend_from_slice(trace),
            None => text.extend_from_within(..32),
        }
        text.push(b'-');
        text.extend_from_slice(&span);
        text.push(b'-');
        text.extend_from_slice(parent.and_then(|parent| parent.get(53..55)).unwrap_or(b"00"));
        let mut id = Bytes::from(text);
        let traceparent = id.split_off(32);
        Self {
            request_id: given(&X_REQUEST_ID).filter(|id| is_plain(id)).cloned().unwrap_or_else(|| ascii(id)),
            traceparent: ascii(traceparent),
            tracestate: parent.and_then(|_| given(&TRACESTATE)).cloned(),
        }
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

fn ascii(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("0"))
}

/// Says where the request came from and which one it is, and which `Host` the upstream sees.
pub fn tell_the_way(headers: &mut HeaderMap, origin: Origin, trace: Trace, upstream: &Upstream) {
    let host = match &upstream.host {
        HostHeader::Preserve => None,
        HostHeader::Upstream => Some(&upstream.authority),
        HostHeader::Text(text) => Some(text),
    };
    let asked = match host {
        Some(host) => headers.insert(header::HOST, host.clone()),
        None => headers.get(header::HOST).cloned(),
    };
    if let Some(asked) = origin.x_forwarded_host.or(asked) {
        headers.insert(X_FORWARDED_HOST, asked);
    }
    headers.insert(X_FORWARDED_FOR, origin.x_forwarded_for);
    headers.insert(X_FORWARDED_PROTO, origin.x_forwarded_proto);
    if let Some(forwarded) = origin.forwarded {
        headers.insert(header::FORWARDED, forwarded);
    }
    headers.insert(X_REQUEST_ID, trace.request_id);
    headers.insert(TRACEPARENT, trace.traceparent);
    if let Some(state) = trace.tracestate {
        headers.insert(TRACESTATE, state);
    }
}

/// Makes an upstream's answer fit for the client: hop-by-hop headers, `X-Postern-*` and timings are for us alone, and a
/// cache on the way must know that the answer depends on the credential.
pub fn clean_answer(headers: &mut HeaderMap, depends_on_credential: bool) {
    remove_nominated(headers);
    let dooms = |name: &&HeaderName| {
        let text = name.as_str();
        is_hop_by_hop(text) || **name == SERVER_TIMING || is_ours(text)
    };
    loop {
        let mut doomed = Doomed::new();
        doomed.extend(headers.keys().filter(dooms).take(doomed.capacity()).cloned());
        for name in &doomed {
            headers.remove(name);
        }
        if !doomed.is_full() {
            break;
        }
    }
    if depends_on_credential {
        vary_on_authorization(headers);
    }
}

/// The same for the fields behind an answer's body. Those that frame or route a message have no meaning there (RFC 9110,
/// 6.5.1).
pub fn clean_trailers(trailers: &mut HeaderMap) {
    const NEVER: [HeaderName; 4] = [header::CONTENT_LENGTH, header::HOST, header::SET_COOKIE, header::AUTHORIZATION];
    let doomed: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| {
            let text = name.as_str();
            is_hop_by_hop(text) || is_ours(text) || **name == SERVER_TIMING || NEVER.contains(*name)
        })
        .cloned()
        .collect();
    for name in &doomed {
        trailers.remove(name);
    }
}

fn is_ours(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'x') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    folded(name).take(8).eq("xpostern".bytes())
}

fn vary_on_authorization(headers: &mut HeaderMap) {
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
