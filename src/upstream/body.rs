//! An answer's body, whichever version of HTTP it comes in, or one that is there already.

use super::cluster::endpoint::EndpointRef;
use super::fault::Fault;
use super::pool::Pool;
use super::{h1, h2};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A body that is read to its last byte and no further. Behind that its connection serves again; dropped before, it is closed, or its
/// stream reset.
pub enum Body {
    /// All of it, or what is left of that.
    Whole(Bytes),
    Http1(Reader),
    Http2(Box<h2::Body>),
    /// All but what comes behind the data.
    Trailers(Box<HeaderMap>),
}

/// A body on a connection of HTTP/1.1, and where that goes at its end.
pub struct Reader {
    body: h1::Body,
    pool: Rc<Pool>,
    endpoint: EndpointRef,
}

impl Body {
    pub(super) const fn http1(body: h1::Body, pool: Rc<Pool>, endpoint: EndpointRef) -> Self {
        Self::Http1(Reader { body, pool, endpoint })
    }

    /// How many bytes are left, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Http1(reader) => reader.body.left(),
            Self::Http2(body) => body.left(),
            Self::Trailers(_) => Some(0),
        }
    }

    /// Whether the upstream has not sent all of its data.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Http1(_) | Self::Http2(_)) && self.left() != Some(0)
    }

    /// The upstream is late: a connection that others share is looked at.
    pub fn mark_suspect(&self) {
        if let Self::Http2(body) = self {
            body.mark_suspect();
        }
    }

    /// It has ended: lets go of the connection, for somebody else if it may serve again.
    fn end(&mut self) {
        let ended = std::mem::replace(self, Self::Whole(Bytes::new()));
        let Self::Http1(Reader { body, pool, endpoint }) = ended else { return };
        let trailers = body.trailers();
        if let Some(connection) = body.into_connection() {
            pool.give_back(connection, endpoint);
        }
        if !trailers.is_empty() {
            *self = Self::Trailers(Box::new(trailers));
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let (frame, is_end) = match this {
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Self::Trailers(trailers) => {
                let trailers = std::mem::take(&mut **trailers);
                *this = Self::Whole(Bytes::new());
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            Self::Http1(reader) => {
                let piece = ready!(reader.body.poll_data(cx)).transpose()?;
                (piece.map(Frame::data), reader.body.is_end())
            }
            Self::Http2(body) => {
                let frame = ready!(body.poll_frame(cx)).transpose()?;
                (frame, body.is_end())
            }
        };
        if is_end || frame.is_none() {
            this.end();
        }
        match frame {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if matches!(this, Self::Trailers(_)) => Pin::new(this).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Http1(_) | Self::Trailers(_) => false,
            Self::Http2(body) => body.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
