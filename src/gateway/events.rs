//! Events whose items name only another object: those that have come are a page, about which one question is asked, and go on before
//! more are read. So an event waits for one answer, and whoever sends many waits for us.

use super::answer_headers;
use super::body::{AnswerBody, poll_frame};
use super::content_coding::{Decoder, STEP};
use super::exchange::{Exchange, find_page};
use super::filter::count_foreign;
use super::forward::outcome::dress;
use super::judge::response;
use super::request_body::BodyError;
use super::upstream_target::UpstreamTarget;
use crate::answers::{EventEnds, Unreadable};
use crate::decision::{AnswerView, Denial, FoundItems, Listed};
use crate::net::deadline::Pace;
use crate::upstream::Body;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Events that one question is asked about, at most.
const AT_ONCE: usize = 100;

type Asked = Pin<Box<dyn Future<Output = Result<Arc<FoundItems>, Denial>>>>;

/// Events on their way, and the exchange that ends with them.
pub struct Events {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    pace: Pace,
    decoder: Decoder,
    /// What of the body has come and is still encoded.
    encoded: Bytes,
    ends: EventEnds,
    /// What has come, and where events end in it.
    held: Vec<u8>,
    whole: VecDeque<usize>,
    /// Bytes of an event, at most.
    limit: usize,
    /// Events about which a question is under way.
    asked: Option<(Vec<u8>, Asked)>,
    /// Nothing more comes, or nothing more can be read, for a reason.
    has_ended: bool,
    failed: Option<BodyError>,
    dropped: u64,
    pub(super) exchange: Box<Exchange>,
}

/// Answers with what of the upstream's events is whoever's has asked. Their client hears at once that there will be some.
pub(super) fn follow(
    mut exchange: Box<Exchange>,
    (status, mut headers): (StatusCode, HeaderMap),
    (body, pace, decoder): (Body, Pace, Decoder),
    target: &UpstreamTarget,
) -> Response<AnswerBody> {
    let limit = usize::try_from(exchange.inspect_limit()).unwrap_or(usize::MAX);
    let asked = headers.clone();
    match exchange.listed().and_then(Listed::pages) {
        Some(pages) => answer_headers::of_narrowed(&mut headers, pages, false),
        None => answer_headers::of_filtered(&mut headers),
    }
    dress(&mut exchange, target, status, &mut headers);
    let events = Events {
        status,
        headers: asked,
        body,
        pace,
        decoder,
        encoded: Bytes::new(),
        ends: EventEnds::default(),
        held: Vec::new(),
        whole: VecDeque::new(),
        limit,
        asked: None,
        has_ended: false,
        failed: None,
        dropped: 0,
        exchange,
    };
    response(status, headers, AnswerBody::Events(Box::new(events)))
}

impl Events {
    /// The next events of the caller's; `None` behind the last.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = ready!(self.poll_kept(cx)).transpose().map(|kept| {
            kept.inspect_err(|error| {
                self.exchange.fault(error.to_string());
                self.exchange.aborted();
                self.has_ended = true;
            })
        });
        self.exchange.sent(piece.as_ref().and_then(|piece| piece.as_ref().ok()).map_or(0, Bytes::len));
        Poll::Ready(piece)
    }

    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if let Some((page, asked)) = &mut self.asked {
                let found = ready!(asked.as_mut().poll(cx));
                let page = std::mem::take(page);
                self.asked = None;
                let found = found?;
                let left = self.left(&page, &found)?;
                if !left.is_empty() {
                    return Poll::Ready(Ok(Some(left)));
                }
            }
            // What has come already is asked about together, and goes on before it is told that no more can be read.
            let read = if self.has_ended { Poll::Ready(Ok(())) } else { self.poll_read(cx) };
            let is_pending = read.is_pending();
            if let Poll::Ready(Err(error)) = read {
                (self.has_ended, self.failed) = (true, Some(error));
            }
            if !self.ask()? {
                if is_pending {
                    return Poll::Pending;
                }
                return Poll::Ready(self.failed.take().map_or(Ok(None), Err));
            }
        }
    }

    /// Reads until there are as many events as are asked about at once, or nothing more comes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let mut room = Vec::new();
        while self.whole.is_empty() || (self.whole.len() < AT_ONCE && self.held.len() < STEP) {
            if !self.encoded.is_empty() || matches!(self.decoder, Decoder::Gzip(_) | Decoder::Brotli(_)) {
                room.resize(STEP, 0);
                let decoded = self.decoder.step(&mut self.encoded, &mut room)?.len();
                if decoded > 0 {
                    self.hold(room.get(..decoded).unwrap_or_default())?;
                    continue;
                }
            }
            let deadlines = &self.exchange.link().connection.deadlines;
            match ready!(poll_frame(&mut self.body, &mut self.pace, deadlines, cx)).transpose()? {
                Some(frame) => match frame.into_data() {
                    Ok(piece) if self.decoder.is_identity() => self.hold(&piece)?,
                    Ok(piece) => self.encoded = piece,
                    Err(_) => {}
                },
                None => {
                    self.has_ended = true;
                    self.decoder.finish()?;
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hold(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let from = self.held.len();
        self.held.extend_from_slice(piece);
        self.whole.extend(self.ends.feed(piece).map(|at| from + at));
        let of_next = self.held.len() - self.whole.back().copied().unwrap_or_default();
        if of_next > self.limit { Err(Unreadable::TooLong.into()) } else { Ok(()) }
    }

    /// Asks about the events that are whole; `false`: there are none.
    fn ask(&mut self) -> Result<bool, BodyError> {
        let Some(&end) = self.whole.get(self.whole.len().min(AT_ONCE).saturating_sub(1)) else { return Ok(false) };
        self.whole.drain(..self.whole.len().min(AT_ONCE));
        self.whole.iter_mut().for_each(|at| *at -= end);
        let rest = self.held.split_off(end);
        let page = std::mem::replace(&mut self.held, rest);
        let Some((listed, items)) = self.exchange.listed().and_then(|listed| Some((listed, listed.lookup()?))) else {
            return Ok(false);
        };
        let keys = listed.asks(self.view(&page))?;
        let (worker, lookup) = (Rc::clone(self.exchange.worker()), Arc::clone(&items.lookup));
        let asked: Asked = match keys.is_empty() {
            // Comments, and events that name nothing.
            true => Box::pin(std::future::ready(Ok(Arc::default()))),
            false => Box::pin(async move { find_page(&worker, &lookup, keys).await }),
        };
        self.asked = Some((page, asked));
        Ok(true)
    }

    fn left(&mut self, page: &[u8], found: &FoundItems) -> Result<Bytes, BodyError> {
        let Some(listed) = self.exchange.listed() else { return Ok(Bytes::new()) };
        let (left, counts) = listed.left(self.view(page), found)?;
        self.dropped += counts.dropped;
        Ok(left.into())
    }

    fn view<'p>(&'p self, body: &'p [u8]) -> AnswerView<'p> {
        AnswerView { status: self.status, headers: &self.headers, body }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // The client went away before their end.
        if !self.has_ended {
            self.exchange.aborted();
        }
        count_foreign(&mut self.exchange, self.dropped);
    }
}
