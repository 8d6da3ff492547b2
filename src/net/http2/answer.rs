//! The answer on one stream of an HTTP/2 connection.
//!
//! What the parser has taken of it waits there for the client's windows, out of sight of everybody; so each [`Piece`] tells when it goes
//! out.

use super::connect;
use super::executor::StreamExecutor;
use crate::net::connection::Connection;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The end of an answer that is larger than this waits until what came before has gone out: until then its stream can be reset. That of a
/// smaller one goes along with its data, in one frame.
const SMALL: usize = 16 * 1024;

/// The answer on its way.
pub struct Answer<F> {
    future: F,
    stream: Rc<Connection>,
    head: bool,
    tunnel: Option<(OnUpgrade, StreamExecutor)>,
}

impl<F> Answer<F> {
    /// The answer that `future` gives, to HEAD or not; to CONNECT with the `tunnel` that a success opens.
    pub fn new(future: F, stream: Rc<Connection>, head: bool, tunnel: Option<(OnUpgrade, StreamExecutor)>) -> Self {
        Self { future, stream, head, tunnel }
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
{
    type Output = Result<Response<StreamBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut answer = ready!(Pin::new(&mut this.future).poll(cx))?;
        if let Some((tunnel, executor)) = this.tunnel.take() {
            connect::answered(&this.stream, tunnel, &executor, answer.status_mut());
        }
        let (stream, head) = (Rc::clone(&this.stream), this.head);
        Poll::Ready(Ok(answer.map(|inner| StreamBody { inner, stream, head, given: 0, end: None })))
    }
}

/// Some of an answer's body on its way through the parser.
pub struct Piece {
    bytes: Bytes,
    stream: Rc<Connection>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.stream.answer_sent(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // Only of a stream that was reset.
        if self.bytes.has_remaining() {
            self.stream.answer_sent(self.bytes.remaining());
        }
    }
}

/// An answer's body on a stream.
pub struct StreamBody<B> {
    inner: B,
    stream: Rc<Connection>,
    /// The answer to HEAD, which has none.
    head: bool,
    /// Bytes that the parser was given.
    given: usize,
    /// All of them were given: what follows them, if anything.
    end: Option<Option<HeaderMap>>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for StreamBody<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let this = self.get_mut();
        if this.head {
            return Poll::Ready(None);
        }
        if this.end.is_none() {
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(bytes)) => {
                    this.given = this.given.saturating_add(bytes.len());
                    this.stream.answer_queued(bytes.len());
                    return Poll::Ready(Some(Ok(Frame::data(Piece { bytes, stream: Rc::clone(&this.stream) }))));
                }
                Some(Err(other)) => this.end = Some(other.into_trailers().ok()),
                None => this.end = Some(None),
            }
        }
        if this.given > SMALL && !this.stream.answer_is_out() {
            return Poll::Pending;
        }
        Poll::Ready(this.end.take().flatten().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.head || (self.given <= SMALL && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
