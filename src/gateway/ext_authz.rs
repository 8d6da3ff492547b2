//! Envoy asks over gRPC: each call of `Authorization/Check` becomes the request that it is about, which [`Gateway`] answers, and the answer
//! a message again. What is wrong with a call is a status of gRPC; what is wrong with the request that it asks about is its client's
//! answer.

mod call;
mod request;
mod watch;

use super::exchange::Exchange;
use super::exchange::front::Told;
use super::request_body::RequestBody;
use super::{AnswerBody, Gateway, Worker, grpc, reply};
use crate::decision::Denial;
use crate::ext_authz::health::Health;
use crate::ext_authz::{answer, frame, health};
use crate::fronts::Front;
use crate::net::connection::Connection;
use crate::net::framing::Limits;
use crate::net::serve::Serve;
use bytes::Bytes;
pub use call::Reply;
use call::{Call, Open};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use request::Asked;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use watch::Watch;
pub use watch::Watchers;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// What a question may have besides the body that it shows.
const MESSAGE: u64 = 1024 * 1024;
/// A `HealthCheckRequest`, which has a name.
const HEALTH_MESSAGE: u64 = 1024;

/// Whether the process can serve.
pub type IsReady = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a worker needs that is asked over gRPC.
pub struct ExtAuthz {
    pub worker: Rc<Worker>,
    /// How large the head of a request may be that is asked about.
    pub head: Limits,
    pub is_ready: IsReady,
    pub watchers: Watchers,
}

/// A connection to it, or a stream.
#[derive(Clone)]
pub struct Asking {
    gateway: Rc<Gateway>,
    head: Limits,
    is_ready: IsReady,
    watchers: Watchers,
}

impl Serve for ExtAuthz {
    type Body = Reply;
    type Service = Asking;

    fn connection(&self, connection: Rc<Connection>) -> Asking {
        let gateway = Rc::new(Gateway::new(Rc::clone(&self.worker), connection));
        Asking { gateway, head: self.head, is_ready: Arc::clone(&self.is_ready), watchers: self.watchers.clone() }
    }

    fn stream(&self, connection: &Asking, stream: Rc<Connection>) -> Asking {
        let gateway = Rc::new(connection.gateway.stream(stream));
        Asking { gateway, head: self.head, is_ready: Arc::clone(&self.is_ready), watchers: self.watchers.clone() }
    }
}

impl Service<Request<Incoming>> for Asking {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let link = &self.gateway.link;
        let violation = link.connection.begin();
        let open = Open::new(&link.connection);
        let limit = match request.uri().path() {
            CHECK => MESSAGE.saturating_add(self.gateway.worker.shared.body_limit),
            _ => HEALTH_MESSAGE,
        };
        let request = request.map(|body| RequestBody::new(body, limit, Rc::clone(link)));
        if let Some(violation) = violation {
            open.passes_on();
            let refused = self.gateway.refuse(request, violation).map(Reply::Other);
            return Box::pin(std::future::ready(Ok(refused)));
        }
        let asking = self.clone();
        Box::pin(async move { Ok(asking.answered(request, limit, open).await) })
    }
}

impl Asking {
    /// Answers a call.
    async fn answered(&self, mut request: Request<RequestBody>, limit: u64, open: Open) -> Response<Reply> {
        let gateway = &self.gateway;
        let call = match Call::read(&request) {
            Ok(call) => call,
            Err(denial) => {
                let is_grpc = denial.status != StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return refuse(gateway, request, &denial, is_grpc, open);
            }
        };
        // Health is no secret.
        let may = if call == Call::Check { gateway.link.may_ask() } else { Ok(()) };
        let message = match may {
            Ok(()) => {
                request.body_mut().gather(limit).await.and_then(|body| frame::message(body).map_err(call::unread))
            }
            Err(denial) => Err(denial),
        };
        let answered = match (message, call) {
            (Ok(message), Call::Check) => check(gateway, self.head, &message, open).await,
            (Ok(message), _) => self.health(call, &message, open),
            (Err(denial), _) => Err((denial, open)),
        };
        match answered {
            Ok(reply) => grpc::response(reply),
            Err((denial, open)) => refuse(gateway, request, &denial, true, open),
        }
    }

    /// How a service is, once or until the end.
    fn health(&self, call: Call, message: &[u8], open: Open) -> Result<Reply, (Denial, Open)> {
        let is_known = match health::is_known(message) {
            Ok(is_known) => is_known,
            Err(error) => return Err((call::malformed(error), open)),
        };
        if call == Call::Health {
            return Ok(Reply::health(is_known.then(|| Health::of((self.is_ready)()).answer()), open));
        }
        match self.watchers.place() {
            Some(place) => Ok(Reply::Watch(Box::new(Watch::new(is_known, Arc::clone(&self.is_ready), place, open)))),
            None => Err((call::watched(), open)),
        }
    }
}

/// Answers a call that is none, or cannot be read.
fn refuse(
    gateway: &Gateway,
    request: Request<RequestBody>,
    denial: &Denial,
    is_grpc: bool,
    open: Open,
) -> Response<Reply> {
    open.passes_on();
    let mut exchange = Exchange::begin(&gateway.worker, &gateway.link, request);
    exchange.grpc = is_grpc;
    reply::refuse(exchange, denial).map(Reply::Other)
}

/// What becomes of the request that a message asks about.
async fn check(gateway: &Gateway, head: Limits, message: &Bytes, open: Open) -> Result<Reply, (Denial, Open)> {
    let asked = match Asked::read(message, head) {
        Ok(asked) => asked,
        Err(malformed) => return Err((call::malformed(malformed), open)),
    };
    let link = &gateway.link;
    link.source.set(asked.source);
    let body = RequestBody::shown(asked.body, Rc::clone(link));
    let mut request = asked.request.map(|()| body);
    let unread = asked.unread.or_else(|| link.asked(Front::EnvoyGrpc, &mut request).err());
    open.passes_on();
    let answer = gateway.answer(request, unread).settled().await;
    Ok(told(answer))
}

/// An answer as Envoy is told it.
fn told(answer: Response<AnswerBody>) -> Reply {
    let (mut parts, mut body) = answer.into_parts();
    let told = parts.extensions.remove::<Told>();
    let text = body.take_own().unwrap_or_default();
    let write = |metadata: &answer::Metadata<'_>| match &told {
        Some(Told { headers, removed }) => answer::allowed(headers, removed, &parts.headers, metadata),
        None => answer::denied(parts.status, &parts.headers, &text, denied_code(parts.status), metadata),
    };
    let message = body.exchange().map_or_else(|| write(&[]), |exchange| exchange.with_metadata(write));
    Reply::judged(message, body)
}

/// The code of gRPC for an answer that keeps a request from passing.
fn denied_code(status: StatusCode) -> u8 {
    let status = if status.is_client_error() || status.is_server_error() { status } else { StatusCode::FORBIDDEN };
    grpc::code(status)
}
