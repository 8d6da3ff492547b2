//! A stream that has become a WebSocket (RFC 8441): bytes both ways.

use super::session::StreamPermit;
use ::h2::{RecvStream, SendStream};
use bytes::{Buf, Bytes};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// It has its place on the connection for as long as it is open. Dropping it resets the stream where that has not ended.
pub struct Tunnel {
    incoming: RecvStream,
    outgoing: SendStream<Bytes>,
    /// Came, and was not read yet.
    unread: Bytes,
    /// Our end was said.
    ended: bool,
    _permit: StreamPermit,
}

impl Tunnel {
    pub(super) const fn new(incoming: RecvStream, outgoing: SendStream<Bytes>, permit: StreamPermit) -> Self {
        Self { incoming, outgoing, unread: Bytes::new(), ended: false, _permit: permit }
    }
}

/// RFC 8441, 5: a stream that is reset is what a connection is over HTTP/1.1.
fn reset(error: ::h2::Error) -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, error)
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match ready!(this.incoming.poll_data(cx)) {
                Some(Ok(piece)) => this.unread = piece,
                Some(Err(error)) => return Poll::Ready(Err(reset(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = this.unread.len().min(into.remaining());
        into.put_slice(this.unread.get(..count).unwrap_or_default());
        this.unread.advance(count);
        // The upstream may send as much again. The stream may have ended meanwhile; then there is nothing to open.
        let _ = this.incoming.flow_control().release_capacity(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.outgoing.reserve_capacity(bytes.len());
        while this.outgoing.capacity() == 0 {
            match ready!(this.outgoing.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(reset(error))),
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            }
        }
        let count = this.outgoing.capacity().min(bytes.len());
        let piece = Bytes::copy_from_slice(bytes.get(..count).unwrap_or_default());
        this.outgoing.send_data(piece, false).map_err(reset)?;
        // What was not given is not held back from other streams.
        this.outgoing.reserve_capacity(0);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes what it was given.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.ended, true) {
            this.outgoing.send_data(Bytes::new(), true).map_err(reset)?;
        }
        Poll::Ready(Ok(()))
    }
}
