//! An answer's body, to its last byte and no further.

use super::answer::Framing;
use super::{Connection, Fault};
use crate::net::framing::chunk::{At, Sender, Step};
use crate::net::framing::{Limits, Violation};
use crate::upstream::Stream;
use bytes::Bytes;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// What an answer's trailers may hold.
const LIMITS: Limits = Limits { head_bytes: 8 * 1024, headers: 100 };

/// What is known to come of a chunked body, or of one that ends with the connection: as much as makes large reads pay.
const SOME: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Place {
    Length(u64),
    Chunked(At),
    Close,
    End,
    /// Behind an error: what came before it was good, and was passed on.
    Broken(Violation),
}

/// A body that is being read.
pub struct Body<S = Stream> {
    connection: Box<Connection<S>>,
    at: Place,
    /// How far a line that is not complete was searched for its end.
    searched: usize,
    keep: bool,
    /// Lines of the trailer section.
    trailers: Vec<Bytes>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Body<S> {
    /// The body behind a head that was read.
    pub(super) fn new(connection: Box<Connection<S>>, framing: Framing, keep: bool) -> Self {
        let at = match framing {
            Framing::Length(0) => Place::End,
            Framing::Length(left) => Place::Length(left),
            Framing::Chunked => Place::Chunked(At::START),
            Framing::Close => Place::Close,
        };
        Self { connection, at, searched: 0, keep, trailers: Vec::new() }
    }

    /// Whether it has been read to its end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.at, Place::End)
    }

    /// How much is left, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.at {
            Place::Length(left) => Some(left),
            Place::End => Some(0),
            Place::Chunked(_) | Place::Close | Place::Broken(_) => None,
        }
    }

    /// The lines of the trailer section, as far as they were read: each a field and its line end.
    #[must_use]
    pub fn trailers(&self) -> &[Bytes] {
        &self.trailers
    }

    /// The connection, when it may serve again: the body has ended exactly, and nothing came behind it.
    #[must_use]
    pub fn into_connection(mut self) -> Option<Box<Connection<S>>> {
        if !self.keep || !self.is_end() || !self.connection.unread.is_empty() {
            return None;
        }
        self.connection.rest();
        Some(self.connection)
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// The body breaks off, or breaks a rule of its framing.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            if let Some(piece) = self.take() {
                return Poll::Ready(Some(Ok(piece)));
            }
            let expected = match self.at {
                Place::End => return Poll::Ready(None),
                Place::Broken(violation) => return Poll::Ready(Some(Err(Fault::Chunks(violation)))),
                Place::Length(left) | Place::Chunked(At::Data { left, .. }) => left,
                Place::Chunked(_) => 0,
                Place::Close => SOME,
            };
            match ready!(self.connection.poll_more(cx, expected)) {
                Ok(true) => {}
                Ok(false) if matches!(self.at, Place::Close) => self.at = Place::End,
                Ok(false) => return Poll::Ready(Some(Err(Fault::Cut))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// What is there already, up to the next line.
    fn take(&mut self) -> Option<Bytes> {
        self.pass_lines();
        let unread = &mut self.connection.unread;
        if unread.is_empty() {
            return None;
        }
        let left = match &mut self.at {
            Place::Close => return Some(std::mem::take(unread)),
            Place::Length(left) | Place::Chunked(At::Data { left, .. }) => left,
            Place::Chunked(_) | Place::End | Place::Broken(_) => return None,
        };
        let piece = unread.split_to(unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
        *left = left.saturating_sub(piece.len() as u64);
        if *left == 0 {
            self.at = match self.at {
                Place::Chunked(At::Data { extensions, .. }) => Place::Chunked(At::DataEnd { extensions }),
                _ => Place::End,
            };
            // If the end is there too, it is known with the last piece.
            self.pass_lines();
        }
        Some(piece)
    }

    /// Passes the lines between chunks, as far as they are there, up to the next chunk's data or the end.
    fn pass_lines(&mut self) {
        while let Place::Chunked(at) = self.at {
            let unread = &mut self.connection.unread;
            if unread.is_empty() || matches!(at, At::Data { .. }) {
                return;
            }
            match at.step(unread, &mut self.searched, LIMITS, Sender::Upstream) {
                Ok(Step::Accept(count, next)) => {
                    let line = unread.split_to(count);
                    // The last line of the section is empty.
                    if matches!((at, next), (At::Trailers { .. }, Some(_))) {
                        self.trailers.push(line);
                    }
                    self.searched = 0;
                    self.at = next.map_or(Place::End, Place::Chunked);
                }
                Ok(Step::Wait) => return,
                Err(violation) => self.at = Place::Broken(violation),
            }
        }
    }
}
