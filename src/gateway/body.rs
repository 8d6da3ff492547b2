//! An answer's body on its way to the client: streamed, never held.

use super::exchange::Exchange;
use super::request_body::BodyError;
use super::streamed::StreamedBody;
use crate::net::connection::Connection;
use crate::net::deadline::{Pace, Phase};
use crate::upstream::Pool;
use crate::upstream::h1;
use crate::upstream::pool::EndpointRef;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// An answer's body on its way to the client.
pub enum AnswerBody {
    /// All of it is there: postern's own, or one that came with its head.
    Own(Option<Bytes>, Box<Exchange>),
    /// The upstream's, as it comes.
    Upstream(UpstreamBody),
    /// The same over HTTP/2.
    Streamed(Box<StreamedBody>),
    /// It broke off, which the client is told when it has what came before.
    Broken(Option<BodyError>, Rc<Connection>),
    /// There is none, and the exchange goes on without HTTP.
    Nothing,
}

/// The upstream's answer. When it has been read to its end, the connection serves again; otherwise it is closed.
pub struct UpstreamBody {
    body: Option<h1::Body>,
    pool: Rc<Pool>,
    to: EndpointRef,
    pace: Pace,
    exchange: Box<Exchange>,
    /// What came behind the body, for a client of HTTP/2.
    trailers: Option<Box<HeaderMap>>,
}

impl UpstreamBody {
    /// The body of an answer that came on a connection of `pool` to the address `to`.
    #[must_use]
    pub fn new(body: h1::Body, pool: Rc<Pool>, to: EndpointRef, pace: Pace, exchange: Box<Exchange>) -> Self {
        Self { body: Some(body), pool, to, pace, exchange, trailers: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let deadlines = &self.exchange.link().connection.deadlines;
        let Some(body) = &mut self.body else {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))));
        };
        let piece = match body.poll_data(cx) {
            Poll::Pending if deadlines.expired(Phase::Upstream) || deadlines.expired(Phase::Total) => {
                self.exchange.fault("the answer did not come in time");
                return Poll::Ready(Some(Err(BodyError::Stalled)));
            }
            Poll::Pending => {
                self.pace.waiting(deadlines, Phase::Upstream);
                return Poll::Pending;
            }
            Poll::Ready(Some(Err(fault))) => {
                self.exchange.fault(fault.to_string());
                return Poll::Ready(Some(Err(fault.into())));
            }
            Poll::Ready(piece) => piece.transpose()?,
        };
        self.pace.moved(piece.as_ref().map_or(0, Bytes::len), deadlines, Phase::Upstream);
        if body.is_end() {
            self.end();
        }
        let Some(piece) = piece else {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))));
        };
        self.exchange.sent(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Lets the connection serve somebody else, if it may.
    fn end(&mut self) {
        let Some(body) = self.body.take() else { return };
        // They are not passed on over HTTP/1.1.
        if self.exchange.link().connection.is_stream() {
            self.trailers = super::trailers::of_answer(body.trailers()).map(Box::new);
        }
        if let Some(connection) = body.into_connection() {
            self.pool.give_back(connection, self.to.take());
        }
    }

    fn left(&self) -> Option<u64> {
        self.body.as_ref().map_or(Some(0), h1::Body::left)
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        match &self.body {
            None => {}
            Some(body) if body.is_end() => self.end(),
            Some(_) => self.exchange.aborted(),
        }
    }
}

impl AnswerBody {
    /// The next frame, or why there is none.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Own(bytes, exchange) => {
                let frame = bytes.take().filter(|bytes| !bytes.is_empty());
                if let Some(bytes) = &frame {
                    exchange.sent(bytes.len());
                }
                Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Upstream(body) => body.poll(cx),
            Self::Streamed(body) => body.poll(cx),
            Self::Broken(error, connection) => {
                ready!(connection.poll_written(cx));
                Poll::Ready(error.take().map(Err))
            }
            Self::Nothing => Poll::Ready(None),
        }
    }

    /// The connection of an answer that comes from an upstream, and so can break off.
    fn connection(&self) -> Option<&Rc<Connection>> {
        match self {
            Self::Upstream(body) => Some(&body.exchange.link().connection),
            Self::Streamed(body) => Some(body.connection()),
            Self::Own(..) | Self::Broken(..) | Self::Nothing => None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this.poll_next(cx) {
            Poll::Ready(Some(Err(error))) => {
                // Told now, the parser above would throw away what it has not written yet: all of an answer that breaks off at once.
                if let Some(connection) = this.connection().cloned() {
                    *this = Self::Broken(Some(error), connection);
                    return this.poll_next(cx);
                }
                Poll::Ready(Some(Err(error)))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes, _) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Upstream(body) => body.left() == Some(0) && body.trailers.is_none(),
            Self::Streamed(body) => body.is_end(),
            Self::Broken(..) => false,
            Self::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Nothing => SizeHint::with_exact(0),
            Self::Upstream(body) => body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Streamed(body) => body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Broken(..) => SizeHint::default(),
        }
    }
}
