//! A connection that becomes a WebSocket (RFC 6455), or a stream of HTTP/2 (RFC 8441): what the handshake must be, and what
//! becomes of it.
//!
//! Only where the route says `upgrade: [websocket]` are the handshake's hop-by-hop fields sent on, by us and in one spelling; any
//! other upgrade is a request like others. The connection switches when the upstream has answered 101 with the one right
//! `Sec-WebSocket-Accept`; until then nothing that the client sent behind its request reaches anybody.

use super::body::AnswerBody;
use super::entropy::Entropy;
use super::exchange::Exchange;
use super::reply;
use super::tunnel;
use crate::decision::{Denial, Permit, Reason};
use crate::telemetry::metrics::Outcome;
use crate::upstream::Stream;
use crate::upstream::h1::{self, Head};
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{
    CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

/// What RFC 6455, 1.3 has hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that may go on.
pub struct Handshake {
    /// What the upstream must answer.
    accept: String,
    /// It is a stream that becomes a WebSocket, and not a connection.
    of_stream: bool,
    /// The key that the upstream is asked with, where the client has none.
    own_key: Option<String>,
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
    let Some(upgrade) = permit.rule().further.as_ref().and_then(|further| further.upgrade.as_ref()) else {
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
        return Err(Denial::new(Reason::BadFraming).with_hint("Sec-WebSocket-Version is not 13"));
    }
    if !headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Ok(None);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    key.map(Some).ok_or_else(|| Denial::new(Reason::BadFraming).with_hint("Sec-WebSocket-Key is none"))
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

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

impl Handshake {
    /// Asks the upstream to switch; the fields of the client's own were removed.
    pub fn tell(&self, head: &mut Head) {
        head.field(&CONNECTION, b"Upgrade");
        head.field(&UPGRADE, b"websocket");
        if let Some(key) = &self.own_key {
            head.field(&SEC_WEBSOCKET_KEY, key.as_bytes());
        }
    }

    /// Whether an answer without a switch would be taken for one: a stream's client sees nothing but the status.
    #[must_use]
    pub fn is_misread(&self, status: StatusCode) -> bool {
        self.of_stream && status.is_success()
    }
}

/// The upstream has not done what it was asked to.
pub fn not_switched(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let denial = Denial::new(Reason::UpstreamUnreachable).with_hint("the upstream did not switch protocols");
    reply::refuse(exchange, &denial)
}

/// The upstream has switched: the client is told so, and its connection with it when that is written.
#[must_use]
pub fn switched(
    mut exchange: Box<Exchange>,
    handshake: Option<Box<Handshake>>,
    answer: h1::Answer,
    connection: Option<(Stream, Bytes)>,
) -> Response<AnswerBody> {
    let h1::Answer { mut headers, .. } = answer;
    let accepted = |handshake: &Handshake| {
        only(&headers, &SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == handshake.accept.as_bytes())
    };
    let (handshake, connection) = match (handshake.filter(|handshake| accepted(handshake)), connection) {
        (Some(handshake), Some(connection)) => (handshake, connection),
        // Nobody asked it to switch, or not so; what would be spoken then passes no judge.
        _ => {
            let denial = Denial::new(Reason::UpstreamUnreachable).with_hint("the upstream switched protocols unasked");
            return reply::refuse(exchange, &denial);
        }
    };
    let status = if handshake.of_stream {
        if handshake.own_key.is_some() {
            headers.remove(SEC_WEBSOCKET_ACCEPT);
        }
        StatusCode::OK
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        StatusCode::SWITCHING_PROTOCOLS
    };
    exchange.answer(status, Outcome::Allowed);
    if let Some(besides) = exchange.noted.besides.take() {
        besides.put(&mut headers);
    }
    let link = std::rc::Rc::clone(exchange.link());
    link.connection.switch(Box::new(move |client, early| {
        Box::pin(tunnel::run(exchange, handshake.asked, client, early, connection))
    }));
    let mut response = Response::new(AnswerBody::Nothing);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
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
