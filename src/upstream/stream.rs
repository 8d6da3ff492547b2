//! A connection to an upstream: its socket, and what that takes of the process.

use crate::net::descriptors::Descriptor;
use crate::net::stream::Stream as Socket;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connected socket, and the descriptor that it takes of those that the process has.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    /// `None` for a probe's, of which there are few.
    _descriptor: Option<Descriptor>,
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self { socket, _descriptor: None }
    }
}

impl Stream {
    #[must_use]
    pub fn with(self, descriptor: Descriptor) -> Self {
        Self { _descriptor: Some(descriptor), ..self }
    }

    /// Whether the TLS handshake has agreed on HTTP/2.
    #[must_use]
    pub fn agreed_on_http2(&self) -> bool {
        matches!(&self.socket, Socket::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// Whether an idle connection may serve: nothing is to be read from it, neither its end nor bytes that nobody asked for.
    ///
    /// Costs no system call unless something has happened to the socket.
    pub fn is_quiet(&mut self) -> bool {
        let would_block = |read: io::Result<usize>| matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock);
        match &mut self.socket {
            Socket::Tcp(tcp) => would_block(tcp.try_read(&mut [0])),
            Socket::Unix(unix) => would_block(unix.try_read(&mut [0])),
            Socket::Tls(tls) => {
                // Within TLS there may be records to read that are no answer's, such as session tickets; so TLS reads them.
                // Whoever uses the connection next leaves a waker of its own.
                let (mut byte, mut cx) = ([0], Context::from_waker(Waker::noop()));
                Pin::new(tls).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
