//! One exchange with an upstream, whichever version of HTTP is spoken.

use super::answer::Answer;
use super::body::Body;
use super::cluster::endpoint::EndpointRef;
use super::fault::{Failed, Fault};
use super::head::{CANNOT_BE_SAID, Fields};
use super::pool::{Pool, Transport, Wanted};
use super::{h1, h2, uwsgi};
use crate::net::stream::Duplex;
use bytes::Bytes;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

pub enum Head {
    /// Written: HTTP/1.1 is what will be spoken.
    Http1(h1::Request),
    /// For whichever version the connection speaks.
    Either(Fields),
    /// Written: the uwsgi protocol is what will be spoken.
    Uwsgi(uwsgi::Packet),
}

impl Head {
    /// What it can be sent on.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        match self {
            Self::Http1(_) | Self::Uwsgi(_) => Wanted::Http1,
            Self::Either(fields) if fields.websocket.is_some() => Wanted::WebSocket,
            Self::Either(_) => Wanted::Either,
        }
    }
}

/// Calls the same method of whichever call it is.
macro_rules! either {
    ($call:expr, $name:ident => $do:expr) => {
        match $call {
            Call::Http1($name) => $do,
            Call::Http2($name) => $do,
        }
    };
}

/// A connection, or a stream, that speaks HTTP no longer.
pub struct Switched {
    pub duplex: Box<dyn Duplex>,
    /// What was read already behind the answer's head.
    pub unread: Bytes,
    /// It is a stream of HTTP/2.
    pub is_stream: bool,
}

/// A request on its way, and the answer that is waited for. It lives in its exchange: a box would cost each request over HTTP/1.1 an
/// allocation.
#[allow(clippy::large_enum_variant)]
pub enum Call<B> {
    Http1(h1::Call<B>),
    Http2(Box<h2::Call<B>>),
}

impl<B: http_body::Body<Data = Bytes> + Unpin + 'static> Call<B> {
    /// Sends a request with `body` on a connection of `pool`. `passes` says which fields of the answer go on (names in lower case).
    ///
    /// # Errors
    /// The head cannot be said in what the connection speaks.
    pub fn new(
        transport: Transport,
        head: Head,
        body: B,
        pool: &Pool,
        passes: fn(&str) -> bool,
    ) -> Result<Self, Fault> {
        Ok(match (transport, head) {
            (Transport::Http1 { connection, reused }, head) => {
                let request = match head {
                    Head::Http1(request) => request,
                    Head::Uwsgi(packet) => packet.end(),
                    Head::Either(fields) => h1::Request::encode(fields, pool.buffer(), pool.upstream().title_case)?,
                };
                Self::Http1(h1::Call::new(connection, reused, request, body, passes))
            }
            (Transport::Http2(permit), Head::Either(fields)) => {
                let secure = pool.upstream().is_secure();
                Self::Http2(Box::new(h2::Call::new(permit, fields, body, secure, passes)?))
            }
            (Transport::Http2(_), Head::Http1(_) | Head::Uwsgi(_)) => return Err(CANNOT_BE_SAID),
        })
    }

    /// What it can be sent on again: what is written for HTTP/1.1 goes over nothing else.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        match self {
            Self::Http1(_) => Wanted::Http1,
            Self::Http2(call) if call.asks_for_websocket() => Wanted::WebSocket,
            Self::Http2(_) => Wanted::Either,
        }
    }

    /// Goes to another connection, after [`Failed::Unseen`]; `false` where that one speaks something else than the first one.
    pub fn again_on(&mut self, transport: Transport) -> bool {
        match (self, transport) {
            (Self::Http1(call), Transport::Http1 { connection, reused }) => call.again_on(connection, reused),
            (Self::Http2(call), Transport::Http2(permit)) => call.again_on(permit),
            (Self::Http1(_), Transport::Http2(_)) | (Self::Http2(_), Transport::Http1 { .. }) => return false,
        }
        true
    }

    /// Whether the connection had served before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        either!(self, call => call.is_reused())
    }

    /// The upstream is late: a connection that others share is looked at.
    pub fn mark_suspect(&self) {
        if let Self::Http2(call) = self {
            call.mark_suspect();
        }
    }

    /// Sends on, and waits for the answer's head.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failed>> {
        either!(self, call => call.poll_answer(cx))
    }

    /// The interim answers that have come since, but for 100.
    pub fn interim(&mut self) -> Vec<Answer> {
        either!(self, call => call.interim())
    }

    /// What the two sides go on with that no longer speak HTTP; `None` while the request is still being sent.
    #[must_use]
    pub fn into_switched(self) -> Option<Switched> {
        match self {
            Self::Http1(call) => {
                let (socket, unread) = call.into_socket()?;
                Some(Switched { duplex: Box::new(socket), unread, is_stream: false })
            }
            Self::Http2(call) => {
                let tunnel = call.into_tunnel()?;
                Some(Switched { duplex: Box::new(tunnel), unread: Bytes::new(), is_stream: true })
            }
        }
    }

    /// What is to be read behind the answer's head. A request that is not sent whole by then goes on by itself, as long as the upstream
    /// takes something within `stall`; its body is told `answered`, and whether both sides may go on talking for long. A connection that
    /// may serve again goes to `pool`.
    pub fn receive(
        self,
        pool: Rc<Pool>,
        endpoint: EndpointRef,
        stall: Option<Duration>,
        answered: impl FnOnce(&mut B, bool),
    ) -> Body {
        match self {
            Self::Http1(mut call) => {
                if let Some(buffer) = call.take_buffer() {
                    pool.give_buffer(buffer);
                }
                match call.receive(stall, |body| answered(body, false)) {
                    h1::Received::Partly(body) => Body::http1(body, pool, endpoint),
                    h1::Received::Whole(bytes, connection) => {
                        if let Some(connection) = connection {
                            pool.give_back(connection, endpoint);
                        }
                        Body::Whole(bytes)
                    }
                }
            }
            Self::Http2(call) => match call.receive(stall, |body| answered(body, true)) {
                Some(body) if !body.is_end() => Body::Http2(Box::new(body)),
                _ => Body::Whole(Bytes::new()),
            },
        }
    }
}
