//! Why an exchange with an upstream fails, whichever version is spoken.

use crate::net::framing::Violation;
use std::fmt;
use thiserror::Error;

/// Why an exchange with an upstream came to nothing. No text repeats what was sent.
#[derive(Debug, Error)]
pub enum Fault {
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
    Http2(#[source] StreamError),
    /// The request's body ended before its time; whoever reads it knows why.
    #[error("the request's body broke off")]
    Request,
}

impl Fault {
    /// Whether there was an answer, or the beginning of one, that breaks a rule.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        match self {
            Self::Head(_) | Self::Rule(_) | Self::Chunks(_) => true,
            // It was us who has found it.
            Self::Http2(StreamError(error)) => error.is_library(),
            Self::Io(_) | Self::Cut | Self::Request => false,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failed {
    Unseen(Unseen),
    Fault(Fault),
}

/// Why the upstream has not looked at a request, all of which can be sent again on another connection.
#[derive(Debug)]
pub enum Unseen {
    /// The connection had served before and was closed since; nothing was written.
    Stale,
    /// The upstream has refused the stream.
    Refused(Fault),
    /// The connection of HTTP/2 has ended, or goes away. Others wait on it for the same.
    GoneAway(Fault),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unseen> for Failed {
    fn from(unseen: Unseen) -> Self {
        Self::Unseen(unseen)
    }
}

impl From<Unseen> for Fault {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Stale => Self::Cut,
            Unseen::Refused(fault) | Unseen::GoneAway(fault) => fault,
        }
    }
}

/// What HTTP/2 says, in the room of a pointer: exchanges of HTTP/1.1 carry a [`Fault`] too.
#[derive(Debug)]
pub struct StreamError(Box<h2::Error>);

impl From<h2::Error> for Fault {
    fn from(error: h2::Error) -> Self {
        Self::Http2(StreamError(Box::new(error)))
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for StreamError {
    /// The error itself and not its box: whoever resets the client's stream looks for its reason here.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
