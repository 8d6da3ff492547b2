//! Interim answers (RFC 9110, 15.2) on their way to a client of HTTP/1.1: 103 (Early Hints) above all.
//!
//! The parser above cannot say them, so they are written beside it: between two things that it has said, never within one.

use http::header::HeaderMap;
use http::{StatusCode, header};
use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Poll, ready};

/// What is to be said before the answer.
#[derive(Debug, Default)]
pub struct Interim {
    bytes: RefCell<Vec<u8>>,
    written: Cell<usize>,
    /// The parser has said something that is not all written.
    amidst: Cell<bool>,
}

impl Interim {
    /// One more; left out where the parser still has the end of another answer to write, behind which nobody would wait for it.
    pub fn push(&self, status: StatusCode, headers: &HeaderMap) {
        if self.amidst.get() {
            return;
        }
        let mut bytes = self.bytes.borrow_mut();
        for piece in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" "] {
            bytes.extend_from_slice(piece);
        }
        bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH) {
            for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(piece);
            }
        }
        bytes.extend_from_slice(b"\r\n");
    }

    /// The answer itself is about to be said: what cannot be said before it any more is left out.
    pub fn end(&self) {
        if self.amidst.get() && self.written.get() == 0 {
            self.bytes.take();
        }
    }

    /// Whether there is nothing to be said, as nearly always.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.borrow().is_empty()
    }

    /// The parser has said something.
    pub fn begin_message(&self) {
        self.amidst.set(true);
    }

    /// All that the parser has said is written.
    pub fn is_between(&self) {
        self.amidst.set(false);
    }

    /// Writes what may be written now, by `write`; ready when the parser may go on.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() || (self.amidst.get() && self.written.get() == 0) {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = bytes.get(self.written.get()..).filter(|rest| !rest.is_empty()) {
            match ready!(write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written.set(self.written.get() + count),
            }
        }
        *bytes = Vec::new();
        self.written.set(0);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::Interim;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use std::task::{Context, Poll, Waker};

    /// What is written by a socket that takes so many bytes.
    fn written(interim: &Interim, room: usize) -> (bool, Vec<u8>) {
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let polled = interim.poll_write(&mut cx, |_, bytes| {
            let count = bytes.len().min(room - out.len());
            out.extend_from_slice(&bytes[..count]);
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        });
        (polled.is_ready(), out)
    }

    fn hints() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("link", HeaderValue::from_static("</a.css>"));
        headers
    }

    #[test]
    fn it_is_written_between_two_messages_alone() {
        let interim = Interim::default();
        interim.push(StatusCode::EARLY_HINTS, &hints());
        let (done, first) = written(&interim, 10);
        assert!(!done);
        // Begun is ended, before anything else is said.
        interim.end();
        let (done, rest) = written(&interim, 100);
        assert!(done);
        assert_eq!([first, rest].concat(), b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
        interim.begin_message();
        interim.push(StatusCode::EARLY_HINTS, &hints());
        assert_eq!(written(&interim, 100), (true, Vec::new()), "amidst a message");
        interim.is_between();
        assert_eq!(written(&interim, 100), (true, Vec::new()), "it was left out");
    }

    #[test]
    fn what_cannot_be_said_before_the_answer_is_left_out() {
        let interim = Interim::default();
        interim.push(StatusCode::EARLY_HINTS, &hints());
        interim.begin_message();
        interim.end();
        interim.is_between();
        assert_eq!(written(&interim, 100), (true, Vec::new()));
    }
}
