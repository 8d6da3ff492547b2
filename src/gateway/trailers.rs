//! Which fields behind a body go on, in either direction.

use super::headers::{self, is_forwarding_header};
use crate::net::framing::{field_is_name, field_is_value};
use crate::normalized_name::same_name;
use crate::policy::Policy;
use crate::request_target::hop::is_hop_by_hop;
use http::header::{self, HeaderMap, HeaderName};

/// Whether a field behind an answer's body goes on to the client. Those that frame, route or authenticate a message have no meaning
/// there (RFC 9110, 6.5.1). A client of HTTP/1.1 gets none of them where the answer has no `Trailer`, as from an upstream of HTTP/1.1.
#[must_use]
pub fn answer_passes(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 4] = [header::CONTENT_LENGTH, header::HOST, header::SET_COOKIE, header::AUTHORIZATION];
    let text = name.as_str();
    field_is_name(text) && !is_hop_by_hop(text) && headers::answer_passes(text) && !NEVER.contains(name)
}

/// The fields behind a request's body that go on to the upstream: none that would have been judged, stripped or read as part of
/// the request's head, had it stood there, in whatever spelling (RFC 9110, 6.5.1).
#[must_use]
pub fn of_request(trailers: &HeaderMap, policy: &Policy) -> HeaderMap {
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
            || is_forwarding_header(text)
            || policy.strip().contains(text)
            || policy.finds_organization_in(text)
            || ["if", "accept", "transfer", "upgrade", "sec", "proxy"].iter().any(|word| begins(text, word))
            || NEVER.iter().any(|never| same_name(text, never))
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
pub fn takes(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
