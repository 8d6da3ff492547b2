//! A worker's connections to one upstream: last used, first reused, so that surplus ones grow old and are closed.
//!
//! Nothing here is shared between workers. A request waits for nobody: where no idle connection is left, another is opened
//! (there are never more than there are clients being served).

use super::h1::{Connection, Fault, Scratch};
use super::{Stream, Upstream};
use crate::net::deadline::{Deadlines, Phase, Ticker, Ticks};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
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
        /// What happened.
        source: Fault,
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

struct Idle {
    connection: Box<Connection>,
    since: u32,
}

/// The largest buffer that is kept for the next request's head.
const LARGEST_SPARE: usize = 16 * 1024;

/// One worker's connections to one upstream.
pub struct Pool {
    upstream: Arc<Upstream>,
    timeouts: Timeouts,
    ticker: Ticker,
    idle: RefCell<VecDeque<Idle>>,
    counts: Counts,
    scratch: Scratch,
    /// What the last head was written to.
    spare: Cell<Vec<u8>>,
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

impl Pool {
    /// An empty pool; `scratch` is the worker's.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, timeouts: Timeouts, ticker: Ticker, scratch: Scratch) -> Self {
        let (idle, counts, spare) = (RefCell::default(), Counts::default(), Cell::default());
        Self { upstream, timeouts, ticker, idle, counts, scratch, spare }
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

    /// Closes connections that have been idle for too long, or that the upstream has closed; run it about once a second.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|idle| !self.is_stale(idle) && idle.connection.is_quiet());
    }

    fn is_stale(&self, idle: &Idle) -> bool {
        self.timeouts.keep.0 != 0 && self.ticker.now().saturating_sub(idle.since) >= self.timeouts.keep.0
    }

    /// The last used connection that can serve; those that cannot are closed.
    pub fn take(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut last) = idle.pop_back() {
            if self.is_stale(&last) {
                // All before it are older.
                idle.clear();
                return None;
            }
            if last.connection.is_quiet() {
                return Some(last.connection);
            }
        }
        None
    }

    /// Both messages of an exchange have ended well: the connection may serve again.
    pub fn give_back(&self, connection: Box<Connection>) {
        self.idle.borrow_mut().push_back(Idle { connection, since: self.ticker.now() });
    }

    /// Memory to write a head to.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.take()
    }

    /// Takes the memory back.
    pub fn give_buffer(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= LARGEST_SPARE {
            self.spare.set(buffer);
        }
    }

    /// Opens a connection within `limit`.
    ///
    /// # Errors
    /// It cannot be opened, or not in time.
    pub async fn connect(&self, deadlines: &Deadlines, limit: Ticks) -> Result<Box<Connection>, SendError> {
        deadlines.arm(Phase::Upstream, limit);
        let connecting = async {
            let stream = TcpStream::connect(&*self.upstream.address).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        };
        let connected = before(deadlines, Phase::Upstream, connecting).await;
        let stream = connected
            .ok_or_else(|| self.timeout("accept a connection"))?
            .map_err(|source| SendError::Connect { address: self.upstream.address.clone(), source })?;
        self.counts.opened.set(self.counts.opened.get() + 1);
        Ok(Connection::new(stream, &self.scratch))
    }

    /// The upstream was too late.
    #[must_use]
    pub fn timeout(&self, to: &'static str) -> SendError {
        SendError::Timeout { address: self.upstream.address.clone(), to }
    }

    /// The upstream gave no answer.
    #[must_use]
    pub fn broken(&self, source: Fault) -> SendError {
        SendError::Broken { address: self.upstream.address.clone(), source }
    }
}
