//! What a WebSocket's handshake must be (RFC 6455, 4.2.1; RFC 8441, 5), and what its upstream is asked.
//!
//! Only where the route says `upgrade: [websocket]` are the handshake's hop-by-hop fields sent on, by us and in one spelling; any
//! other upgrade is a request like others.

use super::entropy::Entropy;
use crate::decision::{Denial, Permit, Reason};
use crate::request_target::field::{self, FieldError};
use crate::upstream::PutField;
use data_encoding::BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

/// What RFC 6455, 1.3 has hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that may go on.
pub struct Handshake {
    /// What the upstream must answer.
    pub(super) accept: String,
    /// It is a stream that becomes a WebSocket, and not a connection.
    pub(super) of_stream: bool,
    /// The key that the upstream is asked with, where the client has none.
    pub(super) own_key: Option<String>,
    /// The request as the client sent it, to be judged again.
    pub asked: Request<()>,
}

/// Whether a request begins a WebSocket that its rule allows.
///
/// # Errors
/// It comes from a page that may not; or a stream asks for it where there is none, since that cannot be taken for a GET.
pub fn handshake<B>(
    permit: &Permit<'_>,
    request: &Request<B>,
    entropy: &Entropy,
) -> Result<Option<Box<Handshake>>, Denial> {
    let of_stream = request.extensions().get::<Protocol>().is_some();
    let Some(upgrade) = permit.rule().options.as_ref().and_then(|options| options.upgrade.as_ref()) else {
        let denial = Denial { allow: Some(permit.route().allow.clone()), ..Denial::new(Reason::MethodNotAllowed) };
        return if of_stream { Err(denial.with_hint("the route takes no WebSocket")) } else { Ok(None) };
    };
    let headers = request.headers();
    let mut own_key = None;
    let key = if of_stream {
        match key_of_stream(headers)? {
            Some(key) => key.as_bytes(),
            None => own_key.insert(new_key(entropy)).as_bytes(),
        }
    } else {
        let Some(key) = key(request.method(), request.version(), headers) else { return Ok(None) };
        key.as_bytes()
    };
    if headers.contains_key(ORIGIN) && field::is_dropped(headers, &ORIGIN) {
        return Err(FieldError::Dropped.into());
    }
    if !upgrade.allows(only(headers, &ORIGIN)) || headers.get_all(ORIGIN).iter().count() > 1 {
        return Err(Denial::new(Reason::OriginDenied));
    }
    let accept = BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let mut asked = Request::new(());
    asked.method_mut().clone_from(request.method());
    asked.uri_mut().clone_from(request.uri());
    asked.headers_mut().clone_from(headers);
    Ok(Some(Box::new(Handshake { accept, of_stream, own_key, asked })))
}

/// A stream's key: it needs none (RFC 8441, 5), but proxies send that of the client before them, and want the answer to it.
fn key_of_stream(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Denial> {
    if !is_13(headers) {
        return Err(Denial::new(Reason::BadFraming).with_fault("Sec-WebSocket-Version is not 13"));
    }
    if !headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Ok(None);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    key.map(Some).ok_or_else(|| Denial::new(Reason::BadFraming).with_fault("Sec-WebSocket-Key is none"))
}

fn new_key(entropy: &Entropy) -> String {
    BASE64.encode([entropy.next().to_be_bytes(), entropy.next().to_be_bytes()].as_flattened())
}

/// Sixteen bytes in base64.
fn is_key(key: &HeaderValue) -> bool {
    BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

fn is_13(headers: &HeaderMap) -> bool {
    only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version.as_bytes() == b"13")
}

/// The key of a handshake; `None` where it is none, or not one that everybody reads alike.
fn key<'h>(method: &Method, version: Version, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
    let upgrade = only(headers, &UPGRADE)?.as_bytes();
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let is_upgrade =
        connection.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let is_empty = !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let key = only(headers, &SEC_WEBSOCKET_KEY)?;
    let is_handshake = *method == Method::GET
        && version == Version::HTTP_11
        && upgrade.eq_ignore_ascii_case(b"websocket")
        && is_upgrade
        && is_empty
        && is_key(key)
        && is_13(headers);
    is_handshake.then_some(key)
}

/// The one value of a field that is there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

impl Handshake {
    /// Asks the upstream to switch; the fields of the client's own were removed.
    pub fn tell(&self, head: &mut impl PutField) {
        head.put(&CONNECTION, b"Upgrade");
        head.put(&UPGRADE, b"websocket");
        if let Some(key) = &self.own_key {
            head.put(&SEC_WEBSOCKET_KEY, key.as_bytes());
        }
    }

    /// Whether an answer without a switch would be taken for one: a stream's client sees nothing but the status.
    #[must_use]
    pub fn is_misread(&self, status: StatusCode) -> bool {
        self.of_stream && status.is_success()
    }
}

#[cfg(test)]
mod tests {
    use super::{BASE64, Digest, GUID, Sha1, key};
    use http::{HeaderMap, HeaderValue, Method, Version};

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
    fn the_answer_is_that_of_the_rfc() {
        let digest = Sha1::new().chain_update(b"dGhlIHNhbXBsZSBub25jZQ==").chain_update(GUID).finalize();
        assert_eq!(BASE64.encode(&digest), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_is_read_in_one_way_only() {
        let is =
            |method, version, list: &[(&'static str, &'static str)]| key(&method, version, &headers(list)).is_some();
        assert!(is(Method::GET, Version::HTTP_11, &GOOD));
        assert!(!is(Method::POST, Version::HTTP_11, &GOOD));
        assert!(!is(Method::GET, Version::HTTP_10, &GOOD));
        let with = |at: usize, value: &'static str| {
            let mut list = GOOD;
            list[at].1 = value;
            is(Method::GET, Version::HTTP_11, &list)
        };
        assert!(!with(0, "keep-alive") && !with(1, "h2c") && !with(1, "websocket, h2c"));
        assert!(!with(2, "c2hvcnQ=") && !with(2, "not base64") && !with(3, "8"));
        for extra in [GOOD[1], GOOD[2], GOOD[3], ("transfer-encoding", "chunked"), ("content-length", "5")] {
            let list = [GOOD[0], GOOD[1], GOOD[2], GOOD[3], extra];
            assert!(!is(Method::GET, Version::HTTP_11, &list), "{extra:?}");
        }
    }
}
