//! What a request over HTTP/2 must be before it is judged (RFC 9113, 8.2 and 8.3).
//!
//! The parser has refused malformed pseudo-headers, upper-case names and connection-specific fields. What it lets pass and
//! the framing scanner would not is refused here with the same words, so that above this nobody asks which version it was.

use crate::net::framing::{Limits, Violation, field_is_name, field_is_value, host_of};
use crate::normalized_name::same_name;
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

static ROOT: PathAndQuery = PathAndQuery::from_static("/");

/// Longer than any method of the IANA registry.
const METHOD_BYTES: usize = 32;

/// What each field counts besides its name and value (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Makes a request look like one of HTTP/1.1: `Host` for `:authority`, the target in origin form, one `Cookie`.
///
/// # Errors
/// The rule that it breaks.
pub fn admit<B>(request: &mut Request<B>, limits: Limits) -> Result<(), Violation> {
    if request.method() == Method::CONNECT {
        return Err(Violation::Tunnel);
    }
    if request.method().as_str().len() > METHOD_BYTES {
        return Err(Violation::Method);
    }
    if request.uri().scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Violation::Scheme);
    }
    join_cookies(request.headers_mut())?;
    fields(request, limits)?;
    let target = request.uri().path_and_query().cloned().ok_or(Violation::RequestLine)?;
    if target.as_str() == "*" {
        return Err(Violation::OptionsAsterisk);
    }
    // The parser cuts a fragment off, which a `:path` never has (RFC 9113, 8.3.1); where nothing else was there it would be taken for `/`.
    if !target.as_str().starts_with('/') || (target.as_str() == "/" && target != ROOT) {
        return Err(Violation::RequestLine);
    }
    let host = host_of(request.uri().scheme(), request.uri().authority(), request.headers())?;
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

fn fields<B>(request: &Request<B>, limits: Limits) -> Result<(), Violation> {
    let headers = request.headers();
    if headers.len() > limits.headers {
        return Err(Violation::TooManyFields);
    }
    let mut size = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    for (name, value) in headers {
        let (text, value) = (name.as_str(), value.as_bytes());
        size += text.len() + value.len() + FIELD_OVERHEAD;
        if !field_is_name(text) {
            return Err(Violation::FieldName);
        }
        if !field_is_value(value) {
            return Err(Violation::FieldValue);
        }
        // `content_length` is another field here, but the same one for software that folds names.
        let disguised = |framing: &str| text != framing && same_name(text, framing);
        // Most names are out of the question by their first byte.
        let may_be = text.bytes().next().is_some_and(|b| matches!(b, b'c' | b't' | b'h') || !b.is_ascii_alphanumeric());
        if may_be && ["content-length", "transfer-encoding", "host"].iter().any(|framing| disguised(framing)) {
            return Err(Violation::DisguisedField);
        }
    }
    if size > limits.head_bytes {
        return Err(Violation::HeadTooLarge);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(Violation::Coding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (length.is_empty() || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Err(Violation::Length);
    }
    if lengths.next().is_some() { Err(Violation::LengthRepeated) } else { Ok(()) }
}

/// Crumbs of a cookie become one field again (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Violation> {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let mut whole = BytesMut::new();
    for crumb in headers.get_all(COOKIE) {
        if !whole.is_empty() {
            whole.extend_from_slice(b"; ");
        }
        whole.extend_from_slice(crumb.as_bytes());
    }
    let whole = HeaderValue::from_maybe_shared(whole.freeze()).map_err(|_| Violation::FieldValue)?;
    headers.insert(COOKIE, whole);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::admit;
    use crate::net::framing::{Limits, Violation};
    use http::{HeaderValue, Request};

    const LIMITS: Limits = Limits { head_bytes: 4096, headers: 8 };

    fn request(uri: &str, headers: &[(&str, &[u8])]) -> Request<()> {
        let mut request = Request::builder().uri(uri).version(http::Version::HTTP_2).body(()).unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_lowercase(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    #[test]
    fn an_admitted_request_looks_like_one_of_http_1_1() {
        let mut asked = request("https://api.example.com/a?b=c", &[("cookie", b"a=1"), ("cookie", b"b=2")]);
        admit(&mut asked, LIMITS).unwrap();
        assert_eq!(asked.uri(), "/a?b=c");
        assert_eq!(asked.headers()["host"], "api.example.com");
        assert_eq!(asked.headers()["cookie"], "a=1; b=2");
        assert_eq!(asked.headers().get_all("cookie").iter().count(), 1);
        let mut both = request("http://API.example.com/", &[("host", b"api.example.com")]);
        admit(&mut both, LIMITS).unwrap();
        // The port of the scheme may be said or not; bytes above 0x7F are opaque.
        for (uri, host) in
            [("https://a/", "a:443"), ("http://a:80/", "A"), ("https://a:443/", "a:"), ("https://a./", "a")]
        {
            admit(&mut request(uri, &[("host", host.as_bytes()), ("cookie", b"name=Jos\xc3\xa9")]), LIMITS).unwrap();
        }
        let mut host_alone = request("/", &[("host", b"api.example.com")]);
        admit(&mut host_alone, LIMITS).unwrap();
    }

    /// What the parser makes of a `:path`.
    fn path(path: &'static str) -> Result<(), Violation> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some("a".parse().unwrap());
        parts.path_and_query =
            Some(http::uri::PathAndQuery::from_maybe_shared(bytes::Bytes::from_static(path.as_bytes())).unwrap());
        let mut asked = request("http://a/", &[]);
        *asked.uri_mut() = http::Uri::from_parts(parts).unwrap();
        admit(&mut asked, LIMITS)
    }

    #[test]
    fn a_path_begins_with_a_slash_of_its_own() {
        for good in ["/", "/x", "/?q", "//"] {
            assert_eq!(path(good), Ok(()), "{good}");
        }
        for bad in ["#", "#/", "#x?y", "?", "?q=1", "?q#f"] {
            assert_eq!(path(bad), Err(Violation::RequestLine), "{bad}");
        }
    }

    #[test]
    fn what_http_1_1_would_refuse_is_refused_in_the_same_words() {
        let many: Vec<(&str, &[u8])> = vec![("x", b"1"); 9];
        let long = vec![b'x'; 5000];
        for (mut asked, violation) in [
            (request("https://a/", &[("host", b"b")]), Violation::HostDiffers),
            (request("https://a/", &[("host", b"a"), ("host", b"a")]), Violation::HostRepeated),
            (request("/", &[]), Violation::HostMissing),
            (request("ftp://a/", &[]), Violation::Scheme),
            (request("https://a/", &[("content-length", b"1"), ("content-length", b"1")]), Violation::LengthRepeated),
            (request("https://a/", &[("content-length", b"+1")]), Violation::Length),
            (request("https://a/", &[("content_length", b"1")]), Violation::DisguisedField),
            (request("https://a/", &[("transfer-encoding", b"chunked")]), Violation::Coding),
            (request("https://a/", &[("x\"y", b"1")]), Violation::FieldName),
            (request("https://a/", &[("host", b"a:80")]), Violation::HostDiffers),
            (request("https://a/", &[("x", b" padded")]), Violation::FieldValue),
            (request("https://a/", &many), Violation::TooManyFields),
            (request("https://a/", &[("x", &long)]), Violation::HeadTooLarge),
        ] {
            assert_eq!(admit(&mut asked, LIMITS), Err(violation), "{asked:?}");
        }
        for host in ["u@a", "a_b..c"] {
            assert!(matches!(admit(&mut request("/", &[("host", host.as_bytes())]), LIMITS), Err(Violation::Host(_))));
        }
        let mut connect = request("https://a/", &[]);
        *connect.method_mut() = http::Method::CONNECT;
        assert_eq!(admit(&mut connect, LIMITS), Err(Violation::Tunnel));
    }
}
