//! What becomes of a connection (or of a stream of HTTP/2) that asked to be a WebSocket.
//!
//! It switches when the upstream has answered 101 with the one right `Sec-WebSocket-Accept`, or over HTTP/2 what is the same; until then
//! nothing that the client sent behind its request reaches anybody.

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::forward::outcome::without_our_cookies;
use super::handshake::{Handshake, only};
use super::reply;
use super::tunnel;
use crate::decision::{Denial, Reason};
use crate::telemetry::metrics::Outcome;
use crate::upstream::{Answer, Switched};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderValue, Response, StatusCode};

/// The upstream has not done what it was asked to.
pub fn not_switched(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let denial = Denial::new(Reason::UpstreamInvalid).with_hint("the upstream did not switch protocols");
    reply::refuse(exchange, &denial)
}

/// The upstream has switched: the client is told so, and its connection with it when that is written.
#[must_use]
pub fn switched(
    mut exchange: Box<Exchange>,
    handshake: Option<Box<Handshake>>,
    answer: Answer,
    connection: Option<Switched>,
) -> Response<AnswerBody> {
    let Answer { mut headers, .. } = answer;
    let accepted =
        |handshake: &Handshake| only(&headers, &SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| *accept == handshake.accept);
    let (handshake, connection) = match (handshake.filter(|handshake| accepted(handshake)), connection) {
        (Some(handshake), Some(connection)) => (handshake, connection),
        // Nobody asked it to switch, or not so; what would be spoken then passes no judge.
        _ => {
            let denial = Denial::new(Reason::UpstreamInvalid).with_hint("the upstream switched protocols unasked");
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
    without_our_cookies(&exchange, &mut headers);
    exchange.answer(status, Outcome::Allowed);
    if let Some(besides) = exchange.info.besides.take() {
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
