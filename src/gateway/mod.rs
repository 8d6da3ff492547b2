//! The data path, as a service: one request in, one answer out.
//!
//! A request becomes an [`Exchange`], which goes through the phases, each a file: [`mod@evaluate`] (the stages of
//! `decision`), then [`reply`] for a refusal, or [`mod@forward`] for a permit: [`headers`] strips and injects while it writes, `upstream`
//! carries, [`body`] streams. An answer that decides is held by `judge` until the evaluation has gone on with it; a list goes through
//! `filter`. Evaluating never waits: what it cannot know from memory it asks for, the answer is fetched on the side, and
//! it goes on from there. When the answer ends, the exchange leaves one access line and the metrics
//! behind, whatever became of it.

pub mod active_policy;
mod answer_headers;
mod api;
mod authzen;
pub mod body;
pub mod client;
pub mod client_connection;
mod content_coding;
pub mod entropy;
pub mod evaluate;
mod events;
pub mod exchange;
pub mod ext_authz;
pub mod failures;
mod filter;
pub mod forward;
pub mod forwarded;
pub mod grpc;
pub mod handshake;
pub mod headers;
mod judge;
mod login_page;
pub mod map_back;
mod page;
pub mod prepare;
pub mod problems;
pub mod reply;
pub mod request_body;
pub mod request_id;
pub mod response_headers;
pub mod span;
pub mod splice;
pub mod traceparent;
pub mod trailers;
pub mod tunnel;
pub mod upgrade;
pub mod upstream_target;
mod watch;
pub mod worker;

use crate::decision::{Denial, Reason};
use crate::net::connection::Connection;
use crate::net::framing::{Violation, to_origin_form};
use crate::net::serve::Serve;
pub use active_policy::{ActivePolicy, InForce, Rules, SharedPolicy};
pub use authzen::Authzen;
use body::AnswerBody;
use client_connection::ClientConnection;
use evaluate::{Interrupt, LinkLogin};
use exchange::Exchange;
use forward::{Answer, forward};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
pub use login_page::LoginPages;
use request_body::RequestBody;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
pub use worker::{Port, Shared, Worker};

/// The gate for one client connection.
pub struct Gateway {
    worker: Rc<Worker>,
    link: Rc<ClientConnection>,
}

impl Gateway {
    /// The gate for a connection that was just accepted.
    #[must_use]
    pub fn new(worker: Rc<Worker>, connection: Rc<Connection>) -> Self {
        worker.shard.connections.inc();
        let link = Rc::new(ClientConnection::new(connection, &worker.shared.trusted_proxies, worker.front));
        Self { worker, link }
    }

    /// The gate for a stream of this HTTP/2 connection.
    #[must_use]
    pub fn stream(&self, stream: Rc<Connection>) -> Self {
        Self { worker: Rc::clone(&self.worker), link: Rc::new(self.link.stream(stream)) }
    }
}

impl Serve for Rc<Worker> {
    type Body = AnswerBody;
    type Service = Gateway;

    fn connection(&self, connection: Rc<Connection>) -> Gateway {
        Gateway::new(Rc::clone(self), connection)
    }

    fn stream(&self, connection: &Gateway, stream: Rc<Connection>) -> Gateway {
        connection.stream(stream)
    }
}

impl Service<Request<Incoming>> for Gateway {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let violation = self.link.connection.begin().or_else(|| to_origin_form(&mut request).err());
        let limit = self.worker.shared.body_limit;
        let mut request = request.map(|body| RequestBody::new(body, limit, Rc::clone(&self.link)));
        if let Some(violation) = violation {
            return Answer::Now(Some(self.refuse(request, violation)));
        }
        let unread = self.link.front.and_then(|front| self.link.asked(front, &mut request).err());
        self.answer(request, unread)
    }
}

impl Gateway {
    /// Answers a head that cannot be judged.
    fn refuse(&self, request: Request<RequestBody>, violation: Violation) -> Response<AnswerBody> {
        let mut exchange = Exchange::begin(&self.worker, &self.link, request);
        self.worker.shard.framing_refused.inc();
        exchange.unread();
        reply::violation(exchange, violation)
    }

    /// Answers a request: with this denial, where there is one.
    fn answer(&self, request: Request<RequestBody>, unread: Option<Denial>) -> Answer {
        let mut exchange = Exchange::begin(&self.worker, &self.link, request);
        if let Some(denial) = unread {
            return Answer::Now(Some(reply::refuse(exchange, &denial)));
        }
        if self.worker.is_for_admin {
            return Answer::Later(Box::pin(api::answer_at_own_address(exchange)));
        }
        match exchange.prepare() {
            Ok(prepared) => forward(exchange, prepared),
            Err(Interrupt::Denied(denial)) => Answer::Now(Some(reply::refuse(exchange, &denial))),
            Err(Interrupt::Preflight) => Answer::Now(Some(reply::preflight(exchange))),
            Err(Interrupt::AskFirst) => Answer::Now(Some(reply::ask_first(exchange))),
            Err(Interrupt::Empty(list)) => Answer::Now(Some(reply::empty_list(exchange, list))),
            Err(Interrupt::Permitted) => Answer::Now(Some(reply::permit(exchange))),
            Err(Interrupt::BeginSession(entry)) => Answer::Later(Box::pin(begin_session(exchange, entry))),
            Err(Interrupt::Identity) => Answer::Later(Box::pin(api::answer(exchange))),
            Err(Interrupt::Authzen) => Answer::Later(Box::pin(authzen::answer(exchange))),
            Err(Interrupt::AdminUi) => Answer::Later(Box::pin(api::answer_admin(exchange))),
            Err(Interrupt::Needs(need)) => Answer::Later(Box::pin(async move {
                let mut need = need;
                loop {
                    if let Err(denial) = exchange.fetch(need).await {
                        return match exchange.go_on_without(denial) {
                            Ok(prepared) => forward(exchange, prepared).settled().await,
                            Err(Interrupt::Permitted) => reply::permit(exchange),
                            Err(Interrupt::Denied(denial)) => reply::refuse(exchange, &denial),
                            Err(_) => reply::refuse(exchange, &Denial::new(Reason::Denied)),
                        };
                    }
                    match exchange.prepare() {
                        Ok(prepared) => return forward(exchange, prepared).settled().await,
                        Err(Interrupt::Denied(denial)) => return reply::refuse(exchange, &denial),
                        Err(Interrupt::Preflight) => return reply::preflight(exchange),
                        Err(Interrupt::AskFirst) => return reply::ask_first(exchange),
                        Err(Interrupt::Empty(list)) => return reply::empty_list(exchange, list),
                        Err(Interrupt::Permitted) => return reply::permit(exchange),
                        Err(Interrupt::BeginSession(entry)) => return begin_session(exchange, entry).await,
                        Err(Interrupt::Identity) => return api::answer(exchange).await,
                        Err(Interrupt::Authzen) => return authzen::answer(exchange).await,
                        Err(Interrupt::AdminUi) => return api::answer_admin(exchange).await,
                        Err(Interrupt::Needs(next)) => need = next,
                    }
                }
            })),
        }
    }
}

/// Makes a session and sends the browser on, to the same target without the token.
async fn begin_session(exchange: Box<Exchange>, entry: Box<LinkLogin>) -> Response<AnswerBody> {
    let identity = Arc::clone(&exchange.worker().shared.identity);
    match identity.begin_session(entry.user, entry.old.as_deref(), (false, None)).await {
        Ok(cookies) => reply::begin_session(exchange, &entry.target, cookies),
        Err(error) => {
            tracing::warn!(%error, "no session could be made");
            reply::refuse(exchange, &Denial::new(Reason::StoreUnavailable))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exchange::Exchange;

    /// The allocator's quick path ends at 1 KiB, and the exchange is allocated for each request.
    #[test]
    fn an_exchange_fits_the_allocator_s_quick_path() {
        assert!(size_of::<Exchange>() <= 1024, "{}", size_of::<Exchange>());
    }
}
