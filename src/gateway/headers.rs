//! Header hygiene: what a client may not send through, what the upstream is told, what a client may not see.
//!
//! The order is the protection: hop-by-hop headers and those that `Connection` names go first (RFC 9110, 7.6.1), then
//! everything that postern itself would send, in any spelling, and only then is anything injected.

use super::client::{Origin, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PREFIX, X_FORWARDED_PROTO};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::traceparent::{TRACEPARENT, TRACESTATE, Trace};
use crate::assertion::Signing;
use crate::decision::{Denial, Permit, RequestContext};
use crate::identity::cookie::is_misspelt_set_cookie;
use crate::normalized_name::{is_plain, normalized};
use crate::policy::Policy;
use crate::request_target::hop::{Options, is_hop_by_hop};
use crate::upstream::{HostHeader, PutField, Upstream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::ops::Deref;

/// Whether a header says where a request came from, in any spelling: postern says that itself.
pub fn is_forwarding_header(name: &str) -> bool {
    const WAY: [&str; 7] =
        ["forwarded", "traceparent", "tracestate", "xrequestid", "xrealip", "xclientip", "xclusterclientip"];
    // Most names are out of the question by their first byte (hyper gives names in lower case).
    match name.as_bytes().first() {
        Some(b'f' | b't' | b'x') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    normalized(name).take(10).eq("xforwarded".bytes()) || WAY.iter().any(|way| normalized(name).eq(way.bytes()))
}

/// Whether a name is `Authorization` in another spelling, which a service may read as it.
pub(super) fn is_like_authorization(name: &str) -> bool {
    if name.len() < header::AUTHORIZATION.as_str().len() {
        return false;
    }
    match name.as_bytes().first() {
        Some(b'a') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    normalized(name).eq("authorization".bytes())
}

/// What of a client's headers passes on a route.
pub struct Passing<'a> {
    /// Says what nobody may send.
    pub policy: &'a Policy,
    /// What a trusted proxy may send nevertheless; none of anybody else.
    pub kept: &'a [HeaderName],
    pub authorization: bool,
    /// The answer is judged: all of it is asked for, as it is.
    pub whole: bool,
    /// Headers become variables of CGI, in whose names `-` and `_` are the same: names pass that are made of letters, digits and hyphens.
    pub plain_names: bool,
}

/// Whether a header asks for less than a whole answer, or for one in another form.
fn asks_for_less(name: &str) -> bool {
    const LESS: [&str; 9] = [
        "acceptencoding",
        "aim",
        "ifmatch",
        "ifmodifiedsince",
        "ifnonematch",
        "ifrange",
        "ifunmodifiedsince",
        "range",
        "requestrange",
    ];
    LESS.iter().any(|less| normalized(name).eq(less.bytes()))
}

impl Passing<'_> {
    /// What holds for few routes and few upstreams. Out of the way of all others.
    #[cold]
    #[inline(never)]
    fn passes_here(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        let is_plain = !self.plain_names || is_plain(text) || self.kept.contains(name);
        is_plain && !(self.whole && asks_for_less(text))
    }

    fn passes(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        match text {
            "authorization" => return self.authorization && !self.policy.strips(text, true),
            "host" | "content-length" => return false,
            _ => {}
        }
        if is_hop_by_hop(text)
            || is_like_authorization(text)
            || ((self.whole || self.plain_names) && !self.passes_here(name))
        {
            return false;
        }
        let is_told = is_forwarding_header(text) || self.policy.strips(text, self.authorization);
        !is_told || (self.kept.contains(name) && !self.policy.strip().injects(text))
    }
}

/// The part of a request's head that is the client's: what it sent, without what must not pass.
pub struct Stripped<H>(pub H);

impl<H: PutField> Stripped<H> {
    /// Puts the client's headers into `head`, all but: hop-by-hop headers and what `Connection` names, what postern says
    /// itself, what nobody may say, and what tells where the body ends. `host` is what the upstream sees as `Host`.
    #[must_use]
    pub fn put(mut head: H, headers: &HeaderMap, host: Option<&HeaderValue>, passing: &Passing<'_>) -> Self {
        let options = Options::of(headers);
        if let Some(host) = host {
            head.put(&header::HOST, host.as_bytes());
        }
        for (name, value) in headers {
            if passing.passes(name) && !options.names(name.as_str()) {
                head.put(name, value.as_bytes());
            }
        }
        if passing.whole {
            head.put(&header::ACCEPT_ENCODING, b"identity");
        }
        Self(head)
    }

    /// Adds what the upstream is told by us: whose request it is, and where it came from.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn tell(
        self,
        permit: &Permit<impl Deref<Target = Policy>>,
        request_id: &RequestId,
        forwarding: &ForwardingHeaders<'_>,
    ) -> Result<H, Denial> {
        let Self(mut head) = self;
        let told = RequestContext {
            request_id: request_id.as_str(),
            client_name: forwarding.client.map(HeaderValue::as_bytes),
            signing: forwarding.signing,
        };
        permit.inject(told, |name, value| {
            if !forwarding.tells(name) {
                head.put(name, value);
            }
        })?;
        forwarding.tell(request_id, &mut head);
        Ok(head)
    }
}

/// What the upstream is told of where a request came from.
pub struct ForwardingHeaders<'h> {
    pub origin: Origin,
    /// The `Host` that was asked for, or that the upstream sees instead.
    pub asked: Option<&'h HeaderValue>,
    pub trace: Trace<'h>,
    /// The name of the client's verified certificate.
    pub client: Option<&'h HeaderValue>,
    /// What the route takes off the front of paths; empty for nothing.
    pub prefix: &'h str,
    /// What signs whose it is, where that is told.
    pub signing: Option<Signing<'h>>,
}

impl ForwardingHeaders<'_> {
    /// Whether this tells a header: then nothing else may. Names are in lower case.
    fn tells(&self, name: &HeaderName) -> bool {
        match name.as_str() {
            "x-forwarded-for" | "x-forwarded-proto" | "x-request-id" | "traceparent" => true,
            "x-forwarded-host" => self.asked.is_some() || self.origin.x_forwarded_host.is_some(),
            "forwarded" => self.origin.forwarded.is_some(),
            "tracestate" => self.trace.tracestate().is_some(),
            "x-forwarded-prefix" => !self.prefix.is_empty(),
            _ => false,
        }
    }

    fn tell(&self, request_id: &RequestId, head: &mut impl PutField) {
        let Self { origin, asked, trace, client: _, prefix, signing: _ } = self;
        if let Some(asked) = origin.x_forwarded_host.as_ref().or(*asked) {
            head.put(&X_FORWARDED_HOST, asked.as_bytes());
        }
        head.put(&X_FORWARDED_FOR, origin.x_forwarded_for.as_bytes());
        head.put(&X_FORWARDED_PROTO, origin.x_forwarded_proto.as_bytes());
        if !prefix.is_empty() {
            head.put(&X_FORWARDED_PREFIX, prefix.as_bytes());
        }
        if let Some(forwarded) = &origin.forwarded {
            head.put(&header::FORWARDED, forwarded.as_bytes());
        }
        head.put(&X_REQUEST_ID, request_id.as_str().as_bytes());
        head.put(&TRACEPARENT, trace.traceparent());
        if let Some(state) = trace.tracestate() {
            head.put(&TRACESTATE, state.as_bytes());
        }
    }
}

/// Which `Host` the upstream sees at the configured address `at`, where the client asked for `asked`.
#[must_use]
pub fn host<'h>(upstream: &'h Upstream, at: usize, asked: Option<&'h HeaderValue>) -> Option<&'h HeaderValue> {
    match &upstream.host {
        HostHeader::Preserve if asked.is_some() => asked,
        // Where the client of HTTP/1.0 names none, the upstream must be told one all the same (RFC 9112, 3.2).
        HostHeader::Preserve | HostHeader::Upstream => upstream.addresses.get(at).map(|address| &address.authority),
        HostHeader::Text(text) => Some(text),
    }
}

/// Whether a field of an upstream's answer goes on to the client: `X-Postern-*` and timings are for us alone. The name is in
/// lower case; hop-by-hop fields never come so far.
#[must_use]
pub fn answer_passes(name: &str) -> bool {
    name != "server-timing" && !is_ours(name) && !is_misspelt_set_cookie(name)
}

fn is_ours(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'x') => {}
        Some(first) if !first.is_ascii_alphanumeric() => {}
        _ => return false,
    }
    normalized(name).take(8).eq("xpostern".bytes())
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
