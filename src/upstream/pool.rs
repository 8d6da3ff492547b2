//! A worker's connections to one upstream: last used, first reused, so that surplus ones grow old and are closed.
//!
//! Nothing here is shared between workers. A request waits for nobody: where no idle connection is left, another is opened
//! (there are never more than there are clients being served).

use super::address::{Protocol, Upstream};
use super::cluster::Cluster;
use super::cluster::admission::ConcurrencyPermit;
use super::cluster::endpoint::{EndpointRef, is_same};
use super::destination::Destination;
use super::dial::{Dial, dial, dial_by_name, speaks_http2};
use super::fault::Fault;
use super::h1::{Connection, Memory};
use super::h2::{Session, Sessions, StreamPermit};
use super::stream::Stream;
use crate::net::deadline::{Deadlines, Pace, Phase, Rate, Ticker, Ticks};
use crate::net::descriptors::{Descriptors, is_exhausted};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use thiserror::Error;

/// Time limits towards an upstream; zero is none.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Ticks,
    /// From the request's last byte asked for to the answer's head.
    pub first_byte: Ticks,
    /// Between two pieces of the answer's body.
    pub idle: Ticks,
    /// The least rate of an answer whose length is known, and of a request's body as the upstream takes it.
    pub rate: Rate,
    /// How long an unused connection is kept: less than upstreams themselves keep one (5 s in Node and uvicorn), since a
    /// request that meets their closing cannot be repeated.
    pub keep: Ticks,
}

impl Timeouts {
    /// What an upstream may take over the body of its answer. One without a length may be a stream of events, which come when they come.
    #[must_use]
    pub const fn pace(&self, has_length: bool) -> Pace {
        Pace::new(self.idle, if has_length { self.rate } else { Rate::NONE })
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: Box<str>, source: std::io::Error },
    /// A connection, but no (valid) answer on it.
    #[error("{address} did not answer: {source}")]
    Broken { address: Box<str>, source: Fault },
    #[error("{address} took too long to {to}")]
    Timeout { address: Box<str>, to: &'static str },
    /// This process may open no further connection.
    #[error("no file descriptor is left for a connection to {address}")]
    Descriptors { address: Box<str> },
    /// It speaks HTTP/2 alone, and has not said that a stream may become a WebSocket.
    #[error("{address} speaks HTTP/2 and takes no WebSockets over it: RFC 8441, SETTINGS_ENABLE_CONNECT_PROTOCOL")]
    NoWebSockets { address: Box<str> },
    /// More requests are there and wait than may.
    #[error("{name} has as many requests as it may, and too many wait")]
    Overloaded { name: Box<str> },
}

#[derive(Debug, Default)]
pub struct Counts {
    pub opened: Cell<u64>,
    /// Requests sent on a connection that had served before.
    pub reused: Cell<u64>,
    pub failing: Cell<bool>,
}

struct Idle {
    connection: Box<Connection>,
    since: u32,
    /// Which address of a cluster it leads to.
    endpoint: EndpointRef,
}

/// What a request is sent on.
pub enum Transport {
    /// A connection of HTTP/1.1, for it alone.
    Http1 { connection: Box<Connection>, reused: bool },
    /// A stream on one of HTTP/2.
    Http2(StreamPermit),
}

/// What a connection must be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Carry a request, in either version.
    Either,
    /// Carry one that HTTP/2 will not do for.
    Http1,
    /// Become a WebSocket: any connection of HTTP/1.1, and of HTTP/2 a stream where the upstream takes extended CONNECT.
    WebSocket,
}

/// The largest buffer that is kept for the next request's head.
const LARGEST_SPARE: usize = 16 * 1024;

/// One worker's connections to one upstream.
pub struct Pool {
    destination: Arc<Destination>,
    timeouts: Timeouts,
    ticker: Ticker,
    idle: RefCell<VecDeque<Idle>>,
    sessions: Sessions,
    /// HTTP/2 is spoken, or what is spoken is agreed on when a connection is made.
    may_speak_http2: bool,
    counts: Counts,
    memory: Memory,
    descriptors: Descriptors,
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
    #[must_use]
    pub fn new(
        destination: Arc<Destination>,
        timeouts: Timeouts,
        ticker: Ticker,
        memory: Memory,
        descriptors: Descriptors,
    ) -> Self {
        let (idle, sessions, counts, spare) =
            (RefCell::default(), Sessions::default(), Counts::default(), Cell::default());
        let may_speak_http2 = destination.upstream().spoken() != Protocol::Http1;
        Self { destination, timeouts, ticker, idle, sessions, may_speak_http2, counts, memory, descriptors, spare }
    }

    /// Whether HTTP/2 is spoken, or may be.
    #[must_use]
    pub const fn may_speak_http2(&self) -> bool {
        self.may_speak_http2
    }

    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        self.destination.upstream()
    }

    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.destination.cluster()
    }

    #[must_use]
    pub fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.borrow().len() + self.sessions.idle()
    }

    /// Closes connections that have been idle for too long, or that the upstream has closed; run it about once a second.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|idle| !self.is_stale(idle) && idle.connection.is_quiet());
        self.sessions.sweep(self.ticker.now(), self.timeouts.keep.0);
    }

    fn is_stale(&self, idle: &Idle) -> bool {
        self.timeouts.keep.0 != 0 && self.ticker.now().saturating_sub(idle.since) >= self.timeouts.keep.0
    }

    /// What is there already to send a request on.
    #[must_use]
    pub fn ready(&self, endpoint: &EndpointRef, wanted: Wanted) -> Option<Transport> {
        if let Some(Idle { connection, .. }) = self.take(endpoint) {
            return Some(Transport::Http1 { connection, reused: true });
        }
        if wanted == Wanted::Http1 {
            return None;
        }
        let permit = self.sessions.group(endpoint).permit();
        permit
            .filter(|permit| wanted == Wanted::Either || permit.takes_websockets() == Some(true))
            .map(Transport::Http2)
    }

    /// Whether a connection of HTTP/1.1 is there to send a request on.
    #[must_use]
    pub fn keeps_http1(&self, endpoint: &EndpointRef) -> bool {
        let kept = self.take(endpoint);
        let is_kept = kept.is_some();
        self.idle.borrow_mut().extend(kept);
        is_kept
    }

    /// The last used connection to an address that can serve; those that cannot are closed.
    fn take(&self, endpoint: &EndpointRef) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while let Some(last) = at.checked_sub(1).and_then(|at| idle.get(at)) {
            at -= 1;
            if self.is_stale(last) {
                // All before it are older.
                idle.drain(..=at);
                return None;
            }
            // The last one nearly always: taken from the end, nothing moves.
            if is_same(&last.endpoint, endpoint)
                && let Some(mut taken) = idle.remove(at)
                && taken.connection.is_quiet()
            {
                return Some(taken);
            }
        }
        None
    }

    /// Both messages of an exchange have ended well: the connection may serve again.
    pub fn give_back(&self, connection: Box<Connection>, endpoint: EndpointRef) {
        self.idle.borrow_mut().push_back(Idle { connection, since: self.ticker.now(), endpoint });
    }

    /// Memory to write a head to.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.take()
    }

    pub fn give_buffer(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= LARGEST_SPARE {
            self.spare.set(buffer);
        }
    }

    /// Opens a connection to an address within `limit`, or shares one that has been opened meanwhile.
    ///
    /// # Errors
    /// It cannot be opened, or not in time.
    pub async fn connect(
        &self,
        endpoint: &EndpointRef,
        wanted: Wanted,
        deadlines: &Deadlines,
        limit: Ticks,
    ) -> Result<Transport, SendError> {
        deadlines.arm(Phase::Upstream, limit);
        let connecting = async {
            match wanted {
                Wanted::Either => self.connect_or_share(endpoint).await.map(Some),
                Wanted::Http1 => self.connect_http1(endpoint).await.map(Some),
                Wanted::WebSocket => self.connect_for_websocket(endpoint).await,
            }
        };
        let connected = before(deadlines, Phase::Upstream, connecting).await;
        let connected = connected.ok_or_else(|| self.timeout(endpoint, "accept a connection"))?;
        let address = || self.address(endpoint);
        match connected {
            Ok(Some(transport)) => Ok(transport),
            Ok(None) => Err(SendError::NoWebSockets { address: address() }),
            Err(source) if is_exhausted(&source) => Err(SendError::Descriptors { address: address() }),
            Err(source) => Err(SendError::Connect { address: address(), source }),
        }
    }

    /// A connection of HTTP/1.1: within TLS nothing else is offered.
    async fn connect_http1(&self, endpoint: &EndpointRef) -> std::io::Result<Transport> {
        let (stream, _) = self.dial(endpoint, &self.destination.dial().for_http1()).await?;
        Ok(self.http1(stream))
    }

    /// A stream of a connection of HTTP/2 where that may become a WebSocket, or a connection of HTTP/1.1; `None` where neither can be had.
    async fn connect_for_websocket(&self, endpoint: &EndpointRef) -> std::io::Result<Option<Transport>> {
        let group = self.sessions.group(endpoint);
        let is_http2_only = self.upstream().spoken() == Protocol::Http2;
        if is_http2_only || !group.takes_no_websockets.get() {
            match self.connect_or_share(endpoint).await? {
                Transport::Http2(permit) if !permit.settled().await => group.takes_no_websockets.set(true),
                transport => return Ok(Some(transport)),
            }
        }
        if is_http2_only { Ok(None) } else { self.connect_http1(endpoint).await.map(Some) }
    }

    fn http1(&self, stream: Stream) -> Transport {
        Transport::Http1 { connection: Connection::new(stream, &self.memory), reused: false }
    }

    /// A socket, and whether HTTP/2 is spoken on it.
    async fn dial(&self, endpoint: &EndpointRef, how: &Dial) -> std::io::Result<(Stream, bool)> {
        let origin = endpoint.as_ref().map_or(0, |endpoint| endpoint.origin);
        let address = self.upstream().addresses.get(origin).ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let descriptor = self.descriptors.take()?;
        let stream = match endpoint {
            Some(endpoint) => dial(&endpoint.address, address, how).await,
            None => dial_by_name(address, how).await,
        }?;
        let http2 = speaks_http2(&stream, address, how)?;
        self.counts.opened.set(self.counts.opened.get() + 1);
        Ok((stream.with(descriptor), http2))
    }

    /// Where HTTP/2 is spoken, or may be: those who want a connection at the same time share the one that the first opens.
    async fn connect_or_share(&self, endpoint: &EndpointRef) -> std::io::Result<Transport> {
        let group = self.sessions.group(endpoint);
        let turn = if group.speaks_http1.get() { None } else { Some(group.connecting.lock().await) };
        // Whoever waited has what the one before was waiting for.
        let turn = turn.filter(|_| !group.speaks_http1.get());
        if let Some(permit) = group.permit() {
            return Ok(Transport::Http2(permit));
        }
        let (stream, http2) = self.dial(endpoint, self.destination.dial()).await?;
        group.speaks_http1.set(!http2);
        if !http2 {
            return Ok(self.http1(stream));
        }
        let session = Session::begin(stream).await.map_err(std::io::Error::other)?;
        let permit = session.permit().ok_or(std::io::ErrorKind::ConnectionAborted)?;
        group.add(session);
        drop(turn);
        Ok(Transport::Http2(permit))
    }

    /// Permission for one more request at a cluster, within `limit`.
    ///
    /// # Errors
    /// Too many wait already, or it took too long.
    pub async fn enter(
        &self,
        cluster: &Cluster,
        deadlines: &Deadlines,
        limit: Ticks,
    ) -> Result<ConcurrencyPermit, SendError> {
        deadlines.arm(Phase::Upstream, limit);
        let permit = before(deadlines, Phase::Upstream, cluster.admission.enter()).await;
        permit.and_then(Result::ok).ok_or_else(|| SendError::Overloaded { name: self.upstream().name.clone() })
    }

    /// The upstream was too late.
    #[must_use]
    pub fn timeout(&self, endpoint: &EndpointRef, to: &'static str) -> SendError {
        SendError::Timeout { address: self.address(endpoint), to }
    }

    /// The upstream gave no answer.
    #[must_use]
    pub fn broken(&self, endpoint: &EndpointRef, source: Fault) -> SendError {
        SendError::Broken { address: self.address(endpoint), source }
    }

    fn address(&self, endpoint: &EndpointRef) -> Box<str> {
        let text = match endpoint {
            Some(endpoint) => endpoint.address.to_string(),
            None => self.upstream().addresses.first().map(ToString::to_string).unwrap_or_default(),
        };
        text.into()
    }
}
