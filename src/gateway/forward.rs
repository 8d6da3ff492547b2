//! A permitted request on its way to the upstream, and the answer back.
//!
//! Usually an idle connection is at hand: then the exchange itself is polled, and nothing is allocated for it. Connecting,
//! as after a connection that turned out to be stale, is a future of its own.

mod connect;
mod http2;
pub(super) mod outcome;

use super::body::{AnswerBody, UpstreamBody};
use super::exchange::Exchange;
use super::headers::answer_passes;
use super::onward::{InFlight, UpstreamTarget};
use super::prepare::Prepared;
use super::request_body::RequestBody;
use super::upgrade;
use crate::net::deadline::{Phase, Ticks};
use crate::upstream::Fault;
use crate::upstream::h1::{self, Call, Failed, Received};
use connect::{Found, connect};
use http::{Response, StatusCode};
use outcome::{answered, failed};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// An answer: there at once where nothing has to be waited for, as for most refusals. It lives in its connection's own state:
/// a box would save no room, and cost each refusal an allocation.
#[allow(clippy::large_enum_variant)]
pub enum Answer {
    Now(Option<Response<AnswerBody>>),
    /// The upstream is asked, on a connection that was there.
    InFlight(Option<Box<Exchange>>),
    Later(Pin<Box<dyn Future<Output = Response<AnswerBody>>>>),
}

impl Answer {
    pub async fn settled(self) -> Response<AnswerBody> {
        match self.await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl Future for Answer {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                // Taken once: a future is not polled after it was ready.
                Self::Now(answer) => return answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
                Self::Later(answer) => return answer.as_mut().poll(cx).map(Ok),
                Self::InFlight(slot) => match ready!(poll(slot, cx)) {
                    Some(response) => return Poll::Ready(Ok(response)),
                    None => {
                        let Some(exchange) = slot.take() else { return Poll::Pending };
                        *self = Self::Later(Box::pin(send_anew(exchange)));
                    }
                },
            }
        }
    }
}

/// Sends a prepared request and streams the answer back.
pub fn forward(mut exchange: Box<Exchange>, prepared: Prepared) -> Answer {
    exchange.hand_over();
    if prepared.total != Ticks(0) {
        exchange.link().connection.deadlines.arm(Phase::Total, prepared.total);
    }
    let Prepared { head, body, way, .. } = prepared;
    let seated = match way.pool.cluster().map(|cluster| cluster.admission.try_enter()) {
        None => true,
        Some(Some(seat)) => {
            exchange.seat = seat;
            true
        }
        Some(None) => false,
    };
    match seated.then(|| way.pool.take(&way.to)).flatten() {
        Some(connection) => {
            exchange.link().connection.deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
            exchange.sending = Some(InFlight { call: Call::new(connection, true, head, body, answer_passes), way });
            Answer::InFlight(Some(exchange))
        }
        None => Answer::Later(Box::pin(connect_and_send(exchange, seated, head, body, way))),
    }
}

/// Sends on; `None` where another connection is needed first.
pub fn poll(slot: &mut Option<Box<Exchange>>, cx: &mut Context<'_>) -> Poll<Option<Response<AnswerBody>>> {
    // Both are there until this is ready, and it is not polled after that.
    let Some(exchange) = slot.as_deref_mut() else { return Poll::Pending };
    let (deadlines, sending) = exchange.sending();
    let Some(InFlight { call, way }) = sending else { return Poll::Pending };
    let polled = call.poll_answer(cx);
    let interim = call.interim();
    let sent = match polled {
        Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
            Err(way.pool.timeout(&way.to, "answer"))
        }
        Poll::Pending => {
            exchange.hint(interim);
            return Poll::Pending;
        }
        Poll::Ready(Ok(answer)) => Ok(answer),
        Poll::Ready(Err(Failed::Stale)) => return Poll::Ready(None),
        Poll::Ready(Err(Failed::Fault(fault))) => Err(way.pool.broken(&way.to, fault)),
    };
    deadlines.disarm(Phase::Upstream);
    exchange.hint(interim);
    let Some(mut exchange) = slot.take() else { return Poll::Pending };
    let Some(InFlight { mut call, way }) = exchange.sending.take() else { return Poll::Pending };
    if let Some(buffer) = call.take_buffer() {
        way.pool.give_buffer(buffer);
    }
    Poll::Ready(Some(match sent {
        Ok(head) => answer(exchange, head, call, way),
        Err(failure) => failed(exchange, &way, &failure),
    }))
}

/// The unusual way: there was no idle connection, or no place yet among the requests at the cluster.
async fn connect_and_send(
    mut exchange: Box<Exchange>,
    seated: bool,
    head: h1::Request,
    body: RequestBody,
    mut way: UpstreamTarget,
) -> Response<AnswerBody> {
    let deadlines = &exchange.link().connection.deadlines;
    if let (false, Some(cluster)) = (seated, way.pool.cluster()) {
        match way.pool.enter(cluster, deadlines, way.timeouts.connect).await {
            Ok(seat) => exchange.seat = seat,
            Err(failure) => {
                drop(body);
                return failed(exchange, &way, &failure);
            }
        }
    }
    let deadlines = &exchange.link().connection.deadlines;
    let (connection, reused) = match connect(&mut way, deadlines, false).await {
        Ok(Found::Http1(connection, reused)) => (connection, reused),
        Ok(Found::Http2(place)) => return http2::send(exchange, place, head, body, way).await,
        Err(failure) => {
            drop(body);
            return failed(exchange, &way, &failure);
        }
    };
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    exchange.sending = Some(InFlight { call: Call::new(connection, reused, head, body, answer_passes), way });
    send(Some(exchange)).await
}

/// Goes on after a connection turned out to be stale: nothing was written, so any other will do.
pub async fn send_anew(exchange: Box<Exchange>) -> Response<AnswerBody> {
    let mut slot = Some(exchange);
    if let Some(response) = replace(&mut slot).await {
        return response;
    }
    send(slot).await
}

async fn send(mut slot: Option<Box<Exchange>>) -> Response<AnswerBody> {
    loop {
        if let Some(response) = poll_fn(|cx| poll(&mut slot, cx)).await {
            return response;
        }
        if let Some(response) = replace(&mut slot).await {
            return response;
        }
    }
}

/// Takes another connection for a request, or opens one; answers where there is none.
async fn replace(slot: &mut Option<Box<Exchange>>) -> Option<Response<AnswerBody>> {
    let (deadlines, sending) = slot.as_deref_mut()?.sending();
    let InFlight { call, way } = sending?;
    // It was begun as HTTP/1.1, and stays so.
    let found = connect(way, deadlines, true).await;
    let found = found.and_then(|found| match found {
        Found::Http1(connection, reused) => Ok((connection, reused)),
        Found::Http2(_) => Err(way.pool.broken(&way.to, Fault::Cut)),
    });
    match found {
        Ok((connection, reused)) => call.again_on(connection, reused),
        Err(failure) => {
            let mut exchange = slot.take()?;
            let InFlight { way, .. } = exchange.sending.take()?;
            return Some(failed(exchange, &way, &failure));
        }
    }
    deadlines.arm(Phase::Upstream, way.timeouts.first_byte);
    None
}

/// The answer's head is there.
fn answer(
    mut exchange: Box<Exchange>,
    head: h1::Answer,
    call: Call<RequestBody>,
    way: UpstreamTarget,
) -> Response<AnswerBody> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::switched(exchange, way.handshake, head, call.into_socket());
    }
    if way.handshake.as_ref().is_some_and(|handshake| handshake.is_misread(head.status)) {
        return upgrade::not_switched(exchange);
    }
    let h1::Answer { status, mut headers } = head;
    answered(&mut exchange, &way, status, &mut headers, call.is_reused());
    let UpstreamTarget { pool, to, timeouts, .. } = way;
    let body = match call.receive(timeouts.idle.duration(), RequestBody::answered) {
        Received::Whole(bytes, connection) => {
            if let Some(connection) = connection {
                pool.give_back(connection, to);
            }
            AnswerBody::Own(Some(bytes), exchange)
        }
        Received::Partly(body) => {
            let pace = timeouts.pace(body.left().is_some());
            AnswerBody::Upstream(UpstreamBody::new(body, pool, to, pace, exchange))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
