//! A permitted request on its way to the upstream, and the answer back.
//!
//! Usually an idle connection is at hand: then the exchange itself is polled, and nothing is allocated for it. Connecting,
//! as after a connection that turned out to be stale, is a future of its own.

mod connect;
pub(super) mod outcome;

use super::body::AnswerBody;
use super::exchange::Exchange;
use super::filter::filter;
use super::headers::answer_passes;
use super::judge::judge;
use super::prepare::Prepared;
use super::reply;
use super::request_body::RequestBody;
use super::upgrade;
use super::upstream_target::{InFlight, UpstreamTarget};
use super::watch::Watch;
use crate::net::date;
use crate::net::deadline::{Deadlines, Phase, Ticks};
use crate::upstream::{self, Call, Failed, Head, SendError, Transport, Unseen, Wanted};
use connect::{MOST_TRIED, connect};
use http::{Response, StatusCode};
use outcome::{dress, failed, has_answered};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Connections of HTTP/2 that are tried for one request, at most, whose upstreams go away without a look at it. Some take only a few
/// requests each: whoever waits with many others needs as many connections as those fill.
const MOST_LEFT: usize = 16;

/// An answer: there at once where nothing has to be waited for, as for most refusals. It lives in its connection's own state:
/// a box would save no room, and cost each refusal an allocation.
#[allow(clippy::large_enum_variant)]
pub enum Answer {
    Now(Option<Response<AnswerBody>>),
    /// The upstream is asked, on a connection that was there.
    InFlight(Option<Box<Exchange>>),
    Later(Later),
}

type Later = Pin<Box<dyn Future<Output = Response<AnswerBody>>>>;

/// Why there is no response yet where the upstream has said something.
enum Detour {
    /// Nobody has looked at the request: another connection is needed.
    Again(Unseen),
    /// There is an answer, and it must be judged first.
    Judge(Later),
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
        let mut response = loop {
            match &mut *self {
                // Taken once: a future is not polled after it was ready.
                Self::Now(answer) => match answer.take() {
                    Some(response) => break response,
                    None => return Poll::Pending,
                },
                Self::Later(answer) => break ready!(answer.as_mut().poll(cx)),
                Self::InFlight(slot) => match ready!(poll(slot, cx)) {
                    Ok(response) => break response,
                    Err(Detour::Judge(answer)) => *self = Self::Later(answer),
                    Err(Detour::Again(unseen)) => {
                        let Some(exchange) = slot.take() else { return Poll::Pending };
                        *self = Self::Later(Box::pin(send_again(exchange, unseen)));
                    }
                },
            }
        };
        date::put(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

/// Sends a prepared request and streams the answer back.
pub fn forward(mut exchange: Box<Exchange>, prepared: Prepared) -> Answer {
    exchange.hand_over();
    if prepared.total != Ticks(0) {
        exchange.link().connection.deadlines.arm(Phase::Total, prepared.total);
    }
    match prepared.hold {
        Some(limit) => Answer::Later(Box::pin(hold_and_send(exchange, prepared, limit))),
        None => send(exchange, prepared),
    }
}

/// The body's length must be told, and is not known before its end. What is held is held for a request that has its place at the cluster:
/// there are as few of them as over HTTP.
async fn hold_and_send(mut exchange: Box<Exchange>, prepared: Prepared, limit: u64) -> Response<AnswerBody> {
    let Prepared { mut head, mut body, target, .. } = prepared;
    if !try_enter(&mut exchange, &target)
        && let Err(failure) = enter(&mut exchange, &target).await
    {
        drop(body);
        return failed(exchange, &target, &failure);
    }
    if let Err(denial) = body.hold(limit).await {
        return reply::refuse(exchange, &denial);
    }
    if let Head::Uwsgi(packet) = &mut head {
        packet.set_length(body.length().unwrap_or_default());
    }
    dispatch(exchange, true, head, body, target).settled().await
}

fn send(mut exchange: Box<Exchange>, prepared: Prepared) -> Answer {
    let Prepared { head, body, target, .. } = prepared;
    let admitted = try_enter(&mut exchange, &target);
    dispatch(exchange, admitted, head, body, target)
}

/// Takes a place at the cluster, where one is free; whether the request may be there.
fn try_enter(exchange: &mut Exchange, target: &UpstreamTarget) -> bool {
    match target.pool.cluster().map(|cluster| cluster.admission.try_enter()) {
        None => true,
        Some(Some(permit)) => {
            exchange.seat = permit;
            true
        }
        Some(None) => false,
    }
}

/// Waits for a place at the cluster.
async fn enter(exchange: &mut Exchange, target: &UpstreamTarget) -> Result<(), SendError> {
    if let Some(cluster) = target.pool.cluster() {
        let deadlines = &exchange.link().connection.deadlines;
        exchange.seat = target.pool.enter(cluster, deadlines, target.timeouts.connect).await?;
    }
    Ok(())
}

fn dispatch(exchange: Box<Exchange>, admitted: bool, head: Head, body: RequestBody, target: UpstreamTarget) -> Answer {
    match admitted.then(|| target.pool.ready(&target.endpoint, head.wanted())).flatten() {
        Some(transport) => begin(exchange, transport, head, body, target),
        None => Answer::Later(Box::pin(connect_and_send(exchange, admitted, head, body, target))),
    }
}

fn begin(
    mut exchange: Box<Exchange>,
    transport: Transport,
    head: Head,
    body: RequestBody,
    target: UpstreamTarget,
) -> Answer {
    match Call::new(transport, head, body, &target.pool, answer_passes) {
        Ok(call) => {
            exchange.link().connection.deadlines.arm(Phase::Upstream, target.timeouts.first_byte);
            exchange.sending = Some(InFlight { call, target });
            Answer::InFlight(Some(exchange))
        }
        Err(fault) => {
            let failure = target.pool.broken(&target.endpoint, fault);
            Answer::Now(Some(failed(exchange, &target, &failure)))
        }
    }
}

/// Sends on, until there is an answer.
fn poll(slot: &mut Option<Box<Exchange>>, cx: &mut Context<'_>) -> Poll<Result<Response<AnswerBody>, Detour>> {
    // Both are there until this is ready, and it is not polled after that.
    let Some(exchange) = slot.as_deref_mut() else { return Poll::Pending };
    let (deadlines, sending) = exchange.sending();
    let Some(InFlight { call, target }) = sending else { return Poll::Pending };
    let polled = call.poll_answer(cx);
    let interim = call.interim();
    let sent = match polled {
        Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
            call.mark_suspect();
            Err(target.pool.timeout(&target.endpoint, "answer"))
        }
        Poll::Pending => {
            exchange.hint(interim);
            return Poll::Pending;
        }
        Poll::Ready(Ok(answer)) => Ok(answer),
        Poll::Ready(Err(Failed::Unseen(unseen))) => return Poll::Ready(Err(Detour::Again(unseen))),
        Poll::Ready(Err(Failed::Fault(fault))) => Err(target.pool.broken(&target.endpoint, fault)),
    };
    deadlines.disarm(Phase::Upstream);
    exchange.hint(interim);
    let Some(mut exchange) = slot.take() else { return Poll::Pending };
    let Some(InFlight { call, target }) = exchange.sending.take() else { return Poll::Pending };
    Poll::Ready(match sent {
        Ok(head) if exchange.awaits_answer() && head.status != StatusCode::SWITCHING_PROTOCOLS => {
            Err(Detour::Judge(match exchange.listed() {
                Some(_) => Box::pin(filter(exchange, head, call, target)),
                None => Box::pin(judge(exchange, head, call, target)),
            }))
        }
        Ok(head) => Ok(answer(exchange, head, call, target)),
        Err(failure) => Ok(give_up(exchange, call, &target, &failure)),
    })
}

/// Tells of a failure. What is left of the request is let go of first: its stream is reset before the client is told.
fn give_up(
    exchange: Box<Exchange>,
    call: Call<RequestBody>,
    target: &UpstreamTarget,
    failure: &SendError,
) -> Response<AnswerBody> {
    drop(call);
    failed(exchange, target, failure)
}

/// The unusual way: there was no connection, or there are as many requests at the cluster as may be.
async fn connect_and_send(
    mut exchange: Box<Exchange>,
    admitted: bool,
    head: Head,
    body: RequestBody,
    mut target: UpstreamTarget,
) -> Response<AnswerBody> {
    match enter_and_connect(&mut exchange, admitted, &mut target, head.wanted()).await {
        Ok(transport) => begin(exchange, transport, head, body, target).settled().await,
        Err(failure) => {
            drop(body);
            failed(exchange, &target, &failure)
        }
    }
}

async fn enter_and_connect(
    exchange: &mut Exchange,
    admitted: bool,
    target: &mut UpstreamTarget,
    wanted: Wanted,
) -> Result<Transport, SendError> {
    if !admitted {
        enter(exchange, target).await?;
    }
    connect(target, &exchange.link().connection.deadlines, wanted).await
}

/// Sends a request that nobody has looked at on other connections, until there is an answer.
async fn send_again(exchange: Box<Exchange>, mut unseen: Unseen) -> Response<AnswerBody> {
    let (mut slot, mut tried) = (Some(exchange), Tried::default());
    loop {
        if let Some(refusal) = reconnect(&mut slot, unseen, &mut tried).await {
            return refusal;
        }
        unseen = match poll_fn(|cx| poll(&mut slot, cx)).await {
            Ok(response) => return response,
            Err(Detour::Judge(answer)) => return answer.await,
            Err(Detour::Again(unseen)) => unseen,
        };
    }
}

/// How often a request was sent without being looked at.
#[derive(Default)]
struct Tried {
    refused: usize,
    left: usize,
}

impl Tried {
    /// Counts one more; whether it may be sent again. Each stale connection was idle, and of those there are so many.
    fn may_again(&mut self, unseen: &Unseen, deadlines: &Deadlines) -> bool {
        let (count, most) = match unseen {
            Unseen::Stale => return true,
            Unseen::Refused(_) => (&mut self.refused, MOST_TRIED),
            Unseen::GoneAway(_) => (&mut self.left, MOST_LEFT),
        };
        *count += 1;
        *count < most && !deadlines.expired(Phase::Total)
    }
}

/// Takes another connection for a request that nobody has looked at, or opens one; answers where there is none.
async fn reconnect(
    slot: &mut Option<Box<Exchange>>,
    unseen: Unseen,
    tried: &mut Tried,
) -> Option<Response<AnswerBody>> {
    let (deadlines, sending) = slot.as_deref_mut()?.sending();
    let InFlight { call, target } = sending?;
    deadlines.disarm(Phase::Upstream);
    let connected = match tried.may_again(&unseen, deadlines) {
        true => connect(target, deadlines, call.wanted()).await.map(Some),
        false => Ok(None),
    };
    let failure = match connected {
        Ok(transport) => {
            if transport.is_some_and(|transport| call.again_on(transport)) {
                deadlines.arm(Phase::Upstream, target.timeouts.first_byte);
                return None;
            }
            target.pool.broken(&target.endpoint, unseen.into())
        }
        Err(failure) => failure,
    };
    let mut exchange = slot.take()?;
    let InFlight { call, target } = exchange.sending.take()?;
    Some(give_up(exchange, call, &target, &failure))
}

/// The answer's head is there, and its body has not begun.
fn answer(
    mut exchange: Box<Exchange>,
    head: upstream::Answer,
    call: Call<RequestBody>,
    target: UpstreamTarget,
) -> Response<AnswerBody> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::switched(exchange, target.handshake, head, call.into_switched());
    }
    if target.handshake.as_ref().is_some_and(|handshake| handshake.is_misread(head.status)) {
        return upgrade::not_switched(exchange);
    }
    let upstream::Answer { status, mut headers } = head;
    has_answered(&target, status, call.is_reused());
    let watch = Watch::begin(&mut exchange, status, &headers);
    dress(&mut exchange, &target, status, &mut headers);
    let UpstreamTarget { pool, endpoint, timeouts, .. } = target;
    let body = call.receive(pool, endpoint, timeouts.idle.duration(), RequestBody::answered);
    let pace = timeouts.pace(body.left().is_some());
    let mut response = Response::new(AnswerBody::watched(body, pace, exchange, watch));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
