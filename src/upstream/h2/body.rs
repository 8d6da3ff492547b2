//! An answer's body on a stream, and its trailers.

use super::session::StreamPermit;
use crate::upstream::fault::Fault;
use ::h2::RecvStream;
use bytes::Bytes;
use http_body::Frame;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// The rest of a request that is being sent; dropping it ends that.
pub(super) struct Rest(JoinHandle<()>);

impl Rest {
    pub(super) const fn new(task: JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that is being read. Dropping it before its end resets the stream.
pub struct Body {
    incoming: RecvStream,
    /// Bytes that are still to come, where that was said.
    left: Option<u64>,
    permit: StreamPermit,
    _upload: Option<Rest>,
}

impl Body {
    pub(super) const fn new(
        incoming: RecvStream,
        left: Option<u64>,
        permit: StreamPermit,
        upload: Option<Rest>,
    ) -> Self {
        Self { incoming, left, permit, _upload: upload }
    }

    /// Whether neither data nor trailers are left.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// How much is left, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        if self.is_end() { Some(0) } else { self.left }
    }

    /// The upstream is late: its connection is looked at.
    pub fn mark_suspect(&self) {
        self.permit.mark_suspect();
    }

    /// The next piece of data, or the trailers; `None` at the end.
    ///
    /// # Errors
    /// The body breaks off, or is not as long as was said.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(piece) = ready!(self.poll_data(cx)) {
            return Poll::Ready(Some(piece.map(Frame::data)));
        }
        let trailers = ready!(self.incoming.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers?))))
    }

    /// The next piece; `None` at the end of the data. The upstream may send as much again.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let piece = match ready!(self.incoming.poll_data(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(piece)) => piece,
        };
        // The stream may have ended meanwhile; then there is nothing to open.
        let _ = self.incoming.flow_control().release_capacity(piece.len());
        if let Some(left) = &mut self.left {
            match left.checked_sub(piece.len() as u64) {
                Some(rest) => *left = rest,
                None => return Poll::Ready(Some(Err(Fault::Rule("there is more than was said")))),
            }
        }
        Poll::Ready(Some(Ok(piece)))
    }
}
