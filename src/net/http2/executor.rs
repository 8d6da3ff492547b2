//! The tasks of an HTTP/2 connection's streams, each with deadlines of its own.
//!
//! hyper makes a future of each stream and hands it to its executor, right after it has called the service for it: so that knows whose
//! future it is, and wakes it when one of the stream's deadlines is due.

use crate::net::connection::Connection;
use crate::net::counts::Counts;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the last words of a WebSocket may take that is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The executor of one connection's streams.
#[derive(Clone)]
pub struct StreamExecutor(Rc<Shared>);

struct Shared {
    stream: RefCell<Option<Rc<Connection>>>,
    /// Told when the WebSocket ends that a stream is about to become.
    tunnel: RefCell<Option<Rc<Notify>>>,
    counts: Arc<Counts>,
}

impl StreamExecutor {
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

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for StreamExecutor {
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
        let Some(future) = this.future.as_mut().as_pin_mut() else { return this.stream.poll_unread_body(cx) };
        if future.poll(cx).is_ready() {
            this.future.set(None);
            this.stream.leave_tail();
            return this.stream.poll_unread_body(cx);
        }
        if this.stream.client_stalls() {
            // Dropping the future resets the stream.
            this.shared.counts.http2_stalled.add_shared(1);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
