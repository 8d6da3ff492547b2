//! What a client still sends of a request that was answered without it.
//!
//! To hang up on a client that is still sending can cost it the answer (RFC 9112, 9.6), and many clients over HTTP/2 take a
//! reset behind an answer for a failure. So the rest is read and thrown away, up to a limit in bytes and time; when all of it
//! came, a connection of HTTP/1.1 serves on.

use http_body::Body;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So much is thrown away.
pub const MOST: usize = 4 * 1024 * 1024;

pub struct UnreadBody {
    body: Incoming,
    bytes: usize,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// All of it came, or nothing more will.
    Whole,
    /// It is more than we take.
    TooMuch,
}

impl UnreadBody {
    #[must_use]
    pub const fn new(body: Incoming) -> Self {
        Self { body, bytes: 0 }
    }

    /// Throws away what is there.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Discarded> {
        while self.bytes <= MOST {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.bytes += frame.data_ref().map_or(0, bytes::Bytes::len),
                Some(Err(_)) | None => return Poll::Ready(Discarded::Whole),
            }
        }
        Poll::Ready(Discarded::TooMuch)
    }
}
