//! An answer that decides: held until all of it is there, and judged before any of it reaches the caller.

use super::answer_headers;
use super::body::{AnswerBody, poll_frame};
use super::content_coding::{Decoder, STEP, Undecodable};
use super::evaluate::Interrupt;
use super::exchange::Exchange;
use super::forward::outcome::{dress, has_answered};
use super::reply;
use super::request_body::{BodyError, RequestBody};
use super::upstream_target::UpstreamTarget;
use crate::decision::{AnswerView, Denial, Reason};
use crate::net::deadline::Pace;
use crate::upstream::{self, Body, Call};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::future::poll_fn;

pub(super) const TOO_LONG: Undecodable = Undecodable("the answer is longer than `inspect_limit`");

/// Answers with what the upstream has answered, if whoever has asked may have it.
pub(super) async fn judge(
    mut exchange: Box<Exchange>,
    head: upstream::Answer,
    call: Call<RequestBody>,
    target: UpstreamTarget,
) -> Response<AnswerBody> {
    let upstream::Answer { status, mut headers } = head;
    let (mut body, mut pace) = receive(&target, call, status);
    match exchange.is_decided_by_body(status, &headers) {
        Ok(true) => {}
        Ok(false) => {
            dress(&mut exchange, &target, status, &mut headers);
            answer_headers::of_whole(&mut headers, false);
            return response(status, headers, AnswerBody::upstream(body, pace, exchange));
        }
        Err(denial) => {
            drop(body);
            return reply::refuse(exchange, &denial);
        }
    }
    let (bytes, is_decoded) = match hold(&mut exchange, &headers, &mut body, &mut pace).await {
        Ok(held) => held,
        Err(denial) => {
            drop(body);
            return reply::refuse(exchange, &denial);
        }
    };
    let is_head = exchange.asked_method() == Some(&Method::HEAD);
    if let Err(denial) = evaluate(&mut exchange, AnswerView { status, headers: &headers, body: &bytes }).await {
        return reply::refuse(exchange, &denial);
    }
    answer_headers::of_whole(&mut headers, is_decoded);
    dress(&mut exchange, &target, status, &mut headers);
    // The service was asked with GET: HEAD is told what it would have been told.
    let bytes = match is_head {
        true => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            Bytes::new()
        }
        false => bytes,
    };
    response(status, headers, AnswerBody::own(bytes, exchange))
}

/// The body of an answer that has begun, and the pace that it must come at.
pub(super) fn receive(target: &UpstreamTarget, call: Call<RequestBody>, status: StatusCode) -> (Body, Pace) {
    has_answered(target, status, call.is_reused());
    let UpstreamTarget { pool, endpoint, timeouts, .. } = target;
    let body = call.receive(pool.clone(), endpoint.clone(), timeouts.idle.duration(), RequestBody::answered);
    let pace = timeouts.pace(body.left().is_some());
    (body, pace)
}

/// The refusal where an answer could not be read, before anything of it has left.
pub(super) fn unread(exchange: &mut Exchange, error: &BodyError) -> Denial {
    if let BodyError::Stalled = error {
        return Denial::new(Reason::UpstreamTimeout);
    }
    exchange.fault(error.to_string());
    Denial::new(Reason::AnswerUnreadable)
}

pub(super) fn response(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Takes the evaluation to its end, fetching what it needs.
async fn evaluate(exchange: &mut Exchange, answer: AnswerView<'_>) -> Result<(), Denial> {
    loop {
        match exchange.judge(answer) {
            Ok(()) => return Ok(()),
            Err(Interrupt::Needs(need)) => exchange.fetch(need).await?,
            Err(Interrupt::Denied(denial)) => return Err(denial),
            // All of these come before there is an answer.
            Err(_) => return Err(Denial::new(Reason::Denied)),
        }
    }
}

/// Reads all of a body, decoded, and says whether it was encoded.
pub(super) async fn hold(
    exchange: &mut Exchange,
    headers: &HeaderMap,
    body: &mut Body,
    pace: &mut Pace,
) -> Result<(Bytes, bool), Denial> {
    let limit = usize::try_from(exchange.inspect_limit()).unwrap_or(usize::MAX);
    let unreadable = |Undecodable(hint)| Denial::new(Reason::AnswerUnreadable).with_hint(hint);
    let mut decoder = Decoder::of(headers).map_err(unreadable)?;
    let is_identity = decoder.is_identity();
    if is_identity && body.left().is_some_and(|left| left > limit as u64) {
        return Err(unreadable(TOO_LONG));
    }
    let (mut held, mut room) = (Held::default(), Vec::new());
    loop {
        let deadlines = &exchange.link().connection.deadlines;
        let piece = match poll_fn(|cx| poll_frame(body, pace, deadlines, cx)).await {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(unread(exchange, &error)),
        };
        if is_identity {
            held.add(piece, limit).map_err(unreadable)?;
            continue;
        }
        room.resize(STEP, 0);
        let mut piece = piece;
        loop {
            let decoded = decoder.step(&mut piece, &mut room).map_err(unreadable)?;
            if decoded.is_empty() {
                break;
            }
            held.add(Bytes::copy_from_slice(decoded), limit).map_err(unreadable)?;
        }
    }
    decoder.finish().map_err(unreadable)?;
    Ok((held.into_bytes(), !is_identity))
}

/// Pieces of a body, copied together where there are several.
#[derive(Default)]
struct Held {
    first: Bytes,
    all: Vec<u8>,
}

impl Held {
    fn add(&mut self, piece: Bytes, limit: usize) -> Result<(), Undecodable> {
        if self.first.len().max(self.all.len()) + piece.len() > limit {
            return Err(TOO_LONG);
        }
        if self.first.is_empty() {
            self.first = piece;
            return Ok(());
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&piece);
        Ok(())
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.into() }
    }
}
