//! One connection's task: HTTP/1.1, or HTTP/2 from the handshake on, or from the moment that the client begins to speak it.

use super::{LoadPermit, Worker};
use crate::net::connection::Connection;
use crate::net::deadline::Phase;
use crate::net::http2;
use crate::net::http2::io::Socket;
use crate::net::io::StrictIo;
use crate::net::per_address_limit::AddressPermit;
use crate::net::serve::Serve;
use hyper::server::conn::http1;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a connection holds as long as it is open.
pub(super) struct ConnectionPermits {
    pub(super) _load: LoadPermit,
    /// `None` for a proxy's, which stands for many clients.
    pub(super) _address: Option<AddressPermit>,
}

enum Spoken<S: Serve> {
    /// In a box, which goes when the connection hibernates.
    Http1(Box<http1::Connection<StrictIo, S::Service>>),
    Http2(http2::Driven<S>),
    /// HTTP/1.1 that has been idle for a while: without its parser, whose buffers are most of what a connection takes.
    Hibernated(Box<(StrictIo, S::Service)>),
    /// Something else, which the service has agreed on with the client.
    Switched(Pin<Box<dyn Future<Output = ()>>>),
    Neither,
}

pub(super) struct Drive<S: Serve> {
    worker: Rc<Worker<S>>,
    spoken: Spoken<S>,
    connection: Rc<Connection>,
    closing: bool,
    _permits: ConnectionPermits,
}

impl<S: Serve> Unpin for Drive<S> {}

impl<S: Serve> Drive<S> {
    /// Begins to serve an opened connection.
    pub(super) fn begin(worker: &Rc<Worker<S>>, io: StrictIo, http2: bool, permits: ConnectionPermits) -> Self {
        let connection = Rc::clone(io.connection());
        let service = worker.serve.connection(Rc::clone(&connection));
        let spoken = if http2 { speak_http2(worker, io, service) } else { speak_http1(worker, io, service) };
        Self { worker: Rc::clone(worker), spoken, connection, closing: false, _permits: permits }
    }

    fn close(&mut self) {
        self.closing = true;
        match &mut self.spoken {
            Spoken::Http1(driven) => Pin::new(&mut **driven).graceful_shutdown(),
            Spoken::Http2(driven) => {
                driven.graceful_shutdown();
                self.connection.close();
            }
            Spoken::Switched(_) | Spoken::Hibernated(_) | Spoken::Neither => {}
        }
    }

    /// Gives the parser's buffers back, and goes on as [`Spoken::Hibernated`]; ready where there is nothing to go on with.
    fn hibernate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Spoken::Http1(driven) = std::mem::replace(&mut self.spoken, Spoken::Neither) {
            let parts = driven.into_parts();
            // A rest of a message that nobody reads any more would have closed the connection too.
            if parts.read_buf.is_empty() && parts.io.is_between_messages() {
                self.spoken = Spoken::Hibernated(Box::new((parts.io, parts.service)));
            }
        }
        self.poll_hibernated(cx)
    }

    /// Waits for the next request, and has it read.
    fn poll_hibernated(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Spoken::Hibernated(hibernated) = &mut self.spoken else { return Poll::Ready(()) };
        if self.closing {
            return Poll::Ready(());
        }
        match hibernated.0.poll_arrival(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                tracing::debug!(peer = %self.connection.peer, %error, "connection ended");
                return Poll::Ready(());
            }
        }
        if let Spoken::Hibernated(hibernated) = std::mem::replace(&mut self.spoken, Spoken::Neither) {
            let (io, service) = *hibernated;
            self.spoken = speak_http1(&self.worker, io, service);
        }
        self.poll_http1(cx)
    }

    fn poll_http1(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Spoken::Http1(driven) = &mut self.spoken else { return Poll::Ready(()) };
        match Pin::new(&mut **driven).poll(cx) {
            Poll::Ready(Ok(())) => self.poll_switched(cx),
            Poll::Ready(Err(error)) => self.finished(Err(error)),
            Poll::Pending if self.connection.speaks_http2() => {
                if let Spoken::Http1(driven) = std::mem::replace(&mut self.spoken, Spoken::Neither) {
                    let parts = driven.into_parts();
                    self.spoken = speak_http2(&self.worker, parts.io, parts.service);
                }
                self.poll_http2(cx)
            }
            Poll::Pending if self.connection.deadlines.may_hibernate() => self.hibernate(cx),
            // What is left of a body goes through the parser, which is woken for it.
            Poll::Pending => {
                let _ = self.connection.poll_unread_body(cx);
                Poll::Pending
            }
        }
    }

    fn finished(&self, result: hyper::Result<()>) -> Poll<()> {
        if let Err(error) = result {
            tracing::debug!(peer = %self.connection.peer, %error, "connection ended");
        }
        Poll::Ready(())
    }

    /// Behind the last answer of HTTP/1.1: nothing, or what was agreed on in it.
    fn poll_switched(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(switch) = self.connection.take_switch()
            && let Spoken::Http1(driven) = std::mem::replace(&mut self.spoken, Spoken::Neither)
        {
            let parts = driven.into_parts();
            let (stream, early) = parts.io.into_rest(&parts.read_buf);
            self.connection.deadlines.disarm(Phase::Head);
            self.spoken = Spoken::Switched(switch(Box::new(stream), early));
        }
        match &mut self.spoken {
            Spoken::Switched(future) => future.as_mut().poll(cx),
            _ => Poll::Ready(()),
        }
    }

    fn poll_http2(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadlines = &self.connection.deadlines;
        if !self.closing && deadlines.expired(Phase::Idle) {
            self.close();
        }
        let Spoken::Http2(driven) = &mut self.spoken else { return Poll::Ready(()) };
        match driven.poll(cx) {
            Poll::Ready(result) => self.finished(result),
            Poll::Pending if self.connection.has_late_tail(cx) => {
                self.worker.settings.counts.http2_stalled.add_shared(1);
                Poll::Ready(())
            }
            // The client does not say good-bye.
            Poll::Pending if self.connection.deadlines.expired(Phase::Linger) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: Serve> Future for Drive<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.connection.deadlines.register(cx.waker());
        if this.connection.deadlines.draining() && !this.closing {
            this.close();
        }
        match &mut this.spoken {
            Spoken::Http1(_) => this.poll_http1(cx),
            Spoken::Hibernated(_) => this.poll_hibernated(cx),
            Spoken::Switched(_) => this.poll_switched(cx),
            Spoken::Http2(_) | Spoken::Neither => this.poll_http2(cx),
        }
    }
}

fn speak_http1<S: Serve>(worker: &Worker<S>, io: StrictIo, service: S::Service) -> Spoken<S> {
    Spoken::Http1(Box::new(worker.http.serve_connection(io, service)))
}

fn speak_http2<S: Serve>(worker: &Worker<S>, io: StrictIo, service: S::Service) -> Spoken<S> {
    let connection = Rc::clone(io.connection());
    let (stream, held) = io.into_parts();
    let settings = &worker.settings;
    let (scratch, counts) = (Rc::clone(&worker.scratch), Arc::clone(&settings.counts));
    let socket = Socket::new(stream, connection, held, scratch, settings.http2.resets, Arc::clone(&counts));
    let settings = http2::Settings { limits: settings.http2, head: settings.head, counts };
    Spoken::Http2(http2::drive(socket, service, &worker.serve, &settings))
}
