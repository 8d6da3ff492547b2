//! A request's place in a trace, as upstreams are told it (W3C Trace Context).

use super::entropy::{Entropy, hex};
use super::request_id::{RequestId, new_id};
use http::header::{HeaderMap, HeaderName, HeaderValue};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

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

    /// One that was settled at the request's head; `goes_on` where a trusted proxy began it.
    #[must_use]
    pub fn settled(headers: &'h HeaderMap, parent: [u8; 55], goes_on: bool) -> Self {
        Self { parent, state: goes_on.then(|| headers.get(&TRACESTATE)).flatten() }
    }

    /// What the upstream is told.
    #[must_use]
    pub const fn traceparent(&self) -> &[u8; 55] {
        &self.parent
    }

    /// What a trusted proxy says beside it.
    #[must_use]
    pub const fn tracestate(&self) -> Option<&'h HeaderValue> {
        self.state
    }

    /// The `traceparent` that a trusted proxy sent.
    #[must_use]
    pub fn given(headers: &HeaderMap) -> Option<&[u8]> {
        headers.get(&TRACEPARENT).map(HeaderValue::as_bytes).filter(|parent| is_traceparent(parent))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_behind_a_trusted_proxy_and_begins_anew_for_anybody_else() {
        let entropy = Entropy::seeded().unwrap();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let map = |headers: &[(&'static str, &'static str)]| -> HeaderMap {
            let field = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            headers.iter().map(field).collect()
        };
        let headers = map(&[("traceparent", parent), ("tracestate", "a=b"), ("x-request-id", "mine")]);
        let trace = |headers: &HeaderMap, trusted| {
            let id = RequestId::of(headers, trusted, &entropy);
            let trace = Trace::of(headers, trusted, &id, &entropy);
            (id.as_str().to_owned(), String::from_utf8(trace.parent.to_vec()).unwrap(), trace.state.is_some())
        };
        let (id, trusted, state) = trace(&headers, true);
        assert_eq!((&*id, &trusted[..35], state), ("mine", &parent[..35], true));
        assert_ne!(trusted, parent, "the span is ours");
        assert!(trusted.ends_with("-01") && is_traceparent(trusted.as_bytes()));
        let (id, stranger, state) = trace(&headers, false);
        assert_eq!((&*id, state), (&stranger[3..35], false), "one number for both");
        assert_ne!(stranger[..35], parent[..35]);
        assert!(is_traceparent(stranger.as_bytes()), "{stranger}");
        let (id, broken, _) = trace(&map(&[("traceparent", "00-x"), ("x-request-id", "a b")]), true);
        assert!(is_traceparent(broken.as_bytes()));
        assert_eq!(id.len(), 32);
        let (id, begun, _) = trace(&map(&[("x-request-id", "mine")]), true);
        assert!(id == "mine" && is_traceparent(begun.as_bytes()));
    }
}
