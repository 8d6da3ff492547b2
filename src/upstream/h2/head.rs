//! A request's head as HTTP/2 has it.
//!
//! Both kinds of upstream are told the same, field by field. The fields that frame a message of HTTP/1.1 or speak of its
//! connection stay behind (RFC 9113, 8.2.2), `Host` becomes `:authority` (8.3.1), and what asks for a WebSocket an extended CONNECT
//! (RFC 8441, 4 and 5).

use crate::request_target::hop::is_hop_by_hop;
use crate::upstream::fault::Fault;
use crate::upstream::head::{CANNOT_BE_SAID, Fields, Framing};
use ::h2::ext::Protocol;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Parts, Scheme, Uri};
use http::{Method, Request};

/// Values that no table of the connection's compression may keep: secrets, so that nobody's guess is confirmed by a size
/// (RFC 7541, 7.1), and what differs with each request, which would push out what does not.
fn stays_out_of_tables(name: &HeaderName) -> bool {
    matches!(*name, header::AUTHORIZATION | header::COOKIE | header::PROXY_AUTHORIZATION)
        || matches!(name.as_str(), "x-request-id" | "traceparent")
}

/// Encodes a head.
///
/// # Errors
/// Its host is none that HTTP/2 can name.
pub(super) fn encode(fields: Fields, scheme: Scheme) -> Result<Request<()>, Fault> {
    let Fields { method, target, host, mut headers, framing, takes_trailers, websocket, .. } = fields.checked()?;
    let authority = host.and_then(|host| Authority::from_maybe_shared(host).ok());
    let mut parts = Parts::default();
    (parts.scheme, parts.authority, parts.path_and_query) = (Some(scheme), authority, Some(target));
    remove_unless(&mut headers, |name| !is_hop_by_hop(name));
    for (name, value) in &mut headers {
        value.set_sensitive(stays_out_of_tables(name));
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Framing::Length(length) = framing
        && websocket.is_none()
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| CANNOT_BE_SAID)?;
    if websocket.is_some() {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Removes the fields that do not pass: nearly always none.
pub(super) fn remove_unless(headers: &mut HeaderMap, passes: impl Fn(&str) -> bool) {
    let out: Vec<HeaderName> = headers.keys().filter(|name| !passes(name.as_str())).cloned().collect();
    for name in out {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::encode;
    use crate::upstream::fault::Fault;
    use crate::upstream::h1;
    use crate::upstream::head::{Fields, Framing, PutField};
    use http::uri::Scheme;
    use http::{HeaderName, Method, Request};

    fn fields(target: &str, fields: &[(&'static str, &str)], framing: Framing, takes_trailers: bool) -> Fields {
        let mut head = Fields::new(&Method::POST, target, framing, takes_trailers).unwrap();
        for (name, value) in fields {
            head.put(&HeaderName::from_static(name), value.as_bytes());
        }
        head
    }

    #[test]
    fn a_head_says_the_same_in_either_version() {
        let said = [
            ("host", "api.example.com:8443"),
            ("keep-alive", "5"),
            ("cookie", "a=1; b=2"),
            ("x-tab", "a\tb"),
            ("x-empty", ""),
            ("x-colon", "a: b"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ];
        let head = || fields("/a%2Fb//c?d=e&f", &said, Framing::Chunked, true);
        let asked = encode(head(), Scheme::HTTP).unwrap();
        assert_eq!(asked.uri(), "http://api.example.com:8443/a%2Fb//c?d=e&f");
        assert_eq!(asked.method(), Method::POST);
        let told: Vec<_> =
            asked.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = [
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("cookie", "a=1; b=2"),
            ("x-tab", "a\tb"),
            ("x-empty", ""),
            ("x-colon", "a: b"),
            ("te", "trailers"),
        ];
        assert_eq!(told, expected);
        assert!(asked.headers()["cookie"].is_sensitive() && !asked.headers()["x-tab"].is_sensitive());
        let written = h1::Request::encode(head(), Vec::new(), true).unwrap();
        assert_eq!(
            std::str::from_utf8(written.as_bytes()).unwrap(),
            "POST /a%2Fb//c?d=e&f HTTP/1.1\r\nHost: api.example.com:8443\r\nKeep-Alive: 5\r\nCookie: a=1; b=2\r\n\
             X-Tab: a\tb\r\nX-Empty: \r\nX-Colon: a: b\r\nX-Twice: 1\r\nX-Twice: 2\r\nTe: trailers\r\nConnection: te\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn a_length_is_said_and_chunks_are_not() {
        let ask = |said: &[(&'static str, &str)], framing| -> Result<Request<()>, Fault> {
            encode(fields("/", said, framing, false), Scheme::HTTPS)
        };
        let asked = |framing| ask(&[("host", "a")], framing).unwrap();
        assert_eq!(asked(Framing::Length(5)).headers()["content-length"], "5");
        assert!(asked(Framing::Chunked).headers().is_empty() && asked(Framing::None).headers().is_empty());
        assert!(ask(&[], Framing::None).is_err(), "no host, no authority");
        assert!(ask(&[("host", "a b")], Framing::None).is_err());
        assert!(ask(&[("host", "a"), ("host", "b")], Framing::None).is_err());
        assert!(ask(&[("host", "a"), ("x", "a\r\nb: c")], Framing::None).is_err());
    }
}
