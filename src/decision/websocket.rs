//! What a WebSocket's handshake must be (RFC 6455, 4.2.1; RFC 8441, 5), and whose pages may send one.
//!
//! Only where the rule says `upgrade: [websocket]` does a request become one; any other upgrade is a request like others.

use super::matching::Hit;
use super::{Denial, Reason, RequestView};
use crate::request_target::field::{self, FieldError};
use data_encoding::BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// In which form a request may ask to become a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// In none: it is of HTTP/1.0, or a usual stream of HTTP/2.
    #[default]
    None,
    /// By its headers, over HTTP/1.1.
    Connection,
    /// As a stream of HTTP/2 that asks for it.
    Stream,
}

/// Whether a request begins a WebSocket that its rule allows, and in which form.
///
/// # Errors
/// 403 `origin_denied`: it comes from a page that may not. 405 or 400 of a stream that asks for one where there is none, since that
/// cannot be taken for a GET.
pub(super) fn evaluate(hit: &Hit<'_>, view: &RequestView<'_>) -> Result<Upgrade, Denial> {
    let headers = view.headers;
    let Some(upgrade) = hit.rule.options.as_ref().and_then(|options| options.upgrade.as_ref()) else {
        if view.upgrade != Upgrade::Stream {
            return Ok(Upgrade::None);
        }
        let denial = Denial { allow: Some(hit.route.allow.clone()), ..hit.deny(Reason::MethodNotAllowed) };
        return Err(denial.with_hint("the route takes no WebSocket"));
    };
    match view.upgrade {
        Upgrade::Connection if is_handshake(view.method, headers) => {}
        Upgrade::Stream => check_stream(headers).map_err(|fault| hit.deny(Reason::BadFraming).with_fault(fault))?,
        Upgrade::None | Upgrade::Connection => return Ok(Upgrade::None),
    }
    if headers.contains_key(ORIGIN) && field::is_dropped(headers, &ORIGIN) {
        return Err(Denial::from(FieldError::Dropped).at(hit.route.index));
    }
    if !upgrade.allows(only(headers, &ORIGIN)) || headers.get_all(ORIGIN).iter().count() > 1 {
        return Err(hit.deny(Reason::OriginDenied));
    }
    Ok(view.upgrade)
}

/// A stream needs no key (RFC 8441, 5), but proxies send that of the client before them, and want the answer to it.
fn check_stream(headers: &HeaderMap) -> Result<(), &'static str> {
    if !is_13(headers) {
        return Err("Sec-WebSocket-Version is not 13");
    }
    let is_good = !headers.contains_key(SEC_WEBSOCKET_KEY) || only(headers, &SEC_WEBSOCKET_KEY).is_some_and(is_key);
    if is_good { Ok(()) } else { Err("Sec-WebSocket-Key is none") }
}

/// Sixteen bytes in base64.
fn is_key(key: &HeaderValue) -> bool {
    BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

fn is_13(headers: &HeaderMap) -> bool {
    only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version.as_bytes() == b"13")
}

/// Whether it is a handshake that everybody reads alike.
fn is_handshake(method: &Method, headers: &HeaderMap) -> bool {
    let asks = only(headers, &UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !asks || *method != Method::GET {
        return false;
    }
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let is_upgrade =
        connection.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let is_empty = !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    is_upgrade && is_empty && only(headers, &SEC_WEBSOCKET_KEY).is_some_and(is_key) && is_13(headers)
}

/// The one value of a field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::is_handshake;
    use http::{HeaderMap, HeaderValue, Method};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    #[test]
    fn a_handshake_is_read_in_one_way_only() {
        let is = |method, list: &[(&'static str, &'static str)]| is_handshake(&method, &headers(list));
        assert!(is(Method::GET, &GOOD));
        assert!(!is(Method::POST, &GOOD));
        let with = |at: usize, value: &'static str| {
            let mut list = GOOD;
            list[at].1 = value;
            is(Method::GET, &list)
        };
        assert!(!with(0, "keep-alive") && !with(1, "h2c") && !with(1, "websocket, h2c"));
        assert!(!with(2, "c2hvcnQ=") && !with(2, "not base64") && !with(3, "8"));
        for extra in [GOOD[1], GOOD[2], GOOD[3], ("transfer-encoding", "chunked"), ("content-length", "5")] {
            let list = [GOOD[0], GOOD[1], GOOD[2], GOOD[3], extra];
            assert!(!is(Method::GET, &list), "{extra:?}");
        }
    }
}
