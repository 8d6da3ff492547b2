//! A permitted request to an upstream over HTTP/2: a stream beside others, on a connection that all of a worker's clients share.

use super::super::body::AnswerBody;
use super::super::exchange::Exchange;
use super::super::headers::answer_passes;
use super::super::onward::UpstreamTarget;
use super::super::request_body::RequestBody;
use super::super::streamed::StreamedBody;
use super::connect::{Found, MOST_TRIED, connect};
use super::outcome::{answered, failed};
use crate::net::deadline::Phase;
use crate::upstream::h2::{Call, Failed, Place};
use crate::upstream::{SendError, h1};
use bytes::Bytes;
use http::Response;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Connections that are tried for one request, at most, whose upstreams go away without a look at it. Some take only a few requests
/// each: whoever waits with many others needs as many connections as those fill.
const MOST_LEFT: usize = 16;

/// Sends a request on this connection, and streams the answer back. What the upstream has refused without a look at it is
/// sent again, elsewhere.
pub(super) async fn send(
    mut exchange: Box<Exchange>,
    place: Place,
    head: h1::Request,
    body: RequestBody,
    mut way: UpstreamTarget,
) -> Response<AnswerBody> {
    let mut call = Call::new(head, body, way.pool.upstream().is_secure(), answer_passes);
    let answer = ask(&mut call, place, &mut way, &exchange).await;
    exchange.link().connection.deadlines.disarm(Phase::Upstream);
    let h1::Answer { status, mut headers } = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            // Its stream is reset before the client is told.
            drop(call);
            return failed(exchange, &way, &failure);
        }
    };
    answered(&mut exchange, &way, status, &mut headers, call.is_reused());
    let timeouts = way.timeouts;
    let body = match call.receive(timeouts.idle.duration(), RequestBody::talk).filter(|body| !body.is_end()) {
        Some(body) => {
            let pace = timeouts.pace(body.left().is_some());
            AnswerBody::Streamed(Box::new(StreamedBody::new(body, pace, exchange)))
        }
        None => AnswerBody::Own(None::<Bytes>, exchange),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn ask(
    call: &mut Call<RequestBody>,
    mut place: Place,
    way: &mut UpstreamTarget,
    exchange: &Exchange,
) -> Result<h1::Answer, SendError> {
    let deadlines = &exchange.link().connection.deadlines;
    let (mut refused, mut left) = (0, 0);
    loop {
        deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
        let asked = match call.again_on(place) {
            Ok(()) => poll_fn(|cx| poll(call, exchange, cx)).await,
            Err(failed) => Some(Err(failed)),
        };
        let fault = match asked {
            None => {
                call.mark_suspect();
                return Err(way.pool.timeout(&way.to, "answer"));
            }
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(Failed::Refused(fault))) => {
                refused += 1;
                fault
            }
            Some(Err(Failed::Unseen(fault))) => {
                left += 1;
                fault
            }
            Some(Err(Failed::Fault(fault))) => return Err(way.pool.broken(&way.to, fault)),
        };
        if refused >= MOST_TRIED || left >= MOST_LEFT || deadlines.expired(Phase::Total) {
            return Err(way.pool.broken(&way.to, fault));
        }
        place = match connect(way, deadlines, false).await? {
            Found::Http2(place) => place,
            // It speaks something else now; the request was written for what it spoke.
            Found::Http1(..) => return Err(way.pool.broken(&way.to, fault)),
        };
    }
}

/// The answer's head; `None` when it is late.
fn poll(
    call: &mut Call<RequestBody>,
    exchange: &Exchange,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<h1::Answer, Failed>>> {
    let deadlines = &exchange.link().connection.deadlines;
    let polled = call.poll_answer(cx);
    exchange.hint(call.interim());
    match polled {
        Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => Poll::Ready(None),
        answered => answered.map(Some),
    }
}
