//! The data path, as a tower service: one request in, one answer out.
//!
//! The order of a request's phases, each a file: [`judge`] (target, route, credential, organization, decision), then
//! [`reply`] for a refusal, or [`forward`] for a permit: [`headers`] strips and injects, `upstream` carries, [`body`]
//! streams. [`record`] is what the request leaves behind: one access line and the metrics, whatever became of it.

pub mod body;
pub mod client;
pub mod entropy;
pub mod forward;
pub mod headers;
pub mod judge;
pub mod record;
pub mod reply;
pub mod worker;

use crate::net::io::Connection;
use body::AnswerBody;
use client::Client;
use headers::Trace;
use http::{Request, Response};
use hyper::body::Incoming;
use record::Record;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
pub use worker::{Shared, Worker};

/// The gate for one client connection.
#[derive(Clone)]
pub struct Gateway {
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    client: Rc<Client>,
}

impl Gateway {
    /// The gate for a connection that was just accepted.
    #[must_use]
    pub fn new(worker: Rc<Worker>, connection: Rc<Connection>) -> Self {
        worker.shard.connections.inc();
        let client = Rc::new(Client::new(connection.peer, &worker.shared.trusted_proxies));
        Self { worker, connection, client }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<AnswerBody> {
        let Self { worker, connection, client } = self;
        let violation = connection.begin();
        let (parts, body) = request.into_parts();
        // Read before anything is stripped: who sent it, from where, as part of which trace.
        let origin = client.origin(&parts.headers, &worker.shared.trusted_proxies);
        let trace = Trace::of(&parts.headers, client.is_trusted(), &worker.entropy);
        let mut record = Record::begin(&worker, &connection, &parts, origin.address, trace.request_id.clone());
        if let Some(violation) = violation {
            worker.shard.framing_refused.inc();
            record.unread();
            return reply::violation(record, violation);
        }
        match judge::judge(&worker, &mut record, &parts.method, &parts.uri, &parts.headers).await {
            Ok(permit) => forward::forward(&worker, &connection, record, &permit, (origin, trace), parts, body).await,
            Err(denial) => reply::refuse(record, &denial),
        }
    }
}

impl tower::Service<Request<Incoming>> for Gateway {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let gateway = self.clone();
        Box::pin(async move { Ok(gateway.answer(request).await) })
    }
}
