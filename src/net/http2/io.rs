//! The socket of an HTTP/2 connection as hyper sees it: every frame is counted, and every wait has a deadline.
//!
//! What hyper writes is gathered until its connection has nothing more to say for now, and sent then ([`Socket::poll_send`]): answers that
//! are ready at the same time leave in one write, where hyper would make one of each.

use super::data_coalescer::DataCoalescer;
use super::meter::{Meter, PREFACE};
use crate::net::connection::Connection;
use crate::net::counts::Counts;
use crate::net::deadline::{Pace, Phase};
use crate::net::io::{Scratch, poll_write_pieces};
use crate::net::stream::Stream;
use hyper::rt::ReadBufCursor;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113, 6.8 and 7), said when there is nothing more to say.
const CALM_DOWN: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];

/// Bytes that are gathered before they are sent; what is larger is not copied.
const GATHERED: usize = 16 * 1024;

/// A client's socket, below hyper's HTTP/2 and beside it.
pub struct Socket {
    stream: Stream,
    connection: Rc<Connection>,
    meter: Meter,
    /// What the client owed when it was last heard.
    owed: Option<u64>,
    coalescer: DataCoalescer,
    counts: Arc<Counts>,
    /// Shared by the worker's connections: bytes are read, counted and handed over within one call.
    scratch: Scratch,
    /// Bytes that were read before it was known that this is HTTP/2.
    held: Vec<u8>,
    /// `gathered[sent..]` is still to be sent.
    gathered: Vec<u8>,
    sent: usize,
    unflushed: bool,
    /// Why nothing can be sent any more; hyper is told when it writes again.
    failed: Option<io::ErrorKind>,
    write_pace: Pace,
}

impl Socket {
    /// Wraps a socket whose first bytes are `held`.
    #[must_use]
    pub fn new(
        stream: Stream,
        connection: Rc<Connection>,
        held: Vec<u8>,
        scratch: Scratch,
        resets: u32,
        counts: Arc<Counts>,
    ) -> Self {
        let write_pace = Pace::new(connection.timeouts.stall, connection.timeouts.rate);
        let (meter, coalescer) = (Meter::new(resets, connection.deadlines.now()), DataCoalescer::new(PREFACE.len()));
        let (gathered, sent, unflushed, failed) = (Vec::new(), 0, false, None);
        Self {
            stream,
            connection,
            meter,
            owed: None,
            coalescer,
            counts,
            scratch,
            held,
            gathered,
            sent,
            unflushed,
            failed,
            write_pace,
        }
    }

    #[must_use]
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Counts the frames in bytes that were read; a flood ends the connection.
    fn count(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let deadlines = &self.connection.deadlines;
        if self.meter.read(bytes, deadlines.now()).is_err() {
            self.counts.http2_floods.add_shared(1);
            tracing::debug!(peer = %self.connection.peer, "a flood of HTTP/2 frames");
            // As far as the socket takes it; whoever floods does not read.
            self.gathered.extend_from_slice(CALM_DOWN);
            let _ = self.poll_send_all(cx);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a flood of HTTP/2 frames"));
        }
        let owed = self.meter.owed();
        if owed != self.owed {
            match owed {
                Some(_) => deadlines.arm(Phase::Head, self.connection.timeouts.head),
                None => deadlines.disarm(Phase::Head),
            }
            self.owed = owed;
        }
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            let count = self.held.len().min(into.remaining());
            let rest = self.held.split_off(count);
            let mut now = std::mem::replace(&mut self.held, rest);
            self.count(cx, &now)?;
            let left = self.coalescer.coalesce(&mut now);
            into.put_slice(now.get(..left).unwrap_or_default());
            if left > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let room = scratch.len().min(into.remaining());
        loop {
            let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            if Pin::new(&mut self.stream).poll_read(cx, &mut buf)?.is_pending() {
                let late = self.connection.deadlines.expired(Phase::Head);
                return if late { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
            }
            self.count(cx, buf.filled())?;
            let is_end = buf.filled().is_empty();
            let left = self.coalescer.coalesce(buf.filled_mut());
            into.put_slice(buf.filled().get(..left).unwrap_or_default());
            // What came may have been nothing but empty frames.
            if is_end || left > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let written = self.write_pace.note(written, &self.connection.deadlines, Phase::Write);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.meter.moved(*bytes);
        }
        written
    }

    /// Takes what hyper writes: to be sent later, or at once where it is much.
    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let size = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if self.gathered.len().saturating_add(size) > GATHERED {
            ready!(self.poll_send_all(cx))?;
        }
        if size > GATHERED {
            let written = poll_write_pieces(&mut self.stream, &self.scratch, cx, bufs);
            self.unflushed = true;
            return self.wrote(written);
        }
        for buf in bufs {
            self.gathered.extend_from_slice(buf);
        }
        Poll::Ready(Ok(size))
    }

    /// Sends what was gathered; ready when all of it is with the system.
    fn poll_send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failed {
            return Poll::Ready(Err(kind.into()));
        }
        while let Some(rest) = self.gathered.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let written = Pin::new(&mut self.stream).poll_write(cx, rest);
            let count = ready!(self.wrote(written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            self.unflushed = true;
        }
        self.gathered.clear();
        self.sent = 0;
        if self.unflushed {
            let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
            ready!(self.wrote(flushed))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what was gathered, as far as the socket takes it; to be called when hyper has nothing more to say for now.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) {
        if self.failed.is_none()
            && let Poll::Ready(Err(error)) = self.poll_send_all(cx)
        {
            self.failed = Some(error.kind());
            // hyper finds it when it flushes.
            cx.waker().wake_by_ref();
        }
    }
}

/// The socket as hyper holds it.
pub struct FrameIo(pub Rc<RefCell<Socket>>);

impl hyper::rt::Read for FrameIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, &mut into)
    }
}

impl hyper::rt::Write for FrameIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[io::IoSlice::new(bytes)])
    }

    /// What is written waits for [`Socket::poll_send`], however often hyper flushes.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.borrow().failed.map_or(Ok(()), |kind| Err(kind.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.borrow_mut();
        ready!(socket.poll_send_all(cx))?;
        Pin::new(&mut socket.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, bufs)
    }
}
