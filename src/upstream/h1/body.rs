//! An answer's body, to its last byte and no further.

use super::answer::BodyEnd;
use super::connection::Connection;
use crate::net::framing::chunk::{At, Sender, Step};
use crate::net::framing::{Limits, Violation};
use crate::upstream::fault::Fault;
use crate::upstream::stream::Stream;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// What an answer's trailers may hold.
const LIMITS: Limits = Limits { head_bytes: 8 * 1024, headers: 100 };

/// What is known to come of a chunked body, or of one that ends with the connection: as much as makes large reads pay.
const SOME: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum State {
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
    at: State,
    /// How far a line that is not complete was searched for its end.
    searched: usize,
    keep: bool,
    /// Lines of the trailer section.
    trailers: Vec<Bytes>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Body<S> {
    /// The body behind a head that was read.
    pub(super) fn new(connection: Box<Connection<S>>, framing: BodyEnd, keep: bool) -> Self {
        let at = match framing {
            BodyEnd::Length(0) => State::End,
            BodyEnd::Length(left) => State::Length(left),
            BodyEnd::Chunked => State::Chunked(At::START),
            BodyEnd::Close => State::Close,
        };
        Self { connection, at, searched: 0, keep, trailers: Vec::new() }
    }

    /// Whether it has been read to its end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.at, State::End)
    }

    /// How much is left, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.at {
            State::Length(left) => Some(left),
            State::End => Some(0),
            State::Chunked(_) | State::Close | State::Broken(_) => None,
        }
    }

    /// The fields of the trailer section, as far as they were read.
    #[must_use]
    pub fn trailers(&self) -> HeaderMap {
        let field = |line: &Bytes| {
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            let value = value.strip_prefix(b":")?.trim_ascii();
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        self.trailers.iter().filter_map(field).collect()
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
                State::End => return Poll::Ready(None),
                State::Broken(violation) => return Poll::Ready(Some(Err(Fault::Chunks(violation)))),
                State::Length(left) | State::Chunked(At::Data { left, .. }) => left,
                State::Chunked(_) => 0,
                State::Close => SOME,
            };
            match ready!(self.connection.poll_more(cx, expected)) {
                Ok(true) => {}
                Ok(false) if matches!(self.at, State::Close) => self.at = State::End,
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
            State::Close => return Some(std::mem::take(unread)),
            State::Length(left) | State::Chunked(At::Data { left, .. }) => left,
            State::Chunked(_) | State::End | State::Broken(_) => return None,
        };
        let piece = unread.split_to(unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
        *left = left.saturating_sub(piece.len() as u64);
        if *left == 0 {
            self.at = match self.at {
                State::Chunked(At::Data { extensions, .. }) => State::Chunked(At::DataEnd { extensions }),
                _ => State::End,
            };
            // If the end is there too, it is known with the last piece.
            self.pass_lines();
        }
        Some(piece)
    }

    /// Passes the lines between chunks, as far as they are there, up to the next chunk's data or the end.
    fn pass_lines(&mut self) {
        while let State::Chunked(at) = self.at {
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
                    self.at = next.map_or(State::End, State::Chunked);
                }
                Ok(Step::Wait) => return,
                Err(violation) => self.at = State::Broken(violation),
            }
        }
    }
}
