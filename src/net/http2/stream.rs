//! One stream of an HTTP/2 connection: a task with deadlines of its own.
//!
//! hyper makes a future of each stream and hands it to an executor, right after it has called the service for it: so
//! [`Next`] knows whose future that is, and wakes it when one of the stream's deadlines is due. A client that does not take
//! its answer keeps the parser's future waiting for room; since nobody asks the body for more then, it is seen here.

use super::connect;
use crate::net::connection::Connection;
use crate::net::counts::Counts;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The executor of one connection's streams.
#[derive(Clone)]
pub struct Next(Rc<Shared>);

struct Shared {
    stream: RefCell<Option<Rc<Connection>>>,
    counts: Arc<Counts>,
}

impl Next {
    /// For one connection.
    #[must_use]
    pub fn new(counts: Arc<Counts>) -> Self {
        Self(Rc::new(Shared { stream: RefCell::default(), counts }))
    }

    /// The stream whose future is executed next.
    pub fn set(&self, stream: Rc<Connection>) {
        *self.0.stream.borrow_mut() = Some(stream);
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Next {
    fn execute(&self, future: F) {
        let stream = self.0.stream.borrow_mut().take();
        match stream {
            Some(stream) => {
                tokio::task::spawn_local(Task { future: Some(future), stream, shared: Rc::clone(&self.0) });
            }
            None => {
                tokio::task::spawn_local(future);
            }
        }
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
        this.stream.answer_not_asked();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return this.stream.poll_leftover(cx) };
        if future.poll(cx).is_ready() {
            this.future.set(None);
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
    tunnel: Option<OnUpgrade>,
}

impl<F> Answer<F> {
    /// The answer that `future` gives, to HEAD or not; to CONNECT with the `tunnel` that a success opens.
    pub fn new(future: F, stream: Rc<Connection>, head: bool, tunnel: Option<OnUpgrade>) -> Self {
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
        if let Some(tunnel) = this.tunnel.take() {
            connect::answered(&this.stream, tunnel, answer.status_mut());
        }
        let (stream, head) = (Rc::clone(&this.stream), this.head);
        stream.answering();
        Poll::Ready(Ok(answer.map(|inner| StreamBody { inner, stream, head })))
    }
}

/// An answer's body on a stream.
pub struct StreamBody<B> {
    inner: B,
    stream: Rc<Connection>,
    /// The answer to HEAD, which has none.
    head: bool,
}

impl<B: Body<Data = bytes::Bytes> + Unpin> Body for StreamBody<B> {
    type Data = bytes::Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = self.get_mut();
        if this.head {
            return Poll::Ready(None);
        }
        this.stream.answer_asked();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.stream.answer_moved(frame.data_ref().map_or(0, bytes::Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.head || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
