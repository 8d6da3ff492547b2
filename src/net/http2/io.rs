//! The socket of an HTTP/2 connection as hyper sees it: every frame is counted, and every wait has a deadline.

use super::meter::Meter;
use crate::net::connection::Connection;
use crate::net::counts::Counts;
use crate::net::deadline::{Pace, Phase};
use crate::net::io::{Scratch, poll_write_pieces};
use crate::net::stream::Stream;
use hyper::rt::ReadBufCursor;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113, 6.8 and 7), said when there is nothing more to say.
const CALM_DOWN: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];

/// A client's socket below hyper's HTTP/2.
pub struct FrameIo {
    stream: Stream,
    connection: Rc<Connection>,
    meter: Meter,
    counts: Arc<Counts>,
    /// Shared by the worker's connections: bytes are read, counted and handed over within one call.
    scratch: Scratch,
    /// Bytes that were read before it was known that this is HTTP/2.
    held: Vec<u8>,
    write_pace: Pace,
}

impl FrameIo {
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
        let write_pace = Pace::new(connection.timeouts.stall);
        let meter = Meter::new(resets, connection.deadlines.now());
        Self { stream, connection, meter, counts, scratch, held, write_pace }
    }

    /// The connection that it belongs to.
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
            let _ = Pin::new(&mut self.stream).poll_write(cx, CALM_DOWN);
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a flood of HTTP/2 frames"));
        }
        if !self.meter.owes_head() {
            deadlines.disarm(Phase::Head);
        } else if !deadlines.armed(Phase::Head) {
            deadlines.arm(Phase::Head, self.connection.timeouts.head);
        }
        Ok(())
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let deadlines = &self.connection.deadlines;
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.write_pace.moved(*bytes, deadlines, Phase::Write);
                self.meter.moved(*bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.write_pace.waiting(deadlines, Phase::Write);
                if deadlines.expired(Phase::Write) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        written
    }
}

impl hyper::rt::Read for FrameIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() {
            let count = this.held.len().min(into.remaining());
            let rest = this.held.split_off(count);
            let now = std::mem::replace(&mut this.held, rest);
            this.count(cx, &now)?;
            into.put_slice(&now);
            return Poll::Ready(Ok(()));
        }
        let scratch = Rc::clone(&this.scratch);
        let mut scratch = scratch.borrow_mut();
        let room = scratch.len().min(into.remaining());
        let mut buf = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        if Pin::new(&mut this.stream).poll_read(cx, &mut buf)?.is_pending() {
            let late = this.connection.deadlines.expired(Phase::Head);
            return if late { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
        }
        this.count(cx, buf.filled())?;
        into.put_slice(buf.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for FrameIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx).map_ok(|()| 0);
        ready!(this.wrote(flushed))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = poll_write_pieces(&mut this.stream, &this.scratch, cx, bufs);
        this.wrote(written)
    }
}
