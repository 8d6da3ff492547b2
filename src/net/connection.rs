//! What the service and the socket know of one client connection, or of one stream of HTTP/2.
//!
//! The socket ([`StrictIo`](super::io::StrictIo), or the frames of HTTP/2) notes here what it sees, the service what it does; each waits by the
//! deadlines that both set.

use super::deadline::{Deadlines, Pace, Phase, Rate, Ticks};
use super::framing::Violation;
use super::interim::Interim;
use super::stream::Duplex;
use super::tls::Secured;
use super::unread_body::{Discarded, MOST, UnreadBody};
use http_body::Body;
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// Time limits of one client connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub idle: Ticks,
    /// From a head's first byte to its last.
    pub head: Ticks,
    /// What a client may stall while sending a body or taking an answer, before it must keep the least rate.
    pub stall: Ticks,
    pub rate: Rate,
    /// How long a refused client's remaining bytes are read and thrown away, so that it sees the answer.
    pub linger: Ticks,
}

/// Serves a connection or a stream that no longer speaks HTTP, given its bytes and what was read of them already.
pub type Switch = Box<dyn FnOnce(Box<dyn Duplex>, Vec<u8>) -> Pin<Box<dyn Future<Output = ()>>>>;

/// What the service and the socket know of one connection; or of one stream of HTTP/2, which is to its service what a
/// connection with one request would be.
pub struct Connection {
    pub peer: SocketAddr,
    /// What the TLS handshake said; `None` without TLS.
    pub secured: Option<Rc<Secured>>,
    pub deadlines: Deadlines,
    pub timeouts: Timeouts,
    requests: Cell<u64>,
    /// Requests that are being answered: one at most, but for HTTP/2.
    active: Cell<u32>,
    refused: Cell<Option<(u64, Violation)>>,
    broken_body: Cell<Option<Violation>>,
    /// The client has begun to speak HTTP/2 instead.
    preface: Cell<bool>,
    /// It ends when nothing is active any more.
    closing: Cell<bool>,
    /// What it becomes when the answer that says so is written.
    switch: RefCell<Option<Switch>>,
    /// The rest of a request that was answered without it.
    unread_body: RefCell<Option<Box<UnreadBody>>>,
    /// It would have been too much: there is no next request.
    hangs_up: Cell<bool>,
    /// How far an answer is that breaks off.
    abort: Cell<AbortState>,
    /// Of HTTP/1.1: what is said before the answer.
    pub interim: Interim,
    /// Of HTTP/2: streams whose answers the parser has taken whole, and not yet sent.
    tails: RefCell<Vec<Weak<Self>>>,
    stream: Option<OfStream>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AbortState {
    No,
    /// What came of it is still to be written.
    Waits,
    /// What came of it was written.
    Written,
}

/// What only a stream of HTTP/2 has.
struct OfStream {
    connection: Rc<Connection>,
    body: RefCell<Pace>,
    answer: RefCell<Pace>,
    /// Bytes of the answer's body that were handed to the parser, and that the client's windows have not let out yet.
    unsent: Cell<usize>,
    /// Its task is to be woken when there are none left.
    waits_unsent: Cell<bool>,
}

impl OfStream {
    /// What bytes of one stream count towards the least rate: the streams of a connection share its line, and keep the rate together.
    fn share(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.connection.active.get().max(1) as usize)
    }
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(peer: SocketAddr, secured: Option<Secured>, deadlines: Deadlines, timeouts: Timeouts) -> Self {
        deadlines.arm(Phase::Idle, timeouts.idle);
        deadlines.hibernate_when_idle(timeouts.idle);
        Self::with(peer, secured.map(Rc::new), deadlines, timeouts, None)
    }

    /// A stream of an HTTP/2 connection.
    #[must_use]
    pub fn stream(connection: &Rc<Self>) -> Rc<Self> {
        let pace = || RefCell::new(Pace::new(connection.timeouts.stall, connection.timeouts.rate));
        let of = OfStream {
            connection: Rc::clone(connection),
            body: pace(),
            answer: pace(),
            unsent: Cell::new(0),
            waits_unsent: Cell::new(false),
        };
        let deadlines = connection.deadlines.of_stream();
        Rc::new(Self::with(connection.peer, connection.secured.clone(), deadlines, connection.timeouts, Some(of)))
    }

    fn with(
        peer: SocketAddr,
        secured: Option<Rc<Secured>>,
        deadlines: Deadlines,
        timeouts: Timeouts,
        stream: Option<OfStream>,
    ) -> Self {
        Self {
            peer,
            secured,
            deadlines,
            timeouts,
            requests: Cell::new(0),
            active: Cell::new(0),
            refused: Cell::new(None),
            broken_body: Cell::new(None),
            preface: Cell::new(false),
            closing: Cell::new(false),
            switch: RefCell::default(),
            unread_body: RefCell::default(),
            hangs_up: Cell::new(false),
            abort: Cell::new(AbortState::No),
            interim: Interim::default(),
            tails: RefCell::default(),
            stream,
        }
    }

    /// When the answer that is given now has been written, the connection speaks HTTP no more.
    pub fn switch(&self, to: Switch) {
        self.switch.replace(Some(to));
    }

    pub fn take_switch(&self) -> Option<Switch> {
        self.switch.take()
    }

    /// The request is answered, or will be, without the rest of its body.
    pub fn leave(&self, body: Incoming) {
        if self.stream.is_none() && body.size_hint().lower() > MOST as u64 {
            self.hangs_up.set(true);
            return;
        }
        self.deadlines.arm(Phase::Linger, self.timeouts.linger);
        self.unread_body.replace(Some(Box::new(UnreadBody::new(body))));
    }

    /// Whether a client of HTTP/1.1 should be told that this answer is its last.
    #[must_use]
    pub fn hangs_up(&self) -> bool {
        self.hangs_up.get()
    }

    /// The answer breaks off: ready when what came of it before has left the parser, which would throw it away otherwise. A client that
    /// takes nothing is waited for as for any other answer.
    pub fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        if self.abort.get() == AbortState::Written {
            return Poll::Ready(());
        }
        self.abort.set(AbortState::Waits);
        if self.stream.is_some() {
            // The connection has its turn before the stream has its next one.
            self.wrote_all(cx);
        }
        Poll::Pending
    }

    /// All that the parser had to say was written.
    pub fn wrote_all(&self, cx: &Context<'_>) {
        if self.abort.get() == AbortState::Waits {
            self.abort.set(AbortState::Written);
            cx.waker().wake_by_ref();
        }
    }

    /// Throws away what is there of an unread body; ready where there is none any more.
    pub fn poll_unread_body(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = self.unread_body.borrow_mut();
        let Some(unread_body) = &mut *slot else { return Poll::Ready(()) };
        // Before the answer, reading would ask an expecting client for more.
        if self.active.get() > 0 {
            return Poll::Pending;
        }
        let ended = match unread_body.poll(cx) {
            Poll::Ready(Discarded::Whole) => true,
            // A stream can stay open and unread, and its client take the answer in the meantime.
            Poll::Ready(Discarded::TooMuch) => self.stream.is_none(),
            Poll::Pending => false,
        };
        if !ended && !self.deadlines.expired(Phase::Linger) {
            return Poll::Pending;
        }
        *slot = None;
        self.deadlines.disarm(Phase::Linger);
        Poll::Ready(())
    }

    /// Counts a request that the service was called with; if the scanner refused that one, says why.
    pub fn begin(&self) -> Option<Violation> {
        let ordinal = self.requests.get() + 1;
        self.requests.set(ordinal);
        self.enter();
        self.refused.get().filter(|(refused, _)| *refused == ordinal).map(|(_, violation)| violation)
    }

    fn enter(&self) {
        self.active.set(self.active.get() + 1);
        self.deadlines.disarm(Phase::Idle);
        if self.closing.get() {
            self.deadlines.disarm(Phase::Linger);
        }
        if let Some(stream) = &self.stream {
            stream.connection.enter();
        }
    }

    /// The answer has been handed over whole: the connection may now idle for so long.
    pub fn end(&self) {
        let active = self.active.get().saturating_sub(1);
        self.active.set(active);
        if let Some(stream) = &self.stream {
            stream.connection.end();
            return;
        }
        self.deadlines.disarm(Phase::Upstream);
        if active == 0 {
            if self.closing.get() {
                self.deadlines.arm(Phase::Linger, self.timeouts.linger);
            } else {
                self.deadlines.arm(Phase::Idle, self.timeouts.idle);
            }
        }
    }

    /// It takes no further request; when nothing is active any more it has a moment to say good-bye.
    pub fn close(&self) {
        self.closing.set(true);
        if self.active.get() == 0 {
            self.deadlines.arm(Phase::Linger, self.timeouts.linger);
        }
    }

    /// The client begins to speak HTTP/2 instead of HTTP/1.1.
    pub fn begin_http2(&self) {
        self.preface.set(true);
    }

    /// The client has begun to speak HTTP/2 instead of HTTP/1.1.
    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        self.preface.get()
    }

    /// Whether it is a stream of HTTP/2.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// This request of the connection is refused, which is the only one of a stream.
    pub fn refuse(&self, ordinal: u64, violation: Violation) {
        self.refused.set(Some((ordinal, violation)));
    }

    #[must_use]
    pub const fn has_refused(&self) -> bool {
        self.refused.get().is_some()
    }

    /// Whether a request is being answered.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.active.get() != 0
    }

    /// The framing of the current request's body is at fault.
    pub fn break_body(&self, violation: Violation) {
        self.broken_body.set(Some(violation));
    }

    /// A stream's client keeps us waiting for the request's body; `true` where it has done so for too long. A connection's
    /// socket has a limit of its own.
    #[must_use]
    pub fn body_is_late(&self) -> bool {
        let Some(stream) = &self.stream else { return false };
        stream.body.borrow_mut().waiting(&self.deadlines, Phase::Body);
        self.deadlines.expired(Phase::Body)
    }

    /// So many bytes of the request's body came.
    pub fn body_moved(&self, bytes: usize) {
        if let Some(stream) = &self.stream {
            stream.body.borrow_mut().moved(stream.share(bytes), &self.deadlines, Phase::Body);
        }
    }

    /// So many bytes of the answer's body were handed to the parser: they wait for the client's windows from now on.
    pub fn answer_queued(&self, bytes: usize) {
        if let Some(stream) = &self.stream
            && bytes > 0
        {
            stream.unsent.set(stream.unsent.get().saturating_add(bytes));
            stream.answer.borrow_mut().waiting(&self.deadlines, Phase::Write);
        }
    }

    /// So many of them are on their way.
    pub fn answer_sent(&self, bytes: usize) {
        let Some(stream) = &self.stream else { return };
        let unsent = stream.unsent.get().saturating_sub(bytes);
        stream.unsent.set(unsent);
        let mut pace = stream.answer.borrow_mut();
        pace.moved(stream.share(bytes), &self.deadlines, Phase::Write);
        if unsent > 0 {
            pace.waiting(&self.deadlines, Phase::Write);
        } else if stream.waits_unsent.replace(false) {
            self.deadlines.wake();
        }
    }

    /// Ready when the client has let out all of the answer that was handed over; the stream's task is woken then.
    #[must_use]
    pub fn answer_is_out(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        let is_out = stream.unsent.get() == 0;
        stream.waits_unsent.set(!is_out);
        is_out
    }

    /// Whether the client has sent nothing of the stream's request, or taken nothing of its answer, for too long.
    #[must_use]
    pub fn client_stalls(&self) -> bool {
        self.stream.is_some() && (self.deadlines.expired(Phase::Body) || self.deadlines.expired(Phase::Write))
    }

    /// The stream's task is over. What the parser has taken of its answer and not sent is its connection's to look after.
    pub fn leave_tail(self: &Rc<Self>) {
        if let Some(stream) = &self.stream
            && stream.unsent.get() > 0
        {
            stream.connection.tails.borrow_mut().push(Rc::downgrade(self));
        }
    }

    /// Forgets the answers whose ends were sent; whether the client takes one of the others too slowly. The parser cannot be told to
    /// drop it, so the connection is to end.
    #[must_use]
    pub fn has_late_tail(&self, cx: &Context<'_>) -> bool {
        let mut is_late = false;
        self.tails.borrow_mut().retain(|tail| {
            let Some(tail) = tail.upgrade().filter(|tail| !tail.answer_is_out()) else { return false };
            is_late |= tail.client_stalls();
            tail.deadlines.register(cx.waker());
            true
        });
        is_late
    }

    /// Why the current request's body broke off, where its framing was at fault.
    #[must_use]
    pub fn broken_body(&self) -> Option<Violation> {
        self.broken_body.get()
    }
}
