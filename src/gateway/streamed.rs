//! An upstream's answer over HTTP/2, on its way to the client.

use super::exchange::Exchange;
use super::request_body::BodyError;
use super::trailers::answer_passes;
use crate::net::connection::Connection;
use crate::net::deadline::{Pace, Phase};
use crate::upstream::h2::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The answer's body. When it has been read to its end, its stream is over; dropped before, it is reset.
pub struct StreamedBody {
    body: Option<Body>,
    pace: Pace,
    exchange: Box<Exchange>,
}

impl StreamedBody {
    /// The body of an answer, and at what pace it must come.
    #[must_use]
    pub const fn new(body: Body, pace: Pace, exchange: Box<Exchange>) -> Self {
        Self { body: Some(body), pace, exchange }
    }

    /// The client's connection, or its stream.
    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.exchange.link().connection
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let deadlines = &self.exchange.link().connection.deadlines;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = match poll_frame(body, cx) {
            Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
                body.mark_suspect();
                self.exchange.fault("the answer did not come in time");
                return Poll::Ready(Some(Err(BodyError::Stalled)));
            }
            Poll::Pending => {
                self.pace.waiting(deadlines, Phase::Upstream);
                return Poll::Pending;
            }
            Poll::Ready(frame) => frame,
        };
        if let Some(Err(error)) = &frame {
            self.exchange.fault(error.to_string());
        }
        let deadlines = &self.exchange.link().connection.deadlines;
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let size = data.map_or(0, Bytes::len);
        self.pace.moved(size, deadlines, Phase::Upstream);
        if frame.is_none() || body.is_end() {
            self.body = None;
        }
        self.exchange.sent(size);
        Poll::Ready(frame)
    }

    pub(super) fn is_end(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end)
    }

    pub(super) fn left(&self) -> Option<u64> {
        self.body.as_ref().map_or(Some(0), Body::left)
    }
}

/// Data, then the trailers that go on.
fn poll_frame(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    if let Some(piece) = ready!(body.poll_data(cx)) {
        return Poll::Ready(Some(piece.map(Frame::data).map_err(BodyError::from)));
    }
    let trailers = ready!(body.poll_trailers(cx)).map(|trailers| trailers.map(passing));
    let trailers = trailers.map_err(BodyError::from).transpose();
    Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).filter(|frame| !is_empty(frame)))
}

fn is_empty(frame: &Result<Frame<Bytes>, BodyError>) -> bool {
    frame.as_ref().is_ok_and(|frame| frame.trailers_ref().is_some_and(HeaderMap::is_empty))
}

fn passing(mut trailers: HeaderMap) -> HeaderMap {
    let out: Vec<HeaderName> = trailers.keys().filter(|name| !answer_passes(name)).cloned().collect();
    for name in out {
        trailers.remove(name);
    }
    trailers
}

impl Drop for StreamedBody {
    fn drop(&mut self) {
        // A client of HTTP/1.1 asks for no more when it has the length that was said.
        if self.body.as_ref().is_some_and(|body| body.left() != Some(0)) {
            self.exchange.aborted();
        }
    }
}
