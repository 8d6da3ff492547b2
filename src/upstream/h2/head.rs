//! A request's head as HTTP/2 has it, out of the one that was written for HTTP/1.1.
//!
//! Both kinds of upstream are so told the same, field by field. The fields that frame a message of HTTP/1.1 or speak of its
//! connection stay behind (RFC 9113, 8.2.2), `Host` becomes `:authority` (8.3.1).

use crate::request_target::hop::is_hop_by_hop;
use crate::upstream::Fault;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request};

const MALFORMED: Fault = Fault::Rule("it cannot be said in HTTP/2");

/// Values that no table of the connection's compression may keep: secrets, so that nobody's guess is confirmed by a size
/// (RFC 7541, 7.1), and what differs with each request, which would push out what does not.
fn stays_out_of_tables(name: &HeaderName) -> bool {
    matches!(*name, header::AUTHORIZATION | header::COOKIE | header::PROXY_AUTHORIZATION)
        || matches!(name.as_str(), "x-request-id" | "traceparent")
}

/// Translates a head that [`crate::upstream::h1::Head`] wrote.
///
/// # Errors
/// Its host or target is none that HTTP/2 can name.
pub(super) fn translate(head: &Bytes, scheme: Scheme) -> Result<Request<()>, Fault> {
    let mut lines = Lines(head);
    let line = lines.next().ok_or(MALFORMED)?;
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(MALFORMED) };
    let method = Method::from_bytes(method).map_err(|_| MALFORMED)?;
    let target = PathAndQuery::from_maybe_shared(head.slice_ref(target)).map_err(|_| MALFORMED)?;
    let mut headers = HeaderMap::with_capacity(32);
    let mut authority = None;
    for line in lines {
        let colon = memchr::memchr(b':', line).ok_or(MALFORMED)?;
        let (name, value) = line.split_at_checked(colon).ok_or(MALFORMED)?;
        let value = head.slice_ref(value.strip_prefix(b": ").ok_or(MALFORMED)?);
        let name = HeaderName::from_bytes(name).map_err(|_| MALFORMED)?;
        if name == header::HOST {
            authority = Some(Authority::from_maybe_shared(value).map_err(|_| MALFORMED)?);
            continue;
        }
        if is_hop_by_hop(name.as_str()) && !(name == header::TE && *value == *b"trailers") {
            continue;
        }
        let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| MALFORMED)?;
        value.set_sensitive(stays_out_of_tables(&name));
        headers.append(name, value);
    }
    let mut parts = http::uri::Parts::default();
    (parts.scheme, parts.authority, parts.path_and_query) = (Some(scheme), authority, Some(target));
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| MALFORMED)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The lines of a head that we wrote, up to the empty one.
struct Lines<'h>(&'h [u8]);

impl<'h> Iterator for Lines<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        let end = memchr::memchr(b'\r', self.0).filter(|end| *end > 0)?;
        let line = self.0.get(..end)?;
        self.0 = self.0.get(end + 2..).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::translate;
    use crate::upstream::h1::{Framing, Head};
    use bytes::Bytes;
    use http::uri::Scheme;
    use http::{HeaderName, Method};

    fn head(target: &str, fields: &[(&'static str, &str)], framing: Framing) -> Bytes {
        written(target, fields, framing).into_parts().0.into()
    }

    fn written(target: &str, fields: &[(&'static str, &str)], framing: Framing) -> crate::upstream::h1::Request {
        let mut head = Head::new(Vec::new(), &Method::POST, target);
        for (name, value) in fields {
            head.field(&HeaderName::from_static(name), value.as_bytes());
        }
        head.end(framing)
    }

    #[test]
    fn a_head_says_the_same_in_either_version() {
        let fields = [
            ("host", "api.example.com:8443"),
            ("te", "trailers"),
            ("connection", "te"),
            ("cookie", "a=1; b=2"),
            ("x-tab", "a\tb"),
            ("x-empty", ""),
            ("x-colon", "a: b"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ];
        let asked = translate(&head("/a%2Fb//c?d=e&f", &fields, Framing::Chunked), Scheme::HTTP).unwrap();
        assert_eq!(asked.uri(), "http://api.example.com:8443/a%2Fb//c?d=e&f");
        assert_eq!(asked.method(), Method::POST);
        let said: Vec<_> =
            asked.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let twice = [("x-twice", "1"), ("x-twice", "2")];
        let expected =
            [("te", "trailers"), ("cookie", "a=1; b=2"), ("x-tab", "a\tb"), ("x-empty", ""), ("x-colon", "a: b")];
        assert_eq!(said, [&expected[..], &twice].concat());
        let title: Bytes = written("/a%2Fb//c?d=e&f", &fields, Framing::Chunked).in_title_case().into_parts().0.into();
        assert_eq!(translate(&title, Scheme::HTTP).unwrap().headers(), asked.headers());
        assert!(asked.headers()["cookie"].is_sensitive() && !asked.headers()["x-tab"].is_sensitive());
    }

    #[test]
    fn a_length_is_said_and_chunks_are_not() {
        let asked = |framing| translate(&head("/", &[("host", "a")], framing), Scheme::HTTPS).unwrap();
        assert_eq!(asked(Framing::Length(5)).headers()["content-length"], "5");
        assert!(asked(Framing::Chunked).headers().is_empty() && asked(Framing::None).headers().is_empty());
        assert!(translate(&head("/", &[], Framing::None), Scheme::HTTP).is_err(), "no host, no authority");
        assert!(translate(&head("/", &[("host", "a b")], Framing::None), Scheme::HTTP).is_err());
    }
}
