//! HTTP/1.1 towards an upstream, one exchange at a time on a [`Connection`].
//!
//! A [`Head`] is written into one buffer and sent as a [`Call`], with the request's body streamed behind it; the answer is
//! read at the same time, since it may come early. [`answer`] reads its head as strictly as RFC 9112 demands of a proxy,
//! [`body`] follows its body to the last byte: only a connection on which both messages ended exactly serves again.
//! Everything is polled by whoever owns the exchange: no task, no channel, no lock.

pub mod answer;
pub mod body;
mod call;
mod connection;
mod head;
mod known;

pub use answer::Answer;
pub use body::Body;
pub use call::{Call, Failed, Received};
pub use connection::{Connection, Memory};
pub use head::{Framing, Head, Request};

use crate::net::framing::Violation;
use thiserror::Error;

/// Why an exchange with an upstream came to nothing. No text repeats what was sent.
#[derive(Debug, Error)]
pub enum Fault {
    /// The socket says so.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The upstream closed before its answer was complete.
    #[error("the connection was closed before the answer was complete")]
    Cut,
    /// The answer's head is not one.
    #[error("the answer's head is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// The answer's head breaks a rule.
    #[error("the answer's head is refused: {0}")]
    Rule(&'static str),
    /// The answer's chunks are malformed.
    #[error("the answer's body is malformed: {0}")]
    Chunks(Violation),
    /// The request's body ended before its time; whoever reads it knows why.
    #[error("the request's body broke off")]
    Request,
}
