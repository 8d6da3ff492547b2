//! Questions to services: one GET on connections of their own, with credentials of their own; a whole answer, or none.
//!
//! Redirects are not followed: nobody said that anything may be learned elsewhere.

use crate::decision::{LookupAnswer, LookupFailure, looked_up};
use crate::net::descriptors::Descriptors;
use crate::policy::{Lookup, Resource};
use crate::upstream::cluster::ResolvedAddress;
use crate::upstream::cluster::endpoint::EndpointRef;
use crate::upstream::dial::{Dial, dial, dial_by_name, speaks_http2};
use crate::upstream::{Address, Destination, Destinations, HostHeader, Protocol, Scheme, Stream};
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Largest answer, in bytes.
const MOST_BYTES: usize = 256 * 1024;
/// Largest head of an answer, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// Questions to one service at once; others wait.
const AT_ONCE: usize = 64;
/// Connections that are kept to one address while nobody asks.
const IDLE: usize = 16;

type Client = legacy::Client<Connector, Empty<Bytes>>;

/// The services that lookups ask: upstreams of the policy in force.
pub struct Services {
    destinations: Arc<Destinations>,
    descriptors: Descriptors,
    /// How long an unused connection is kept.
    keep: Duration,
    known: Mutex<Vec<(Weak<Destination>, Arc<Service>)>>,
}

struct Service {
    turns: Semaphore,
    clients: Mutex<Vec<(Option<ResolvedAddress>, Client)>>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("known", &self.known.lock().len()).finish_non_exhaustive()
    }
}

/// Why a question was not answered.
enum Failure {
    NoService,
    NoAddress,
    Busy,
    Secret,
    Slow,
    Status(StatusCode),
    Body,
    Http(legacy::Error),
    Dial(io::Error),
    Unsayable(http::Error),
    Answer(LookupFailure),
}

impl Services {
    /// Nothing is connected to before it is asked.
    #[must_use]
    pub fn new(destinations: Arc<Destinations>, descriptors: Descriptors, keep: Duration) -> Self {
        Self { destinations, descriptors, keep, known: Mutex::default() }
    }

    /// The same for a tool, which asks one after the other.
    #[must_use]
    pub fn of_a_tool(destinations: Arc<Destinations>) -> Self {
        Self::new(destinations, Descriptors::new(AT_ONCE), Duration::from_secs(1))
    }

    /// Asks; what is wrong is logged, and never told to the caller.
    pub(super) async fn ask(&self, lookup: &Lookup, resource: &Resource, args: &[Box<str>]) -> LookupAnswer {
        let Some(target) = resource.target(args) else { return Ok(None) };
        let asked = tokio::time::timeout(resource.timeout, self.get(resource, &target)).await;
        let found = asked.unwrap_or(Err(Failure::Slow)).and_then(|found| {
            let read = found.map(|(headers, body)| looked_up(&headers, &body, resource)).transpose();
            read.map_err(Failure::Answer)
        });
        found.map(|object| object.map(Arc::new)).map_err(|failure| {
            let (lookup, upstream, error) = (&*lookup.name, &*resource.upstream, failure.words());
            tracing::warn!(lookup, upstream, error, "a lookup has no answer");
            failure.told()
        })
    }

    /// Whether the service can be connected to, and the columns that answers are read for.
    pub(super) async fn check(&self, resource: &Resource) -> Result<Vec<String>, String> {
        let connected = async {
            let destination = self.destination(resource)?;
            let endpoint = chosen(&destination, &[], &EndpointRef::None)?;
            self.connector(&destination, &endpoint)?.connect().await.map_err(Failure::Dial)
        };
        let connected = tokio::time::timeout(resource.timeout, connected).await.unwrap_or(Err(Failure::Slow));
        connected.map_err(|failure| failure.words())?;
        let columns = resource.columns.iter().map(|(name, _)| name.to_string());
        Ok(std::iter::once("organization".to_owned()).chain(columns).collect())
    }

    /// What stands there; `None`: nothing does.
    async fn get(&self, resource: &Resource, target: &str) -> Result<Option<(HeaderMap, Bytes)>, Failure> {
        let headers = resource.headers().ok_or(Failure::Secret)?;
        let destination = self.destination(resource)?;
        let service = self.service(&destination);
        let _turn = service.turns.acquire().await.map_err(|_| Failure::Busy)?;
        let cluster = destination.cluster();
        let _permit = match cluster {
            Some(cluster) => cluster.admission.enter().await.map_err(|_| Failure::Busy)?,
            None => None,
        };
        let mut tried = EndpointRef::None;
        loop {
            let endpoint = chosen(&destination, target.as_bytes(), &tried)?;
            let connector = self.connector(&destination, &endpoint)?;
            let mut request = request(&destination, &connector.address, target).map_err(Failure::Unsayable)?;
            request.headers_mut().extend(headers.iter().cloned());
            let client = service.client(&destination, connector, self.keep);
            let answer = client.request(request).await;
            if let (Some(cluster), Some(endpoint)) = (cluster, &endpoint) {
                match &answer {
                    Ok(_) => cluster.succeeded(endpoint),
                    Err(_) => cluster.failed(endpoint),
                }
            }
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.is_connect() && tried.is_none() && endpoint.is_some() => {
                    tried = endpoint;
                    continue;
                }
                Err(error) => return Err(Failure::Http(error)),
            };
            let (head, body) = answer.into_parts();
            return match head.status {
                StatusCode::OK => {
                    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|_| Failure::Body)?;
                    Ok(Some((head.headers, body.to_bytes())))
                }
                StatusCode::NOT_FOUND => Ok(None),
                status => Err(Failure::Status(status)),
            };
        }
    }

    /// Where a question goes; over uwsgi none does, which the policy was told where the configuration was known.
    fn destination(&self, resource: &Resource) -> Result<Arc<Destination>, Failure> {
        let named = self.destinations.named(&resource.upstream);
        named.filter(|destination| !destination.upstream().is_uwsgi()).ok_or(Failure::NoService)
    }

    /// What is known of a destination; of those that are no more, nothing.
    fn service(&self, destination: &Arc<Destination>) -> Arc<Service> {
        let mut known = self.known.lock();
        known.retain(|(known, _)| known.strong_count() > 0);
        if let Some((_, service)) =
            known.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(destination)))
        {
            return Arc::clone(service);
        }
        let service = Arc::new(Service { turns: Semaphore::new(AT_ONCE), clients: Mutex::default() });
        known.push((Arc::downgrade(destination), Arc::clone(&service)));
        service
    }

    fn connector(&self, destination: &Destination, endpoint: &EndpointRef) -> Result<Connector, Failure> {
        let origin = endpoint.as_ref().map_or(0, |endpoint| endpoint.origin);
        Ok(Connector {
            address: destination.upstream().addresses.get(origin).cloned().ok_or(Failure::NoAddress)?,
            resolved: endpoint.as_ref().map(|endpoint| endpoint.address.clone()),
            dial: destination.dial().clone(),
            descriptors: self.descriptors.clone(),
        })
    }
}

/// An address that serves, other than the one that was tried.
fn chosen(destination: &Destination, key: &[u8], tried: &EndpointRef) -> Result<EndpointRef, Failure> {
    let Some(cluster) = destination.cluster() else { return Ok(None) };
    let endpoint = cluster.choose(key, tried.as_slice(), crate::clock::monotonic());
    endpoint.map(Some).ok_or(Failure::NoAddress)
}

fn request(destination: &Destination, address: &Address, target: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
    let host = match &destination.upstream().host {
        HostHeader::Text(text) => text,
        // There is no client whose host could be preserved.
        HostHeader::Preserve | HostHeader::Upstream => &address.authority,
    };
    let scheme = if address.scheme == Scheme::Https { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(target).build()?;
    Request::get(uri)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(USER_AGENT, HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION"))))
        .body(Empty::new())
}

impl Service {
    /// The connections to one address.
    fn client(&self, destination: &Destination, connector: Connector, keep: Duration) -> Client {
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(address, _)| *address == connector.resolved) {
            return client.clone();
        }
        if let Some(cluster) = destination.cluster() {
            let endpoints = cluster.endpoints();
            clients.retain(|(address, _)| endpoints.iter().any(|endpoint| Some(&endpoint.address) == address.as_ref()));
        }
        let address = connector.resolved.clone();
        let is_http2 = connector.dial.protocol.at(connector.address.scheme) == Protocol::Http2;
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(keep)
            .pool_max_idle_per_host(IDLE)
            .http2_only(is_http2)
            .http1_max_buf_size(HEAD_BYTES)
            .http1_title_case_headers(destination.upstream().title_case)
            .build(connector);
        clients.push((address, client.clone()));
        client
    }
}

/// Opens connections to one address.
#[derive(Clone)]
struct Connector {
    address: Address,
    resolved: Option<ResolvedAddress>,
    dial: Dial,
    descriptors: Descriptors,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Stream>> {
        let descriptor = self.descriptors.take()?;
        let stream = match &self.resolved {
            Some(resolved) => dial(resolved, &self.address, &self.dial).await,
            None => dial_by_name(&self.address, &self.dial).await,
        }?;
        // An upstream that must speak HTTP/2 does.
        speaks_http2(&stream, &self.address, &self.dial)?;
        Ok(TokioIo::new(stream.with(descriptor)))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

/// What TLS has agreed on decides which version is spoken, unless one is configured.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.agreed_on_http2() { connected.negotiated_h2() } else { connected }
    }
}

impl Failure {
    /// For the operator who looks at one request.
    fn told(&self) -> LookupFailure {
        LookupFailure(match self {
            Self::NoService => "no upstream of the lookup's name is configured",
            Self::NoAddress | Self::Dial(_) | Self::Http(_) => "the lookup's service cannot be reached",
            Self::Busy => "the lookup's service is asked too much at once",
            Self::Secret => "a secret that the lookup sends is not known here",
            Self::Slow => "the lookup took too long",
            Self::Status(status) if status.is_redirection() => {
                "the lookup's service redirects, and redirects are not followed"
            }
            Self::Status(_) => "the lookup's service answered with another status than 200 and 404",
            Self::Body => "the answer to the lookup is too large, or broke off",
            Self::Unsayable(_) => "the lookup cannot be asked",
            Self::Answer(failure) => failure.0,
        })
    }

    /// For the log: why, and never about which object.
    fn words(&self) -> String {
        match self {
            Self::Status(status) => format!("{}: {status}", self.told().0),
            Self::Http(error) => with_sources(error),
            Self::Dial(error) => error.to_string(),
            Self::Unsayable(error) => error.to_string(),
            _ => self.told().0.to_owned(),
        }
    }
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
