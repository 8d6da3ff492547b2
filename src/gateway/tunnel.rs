//! A WebSocket that is open: bytes both ways ([`splice`](super::splice)), until one side ends, or the caller may not any more.
//!
//! Once a second the handshake is judged again, by the policy and the facts of then; what is no longer permitted is
//! closed with 1008, and all are closed with 1001 when the process drains.

use super::active_policy::PolicyHandle;
use super::evaluate::{
    CredentialFacts, Evaluation, Interrupt, Need, RequestInfo, evaluate, find_out, validate_request,
};
use super::exchange::Exchange;
use super::splice::Splice;
use super::worker::Worker;
use crate::decision::{Awaited, RequestView};
use crate::net::connection::Timeouts;
use crate::net::deadline::{Budget, Phase, Ticks};
use crate::net::stream::Duplex;
use crate::upstream::Switched;
use http::Request;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::MissedTickBehavior;

/// How often the caller's right is looked at again.
pub const AGAIN: Duration = Duration::from_secs(1);

const AGAIN_TICKS: Ticks = Ticks(10);

/// Without a byte either way for so long, a WebSocket ends; its endpoints' pings come far more often.
const IDLE: Duration = Duration::from_secs(3600);

/// The same where one side has ended already: half a WebSocket is for the other side's last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long the end may take: a Close of ours to be written, and what both sides still send to be thrown away.
const GOODBYE: Duration = Duration::from_secs(1);

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

/// What each side may keep the other waiting for.
struct Patience {
    sides: [(Budget, u64); 2],
}

impl Patience {
    fn new(timeouts: &Timeouts) -> Self {
        let side = || (Budget::new(timeouts.stall, timeouts.rate), 0);
        Self { sides: [side(), side()] }
    }

    /// Another [`AGAIN`] has passed; whether one way has moved too little, where it should have.
    fn is_lost(&mut self, splice: &Splice) -> bool {
        let ((down, up), (to_client, to_upstream)) = (splice.passed(), splice.waits());
        let mut lost = false;
        for ((budget, before), (passed, waits)) in self.sides.iter_mut().zip([(down, to_client), (up, to_upstream)]) {
            if waits {
                budget.spend(AGAIN_TICKS);
            }
            budget.earn(usize::try_from(passed - std::mem::replace(before, passed)).unwrap_or(usize::MAX));
            lost |= budget.is_spent();
        }
        lost
    }
}

/// Passes on between a client and an upstream until one of them ends, or both are ended.
pub async fn run(
    mut exchange: Box<Exchange>,
    asked: Request<()>,
    mut client: Box<dyn Duplex>,
    early: Vec<u8>,
    switched: Switched,
) {
    let Switched { duplex: mut upstream, unread, is_stream } = switched;
    let _open = Open::begin(exchange.worker());
    let mut splice = Splice::with(&early, &unread);
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut quiet = ((0, false), Duration::ZERO);
    let mut patience = Patience::new(&exchange.link().connection.timeouts);
    let end = loop {
        let moved = poll_fn(|cx| {
            let deadlines = &exchange.link().connection.deadlines;
            deadlines.register(cx.waker());
            if deadlines.draining() {
                return Poll::Ready(Some(Some(End::GoingAway)));
            }
            if splice.poll(&mut client, &mut upstream, cx).is_ready() || deadlines.expired(Phase::Total) {
                return Poll::Ready(Some(None));
            }
            again.poll_tick(cx).map(|_| None)
        })
        .await;
        if let Some(end) = moved {
            break end;
        }
        let (down, up) = splice.passed();
        let passed = (down + up, splice.is_half());
        quiet = if quiet.0 == passed { (passed, quiet.1 + AGAIN) } else { (passed, Duration::ZERO) };
        if quiet.1 >= if splice.is_half() { LAST_WORDS } else { IDLE } {
            break Some(End::GoingAway);
        }
        if patience.is_lost(&splice) {
            exchange.aborted();
            break Some(End::GoingAway);
        }
        if !may_go_on(&exchange, &asked).await {
            exchange.worker().shard.websockets_revoked.inc();
            break Some(End::NotPermitted);
        }
    };
    exchange.sent(usize::try_from(splice.passed().0).unwrap_or(usize::MAX));
    let (to_client, to_upstream) = splice.is_between();
    let to_client = end.filter(|_| to_client).map(|end| end.frame(false));
    let to_upstream = end.filter(|_| to_upstream).map(|end| end.frame(true));
    // Behind a Close a stream is let go of, which resets it: to some servers (Hypercorn 0.18) it is over by then, and more of it ends the
    // connection, with the WebSockets of others.
    let ends = !is_stream || !(to_upstream.is_some() || splice.has_closed());
    let goodbye = async { tokio::join!(leave(&mut client, to_client, true), leave(&mut upstream, to_upstream, ends)) };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

/// Says a last frame, `ends` our side, and throws away what comes until the other side has ended too: a socket that is closed with something unread takes
/// back what is not delivered yet.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(side: &mut S, frame: Option<Vec<u8>>, ends: bool) -> io::Result<()> {
    if let Some(frame) = frame {
        side.write_all(&frame).await?;
    }
    if ends {
        side.shutdown().await?;
    }
    tokio::io::copy(side, &mut tokio::io::sink()).await.map(drop)
}

/// Whether the handshake would be permitted now. While the store cannot be asked it stays as it was for as long as facts may
/// be believed; then it ends like any other right that cannot be proved.
async fn may_go_on(exchange: &Exchange, asked: &Request<()>) -> bool {
    let worker = exchange.worker();
    let Ok((target, host)) = validate_request(exchange.link(), asked) else { return false };
    // It was counted when it began, and it was then that its page was looked at.
    let view = RequestView {
        client: Some(exchange.client()),
        ..RequestView::new(asked.method(), &host, &target, asked.headers())
    };
    let mut evaluation = Evaluation::new(PolicyHandle::new(&worker.rules()));
    let mut credential = CredentialFacts::default();
    loop {
        let now = crate::clock::monotonic();
        let info = &mut RequestInfo::default();
        match evaluate(worker, &mut evaluation, &view, &mut credential, now, info) {
            // A WebSocket has no answer that could be judged.
            Ok(permit) => return permit.awaits() == Awaited::Nothing,
            Err(Interrupt::Needs(Need::Throttle(..))) => return true,
            Err(Interrupt::Needs(Need::Credential(query))) => {
                let query = match &exchange.info.user {
                    Some(snapshot) => worker.shared.identity.wanted_again(query, snapshot.user.id),
                    None => query,
                };
                credential.fetched = Some(Box::new(find_out(&worker.shared, &query).await));
            }
            Err(Interrupt::Needs(Need::Organization(key))) => {
                match worker.shared.fact_cache.organization(&key, now).await {
                    Ok(found) => evaluation.learn(key, found),
                    Err(_) => return exchange.is_shadowed(),
                }
            }
            Err(Interrupt::Needs(Need::Lookups(keys))) => {
                let found = worker.shared.lookups.find_all(keys).await;
                found.into_iter().for_each(|(key, answer)| evaluation.learn_object(key, answer));
            }
            Err(Interrupt::Denied(denial)) => {
                let reason = denial.reason.code();
                // One that was opened in somebody's name ends with what that was good for, in shadow mode too.
                if exchange.is_shadowed() && evaluation.shadow(&view, denial).is_ok() {
                    return true;
                }
                tracing::debug!(reason, "a WebSocket is no longer permitted");
                return false;
            }
            // None of these is an open WebSocket.
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::splice::Frames;
    use super::End;

    #[test]
    fn our_own_close_is_a_frame() {
        for masked in [false, true] {
            let mut frames = Frames::default();
            frames.feed(&End::NotPermitted.frame(masked));
            assert!(frames.is_between());
        }
        assert_eq!(End::GoingAway.frame(false), [0x88, 2, 0x03, 0xe9]);
    }
}
