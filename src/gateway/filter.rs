//! A list on its way to the client: what of it is the client's streams on, and nothing else of it is held or told.
//!
//! Until some of the list may leave, whatever cannot be read is 502; behind that the answer breaks off.

use super::answer_headers;
use super::body::{AnswerBody, poll_frame};
use super::content_coding::{Decoder, STEP, Undecodable};
use super::events::follow;
use super::exchange::Exchange;
use super::forward::outcome::dress;
use super::judge::{receive, response, unread};
use super::page::page;
use super::reply;
use super::request_body::{BodyError, RequestBody};
use super::upstream_target::UpstreamTarget;
use crate::answers::{Filter, Said, Unreadable};
use crate::decision::{Denial, KeptItems, Listed, Reason};
use crate::net::deadline::{Deadlines, Pace};
use crate::upstream::{self, Body, Call};
use bytes::Bytes;
use http::Response;
use http_body::Body as _;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// A list on its way, and the exchange that ends with it.
pub struct Filtered {
    list: Incoming,
    /// Why nothing more leaves.
    failed: Option<BodyError>,
    pub(super) exchange: Box<Exchange>,
}

/// A list that is filtered while it comes.
struct Incoming {
    body: Body,
    pace: Pace,
    decoder: Decoder,
    /// What of the body has come and is still encoded.
    encoded: Bytes,
    /// `None` behind the end of the list.
    filter: Option<Filter>,
    kept: KeptItems,
    limit: usize,
    /// Nothing leaves before all of it is there, if that is within the limit: what its head tells of all of it must hold.
    is_held: bool,
    /// Items that were dropped, once the filter is gone.
    dropped: u64,
    /// What may leave.
    out: Vec<u8>,
}

impl Incoming {
    /// Reads on until some of the list may leave, or it has ended.
    fn poll_ready(&mut self, deadlines: &Deadlines, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Self { body, pace, decoder, encoded, filter, kept, limit, is_held, dropped, out } = self;
        let mut room = Vec::new();
        while let Some(reading) = filter {
            // A short answer is read to its end: then it is refused for whatever is wrong with it.
            let is_all_there = decoder.is_identity() && body.is_end_stream();
            let is_held = is_all_there || (*is_held && out.len() <= *limit);
            if reading.may_leave() && !out.is_empty() && !is_held {
                return Poll::Ready(Ok(()));
            }
            if !reading.may_leave() && out.len() > *limit {
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
            match ready!(poll_frame(body, pace, deadlines, cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if decoder.is_identity() => reading.feed(&piece, keep, out)?,
                    Ok(piece) => *encoded = piece,
                    Err(_) => {}
                },
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    decoder.finish()?;
                    if let Some(ended) = filter.take() {
                        *dropped = ended.counts().dropped;
                        *dropped = ended.finish(&mut |said: &Said<'_>| kept.keeps(said), out)?.dropped;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Items that were dropped so far.
    fn dropped(&self) -> u64 {
        self.filter.as_ref().map_or(self.dropped, |filter| filter.counts().dropped)
    }
}

impl Filtered {
    /// The next piece of the list; `None` at its end. What was the caller's own before something could not be read leaves before that is
    /// told.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Self { list, failed, exchange } = self;
        if let Err(error) = ready!(list.poll_ready(&exchange.link().connection.deadlines, cx)) {
            exchange.fault(error.to_string());
            exchange.aborted();
            (list.dropped, list.filter, *failed) = (list.dropped(), None, Some(error));
        }
        if list.out.is_empty() {
            return Poll::Ready(failed.take().map(Err));
        }
        let piece = Bytes::from(std::mem::take(&mut list.out));
        exchange.sent(piece.len());
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        // The client went away before its end.
        if self.list.filter.is_some() {
            self.exchange.aborted();
        }
        count_foreign(&mut self.exchange, self.list.dropped());
    }
}

/// Counts what an upstream should not have sent, since it was asked for the caller's items alone.
pub(super) fn count_foreign(exchange: &mut Exchange, items: u64) {
    if items > 0 && exchange.listed().is_some_and(|listed| listed.pages().is_some()) {
        exchange.count_foreign(items);
        exchange.fault("the service has sent items of others, which it was to leave out");
    }
}

/// Answers with what of the upstream's list is whoever's has asked.
pub(super) async fn filter(
    mut exchange: Box<Exchange>,
    head: upstream::Answer,
    call: Call<RequestBody>,
    target: UpstreamTarget,
) -> Response<AnswerBody> {
    let upstream::Answer { status, mut headers } = head;
    let (body, pace) = receive(&target, call, status);
    let filter = exchange.listed().map_or(Ok(None), |listed| listed.filter(status, &headers));
    let unreadable = |Undecodable(hint)| Denial::new(Reason::AnswerUnreadable).with_hint(hint);
    let begun = filter.and_then(|filter| match filter {
        Some((filter, kept)) => Ok(Some((filter, kept, Decoder::of(&headers).map_err(unreadable)?))),
        None => Ok(None),
    });
    let is_looked_up = exchange.listed().is_some_and(|listed| listed.lookup().is_some());
    let (filter, kept, decoder) = match begun {
        Ok(Some((filter, _, decoder))) if is_looked_up && filter.is_live() => {
            return follow(exchange, (status, headers), (body, pace, decoder), &target);
        }
        Ok(Some(_)) if is_looked_up => return page(exchange, (status, headers), (body, pace), target).await,
        Ok(Some(begun)) => begun,
        Ok(None) => {
            if let Some(pages) = exchange.listed().and_then(Listed::pages) {
                answer_headers::show_asked(&mut headers, pages);
            }
            // The head of a list tells of all of it, also where there is no body.
            match exchange.listed().is_some_and(|listed| listed.is_whole(status, &headers)) {
                true => answer_headers::of_whole(&mut headers, false),
                false => answer_headers::of_filtered(&mut headers),
            }
            dress(&mut exchange, &target, status, &mut headers);
            return response(status, headers, AnswerBody::upstream(body, pace, exchange));
        }
        Err(denial) => {
            drop(body);
            return reply::refuse(exchange, &denial);
        }
    };
    let limit = usize::try_from(exchange.inspect_limit()).unwrap_or(usize::MAX);
    let pages = exchange.listed().and_then(Listed::pages).cloned();
    // Of events the client wants to hear that there will be some.
    let is_live = filter.is_live();
    let is_held = pages.is_some() && !is_live && answer_headers::tell_of_whole(&headers);
    let (filter, encoded, dropped, out) = (Some(filter), Bytes::new(), 0, Vec::new());
    let mut list = Incoming { body, pace, decoder, encoded, filter, kept, limit, is_held, dropped, out };
    let deadlines = &exchange.link().connection.deadlines;
    let ready = poll_fn(|cx| match list.poll_ready(deadlines, cx) {
        Poll::Pending if is_live => Poll::Ready(Ok(())),
        ready => ready,
    });
    if let Err(error) = ready.await {
        count_foreign(&mut exchange, list.dropped());
        drop(list);
        let denial = unread(&mut exchange, &error);
        return reply::refuse(exchange, &denial);
    }
    let is_whole = list.filter.is_none() && list.dropped == 0;
    list.is_held = false;
    match &pages {
        Some(pages) => answer_headers::of_narrowed(&mut headers, pages, is_whole),
        None => answer_headers::of_filtered(&mut headers),
    }
    dress(&mut exchange, &target, status, &mut headers);
    // A short one is there already.
    let body = match list.filter {
        None => {
            count_foreign(&mut exchange, list.dropped);
            AnswerBody::own(list.out.into(), exchange)
        }
        Some(_) => AnswerBody::Filtered(Box::new(Filtered { list, failed: None, exchange })),
    };
    response(status, headers, body)
}
