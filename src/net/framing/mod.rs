//! Strict HTTP/1.1 framing, on the bytes of a connection before a parser sees them.
//!
//! The parser above is lenient and erases the evidence: it merges equal lengths, cuts fragments, takes bare line feeds. So a
//! [`Scanner`] follows message boundaries below it. What RFC 9112 calls an error is refused; everything accepted goes up
//! unchanged, and the parser then sees the same messages: the same count, targets, bodies and boundaries. Heads are accepted
//! as a whole, bodies as they come. No input, no clock, no allocation: bytes in, how many of them may pass out.

mod absolute;
pub(crate) mod chunk;
mod field;
mod head;
#[cfg(test)]
mod tests;
mod violation;

pub use absolute::{host_of, to_origin_form};
pub use violation::{Class, Violation};

use head::{Body, Head, KnownHost};

/// Whether `bytes` may be a field's value as it stands: no control characters but tabs, and no blanks at either end.
#[must_use]
pub fn field_is_value(bytes: &[u8]) -> bool {
    field::is_value(bytes) && field::trim(bytes).len() == bytes.len()
}

/// Whether a name is a token (RFC 9110, 5.6.2): over HTTP/2 the parser takes `"` for a part of one, which HTTP/1.1 cannot say.
#[must_use]
pub fn field_is_name(name: &str) -> bool {
    field::is_token(name.as_bytes())
}

/// How much of a head a stranger may send. The parser above must be set to no less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head, from the first of the request line (or of the empty line before it) to the last line feed.
    /// At most [`Limits::MOST_HEAD_BYTES`]; more is taken for that.
    pub head_bytes: usize,
    /// Header fields of a head, and again of a trailer section.
    pub headers: usize,
}

impl Limits {
    /// The parser keeps a target's offsets in 16 bits, so longer heads have no use.
    pub const MOST_HEAD_BYTES: usize = 64 * 1024;
}

/// Where a connection stands, for its deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The next byte to be accepted begins a head; a head that is not complete counts as this too.
    BetweenMessages,
    /// The next byte to be accepted belongs to the body (or its chunk lines or trailers) of the last head.
    InBody,
}

/// What became of the bytes that [`Scanner::scan`] looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// So many of the bytes may go to the parser, unchanged.
    pub accepted: usize,
    pub stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All bytes were accepted.
    None,
    /// The rest begins a head or a line that is not complete: give it again, from its first byte, with more behind it.
    Incomplete,
    /// The last accepted message said that it is the last (`Connection: close`, or HTTP/1.0 without `keep-alive`).
    /// The rest belongs to no message: drop it. The parser would not look at it either.
    Ended,
    /// The rest is an error. The connection takes no more bytes.
    Refused(Violation),
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Scanner {
    /// What a stranger may send.
    limits: Limits,
    /// What the next byte belongs to.
    state: State,
    heads: u64,
    /// So many bytes of what [`Stop::Incomplete`] left have been searched for the end of a line already.
    searched: usize,
    /// The host of the last message.
    host: KnownHost,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A head, or a part of one.
    Head(Head),
    /// A body with a length, of which so many bytes are left; never none.
    Length {
        left: u64,
        last: bool,
    },
    Chunked {
        at: chunk::At,
        last: bool,
    },
    Ended,
    /// Behind an error, which stood in the body of the last head or in the next head.
    Refused {
        violation: Violation,
        in_body: bool,
    },
}

/// What one step of the scanner found at the beginning of the bytes that it was given.
enum Step {
    /// So many bytes are in order; go on behind them.
    Accept(usize, State),
    /// A line is not complete.
    Wait(State),
}

impl Scanner {
    /// A scanner for a new connection.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        let head_bytes =
            if limits.head_bytes < Limits::MOST_HEAD_BYTES { limits.head_bytes } else { Limits::MOST_HEAD_BYTES };
        let limits = Limits { head_bytes, headers: limits.headers };
        Self { limits, state: State::Head(Head::START), heads: 0, searched: 0, host: KnownHost::new() }
    }

    /// Looks at bytes that follow everything accepted so far.
    ///
    /// Any split of a stream gives the same verdict. Each byte is looked at a fixed number of times, however it trickles in.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut accepted = 0;
        loop {
            let rest = bytes.get(accepted..).unwrap_or_default();
            let stop = match self.state {
                State::Refused { violation, .. } => Stop::Refused(violation),
                _ if rest.is_empty() => Stop::None,
                State::Ended => Stop::Ended,
                state => match self.step(state, rest) {
                    Ok(Step::Accept(count, next)) => {
                        accepted += count;
                        self.state = next;
                        self.searched = 0;
                        continue;
                    }
                    Ok(Step::Wait(next)) => {
                        self.state = next;
                        Stop::Incomplete
                    }
                    Err(violation) => {
                        self.state = State::Refused { violation, in_body: self.position() == Position::InBody };
                        Stop::Refused(violation)
                    }
                },
            };
            return Scan { accepted, stop };
        }
    }

    /// Where the connection stands; after a refusal, where the error stood.
    #[must_use]
    pub const fn position(&self) -> Position {
        match self.state {
            State::Length { .. } | State::Chunked { .. } | State::Refused { in_body: true, .. } => Position::InBody,
            State::Head(_) | State::Ended | State::Refused { .. } => Position::BetweenMessages,
        }
    }

    /// Complete heads accepted so far.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    fn step(&mut self, state: State, rest: &[u8]) -> Result<Step, Violation> {
        match state {
            State::Head(head) => self.head(head, rest),
            State::Length { left, last } => {
                let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left.saturating_sub(count as u64);
                Ok(Step::Accept(count, if left == 0 { after_message(last) } else { State::Length { left, last } }))
            }
            State::Chunked { at, last } => {
                match at.step(rest, &mut self.searched, self.limits, chunk::Sender::Client)? {
                    chunk::Step::Accept(count, Some(at)) => Ok(Step::Accept(count, State::Chunked { at, last })),
                    chunk::Step::Accept(count, None) => Ok(Step::Accept(count, after_message(last))),
                    chunk::Step::Wait => Ok(Step::Wait(state)),
                }
            }
            State::Ended | State::Refused { .. } => Ok(Step::Wait(state)),
        }
    }

    /// Reads line by line; `rest` begins with the first byte of the head each time.
    fn head(&mut self, mut head: Head, rest: &[u8]) -> Result<Step, Violation> {
        head.first_byte(rest.first().copied())?;
        loop {
            let Some(end) = line_end(rest, self.limits.head_bytes, &mut self.searched, Violation::HeadTooLarge)? else {
                return Ok(Step::Wait(State::Head(head)));
            };
            let line = rest.get(head.line..end).unwrap_or_default();
            head.line = end;
            if let Some((body, last)) = head.read(without_crlf(line)?, self.limits.headers, &mut self.host)? {
                self.heads += 1;
                let next = match body {
                    Body::Length(0) => after_message(last),
                    Body::Length(left) => State::Length { left, last },
                    Body::Chunked => State::Chunked { at: chunk::At::START, last },
                };
                return Ok(Step::Accept(end, next));
            }
        }
    }
}

const fn after_message(last: bool) -> State {
    if last { State::Ended } else { State::Head(Head::START) }
}

/// The offset behind the next line feed at or after `searched`, which moves there; `None` when more bytes are needed.
///
/// Fails with `too_long` when that line cannot end within the first `limit` bytes.
fn line_end(bytes: &[u8], limit: usize, searched: &mut usize, too_long: Violation) -> Result<Option<usize>, Violation> {
    let window = bytes.get(..limit).unwrap_or(bytes);
    let found = memchr::memchr(b'\n', window.get(*searched..).unwrap_or_default());
    match found {
        Some(at) => {
            *searched += at + 1;
            Ok(Some(*searched))
        }
        None if window.len() == limit => Err(too_long),
        None => {
            *searched = window.len();
            Ok(None)
        }
    }
}

/// A line, which ends with a line feed, without its end; a bare line feed is refused (RFC 9112, 2.2 allows to).
fn without_crlf(line: &[u8]) -> Result<&[u8], Violation> {
    line.strip_suffix(b"\r\n").ok_or(Violation::BareLineFeed)
}
