//! The PROXY header, read from bytes that come in any pieces: exactly the header is taken, and nothing behind it.

use postern::net::proxy::{Source, read, v1, v2};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that come one at a time, or as many as are asked for.
struct Bytes<'b> {
    rest: &'b [u8],
    piece: usize,
}

impl AsyncRead for Bytes<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let (now, rest) = self.rest.split_at(self.rest.len().min(self.piece).min(buf.remaining()));
        buf.put_slice(now);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// Reads a connection's beginning; the source and the header, where there is one. However it comes, the reading is the same.
pub fn check(stream: &[u8]) -> Option<(Source, &[u8])> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let read = |piece| {
        let mut bytes = Bytes { rest: stream, piece };
        let source = runtime.block_on(read(&mut bytes)).ok()?;
        Some((source, &stream[..stream.len() - bytes.rest.len()]))
    };
    let found = read(usize::MAX);
    assert_eq!(found, read(1), "one at a time");
    let (source, header) = found?;
    assert!(header.len() <= 16 + 2048, "{} bytes are no header", header.len());
    let again = if header.starts_with(b"PROXY ") { v1(header) } else { v2(header) };
    assert_eq!(again, Ok(source), "the header alone");
    Some((source, header))
}
