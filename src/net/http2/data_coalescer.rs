//! Bodies that come in small frames, put together before the parser sees them.
//!
//! Where a DATA frame ends means nothing (RFC 9113, 6.1). The parser gives up on a connection with many small ones all the same: it counts
//! each as 256 bytes until it is passed on, and takes a hundred empty ones in all its life. Honest peers send these: small
//! messages in a row, a flush without data. So neighbours that come in one read become one frame, and empty ones nothing, except where
//! a frame of a body is a mistake that the parser must see: on no stream, or amidst a head (RFC 9113, 6.1 and 6.10).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a frame's header (RFC 9113, 4.1).
const HEADER: usize = 9;

/// The largest payload that the parser takes (RFC 9113, 4.2).
const LARGEST: usize = 16 * 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Follows the frames of one direction.
#[derive(Debug)]
pub struct DataCoalescer {
    /// Bytes of the current frame's payload that are still to come.
    left: usize,
    header: [u8; HEADER],
    /// Bytes of the current frame's header that are there.
    have: usize,
    /// A head has begun and not ended.
    in_head: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Frame {
    fn read(header: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = *header.first_chunk::<HEADER>()?;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        Some(Self { length, kind, flags, stream })
    }

    /// The frame at the beginning of `bytes`, where all of it is there.
    fn whole(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).filter(|frame| bytes.len() - HEADER >= frame.length)
    }

    /// Nothing but data: no padding, and no flags that nobody knows.
    const fn is_data(self) -> bool {
        self.kind == DATA && self.flags & !END_STREAM == 0
    }

    /// No data, on a stream that may have some.
    fn is_nothing(self) -> bool {
        self.is_data() && self.flags == 0 && self.length == 0 && self.stream != [0; 4]
    }

    /// Both as one, where that can be.
    fn join(self, next: Self) -> Option<Self> {
        let length = self.length + next.length;
        let fits = self.is_data() && self.flags == 0 && next.is_data() && self.stream == next.stream;
        (fits && length <= LARGEST).then_some(Self { length, flags: next.flags, ..self })
    }

    fn write(self, header: &mut [u8]) {
        let [.., high, middle, low] = self.length.to_be_bytes();
        for (place, byte) in header.iter_mut().zip([high, middle, low, self.kind, self.flags]) {
            *place = byte;
        }
    }
}

impl DataCoalescer {
    /// For a direction whose first frame comes behind so many bytes.
    #[must_use]
    pub const fn new(before: usize) -> Self {
        Self { left: before, header: [0; HEADER], have: 0, in_head: false }
    }

    /// Puts together what came in one read; so many bytes are left of it, at its beginning.
    pub fn coalesce(&mut self, bytes: &mut [u8]) -> usize {
        let mut read = self.pass(bytes);
        let mut written = read;
        // Where the frame is that the next one may be joined to.
        let mut last: Option<(usize, Frame)> = None;
        while let Some(frame) = bytes.get(read..).and_then(Frame::whole) {
            let (begin, end) = (read, read + HEADER + frame.length);
            read = end;
            self.note(frame);
            let joined = last.and_then(|(at, last)| Some((at, last.join(frame)?)));
            let from = match joined {
                Some((at, joined)) => {
                    joined.write(bytes.get_mut(at..).unwrap_or_default());
                    last = Some((at, joined));
                    begin + HEADER
                }
                None if frame.is_nothing() && !self.in_head => continue,
                None => {
                    last = Some((written, frame));
                    begin
                }
            };
            if from > written {
                bytes.copy_within(from..end, written);
            }
            written += end - from;
        }
        self.begin(bytes.get(read..).unwrap_or_default());
        if read > written {
            bytes.copy_within(read.., written);
        }
        written + bytes.len() - read
    }

    /// Follows where heads begin and end.
    const fn note(&mut self, frame: Frame) {
        if matches!(frame.kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.in_head = frame.flags & END_HEADERS == 0;
        }
    }

    /// The end of what belongs to a frame that began in an earlier read.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        if self.have > 0 {
            let room = self.header.iter_mut().skip(self.have);
            for (place, byte) in room.zip(bytes) {
                *place = *byte;
                at += 1;
            }
            self.have += at;
            if self.have < HEADER {
                return at;
            }
            self.have = 0;
            let frame = Frame::read(&self.header);
            self.left = frame.map_or(0, |frame| frame.length);
            frame.into_iter().for_each(|frame| self.note(frame));
        }
        let passed = self.left.min(bytes.len() - at);
        self.left -= passed;
        at + passed
    }

    /// Takes note of a frame that is not there whole.
    fn begin(&mut self, rest: &[u8]) {
        match Frame::read(rest) {
            Some(frame) => {
                self.left = HEADER + frame.length - rest.len();
                self.note(frame);
            }
            None if self.have == 0 => {
                for (place, byte) in self.header.iter_mut().zip(rest) {
                    *place = *byte;
                }
                self.have = rest.len();
            }
            None => {}
        }
    }
}

/// A socket whose frames are put together as they are read.
pub struct CoalescedStream<S> {
    stream: S,
    coalescer: DataCoalescer,
}

impl<S> CoalescedStream<S> {
    /// The first byte that is read begins a frame.
    pub const fn new(stream: S) -> Self {
        Self { stream, coalescer: DataCoalescer::new(0) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CoalescedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let came = buf.filled_mut().get_mut(before..).unwrap_or_default();
            let is_end = came.is_empty();
            let left = this.coalescer.coalesce(came);
            buf.set_filled(before + left);
            // What came may have been nothing but empty frames.
            if is_end || left > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CoalescedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{DATA, DataCoalescer, Frame, HEADER, LARGEST};
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn coalesced(before: usize, reads: &[&[u8]]) -> Vec<u8> {
        let mut coalescer = DataCoalescer::new(before);
        let mut out = Vec::new();
        for read in reads {
            let mut bytes = read.to_vec();
            let left = coalescer.coalesce(&mut bytes);
            out.extend_from_slice(&bytes[..left]);
        }
        out
    }

    #[test]
    fn neighbours_become_one_and_empty_ones_nothing() {
        let head = frame(1, 4, 1, b"head");
        let small = [
            b"preface".to_vec(),
            head.clone(),
            frame(DATA, 0, 1, b"a"),
            frame(DATA, 0, 1, b""),
            frame(DATA, 0, 1, b"bc"),
            frame(DATA, 0, 3, b""),
            frame(DATA, 1, 1, b"d"),
            frame(DATA, 0, 1, b"behind the end"),
            frame(DATA, 8, 1, b"\x01p\0"),
            frame(DATA, 0, 1, b"x"),
            frame(DATA, 0, 3, b"x"),
        ];
        let whole = [
            b"preface".to_vec(),
            head,
            frame(DATA, 1, 1, b"abcd"),
            frame(DATA, 0, 1, b"behind the end"),
            frame(DATA, 8, 1, b"\x01p\0"),
            frame(DATA, 0, 1, b"x"),
            frame(DATA, 0, 3, b"x"),
        ];
        assert_eq!(coalesced(7, &[&small.concat()]), whole.concat());
        let large = [frame(DATA, 0, 1, &[7; LARGEST]), frame(DATA, 0, 1, b"8")].concat();
        assert_eq!(coalesced(0, &[&large]), large);
    }

    #[test]
    fn a_mistake_stays_one() {
        let nothing = frame(DATA, 0, 1, b"");
        let amidst = [frame(1, 0, 1, b"he"), nothing.clone(), frame(9, 4, 1, b"ad")].concat();
        for at in 0..amidst.len() {
            let (one, other) = amidst.split_at(at);
            assert_eq!(coalesced(0, &[one, other]), amidst, "cut at {at}");
        }
        let behind = [frame(1, 0, 1, b"he"), frame(9, 4, 1, b"ad"), nothing].concat();
        assert_eq!(coalesced(0, &[&behind]).len(), behind.len() - HEADER);
        let on_none = frame(DATA, 0, 0, b"");
        assert_eq!(coalesced(0, &[&on_none]), on_none);
    }

    /// What each stream says, and where the frames stand that say more than data.
    fn said(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut bodies, mut others) = (vec![Vec::new(); 4], Vec::new());
        while let Some(frame) = Frame::whole(bytes) {
            let (whole, rest) = bytes.split_at(HEADER + frame.length);
            let body = &mut bodies[usize::from(frame.stream[3])];
            if frame.is_data() {
                body.extend_from_slice(&whole[HEADER..]);
            } else {
                others.push(whole.to_vec());
            }
            if frame.flags & 1 != 0 {
                body.extend_from_slice(b"|");
            }
            bytes = rest;
        }
        assert!(bytes.is_empty());
        (bodies, others)
    }

    proptest! {
        #[test]
        fn however_they_come_they_say_the_same(
            frames in prop::collection::vec((0..3_u8, prop::sample::select(&[0_u8, 0, 0, 1, 8][..]), 1..4_u8, 0..40_usize), 0..40),
            cuts in prop::collection::vec(1..200_usize, 0..40),
        ) {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|&(kind, flags, stream, size)| frame(kind, flags, stream, &vec![stream; size])).collect();
            let mut reads = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (read, behind) = rest.split_at(cut.min(rest.len()));
                reads.push(read);
                rest = behind;
            }
            let out = coalesced(0, &reads);
            prop_assert!(out.len() <= bytes.len());
            prop_assert_eq!(said(&out), said(&bytes));
        }
    }
}
