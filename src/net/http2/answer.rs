//! One stream of an HTTP/2 connection: a task with deadlines of its own.
//!
//! hyper makes a future of each stream and hands it to an executor, right after it has called the service for it: so
//! [`Next`] knows whose future that is, and wakes it when one of the stream's deadlines is due. What it has taken of an answer waits for the
//! client's windows in the parser, out of sight of everybody; so each [`Piece`] tells when it goes out.

use super::connect;
use crate::net::connection::Connection;
use crate::net::counts::Counts;
use crate::net::date;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::Notify;

/// The end of an answer that is larger than this waits until what came before has gone out: until then its stream can be reset. That of a
/// smaller one goes along with its data, in one frame.
const SMALL: usize = 16 * 1024;

/// How long the last words of a WebSocket may take that is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The executor of one connection's streams.
#[derive(Clone)]
pub struct Next(Rc<Shared>);

struct Shared {
    stream: RefCell<Option<Rc<Connection>>>,
    /// Told when the WebSocket ends that a stream is about to become.
    tunnel: RefCell<Option<Rc<Notify>>>,
    counts: Arc<Counts>,
}

impl Next {
    #[must_use]
    pub fn new(counts: Arc<Counts>) -> Self {
        Self(Rc::new(Shared { stream: RefCell::default(), tunnel: RefCell::default(), counts }))
    }

    /// The stream whose future is executed next.
    pub fn set(&self, stream: Rc<Connection>) {
        *self.0.stream.borrow_mut() = Some(stream);
    }

    /// What is executed next writes for a WebSocket; who is to be told when that is over.
    pub(super) fn set_tunnel(&self) -> Rc<Notify> {
        let over = Rc::<Notify>::default();
        self.0.tunnel.replace(Some(Rc::clone(&over)));
        over
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Next {
    fn execute(&self, future: F) {
        let stream = self.0.stream.borrow_mut().take();
        if let Some(stream) = stream {
            tokio::task::spawn_local(Task { future: Some(future), stream, shared: Rc::clone(&self.0) });
            return;
        }
        let Some(over) = self.0.tunnel.take() else {
            tokio::task::spawn_local(future);
            return;
        };
        // It waits for the client's window for ever, with what was written last; dropped, it resets the stream.
        tokio::task::spawn_local(async move {
            let mut future = std::pin::pin!(future);
            tokio::select! {
                biased;
                () = &mut future => return,
                () = over.notified() => {}
            }
            let _ = tokio::time::timeout(LAST_WORDS, future).await;
        });
    }
}

pin_project_lite::pin_project! {
    struct Task<F> {
        // Until the answer has gone out.
        #[pin]
        future: Option<F>,
        stream: Rc<Connection>,
        shared: Rc<Shared>,
    }
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        this.stream.deadlines.register(cx.waker());
        let Some(future) = this.future.as_mut().as_pin_mut() else { return this.stream.poll_leftover(cx) };
        if future.poll(cx).is_ready() {
            this.future.set(None);
            this.stream.leave_tail();
            return this.stream.poll_leftover(cx);
        }
        if this.stream.client_stalls() {
            // Dropping the future resets the stream.
            this.shared.counts.http2_stalled.add_shared(1);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// The answer on its way.
pub struct Answer<F> {
    future: F,
    stream: Rc<Connection>,
    head: bool,
    tunnel: Option<(OnUpgrade, Next)>,
}

impl<F> Answer<F> {
    /// The answer that `future` gives, to HEAD or not; to CONNECT with the `tunnel` that a success opens.
    pub fn new(future: F, stream: Rc<Connection>, head: bool, tunnel: Option<(OnUpgrade, Next)>) -> Self {
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
        if let Some((tunnel, next)) = this.tunnel.take() {
            connect::answered(&this.stream, tunnel, &next, answer.status_mut());
        }
        date::put(answer.headers_mut());
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
