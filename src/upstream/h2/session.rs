//! One connection that speaks HTTP/2, and how many streams are on it.
//!
//! Whether it is alive is asked only where there is a reason: a request that waited in vain makes it suspect, then it takes no
//! more streams and gets one PING. Regular ones are what gRPC servers take for abuse. The first WebSocket on a connection asks for one
//! too: what its settings say is known when the PONG is there.

use super::{STREAMS, builder};
use crate::net::http2::data_coalescer::CoalescedStream;
use crate::upstream::fault::Fault;
use crate::upstream::stream::Stream;
use ::h2::client::{Connection, ResponseFuture, SendRequest};
use ::h2::{Ping, PingPong, SendStream};
use bytes::Bytes;
use http::Request;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// How long a connection in doubt has for its PONG.
const PONG: Duration = Duration::from_secs(5);

/// A connection. It is closed when nobody holds it and its streams have ended.
pub struct Session {
    send: SendRequest<Bytes>,
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    active: Cell<usize>,
    served: Cell<u64>,
    /// It takes no more streams.
    retired: Cell<bool>,
    /// A stream was in vain, and no PONG has come since.
    suspect: Cell<bool>,
    /// What its settings say is asked for.
    asked: Cell<bool>,
    /// A PONG has come, and its settings have before (RFC 9113, 3.4); or it has ended.
    settled: Cell<bool>,
    /// Wakes those who wait for that.
    settling: Notify,
    /// The task that drives it.
    driver: RefCell<Option<Waker>>,
}

impl Session {
    /// Begins to speak HTTP/2 on a socket that is connected. Its streams may begin before the upstream has said anything.
    ///
    /// # Errors
    /// The socket takes nothing.
    pub async fn begin(stream: Stream) -> Result<Rc<Self>, Fault> {
        let (send, mut connection) = builder().handshake(CoalescedStream::new(stream)).await?;
        let (pings, state) = (connection.ping_pong(), Rc::<State>::default());
        tokio::task::spawn_local(drive(connection, pings, Rc::clone(&state)));
        Ok(Rc::new(Self { send, state }))
    }

    #[must_use]
    pub fn active(&self) -> usize {
        self.state.active.get()
    }

    /// Whether it will never take another stream.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.state.retired.get()
    }

    /// One more stream, where there is room.
    #[must_use]
    pub fn permit(self: &Rc<Self>) -> Option<StreamPermit> {
        if self.state.retired.get() || self.state.suspect.get() {
            return None;
        }
        // An upstream that wants no streams at all gets one that waits, and its client a 504.
        let most = self.send.current_max_send_streams().clamp(1, STREAMS);
        let active = self.state.active.get();
        (active < most).then(|| {
            self.state.active.set(active + 1);
            StreamPermit { session: Rc::clone(self), reused: self.state.served.get() > 0 }
        })
    }
}

impl State {
    /// Wakes the task that drives it.
    fn wake(&self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    fn settle(&self) {
        self.settled.set(true);
        self.settling.notify_waiters();
    }
}

/// Permission to have a stream on a connection; dropping it gives it back.
pub struct StreamPermit {
    session: Rc<Session>,
    reused: bool,
}

impl StreamPermit {
    pub(super) fn open(
        &mut self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), ::h2::Error> {
        let state = &self.session.state;
        state.served.set(state.served.get() + 1);
        // Only of a clone are we sure that it has no stream that waits to be opened.
        self.session.send.clone().send_request(request, ends).inspect_err(|_| state.retired.set(true))
    }

    /// Whether the connection had other streams before.
    pub(super) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether the upstream has said that its streams may become WebSockets (`SETTINGS_ENABLE_CONNECT_PROTOCOL`, RFC 8441, 3); `None`
    /// while its settings may still be on their way.
    #[must_use]
    pub fn takes_websockets(&self) -> Option<bool> {
        let Session { send, state } = &*self.session;
        if send.is_extended_connect_protocol_enabled() { Some(true) } else { state.settled.get().then_some(false) }
    }

    /// The same when it is known.
    pub async fn settled(&self) -> bool {
        loop {
            if let Some(takes) = self.takes_websockets() {
                return takes;
            }
            let state = &self.session.state;
            let settling = state.settling.notified();
            state.asked.set(true);
            state.wake();
            settling.await;
        }
    }

    /// It takes no more streams.
    pub(super) fn retire(&self) {
        self.session.state.retired.set(true);
    }

    /// Nothing comes on it: it takes no more streams until the other side has shown that it is there.
    pub(super) fn mark_suspect(&self) {
        let state = &self.session.state;
        state.suspect.set(true);
        state.wake();
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let active = &self.session.state.active;
        active.set(active.get().saturating_sub(1));
    }
}

/// Drives a connection to its end.
async fn drive(connection: Connection<CoalescedStream<Stream>, Bytes>, mut pings: Option<PingPong>, state: Rc<State>) {
    let mut connection = pin!(connection);
    let mut asked: Option<Pin<Box<Sleep>>> = None;
    let ended = poll_fn(|cx| {
        if state.driver.borrow().as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            state.driver.replace(Some(cx.waker().clone()));
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended.map_err(|error| error.to_string()));
        }
        let Some(pings) = pings.as_mut().filter(|_| state.suspect.get() || (state.asked.get() && !state.settled.get()))
        else {
            return Poll::Pending;
        };
        match poll_pong(pings, &mut asked, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(true) => {
                asked = None;
                state.suspect.set(false);
                state.settle();
                Poll::Pending
            }
            Poll::Ready(false) => Poll::Ready(Err("a PING was not answered".to_owned())),
        }
    })
    .await;
    state.retired.set(true);
    state.settle();
    if let Err(error) = ended {
        tracing::debug!(error, "an HTTP/2 connection to an upstream ended");
    }
}

/// Asks once, and waits for the answer; whether it came in time.
fn poll_pong(pings: &mut PingPong, asked: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<bool> {
    if asked.is_none() {
        if pings.send_ping(Ping::opaque()).is_err() {
            return Poll::Ready(false);
        }
        *asked = Some(Box::pin(tokio::time::sleep(PONG)));
        // The PING is written at the next turn.
        cx.waker().wake_by_ref();
    }
    if let Poll::Ready(pong) = pings.poll_pong(cx) {
        return Poll::Ready(pong.is_ok());
    }
    match asked {
        Some(patience) => patience.as_mut().poll(cx).map(|()| false),
        None => Poll::Pending,
    }
}
