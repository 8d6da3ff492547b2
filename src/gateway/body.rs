//! An answer's body on its way to the client: streamed, never held.

use super::events::Events;
use super::exchange::Exchange;
use super::filter::Filtered;
use super::judge::unread;
use super::request_body::BodyError;
use super::trailers::answer_passes;
use super::watch::Watch;
use crate::net::connection::Connection;
use crate::net::deadline::{Deadlines, Pace, Phase, Rate, Ticks};
use crate::upstream::Body;
use bytes::Bytes;
use http::HeaderName;
use http_body::{Body as _, Frame, SizeHint};
use std::borrow::Cow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// An answer's body on its way to the client.
pub enum AnswerBody {
    /// The upstream's as it comes, or postern's own.
    Answer(Transfer),
    /// The upstream's list, without what is somebody else's.
    Filtered(Box<Filtered>),
    /// The upstream's events, without what a lookup says is somebody else's.
    Events(Box<Events>),
    /// It broke off, which the client is told when it has what came before.
    Broken(Option<BodyError>, Rc<Connection>),
    /// There is none, and the exchange goes on without HTTP.
    Nothing,
}

/// A body that is passed on, and the exchange that ends with it.
pub struct Transfer {
    body: Body,
    pace: Pace,
    exchange: Box<Exchange>,
    watch: Option<Box<Watched>>,
}

/// An answer that is judged beside: by the time that its last frame leaves it has been.
struct Watched {
    watch: Box<Watch>,
    /// The last frame, or that there is no other.
    last: Option<Option<Frame<Bytes>>>,
}

impl Transfer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.watch.is_some() {
            return self.poll_watched(cx);
        }
        let frame = ready!(self.poll_frame(cx)).transpose()?;
        Poll::Ready(frame.and_then(passing).map(Ok))
    }

    #[cold]
    fn poll_watched(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let is_last = |watched: &Watched| watched.last.is_some();
        if !self.watch.as_deref().is_some_and(is_last) {
            let frame = match ready!(self.poll_frame(cx)).transpose() {
                Ok(frame) => frame,
                Err(error) => {
                    let denial = unread(&mut self.exchange, &error);
                    self.exchange.record(denial);
                    self.watch = None;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            let Some(watched) = &mut self.watch else { return Poll::Ready(frame.and_then(passing).map(Ok)) };
            if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
                watched.watch.feed(data);
            }
            // A client of HTTP/1.1 asks for no more when it has the length that was said.
            if frame.is_some() && !self.body.is_end_stream() && self.body.left() != Some(0) {
                return Poll::Ready(frame.and_then(passing).map(Ok));
            }
            watched.last = Some(frame);
        }
        let Self { exchange, watch, .. } = self;
        if let Some(watched) = watch {
            ready!(watched.watch.poll_end(exchange, cx));
        }
        let last = watch.take().and_then(|watched| watched.last).flatten();
        Poll::Ready(last.and_then(passing).map(Ok))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { body, pace, exchange, .. } = self;
        let deadlines = &exchange.link().connection.deadlines;
        let frame = match ready!(poll_frame(body, pace, deadlines, cx)) {
            Some(Err(error)) => {
                exchange.fault(match error {
                    BodyError::Stalled => "the answer did not come in time".into(),
                    ref error => Cow::Owned(error.to_string()),
                });
                return Poll::Ready(Some(Err(error)));
            }
            frame => frame.transpose()?,
        };
        exchange.sent(frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len));
        Poll::Ready(frame.map(Ok))
    }
}

/// The next frame of an upstream's body, which must come at this pace.
pub(super) fn poll_frame(
    body: &mut Body,
    pace: &mut Pace,
    deadlines: &Deadlines,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    let frame = match http_body::Body::poll_frame(Pin::new(&mut *body), cx) {
        Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
            body.mark_suspect();
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        }
        Poll::Pending => {
            pace.waiting(deadlines, Phase::Upstream);
            return Poll::Pending;
        }
        Poll::Ready(frame) => frame.transpose()?,
    };
    let size = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
    pace.moved(size, deadlines, Phase::Upstream);
    Poll::Ready(frame.map(Ok))
}

/// A frame as it goes on: of trailers those that may.
fn passing(mut frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
    let Some(trailers) = frame.trailers_mut() else { return Some(frame) };
    let out: Vec<HeaderName> = trailers.keys().filter(|name| !answer_passes(name)).cloned().collect();
    for name in out {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then_some(frame)
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // A client of HTTP/1.1 asks for no more when it has the length that was said.
        let is_cut = self.body.is_cut();
        match self.watch.take() {
            Some(watched) if is_cut => watched.watch.break_off(&mut self.exchange),
            Some(watched) => watched.watch.end_now(&mut self.exchange),
            None => {}
        }
        if is_cut {
            self.exchange.aborted();
        }
    }
}

impl AnswerBody {
    /// An upstream's, which must come at this pace.
    #[must_use]
    pub const fn upstream(body: Body, pace: Pace, exchange: Box<Exchange>) -> Self {
        Self::Answer(Transfer { body, pace, exchange, watch: None })
    }

    /// An upstream's that goes on as it comes, and is judged beside.
    #[must_use]
    pub fn watched(body: Body, pace: Pace, exchange: Box<Exchange>, watch: Option<Box<Watch>>) -> Self {
        let watch = watch.map(|watch| Box::new(Watched { watch, last: None }));
        Self::Answer(Transfer { body, pace, exchange, watch })
    }

    /// Postern's own.
    #[must_use]
    pub const fn own(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        Self::upstream(Body::Whole(bytes), Pace::new(Ticks(0), Rate::NONE), exchange)
    }

    /// The exchange that ends with it.
    #[must_use]
    pub fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Answer(transfer) => Some(&transfer.exchange),
            Self::Filtered(list) => Some(&list.exchange),
            Self::Events(events) => Some(&events.exchange),
            Self::Broken(..) | Self::Nothing => None,
        }
    }

    /// Takes all of it, where it is one of our own.
    pub fn take_own(&mut self) -> Option<Bytes> {
        let Self::Answer(Transfer { body: Body::Whole(bytes), exchange, .. }) = self else { return None };
        exchange.sent(bytes.len());
        Some(std::mem::take(bytes))
    }

    /// The next frame, or why there is none.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Answer(transfer) => transfer.poll(cx),
            Self::Filtered(list) => list.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
            Self::Events(events) => events.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
            Self::Broken(error, connection) => {
                ready!(connection.poll_written(cx));
                Poll::Ready(error.take().map(Err))
            }
            Self::Nothing => Poll::Ready(None),
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = this.poll_next(cx);
        let Some(exchange) = this.exchange() else { return polled };
        match polled {
            // Told now, the parser above would throw away what it has not written yet: all of an answer that breaks off at once.
            Poll::Ready(Some(Err(error))) => {
                let connection = Rc::clone(&exchange.link().connection);
                *this = Self::Broken(Some(error), connection);
                this.poll_next(cx)
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Answer(transfer) => transfer.body.is_end_stream() && transfer.watch.is_none(),
            Self::Filtered(_) | Self::Events(_) | Self::Broken(..) => false,
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Answer(transfer) => transfer.body.size_hint(),
            Self::Filtered(_) | Self::Events(_) | Self::Broken(..) => SizeHint::default(),
            Self::Nothing => SizeHint::with_exact(0),
        }
    }
}
