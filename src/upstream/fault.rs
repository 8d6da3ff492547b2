//! Why an exchange with an upstream fails, whichever version is spoken.

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
    /// The stream or its connection was reset, or broke a rule of HTTP/2; the client's stream is reset for the same reason.
    #[error("the stream failed: {0}")]
    Http2(#[from] h2::Error),
    /// The request's body ended before its time; whoever reads it knows why.
    #[error("the request's body broke off")]
    Request,
}
