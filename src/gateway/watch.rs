//! An answer in shadow mode: it goes on as it comes, and is judged beside, by a copy that is bounded.

use super::content_coding::{Decoder, STEP, Undecodable};
use super::evaluate::{Interrupt, Need};
use super::exchange::{Exchange, find_page};
use crate::answers::{Filter, Said, Unreadable};
use crate::decision::{AnswerView, Denial, FoundItems, KeptItems, OrgKey, Reason};
use crate::facts::Organization;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What of an answer is judged beside.
enum Copy {
    /// All that has come, decoded.
    Object(Vec<u8>),
    /// The same of a list whose items a lookup says.
    Page(Vec<u8>),
    /// Nothing: it could not be judged by that.
    None,
    /// Items are counted, and let go.
    List(Box<(Filter, KeptItems)>),
}

type Waiting<T> = Pin<Box<dyn Future<Output = T>>>;

/// What must be fetched to judge it.
enum Asked {
    Organization(OrgKey<'static>, Waiting<Option<Option<Arc<Organization>>>>),
    /// The objects that a page names.
    Page(Waiting<Result<Arc<FoundItems>, Denial>>),
}

/// An answer on its way, and what is known of it so far.
pub struct Watch {
    status: StatusCode,
    headers: HeaderMap,
    decoder: Decoder,
    copy: Copy,
    limit: usize,
    /// Why it would not reach the caller.
    failed: Option<Denial>,
    asked: Option<Asked>,
}

fn unreadable(Undecodable(hint): Undecodable) -> Denial {
    Denial::new(Reason::AnswerUnreadable).with_hint(hint)
}

fn no_list(error: Unreadable) -> Denial {
    Denial::new(Reason::AnswerUnreadable).with_hint(error.words())
}

impl Watch {
    /// Watches an answer, by its head as the upstream has sent it. `None`: nothing of it is judged, or its head has said all.
    pub(super) fn begin(exchange: &mut Exchange, status: StatusCode, headers: &HeaderMap) -> Option<Box<Self>> {
        if !exchange.watches_answer() {
            return None;
        }
        // Enforced, the service would be asked for all of it.
        if matches!(status, StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT) {
            exchange.note_not_judged();
            return None;
        }
        let copy = match exchange.listed() {
            // Events end when somebody goes away, and whose they are would have to be asked before that.
            Some(listed) if listed.lookup().is_some() => listed.filter(status, headers).map(|found| {
                found.map(|(filter, _)| if filter.is_live() { Copy::None } else { Copy::Page(Vec::new()) })
            }),
            Some(listed) => listed
                .filter(status, headers)
                .map(|found| found.map(|(filter, kept)| Copy::List(Box::new((filter, kept))))),
            // Its head is a list's too, and says all that is said of a list to HEAD. An object would be asked for with GET.
            None => exchange.is_decided_by_body(status, headers).map(|it_is| {
                let is_head = exchange.asked_method() == Some(&Method::HEAD);
                it_is.then(|| if is_head { Copy::None } else { Copy::Object(Vec::new()) })
            }),
        };
        let begun = copy.and_then(|copy| match copy {
            Some(copy) => Ok(Some((copy, Decoder::of(headers).map_err(unreadable)?))),
            None => Ok(None),
        });
        if let Ok(Some((Copy::None, _))) = begun {
            exchange.note_not_judged();
            return None;
        }
        let limit = usize::try_from(exchange.inspect_limit()).unwrap_or(usize::MAX);
        match begun {
            Ok(found) => found.map(|(copy, decoder)| {
                let headers = headers.clone();
                Box::new(Self { status, headers, decoder, copy, limit, failed: None, asked: None })
            }),
            Err(denial) => {
                exchange.record(denial);
                None
            }
        }
    }

    /// Takes a piece that goes on.
    pub(super) fn feed(&mut self, piece: &Bytes) {
        if self.failed.is_none()
            && let Err(denial) = self.take(piece.clone())
        {
            // Nothing more of it is looked at.
            (self.failed, self.copy) = (Some(denial), Copy::Object(Vec::new()));
        }
    }

    fn take(&mut self, mut piece: Bytes) -> Result<(), Denial> {
        let Self { decoder, copy, limit, .. } = self;
        if decoder.is_identity() {
            return add(copy, *limit, &piece);
        }
        let mut room = vec![0; STEP];
        loop {
            let decoded = decoder.step(&mut piece, &mut room).map_err(unreadable)?;
            if decoded.is_empty() {
                return Ok(());
            }
            add(copy, *limit, decoded)?;
        }
    }

    /// All of it has come: says what would have become of it. An organization may have to be looked up for that, or whose the items are.
    pub(super) fn poll_end(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) -> Poll<()> {
        let refused = loop {
            match &mut self.asked {
                Some(Asked::Organization(key, asked)) => match ready!(asked.as_mut().poll(cx)) {
                    Some(found) => exchange.learn_organization(key.clone(), found),
                    None => break Denial::new(Reason::StoreUnavailable),
                },
                Some(Asked::Page(asked)) => {
                    let found = ready!(asked.as_mut().poll(cx));
                    match found.and_then(|found| self.left(exchange, &found)) {
                        Ok(()) => return Poll::Ready(()),
                        Err(denial) => break denial,
                    }
                }
                None => {}
            }
            self.asked = None;
            match self.ask(exchange) {
                Ok(None) => {}
                Ok(asked) => {
                    self.asked = asked;
                    continue;
                }
                Err(denial) => break denial,
            }
            match self.end(exchange) {
                Ok(()) => return Poll::Ready(()),
                Err(Interrupt::Denied(denial)) => break denial,
                Err(Interrupt::Needs(Need::Organization(key))) => {
                    let (worker, wanted) = (Rc::clone(exchange.worker()), key.clone());
                    let asked = async move {
                        worker.shared.fact_cache.organization(&wanted, crate::clock::monotonic()).await.ok()
                    };
                    self.asked = Some(Asked::Organization(key, Box::pin(asked)));
                }
                // Whoever has sent it has changed meanwhile: nobody knows any more.
                Err(_) => break Denial::new(Reason::StoreUnavailable),
            }
        };
        exchange.record(refused);
        Poll::Ready(())
    }

    /// The same where nobody waits for it: there is nothing to come, or all that was said would come has gone on.
    pub(super) fn end_now(mut self: Box<Self>, exchange: &mut Exchange) {
        match self.end(exchange) {
            Ok(()) => {}
            Err(Interrupt::Denied(denial)) => exchange.record(denial),
            Err(_) => exchange.note_not_judged(),
        }
    }

    /// The client went away before the end: what has come may tell already that the rest would not have.
    pub(super) fn break_off(self: Box<Self>, exchange: &mut Exchange) {
        match (self.failed, self.copy) {
            (Some(denial), _) => return exchange.record(denial),
            (None, Copy::List(list)) => exchange.would_drop(list.0.counts().dropped),
            (None, Copy::Object(_) | Copy::Page(_) | Copy::None) => {}
        }
        exchange.note_not_judged();
    }

    /// Asks whose the items of a page are.
    fn ask(&mut self, exchange: &Exchange) -> Result<Option<Asked>, Denial> {
        let (Copy::Page(body), None) = (&self.copy, &self.failed) else { return Ok(None) };
        self.decoder.finish().map_err(unreadable)?;
        let Some((listed, items)) = exchange.listed().and_then(|listed| Some((listed, listed.lookup()?))) else {
            return Ok(None);
        };
        let keys = listed.asks(AnswerView { status: self.status, headers: &self.headers, body })?;
        let (worker, lookup) = (Rc::clone(exchange.worker()), Arc::clone(&items.lookup));
        Ok(Some(Asked::Page(Box::pin(async move { find_page(&worker, &lookup, keys).await }))))
    }

    /// Counts what of a page would have been left out.
    fn left(&self, exchange: &mut Exchange, found: &FoundItems) -> Result<(), Denial> {
        let (Copy::Page(body), Some(listed)) = (&self.copy, exchange.listed()) else { return Ok(()) };
        let (_, counts) = listed.left(AnswerView { status: self.status, headers: &self.headers, body }, found)?;
        exchange.would_drop(counts.dropped);
        Ok(())
    }

    fn end(&mut self, exchange: &mut Exchange) -> Result<(), Interrupt> {
        if let Some(denial) = self.failed.take() {
            return Err(denial.into());
        }
        self.decoder.finish().map_err(unreadable)?;
        match std::mem::replace(&mut self.copy, Copy::Object(Vec::new())) {
            Copy::List(list) => {
                let (filter, kept) = *list;
                let counts =
                    filter.finish(&mut |said: &Said<'_>| kept.keeps(said), &mut Vec::new()).map_err(no_list)?;
                exchange.would_drop(counts.dropped);
                Ok(())
            }
            // Nobody waits for what a lookup says.
            Copy::Page(_) | Copy::None => {
                exchange.note_not_judged();
                Ok(())
            }
            Copy::Object(body) => {
                let judged =
                    exchange.judge_beside(AnswerView { status: self.status, headers: &self.headers, body: &body });
                self.copy = Copy::Object(body);
                judged
            }
        }
    }
}

fn add(copy: &mut Copy, limit: usize, piece: &[u8]) -> Result<(), Denial> {
    match copy {
        Copy::Object(held) | Copy::Page(held) if held.len() + piece.len() > limit => {
            Err(unreadable(super::judge::TOO_LONG))
        }
        Copy::Object(held) | Copy::Page(held) => {
            held.extend_from_slice(piece);
            Ok(())
        }
        Copy::None => Ok(()),
        Copy::List(list) => {
            let (filter, kept) = &mut **list;
            filter.feed(piece, &mut |said: &Said<'_>| kept.keeps(said), &mut Vec::new()).map_err(no_list)
        }
    }
}
