//! A connection to an upstream, and the bytes read from it that nobody has taken yet.
//!
//! An idle connection owns no buffer. Heads and small bodies are read into the worker's scratch and copied out in one piece
//! of their exact size; large bodies are read in large pieces, into memory that is used again once they are passed on.

use super::answer::{self, Interim, Reading};
use super::cgi;
use super::known::Known;
use crate::upstream::fault::Fault;
use crate::upstream::stream::Stream;
use bytes::{BufMut, Bytes, BytesMut};
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

/// Bytes of the memory that a worker reads to.
const SCRATCH: usize = 32 * 1024;

/// From so many bytes that are still to come, they are read in place.
const LARGE: u64 = 16 * 1024;

/// One read of a large body, at most.
const PIECE: usize = 256 * 1024;

/// What connections to one upstream share. Clones are the same.
#[derive(Clone)]
pub struct Memory {
    /// Shared by all connections of a worker: bytes are read and copied out within one call.
    scratch: Rc<RefCell<Box<[u8]>>>,
    /// What the upstream's answers have in common.
    known: Rc<RefCell<Known>>,
}

impl Default for Memory {
    fn default() -> Self {
        let scratch = Rc::new(RefCell::new(vec![0; SCRATCH].into_boxed_slice()));
        Self { scratch, known: Rc::default() }
    }
}

impl Memory {
    /// For another upstream of the same worker.
    #[must_use]
    pub fn of_another(&self) -> Self {
        Self { scratch: Rc::clone(&self.scratch), known: Rc::default() }
    }
}

pub struct Connection<S = Stream> {
    socket: Socket<S>,
    pub(super) unread: Bytes,
    /// Where large bodies are read to.
    large: BytesMut,
    memory: Memory,
}

enum Socket<S> {
    Whole(S),
    /// The request's body is still being written by a task of its own.
    Half(ReadHalf<S>),
    /// Only while it is being halved.
    None,
}

impl<S> Connection<S> {
    /// A connection on a socket that is connected.
    pub fn new(stream: S, memory: &Memory) -> Box<Self> {
        let (unread, large) = (Bytes::new(), BytesMut::new());
        Box::new(Self { socket: Socket::Whole(stream), unread, large, memory: memory.clone() })
    }
}

impl Connection<Stream> {
    /// Whether it may serve once more: it is open, and nothing came on it that nobody asked for.
    pub fn is_quiet(&mut self) -> bool {
        match &mut self.socket {
            Socket::Whole(stream) => self.unread.is_empty() && stream.is_quiet(),
            Socket::Half(_) | Socket::None => false,
        }
    }
}

impl<S> Connection<S> {
    /// The socket, where it is still whole.
    pub(super) fn into_socket(self) -> Option<S> {
        match self.socket {
            Socket::Whole(socket) => Some(socket),
            Socket::Half(_) | Socket::None => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Lets go of what an idle connection does not need.
    pub(super) fn rest(&mut self) {
        self.unread = Bytes::new();
        self.large = BytesMut::new();
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.socket {
            Socket::Whole(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Half(_) | Socket::None => Poll::Ready(Err(std::io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.socket {
            Socket::Whole(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Half(_) | Socket::None => Poll::Ready(Ok(())),
        }
    }

    /// Gives the writing side away; the connection can only be read from then on, and never serves again.
    pub(super) fn take_writer(&mut self) -> Option<WriteHalf<S>> {
        match std::mem::replace(&mut self.socket, Socket::None) {
            Socket::Whole(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                self.socket = Socket::Half(reader);
                Some(writer)
            }
            other => {
                self.socket = other;
                None
            }
        }
    }

    /// Reads more, behind what is unread; `Ok(false)` at the end of the stream. `expected`: so many bytes are known to come.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>, expected: u64) -> Poll<std::io::Result<bool>> {
        let Self { socket, unread, large, memory } = self;
        let in_place = unread.is_empty() && expected >= LARGE;
        match socket {
            Socket::Whole(stream) if in_place => read_large(stream, cx, expected, large, unread),
            Socket::Half(stream) if in_place => read_large(stream, cx, expected, large, unread),
            Socket::Whole(stream) => read_small(stream, cx, &memory.scratch, unread),
            Socket::Half(stream) => read_small(stream, cx, &memory.scratch, unread),
            Socket::None => Poll::Ready(Ok(false)),
        }
    }

    /// Reads the next head, which is not an interim one.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        reading: &Reading,
        interim: &mut Interim,
    ) -> Poll<Result<answer::Parsed, Fault>> {
        loop {
            while !self.unread.is_empty() {
                let Some(parsed) = cgi::parse(&self.unread, reading, &mut self.memory.known.borrow_mut())? else {
                    break;
                };
                let _ = self.unread.split_to(parsed.size.min(self.unread.len()));
                if !parsed.is_interim() {
                    return Poll::Ready(Ok(parsed));
                }
                interim.take(parsed)?;
            }
            if !ready!(self.poll_more(cx, 0))? {
                return Poll::Ready(Err(Fault::Cut));
            }
        }
    }
}

/// Reads into the scratch, and copies out exactly what came.
fn read_small<R: AsyncRead + Unpin>(
    stream: &mut R,
    cx: &mut Context<'_>,
    scratch: &RefCell<Box<[u8]>>,
    unread: &mut Bytes,
) -> Poll<std::io::Result<bool>> {
    let mut scratch = scratch.borrow_mut();
    let mut buf = ReadBuf::new(&mut scratch);
    ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
    let came = buf.filled();
    if unread.is_empty() {
        *unread = Bytes::copy_from_slice(came);
    } else {
        // The rest of a line that was not complete: rare, and short.
        let mut both = Vec::with_capacity(unread.len() + came.len());
        both.extend_from_slice(unread);
        both.extend_from_slice(came);
        *unread = both.into();
    }
    Poll::Ready(Ok(!came.is_empty()))
}

/// Reads a large piece, no further than what is expected.
fn read_large<R: AsyncRead + Unpin>(
    stream: &mut R,
    cx: &mut Context<'_>,
    expected: u64,
    large: &mut BytesMut,
    unread: &mut Bytes,
) -> Poll<std::io::Result<bool>> {
    let piece = usize::try_from(expected).unwrap_or(PIECE).min(PIECE);
    if large.capacity() < piece.min(PIECE / 8) {
        // Takes the same memory again when all that was read to it has been passed on.
        large.reserve(piece);
    }
    let mut into = (&mut *large).limit(piece);
    let read = ready!(pin!(stream.read_buf(&mut into)).poll(cx))?;
    *unread = large.split().freeze();
    Poll::Ready(Ok(read > 0))
}
