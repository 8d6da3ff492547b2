//! Bytes of an open WebSocket, both ways with back-pressure.
//!
//! The messages are not ours to read: what is read is written at once, from the same buffer. Only the frames' lengths are followed, so that
//! a frame of our own can land between two.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of one read.
const PIECE: usize = 32 * 1024;

thread_local! {
    /// Read into, and written from at once: an open WebSocket that is quiet owns no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// Follows the frames of one direction (RFC 6455, 5.2).
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; 14],
    have: usize,
    payload: u64,
    /// A Close has begun.
    closes: bool,
}

/// Bytes of a frame's header and of its payload, where all of the header is there (RFC 6455, 5.2).
fn sizes(bytes: &[u8]) -> Option<(usize, u64)> {
    let [_, second, rest @ ..] = bytes else { return None };
    let (header, payload) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        short => (2, u64::from(short)),
    };
    let header = if second & 0x80 == 0 { header } else { header + 4 };
    (bytes.len() >= header).then_some((header, payload))
}

fn is_close(first: u8) -> bool {
    first & 0x0f == 8
}

impl Frames {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            let skipped = if self.payload > 0 {
                let skipped = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= skipped as u64;
                skipped
            } else if self.have == 0
                && let Some((header, payload)) = sizes(bytes)
            {
                self.payload = payload;
                self.closes |= is_close(*first);
                header
            } else {
                // A header in pieces.
                if let Some(place) = self.header.get_mut(self.have) {
                    *place = *first;
                }
                self.have += 1;
                if let Some((_, payload)) = self.header.get(..self.have).and_then(sizes) {
                    (self.payload, self.have) = (payload, 0);
                    let [first, ..] = self.header;
                    self.closes |= is_close(first);
                }
                1
            };
            bytes = bytes.get(skipped..).unwrap_or_default();
        }
    }

    /// The next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }
}

#[derive(Default)]
struct Direction {
    frames: Frames,
    /// Read, and not yet written.
    kept: Vec<u8>,
    written: usize,
    /// Written, and perhaps not yet flushed.
    unflushed: bool,
    ended: bool,
    /// Its end was passed on, or it failed.
    over: Option<Over>,
    passed: u64,
}

/// How a direction has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Whole,
    Failed,
}

impl Direction {
    fn with(bytes: &[u8]) -> Self {
        let mut direction = Self { kept: bytes.to_vec(), ..Self::default() };
        direction.frames.feed(bytes);
        direction
    }

    /// Passes on until something must wait, or it is over.
    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.over.is_none()
            && let Poll::Ready(ended) = self.pass(from, to, cx)
        {
            self.over = Some(if ended.is_ok() { Over::Whole } else { Over::Failed });
        }
    }

    /// Passes on until something must wait; ready at the end of the stream, which is passed on too.
    fn pass<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while let Some(rest) = self.kept.get(self.written..).filter(|rest| !rest.is_empty()) {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
                self.note(count)?;
                self.written += count;
            }
            if self.written > 0 {
                (self.kept, self.written) = (Vec::new(), 0);
            }
            if self.ended {
                return Pin::new(&mut *to).poll_shutdown(cx);
            }
            let progress = SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
                let bytes = buf.filled();
                if bytes.is_empty() {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
                self.frames.feed(bytes);
                match Pin::new(&mut *to).poll_write(cx, bytes) {
                    Poll::Ready(Ok(count)) => {
                        self.note(count)?;
                        self.kept.extend_from_slice(bytes.get(count..).unwrap_or_default());
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => self.kept.extend_from_slice(bytes),
                }
                Poll::Ready(Ok(()))
            });
            match progress {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn note(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.passed += count as u64;
        self.unflushed = true;
        Ok(())
    }

    /// Whether it has said Close, all of which is passed on: nothing comes behind that (RFC 6455, 5.5.1).
    fn has_closed(&self) -> bool {
        self.frames.closes && self.frames.is_between() && self.kept.is_empty()
    }

    /// Whether a frame of ours may be written now.
    fn is_between(&self) -> bool {
        self.kept.is_empty() && self.frames.is_between() && !self.ended
    }
}

/// Both directions of an open WebSocket.
#[derive(Default)]
pub struct Splice {
    up: Direction,
    down: Direction,
}

impl Splice {
    /// What the client sent already, behind its handshake, and the upstream, behind its answer.
    #[must_use]
    pub fn with(early: &[u8], unread: &[u8]) -> Self {
        Self { up: Direction::with(early), down: Direction::with(unread) }
    }

    /// Passes on both ways until something must wait; ready when both sides have ended, or said Close. Where one direction fails, what is there already
    /// still goes the other way.
    pub fn poll<C, U>(&mut self, client: &mut C, upstream: &mut U, cx: &mut Context<'_>) -> Poll<()>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        self.up.poll(client, upstream, cx);
        self.down.poll(upstream, client, cx);
        let is_over = match (self.up.over, self.down.over) {
            (Some(_), Some(_)) => true,
            (Some(Over::Failed), None) => self.down.kept.is_empty(),
            (None, Some(Over::Failed)) => self.up.kept.is_empty(),
            _ => false,
        };
        if is_over || self.has_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether both sides have said Close.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        self.up.has_closed() && self.down.has_closed()
    }

    /// Whether one side has ended already.
    #[must_use]
    pub const fn is_half(&self) -> bool {
        self.up.over.is_some() || self.down.over.is_some()
    }

    /// Whether a side keeps the other waiting, on the way to the client and on the way to the upstream: something is there and is not
    /// taken; or one direction has ended, and the other is for last words.
    #[must_use]
    pub fn waits(&self) -> (bool, bool) {
        let waits = |one: &Direction| one.over.is_none() && (self.is_half() || !one.kept.is_empty());
        (waits(&self.down), waits(&self.up))
    }

    /// Bytes that were passed on to the client, and to the upstream.
    #[must_use]
    pub const fn passed(&self) -> (u64, u64) {
        (self.down.passed, self.up.passed)
    }

    /// Whether a frame of ours may be written to the client now, and to the upstream.
    #[must_use]
    pub fn is_between(&self) -> (bool, bool) {
        (self.down.is_between(), self.up.is_between())
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;
    use proptest::prelude::*;

    fn frame(masked: bool, payload: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match payload {
            0..=125 => frame.push(mask | u8::try_from(payload).unwrap()),
            126..=65535 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(7, payload + if masked { 4 } else { 0 }));
        frame
    }

    proptest! {
        #[test]
        fn a_close_is_noticed_however_it_comes(masked: bool, cut in 0..9_usize) {
            let close = if masked { vec![0x88, 0x82, 0, 0, 0, 0, 3, 0xe8] } else { vec![0x88, 2, 3, 0xe8] };
            let (mut frames, (piece, rest)) = (Frames::default(), close.split_at(cut.min(close.len())));
            frames.feed(&frame(true, 300));
            frames.feed(piece);
            frames.feed(rest);
            prop_assert!(frames.closes && frames.is_between());
        }

        #[test]
        fn the_ends_of_frames_are_found_however_they_come(
            sizes in prop::collection::vec((any::<bool>(), prop_oneof![0..200usize, 65_500..65_600usize]), 1..5),
            cuts in prop::collection::vec(1..70_000usize, 0..20),
        ) {
            let mut frames = Frames::default();
            for (masked, size) in sizes {
                let whole = frame(masked, size);
                // The payload of a masked frame follows its mask.
                let mut rest = whole.as_slice();
                for cut in cuts.iter().chain([&usize::MAX]) {
                    let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                    frames.feed(piece);
                    rest = behind;
                    prop_assert_eq!(frames.is_between(), rest.is_empty());
                    prop_assert!(!frames.closes);
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
    }
}
