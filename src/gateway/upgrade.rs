//! A connection that becomes a WebSocket (RFC 6455): what the handshake must be, and what becomes of it.
//!
//! Only where the route says `upgrade: [websocket]` are the handshake's hop-by-hop fields sent on, by us and in one spelling; any
//! other upgrade is a request like others. The connection switches when the upstream has answered 101 with the one right
//! `Sec-WebSocket-Accept`; until then nothing that the client sent behind its request reaches anybody.

use super::body::AnswerBody;
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
use sha1::{Digest, Sha1};

/// What RFC 6455, 1.3 has hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that may go on.
pub struct Handshake {
    /// What the upstream must answer.
    accept: String,
    /// The request as the client sent it, to be judged again.
    pub asked: Request<()>,
}

/// Whether a request begins a WebSocket that its rule allows.
///
/// # Errors
/// It comes from a page that may not.
pub fn handshake<B>(permit: &Permit<'_>, request: &Request<B>) -> Result<Option<Box<Handshake>>, Denial> {
    let Some(upgrade) = permit.rule().further.as_ref().and_then(|further| further.upgrade.as_ref()) else {
        return Ok(None);
    };
    let headers = request.headers();
    let Some(key) = key(request.method(), request.version(), headers) else { return Ok(None) };
    if !upgrade.allows(only(headers, &ORIGIN)) || headers.get_all(ORIGIN).iter().count() > 1 {
        return Err(Denial::new(Reason::OriginDenied));
    }
    let accept = BASE64.encode(&Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize());
    let mut asked = Request::new(());
    asked.method_mut().clone_from(request.method());
    asked.uri_mut().clone_from(request.uri());
    asked.headers_mut().clone_from(headers);
    Ok(Some(Box::new(Handshake { accept, asked })))
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
    let is_key = BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
    let is_13 = only(headers, &SEC_WEBSOCKET_VERSION)?.as_bytes() == b"13";
    let is_handshake = *method == Method::GET
        && version == Version::HTTP_11
        && upgrade.eq_ignore_ascii_case(b"websocket")
        && is_upgrade
        && is_empty
        && is_key
        && is_13;
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
    }
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
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    exchange.answer(StatusCode::SWITCHING_PROTOCOLS, Outcome::Allowed);
    if let Some(besides) = exchange.noted.besides.take() {
        besides.put(&mut headers);
    }
    let link = std::rc::Rc::clone(exchange.link());
    link.connection.switch(Box::new(move |client, early| {
        Box::pin(tunnel::run(exchange, handshake.asked, client, early, connection))
    }));
    let mut response = Response::new(AnswerBody::Nothing);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
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
