//! HTTP/2 towards clients (RFC 9113): hyper's server with limits of our own around it.
//!
//! [`io`] watches the frames below the parser (`meter`: floods, halves of a head; [`data_coalescer`]: tiny frames of bodies), [`admit`] makes of each request what an
//! HTTP/1.1 one is above the framing scanner — a `Host`, a target in origin form, plain values — or says which rule it breaks.
//! `connect` lets a stream become a WebSocket. Each stream is a task with a [`Connection`] of its own, so that the deadlines of an exchange are its own (`executor`).

pub mod admit;
pub mod answer;
mod connect;
pub mod data_coalescer;
mod executor;
pub mod io;
pub(super) mod meter;

use super::connection::Connection;
use super::counts::Counts;
use super::framing;
use super::serve::Serve;
use answer::{Answer, StreamBody};
use executor::StreamExecutor;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use io::{FrameIo, Socket};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams that a connection may have open at once.
    pub streams: u32,
    /// Streams that a client may reset in ten seconds.
    pub resets: u32,
}

/// Bytes that may be received on a stream, or on all of a connection's, before we give the client more room.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of answers that may wait in memory for a stream whose client does not take them.
const SEND_BUFFER: usize = 64 * 1024;

pub(super) struct Driven<S: Serve> {
    hyper: Pin<Box<http2::Connection<FrameIo, Service<S>, StreamExecutor>>>,
    socket: Rc<RefCell<Socket>>,
}

impl<S: Serve> Driven<S> {
    pub(super) fn graceful_shutdown(&mut self) {
        self.hyper.as_mut().graceful_shutdown();
    }

    /// Reads, and has requests served; what there is to say then is sent at once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let polled = self.hyper.as_mut().poll(cx);
        self.socket.borrow_mut().poll_send(cx);
        polled
    }
}

pub(super) fn drive<S: Serve>(socket: Socket, service: S::Service, serve: &Rc<S>, settings: &Settings) -> Driven<S> {
    settings.counts.http2_connections.add_shared(1);
    let connection = Rc::clone(socket.connection());
    let executor = StreamExecutor::new(Arc::clone(&settings.counts));
    let mut http = http2::Builder::new(executor.clone());
    // hyper would refuse larger heads by itself, without a line in the access log; so its limit is a little wider.
    http.max_header_list_size(u32::try_from(settings.head.head_bytes + 16 * 1024).unwrap_or(u32::MAX))
        .auto_date_header(false)
        .enable_connect_protocol()
        .max_concurrent_streams(settings.limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100);
    let serve = Rc::clone(serve);
    let service =
        Service { serve, service, connection, executor, head: settings.head, counts: Arc::clone(&settings.counts) };
    let socket = Rc::new(RefCell::new(socket));
    Driven { hyper: Box::pin(http.serve_connection(FrameIo(Rc::clone(&socket)), service)), socket }
}

/// What an HTTP/2 connection needs to know.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) head: framing::Limits,
    pub(super) counts: Arc<Counts>,
}

/// The service of a connection as hyper calls it: each request gets a stream's service.
pub(super) struct Service<S: Serve> {
    serve: Rc<S>,
    service: S::Service,
    connection: Rc<Connection>,
    executor: StreamExecutor,
    head: framing::Limits,
    counts: Arc<Counts>,
}

impl<S: Serve> hyper::service::Service<http::Request<Incoming>> for Service<S> {
    type Response = http::Response<StreamBody<S::Body>>;
    type Error = std::convert::Infallible;
    type Future = Answer<<S::Service as hyper::service::Service<http::Request<Incoming>>>::Future>;

    fn call(&self, mut request: http::Request<Incoming>) -> Self::Future {
        self.counts.http2_streams.add_shared(1);
        let stream = Connection::stream(&self.connection);
        let tunnel = connect::asked(&mut request).map(|tunnel| (tunnel, self.executor.clone()));
        if let Err(violation) = admit::admit(&mut request, self.head) {
            stream.refuse(1, violation);
        }
        let head = request.method() == http::Method::HEAD;
        self.executor.set(Rc::clone(&stream));
        let service = self.serve.stream(&self.service, Rc::clone(&stream));
        Answer::new(service.call(request), stream, head, tunnel)
    }
}
