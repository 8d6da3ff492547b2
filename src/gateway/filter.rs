//! A list on its way to the client: what of it is the client's streams on, and nothing else of it is held or told.
//!
//! Until some of the list may leave, whatever cannot be read is 502; behind that the answer breaks off.

use super::answer_headers;
use super::body::{AnswerBody, poll_frame};
use super::content_coding::{Decoder, STEP, Undecodable};
use super::exchange::Exchange;
use super::forward::outcome::{dress, has_answered};
use super::judge::response;
use super::reply;
use super::request_body::{BodyError, RequestBody};
use super::upstream_target::UpstreamTarget;
use crate::answers::{Filter, Said, Shape, Unreadable};
use crate::decision::{Awaited, Denial, KeptItems, Reason, answer_type};
use crate::net::deadline::Pace;
use crate::upstream::{self, Body, Call};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Which items of an answer its caller gets.
pub struct Listed {
    pub shape: Arc<Shape>,
    pub kept: KeptItems,
    /// Bytes of what is held at once, at most.
    pub limit: usize,
    /// What becomes of refusals and failures of the service.
    pub errors: Awaited,
    /// The client has asked for the head alone.
    pub is_head: bool,
}

/// A list that is filtered while it comes.
pub struct Filtered {
    body: Body,
    pace: Pace,
    decoder: Decoder,
    /// What of the body has come and is still encoded.
    encoded: Bytes,
    /// `None` behind the end of the list.
    filter: Option<Filter>,
    kept: KeptItems,
    limit: usize,
    /// What may leave.
    out: Vec<u8>,
    pub(super) exchange: Box<Exchange>,
}

impl Filtered {
    /// Reads on until some of the list may leave, or it has ended.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Self { body, pace, decoder, encoded, filter, kept, limit, out, exchange } = self;
        let mut room = Vec::new();
        while let Some(reading) = filter {
            if reading.may_leave() && !out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if out.len() > *limit {
                return Poll::Ready(Err(Unreadable::TooLong.into()));
            }
            let keep = &mut |said: &Said<'_>| kept.keeps(said);
            if !encoded.is_empty() || matches!(decoder, Decoder::Gzip(_) | Decoder::Brotli(_)) {
                room.resize(STEP, 0);
                let decoded = decoder.step(encoded, &mut room)?;
                if !decoded.is_empty() {
                    reading.feed(decoded, keep, out)?;
                    continue;
                }
            }
            match ready!(poll_frame(body, pace, &exchange.link().connection.deadlines, cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if decoder.is_identity() => reading.feed(&piece, keep, out)?,
                    Ok(piece) => *encoded = piece,
                    Err(_) => {}
                },
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    decoder.finish()?;
                    if let Some(ended) = filter.take() {
                        ended.finish(&mut |said: &Said<'_>| kept.keeps(said), out)?;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next piece of the list; `None` at its end.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Err(error) = ready!(self.poll_ready(cx)) {
            self.exchange.fault(error.to_string());
            self.exchange.aborted();
            self.filter = None;
            return Poll::Ready(Some(Err(error)));
        }
        if self.out.is_empty() {
            return Poll::Ready(None);
        }
        let piece = Bytes::from(std::mem::take(&mut self.out));
        self.exchange.sent(piece.len());
        Poll::Ready(Some(Ok(piece)))
    }
}

/// What reads an answer with these headers.
fn reader(headers: &HeaderMap, shape: &Arc<Shape>, limit: usize) -> Result<(Decoder, Filter), Denial> {
    let unreadable = |hint| Denial::new(Reason::AnswerUnreadable).with_hint(hint);
    let decoder = Decoder::of(headers).map_err(|Undecodable(hint)| unreadable(hint))?;
    let filter = Filter::of(&answer_type(headers)?, shape, limit);
    Ok((decoder, filter.ok_or_else(|| unreadable("the answer is of a type in which no items are read"))?))
}

/// Answers with what of the upstream's list is whoever's has asked.
pub(super) async fn filter(
    mut exchange: Box<Exchange>,
    listed: Listed,
    head: upstream::Answer,
    call: Call<RequestBody>,
    target: UpstreamTarget,
) -> Response<AnswerBody> {
    let upstream::Answer { status, mut headers } = head;
    let Listed { shape, kept, limit, errors, is_head } = listed;
    has_answered(&target, status, call.is_reused());
    let idle = target.timeouts.idle.duration();
    let body = call.receive(target.pool.clone(), target.endpoint.clone(), idle, RequestBody::answered);
    let pace = target.timeouts.pace(body.left().is_some());
    let read = match errors.is_decided(status) {
        Ok(true) => reader(&headers, &shape, limit),
        Ok(false) => {
            answer_headers::of_whole(&mut headers, false);
            dress(&mut exchange, &target, status, &mut headers);
            return response(status, headers, AnswerBody::upstream(body, pace, exchange));
        }
        Err(denial) => Err(denial),
    };
    let (decoder, filter) = match read {
        Ok((decoder, filter)) => (decoder, Some(filter)),
        Err(denial) => {
            drop(body);
            return reply::refuse(exchange, &denial);
        }
    };
    let (encoded, out) = (Bytes::new(), Vec::new());
    let mut filtered = Box::new(Filtered { body, pace, decoder, encoded, filter, kept, limit, out, exchange });
    // Of events the client wants to hear that there will be some.
    let is_live = headers.get(CONTENT_TYPE).is_some_and(|said| said.as_bytes().starts_with(b"text/event-stream"));
    let ready = if is_live { Ok(()) } else { poll_fn(|cx| filtered.poll_ready(cx)).await };
    if let Err(error) = ready {
        let Filtered { mut exchange, body, .. } = *filtered;
        drop(body);
        let reason = match error {
            BodyError::Stalled => Reason::UpstreamTimeout,
            error => {
                exchange.fault(error.to_string());
                Reason::AnswerUnreadable
            }
        };
        return reply::refuse(exchange, &Denial::new(reason));
    }
    answer_headers::of_filtered(&mut headers);
    dress(&mut filtered.exchange, &target, status, &mut headers);
    let body = match is_head {
        true => AnswerBody::own(Bytes::new(), filtered.exchange),
        false => AnswerBody::Filtered(filtered),
    };
    response(status, headers, body)
}
