//! A WebSocket that is open: bytes both ways with back-pressure, until one side ends, or the caller may not any more.
//!
//! The messages are not ours to read. Only the frames' lengths are followed, so that a Close of our own lands between two
//! frames. Once a second the handshake is judged again, by the policy and the facts of then; what is no longer permitted is
//! closed with 1008, and all are closed with 1001 when the process drains.

use super::exchange::Exchange;
use super::judge::{Fetched, Need, Noted, Stop, judge};
use super::worker::Worker;
use crate::decision::Reason;
use crate::net::deadline::Phase;
use crate::net::stream::Duplex;
use crate::upstream::Stream;
use bytes::Bytes;
use http::Request;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::MissedTickBehavior;

/// How often the caller's right is looked at again.
pub const AGAIN: Duration = Duration::from_secs(1);

/// Without a byte either way for so long, a WebSocket ends; its endpoints' pings come far more often.
const IDLE: Duration = Duration::from_secs(3600);

/// How long a Close of ours may take to be written.
const GOODBYE: Duration = Duration::from_secs(1);

/// Bytes of one read.
const PIECE: usize = 32 * 1024;

thread_local! {
    /// Read into, and written from at once: an open WebSocket that is quiet owns no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// Follows the frames of one direction (RFC 6455, 5.2).
#[derive(Debug, Default)]
struct Frames {
    header: [u8; 14],
    have: usize,
    payload: u64,
}

impl Frames {
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            if self.payload > 0 {
                let skipped = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
            }
            self.have += 1;
            bytes = bytes.get(1..).unwrap_or_default();
            if let Some(payload) = self.complete() {
                (self.payload, self.have) = (payload, 0);
            }
        }
    }

    /// The payload's length, where the header is whole.
    fn complete(&self) -> Option<u64> {
        let [_, second, a, b, c, d, e, f, g, h, ..] = self.header;
        if self.have < 2 {
            return None;
        }
        let (length, size) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes([a, b])), 4),
            127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 10),
            short => (u64::from(short), 2),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        (self.have >= size + mask).then_some(length)
    }

    /// The next byte begins a frame.
    fn is_between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    frames: Frames,
    /// Read, and not yet written.
    kept: Vec<u8>,
    written: usize,
    /// Written, and perhaps not yet flushed.
    unflushed: bool,
    ended: bool,
    passed: u64,
}

impl Way {
    fn with(bytes: &[u8]) -> Self {
        let mut way = Self { kept: bytes.to_vec(), ..Self::default() };
        way.frames.feed(bytes);
        way
    }

    /// Passes on until something must wait; ready at the end of the stream, which is passed on too.
    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
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

    /// Whether a frame of ours may be written now.
    fn is_between(&self) -> bool {
        self.kept.is_empty() && self.frames.is_between() && !self.ended
    }
}

/// Counts a WebSocket for as long as it is open.
struct Open(Rc<Worker>);

impl Open {
    fn begin(worker: &Rc<Worker>) -> Self {
        worker.shard.websockets.inc();
        worker.websockets.set(worker.websockets.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.websockets.set(self.0.websockets.get().saturating_sub(1));
    }
}

/// Why a WebSocket is ended by us: the code of its Close (RFC 6455, 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    GoingAway = 1001,
    NotPermitted = 1008,
}

impl End {
    /// A Close as a server sends it, or as a client does, masked with zeros.
    fn frame(self, masked: bool) -> Vec<u8> {
        let code = (self as u16).to_be_bytes();
        let mut frame = if masked { vec![0x88, 0x82, 0, 0, 0, 0] } else { vec![0x88, 0x02] };
        frame.extend_from_slice(&code);
        frame
    }
}

/// Passes on between a client and an upstream until one of them ends, or both are ended.
pub async fn run(
    mut exchange: Box<Exchange>,
    asked: Request<()>,
    mut client: Box<dyn Duplex>,
    early: Vec<u8>,
    (mut upstream, unread): (Stream, Bytes),
) {
    let _open = Open::begin(exchange.worker());
    let (mut down, mut up) = (Way::with(&unread), Way::with(&early));
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut quiet = (0, Duration::ZERO);
    let end = loop {
        let moved = poll_fn(|cx| {
            let deadlines = &exchange.link().connection.deadlines;
            deadlines.register(cx.waker());
            if deadlines.draining() {
                return Poll::Ready(Some(Some(End::GoingAway)));
            }
            // Either side's end ends both: half a WebSocket is of no use.
            let ended = up.poll(&mut client, &mut upstream, cx).is_ready()
                | down.poll(&mut upstream, &mut client, cx).is_ready();
            if ended || deadlines.expired(Phase::Total) {
                return Poll::Ready(Some(None));
            }
            again.poll_tick(cx).map(|_| None)
        })
        .await;
        if let Some(end) = moved {
            break end;
        }
        let passed = up.passed + down.passed;
        quiet = if quiet.0 == passed { (passed, quiet.1 + AGAIN) } else { (passed, Duration::ZERO) };
        if quiet.1 >= IDLE {
            break Some(End::GoingAway);
        }
        if !may_go_on(&exchange, &asked).await {
            exchange.worker().shard.websockets_revoked.inc();
            break Some(End::NotPermitted);
        }
    };
    exchange.sent(usize::try_from(down.passed).unwrap_or(usize::MAX));
    let Some(end) = end else { return };
    let goodbye = async {
        if down.is_between() {
            client.write_all(&end.frame(false)).await?;
        }
        client.shutdown().await?;
        if up.is_between() {
            upstream.write_all(&end.frame(true)).await?;
        }
        upstream.shutdown().await
    };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

/// Whether the handshake would be permitted now. While the store cannot be asked it stays as it was for as long as facts may
/// be believed; then it ends like any other right that cannot be proved.
async fn may_go_on(exchange: &Exchange, asked: &Request<()>) -> bool {
    let worker = exchange.worker();
    let rules = worker.rules();
    let mut fetched = Fetched::default();
    loop {
        let now = crate::clock::monotonic();
        let verdict = judge(worker, &rules, exchange.link(), asked, &fetched, now, &mut Noted::default());
        let need = match verdict {
            Ok(_) => return true,
            Err(Stop::Needs(Need::Credential(wanted))) => Need::Credential(match &exchange.noted.user {
                Some(snapshot) => worker.shared.identity.wanted_again(wanted, snapshot.user.id),
                None => wanted,
            }),
            Err(Stop::Needs(need)) => need,
            Err(Stop::Denied(denial)) => {
                tracing::debug!(reason = Reason::code(denial.reason), "a WebSocket is no longer permitted");
                return false;
            }
            // None of these is an open WebSocket.
            Err(Stop::Preflight | Stop::BeginSession(..) | Stop::Identity) => return false,
        };
        fetched.fetch(&worker.shared, need, now).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Frames};
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

    #[test]
    fn our_own_close_is_a_frame() {
        for masked in [false, true] {
            let mut frames = Frames::default();
            frames.feed(&End::NotPermitted.frame(masked));
            assert!(frames.is_between());
        }
        assert_eq!(End::GoingAway.frame(false), [0x88, 2, 0x03, 0xe9]);
    }

    proptest! {
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
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
    }
}
