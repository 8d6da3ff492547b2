//! A worker's connections to one upstream: last used, first reused, so that surplus ones grow old and are closed.
//!
//! Nothing here is shared between workers. A request waits for nobody: where no idle connection is left, another is opened
//! (there are never more than there are clients being served).

use super::Upstream;
use super::io::UpstreamIo;
use crate::net::deadline::{Deadlines, Phase, Ticker, Ticks};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use thiserror::Error;
use tokio::net::TcpStream;

/// Time limits towards an upstream; zero is none.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To be connected.
    pub connect: Ticks,
    /// From the request's last byte asked for to the answer's head.
    pub first_byte: Ticks,
    /// Between two pieces of the answer's body.
    pub idle: Ticks,
    /// How long an unused connection is kept: less than upstreams themselves keep one (5 s in Node and uvicorn), since a
    /// request that meets their closing cannot be repeated.
    pub keep: Ticks,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum SendError {
    /// No connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: Box<str>,
        /// What the system says.
        source: std::io::Error,
    },
    /// A connection, but no (valid) answer on it.
    #[error("{address} did not answer: {source}")]
    Broken {
        /// Where to.
        address: Box<str>,
        /// What hyper says.
        source: hyper::Error,
    },
    /// Too late.
    #[error("{address} took too long to {to}")]
    Timeout {
        /// Where to.
        address: Box<str>,
        /// What for.
        to: &'static str,
    },
}

/// How many idle connections are looked at for one that is ready.
const LOOK: usize = 16;

/// What a pool counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections opened.
    pub opened: Cell<u64>,
    /// Requests sent on a connection that had served before.
    pub reused: Cell<u64>,
    /// The last request failed.
    pub failing: Cell<bool>,
}

struct Idle<B> {
    sender: SendRequest<B>,
    since: u32,
}

/// One worker's connections to one upstream.
pub struct Pool<B> {
    upstream: Arc<Upstream>,
    timeouts: Timeouts,
    ticker: Ticker,
    idle: RefCell<VecDeque<Idle<B>>>,
    counts: Counts,
}

/// A connection in use; it goes back by [`Lease::give_back`], or is closed when dropped.
pub struct Lease<B> {
    sender: SendRequest<B>,
    pool: Rc<Pool<B>>,
}

impl<B> Lease<B> {
    /// The exchange has ended well: the connection may serve again.
    pub fn give_back(self) {
        let since = self.pool.ticker.now();
        self.pool.idle.borrow_mut().push_back(Idle { sender: self.sender, since });
    }
}

/// Waits for `future` until the phase's deadline; the connection's task is woken when it passes.
async fn before<F: Future>(deadlines: &Deadlines, phase: Phase, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let done = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if deadlines.expired(phase) || deadlines.expired(Phase::Total) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    deadlines.disarm(phase);
    done
}

impl<B> Pool<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// An empty pool.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, timeouts: Timeouts, ticker: Ticker) -> Self {
        Self { upstream, timeouts, ticker, idle: RefCell::default(), counts: Counts::default() }
    }

    /// The upstream behind it.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The time limits in force.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Idle connections.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Closes connections that have been idle for too long; run it about once a second.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| !idle.sender.is_closed());
        while idle.front().is_some_and(|oldest| self.is_stale(oldest)) {
            idle.pop_front();
        }
    }

    fn is_stale(&self, idle: &Idle<B>) -> bool {
        self.timeouts.keep.0 != 0 && self.ticker.now().saturating_sub(idle.since) >= self.timeouts.keep.0
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// A connection that turns out to be closed before a byte of the request was written is replaced, as often as it takes;
    /// once something was sent, nothing is repeated.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        self: &Rc<Self>,
        mut request: http::Request<B>,
        deadlines: &Deadlines,
        timeouts: &Timeouts,
    ) -> Result<(http::Response<Incoming>, Lease<B>), SendError> {
        loop {
            let (mut sender, reused) = match self.take_ready() {
                Some(sender) => (sender, true),
                // Boxed, so that the usual way does not carry the unusual one's state along.
                None => Box::pin(self.wait_or_connect(deadlines, timeouts.connect)).await?,
            };
            deadlines.arm(Phase::Upstream, timeouts.first_byte);
            let answer = before(deadlines, Phase::Upstream, sender.try_send_request(request)).await;
            let Some(answer) = answer else { return Err(self.timeout("answer")) };
            match answer {
                Ok(response) => {
                    if reused {
                        self.counts.reused.set(self.counts.reused.get() + 1);
                    }
                    return Ok((response, Lease { sender, pool: Rc::clone(self) }));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => request = unsent,
                    _ => {
                        return Err(SendError::Broken {
                            address: self.upstream.addresses[0].to_string().into(),
                            source: error.into_error(),
                        });
                    }
                },
            }
        }
    }

    /// The last used connection that can serve at once. One given back a moment ago cannot yet: its task has still to notice
    /// that the last answer was read to its end.
    fn take_ready(&self) -> Option<SendRequest<B>> {
        let mut idle = self.idle.borrow_mut();
        let from_the_end = idle.iter().rev().take(LOOK).position(|idle| idle.sender.is_ready())?;
        let at = idle.len().checked_sub(from_the_end + 1)?;
        let found = idle.remove(at)?;
        if self.is_stale(&found) {
            // All before it are older.
            return None;
        }
        Some(found.sender)
    }

    /// A connection that becomes ready within one turn, or a new one; and whether it has served before.
    ///
    /// One that is still busy then carries the rest of a body that the upstream answered early: nobody waits for somebody
    /// else's client.
    async fn wait_or_connect(&self, deadlines: &Deadlines, limit: Ticks) -> Result<(SendRequest<B>, bool), SendError> {
        let busy = self.idle.borrow_mut().pop_back();
        if let Some(busy) = busy.filter(|busy| !self.is_stale(busy) && !busy.sender.is_closed()) {
            tokio::task::yield_now().await;
            if busy.sender.is_ready() {
                return Ok((busy.sender, true));
            }
        }
        Ok((self.connect(deadlines, limit).await?, false))
    }

    async fn connect(&self, deadlines: &Deadlines, limit: Ticks) -> Result<SendRequest<B>, SendError> {
        deadlines.arm(Phase::Upstream, limit);
        let connecting = async {
            let stream = TcpStream::connect(self.upstream.addresses[0].to_string()).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let connected = before(deadlines, Phase::Upstream, connecting).await;
        let address = || self.upstream.addresses[0].to_string().into();
        let stream = connected
            .ok_or_else(|| self.timeout("accept a connection"))?
            .map_err(|source| SendError::Connect { address: address(), source })?;
        let (sender, connection) = http1::handshake(UpstreamIo::new(stream))
            .await
            .map_err(|source| SendError::Broken { address: address(), source })?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer on it is told by the sender; an idle connection that closes is no news.
            let _ = connection.await;
        });
        self.counts.opened.set(self.counts.opened.get() + 1);
        Ok(sender)
    }

    fn timeout(&self, to: &'static str) -> SendError {
        SendError::Timeout { address: self.upstream.addresses[0].to_string().into(), to }
    }
}
