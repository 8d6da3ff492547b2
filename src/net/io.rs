//! The socket as hyper sees it: every byte has passed the framing scanner, and every wait has a deadline.
//!
//! A head that the scanner refuses never reaches the parser. In its place hyper reads `REFUSED_HEAD`, and
//! [`Connection::begin`] tells the service which request of the connection that is and why; so refusals are answered in
//! order behind pipelined requests, by the same code, and are logged and counted like any other.

use super::connection::Connection;
use super::deadline::{Pace, Phase};
use super::framing::{Limits, Position, Scanner, Stop, Violation};
use super::http2::meter::PREFACE;
use super::stream::Stream;
use hyper::rt::ReadBufCursor;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What hyper reads instead of a head that was refused. The service never looks at it.
const REFUSED_HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// How much a refused client may still send before it is cut off.
const LINGER_BYTES: usize = 256 * 1024;

/// Shared by a worker's connections: bytes are read, looked at and handed over within one call.
pub type Scratch = Rc<RefCell<Box<[u8]>>>;

/// A client's socket below the parser.
pub struct StrictIo {
    stream: Stream,
    connection: Rc<Connection>,
    scanner: Scanner,
    scratch: Scratch,
    /// Bytes that hyper could not be given yet: `held[offset..ready]` are accepted, `held[ready..]` are an incomplete head.
    held: Vec<u8>,
    offset: usize,
    ready: usize,
    /// What was read behind the last message, and belongs to none: for whoever the connection switches to.
    behind: Vec<u8>,
    /// Nothing more is read: refused, or the client has ended.
    ended: bool,
    body_pace: Pace,
    write_pace: Pace,
    lingered: usize,
}

impl StrictIo {
    #[must_use]
    pub fn new(stream: Stream, connection: Rc<Connection>, limits: Limits, scratch: Scratch) -> Self {
        let pace = || Pace::new(connection.timeouts.stall, connection.timeouts.rate);
        let (body_pace, write_pace) = (pace(), pace());
        Self {
            stream,
            connection,
            scanner: Scanner::new(limits),
            scratch,
            held: Vec::new(),
            offset: 0,
            ready: 0,
            behind: Vec::new(),
            ended: false,
            body_pace,
            write_pace,
            lingered: 0,
        }
    }

    #[must_use]
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// The socket, and what was read of the preface of HTTP/2.
    #[must_use]
    pub fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.held)
    }

    /// The socket, and what was read from it behind the last message, of which hyper has `given`: as the client sent it. It need be no
    /// HTTP, so a stand-in for it may be there already.
    #[must_use]
    pub fn into_rest(self, given: &[u8]) -> (Stream, Vec<u8>) {
        let held = self.held.get(self.offset..).unwrap_or_default();
        let mut rest = [given, held].concat();
        if self.connection.has_refused() {
            rest.truncate(rest.len().saturating_sub(REFUSED_HEAD.len()));
        }
        rest.extend_from_slice(&self.behind);
        (self.stream, rest)
    }

    /// Whether nothing was read that hyper was not given, and the next byte begins a message.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.held.is_empty() && !self.ended && self.scanner.position() == Position::BetweenMessages
    }

    /// Waits for the next message, without hyper and its buffers; what comes is held for them.
    pub fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
            Poll::Pending => return self.keep_waiting(),
            Poll::Ready(read) => read?,
        }
        self.body_pace.reset(&self.connection.deadlines, Phase::Body);
        self.ended = buf.filled().is_empty();
        self.held.extend_from_slice(buf.filled());
        Poll::Ready(if self.ended { Ok(()) } else { self.rescan() })
    }

    /// Gives accepted bytes that are held back.
    fn deliver(&mut self, into: &mut ReadBufCursor<'_>) -> bool {
        let end = self.ready.min(self.offset.saturating_add(into.remaining()));
        let Some(bytes) = self.held.get(self.offset..end).filter(|bytes| !bytes.is_empty()) else { return false };
        into.put_slice(bytes);
        self.offset = end;
        if self.offset == self.ready {
            self.held.drain(..self.ready);
            (self.offset, self.ready) = (0, 0);
            if self.held.is_empty() {
                // An idle connection owns no buffer here.
                self.held = Vec::new();
            }
        }
        true
    }

    /// Whether these, the first bytes of the connection, are the preface of HTTP/2 as far as they go, and it may be spoken.
    fn is_preface(&self, bytes: &[u8]) -> bool {
        let whole = PREFACE.starts_with(bytes) || bytes.starts_with(PREFACE);
        whole && self.scanner.heads() == 0 && self.connection.secured.is_none()
    }

    /// Takes note of where a scan stopped; `http2` where that is a preface.
    fn stopped(&mut self, stop: Stop, http2: bool) -> io::Result<()> {
        match stop {
            Stop::None => {
                if self.scanner.position() == Position::BetweenMessages {
                    self.connection.deadlines.disarm(Phase::Head);
                }
            }
            Stop::Incomplete => {
                let head = self.scanner.position() == Position::BetweenMessages;
                if head && !self.connection.deadlines.armed(Phase::Head) {
                    self.connection.deadlines.arm(Phase::Head, self.connection.timeouts.head);
                }
            }
            Stop::Ended => {
                // Whatever follows the last message belongs to none.
                self.ended = true;
                self.behind = self.held.split_off(self.ready);
            }
            // With prior knowledge (RFC 9113, 3.3); over TLS the handshake says so, and nothing else does.
            Stop::Refused(Violation::Http2Preface) if http2 => {
                self.connection.begin_http2();
                self.connection.deadlines.disarm(Phase::Head);
            }
            Stop::Refused(violation) => {
                self.ended = true;
                self.connection.deadlines.disarm(Phase::Head);
                if self.scanner.position() == Position::InBody {
                    self.connection.break_body(violation);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, violation));
                }
                self.connection.refuse(self.scanner.heads() + 1, violation);
                self.behind = self.held.split_off(self.ready);
                self.held.extend_from_slice(REFUSED_HEAD);
                self.ready = self.held.len();
            }
        }
        Ok(())
    }

    /// Scans `held` again after more bytes were added to it.
    fn rescan(&mut self) -> io::Result<()> {
        let pending = self.held.get(self.ready..).unwrap_or_default();
        let scan = self.scanner.scan(pending);
        self.ready += scan.accepted;
        let http2 = self.is_preface(self.held.get(self.ready..).unwrap_or_default());
        self.stopped(scan.stop, http2)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        loop {
            if self.deliver(into) || self.ended || into.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.connection.speaks_http2() {
                // The connection's task takes it from here.
                return Poll::Pending;
            }
            let room = scratch.len().min(into.remaining());
            let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Pending => return self.keep_waiting(),
                Poll::Ready(read) => read?,
            }
            let bytes = buf.filled();
            if bytes.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            match self.scanner.position() {
                Position::InBody => self.body_pace.moved(bytes.len(), &self.connection.deadlines, Phase::Body),
                Position::BetweenMessages => self.body_pace.reset(&self.connection.deadlines, Phase::Body),
            }
            if self.held.is_empty() {
                // The common case: what was read is handed over in place.
                let scan = self.scanner.scan(bytes);
                let (accepted, rest) = bytes.split_at_checked(scan.accepted).unwrap_or((bytes, &[]));
                into.put_slice(accepted);
                let http2 = matches!(scan.stop, Stop::Refused(Violation::Http2Preface)) && self.is_preface(rest);
                if !rest.is_empty() {
                    self.held.extend_from_slice(rest);
                }
                let stopped = self.stopped(scan.stop, http2);
                if !accepted.is_empty() {
                    // A broken body is reported at the next read: what came before it was good.
                    return Poll::Ready(Ok(()));
                }
                stopped?;
            } else {
                self.held.extend_from_slice(bytes);
                self.rescan()?;
            }
        }
    }

    /// Nothing to read now: waits until the deadline of whatever the connection is in.
    fn keep_waiting(&mut self) -> Poll<io::Result<()>> {
        let deadlines = &self.connection.deadlines;
        let late = match self.scanner.position() {
            Position::InBody => {
                self.body_pace.waiting(deadlines, Phase::Body);
                deadlines.expired(Phase::Body)
            }
            Position::BetweenMessages if !self.held.is_empty() => deadlines.expired(Phase::Head),
            Position::BetweenMessages => !self.connection.is_busy() && deadlines.expired(Phase::Idle),
        };
        if late { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }

    /// Writes interim answers, where they may stand.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.interim.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let connection = Rc::clone(&self.connection);
        connection.interim.poll_write(cx, |cx, bytes| {
            let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
            self.wrote(written)
        })
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let deadlines = &self.connection.deadlines;
        let written = self.write_pace.note(written, deadlines, Phase::Write);
        if matches!(written, Poll::Ready(Ok(_))) && deadlines.armed(Phase::Idle) {
            // The tail of an answer whose body has already been handed over: not idle yet.
            deadlines.arm(Phase::Idle, self.connection.timeouts.idle);
        }
        written
    }
}

impl hyper::rt::Read for StrictIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(violation) = this.connection.broken_body() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)));
        }
        this.poll_fill(cx, &mut into)
    }
}

impl hyper::rt::Write for StrictIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        this.connection.interim.begin_message();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.interim.is_between();
        ready!(this.poll_interim(cx))?;
        // Only TLS holds anything back.
        if matches!(this.stream, Stream::Tls(_)) {
            let flushed = Pin::new(&mut this.stream).poll_flush(cx).map_ok(|()| 0);
            ready!(this.wrote(flushed))?;
        }
        this.connection.wrote_all(cx);
        Poll::Ready(Ok(()))
    }

    /// Ends our side; a client that may still be sending is listened to for a while, since closing a socket with unread
    /// bytes resets the connection and can take the answer with it (RFC 9112, section 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let deadlines = &this.connection.deadlines;
        if this.lingered == 0 {
            // TLS has something to say first, for which a client that does not read leaves no room.
            if !deadlines.armed(Phase::Linger) {
                deadlines.arm(Phase::Linger, this.connection.timeouts.linger);
            }
            match Pin::new(&mut this.stream).poll_shutdown(cx) {
                Poll::Ready(done) => done?,
                Poll::Pending if deadlines.expired(Phase::Linger) => {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
            let unread = this.scanner.position() == Position::InBody
                || this.connection.has_refused()
                || this.connection.broken_body().is_some();
            if !unread {
                return Poll::Ready(Ok(()));
            }
            deadlines.arm(Phase::Linger, this.connection.timeouts.linger);
        }
        let scratch = Rc::clone(&this.scratch);
        let mut scratch = scratch.borrow_mut();
        while this.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => this.lingered += buf.filled().len(),
                Poll::Pending if !this.connection.deadlines.expired(Phase::Linger) => {
                    this.lingered = this.lingered.max(1);
                    return Poll::Pending;
                }
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        this.connection.interim.begin_message();
        let written = poll_write_pieces(&mut this.stream, &this.scratch, cx, bufs);
        this.wrote(written)
    }
}

/// Writes pieces as one, in the cheapest way.
#[inline]
pub(super) fn poll_write_pieces(
    stream: &mut Stream,
    scratch: &RefCell<Box<[u8]>>,
    cx: &mut Context<'_>,
    bufs: &[io::IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let Some(bytes) = in_one_place(bufs) {
        return Pin::new(stream).poll_write(cx, bytes);
    }
    let mut scratch = scratch.borrow_mut();
    match gather(bufs, &mut scratch) {
        Some(together) => Pin::new(stream).poll_write(cx, together),
        None => Pin::new(stream).poll_write_vectored(cx, bufs),
    }
}

/// The bytes of a vectored write whose bytes are all in one place.
fn in_one_place<'a>(bufs: &'a [io::IoSlice<'_>]) -> Option<&'a [u8]> {
    let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
    let first = filled.next().map_or(&[] as &[u8], |buf| buf);
    filled.next().is_none().then_some(first)
}

/// Up to so many bytes are copied together before they are written.
const SMALL: usize = 8 * 1024;

/// Copies the head and body of an ordinary answer together, which costs less than gathering them in the kernel.
fn gather<'s>(bufs: &[io::IoSlice<'_>], scratch: &'s mut [u8]) -> Option<&'s [u8]> {
    let size: usize = bufs.iter().map(|buf| buf.len()).sum();
    let mut room = scratch.get_mut(..size).filter(|_| size <= SMALL)?;
    for buf in bufs {
        let (here, rest) = std::mem::take(&mut room).split_at_mut_checked(buf.len())?;
        here.copy_from_slice(buf);
        room = rest;
    }
    scratch.get(..size)
}
