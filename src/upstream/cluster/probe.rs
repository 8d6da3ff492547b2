//! The active check of one address: a connection of its own as the data path would open it, and, where a path is
//! configured, one `GET` that must answer 2xx.

use super::Clock;
use super::endpoint::Endpoint;
use super::settings::Probe;
use crate::upstream::dial::{Dial, dial, speaks_http2};
use crate::upstream::{Address, Framing, PutField, Scheme, Stream, Upstream, uwsgi};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Method, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use pingora_core::{Error, ErrorType};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) struct Check {
    pub(super) probe: Probe,
    pub(super) upstream: Arc<Upstream>,
    pub(super) dial: Dial,
    pub(super) clock: Clock,
}

fn endpoint(target: &Backend) -> Option<&Arc<Endpoint>> {
    target.ext.get()
}

impl Check {
    async fn ask(&self, endpoint: &Endpoint) -> Result<(), String> {
        let address = self.upstream.addresses.get(endpoint.origin).ok_or("the address is no longer configured")?;
        let stream = dial(&endpoint.address, address, &self.dial).await.map_err(|error| error.to_string())?;
        let Some(path) = &self.probe.path else { return Ok(()) };
        if address.scheme == Scheme::Uwsgi {
            return well(over_uwsgi(stream, address, path).await);
        }
        well(match speaks_http2(&stream, address, &self.dial) {
            Ok(true) => over_http2(stream, address, path).await,
            Ok(false) => over_http1(stream, address, path).await,
            Err(error) => Err(error.into()),
        })
    }
}

fn well(asked: Asked) -> Result<(), String> {
    let status = asked.map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}

type Asked = Result<StatusCode, Box<dyn std::error::Error + Send + Sync>>;

const AGENT: &str = concat!("postern/", env!("CARGO_PKG_VERSION"), " (health check)");

fn asking(uri: &str) -> http::request::Builder {
    http::Request::get(uri).header(USER_AGENT, AGENT)
}

// A connection lives as long as the question: it is dropped, and so closed, with the answer's body unread. It may end behind the
// answer, which then is there.

async fn over_http1(stream: Stream, address: &Address, path: &str) -> Asked {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = asking(path).header(HOST, &address.authority).body(Empty::<Bytes>::new())?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    Ok(answer?.status())
}

async fn over_http2(stream: Stream, address: &Address, path: &str) -> Asked {
    let (mut sender, connection) = h2::client::handshake(stream).await?;
    let scheme = if address.scheme == Scheme::Https { "https" } else { "http" };
    let request = asking(&format!("{scheme}://{}{path}", address.authority.to_str()?)).body(())?;
    let (mut answer, _) = sender.send_request(request, true)?;
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    Ok(answer?.status())
}

async fn over_uwsgi(mut stream: Stream, address: &Address, path: &str) -> Asked {
    let client = uwsgi::Client { address: Ipv4Addr::LOCALHOST.into(), is_https: false };
    let mut packet = uwsgi::Packet::new(&Method::GET, path, client, Vec::new())?;
    packet.put(&HOST, address.authority.as_bytes());
    packet.put(&USER_AGENT, AGENT.as_bytes());
    Ok(packet.framed(Framing::None)?.end().ask(&mut stream).await?)
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> pingora_core::Result<()> {
        let Some(endpoint) = endpoint(target) else {
            return Error::e_explain(ErrorType::InternalError, "an address of nobody");
        };
        let asked = tokio::time::timeout(self.probe.timeout, self.ask(endpoint)).await;
        let asked = asked.unwrap_or_else(|_| Err("it took too long".to_owned()));
        asked.or_else(|why| {
            tracing::debug!(upstream = %self.upstream.name, address = %endpoint.address, why, "a health check failed");
            Error::e_explain(ErrorType::ConnectError, why)
        })
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let Some(endpoint) = endpoint(target) else { return };
        if healthy {
            endpoint.recovered(self.clock.now());
            tracing::info!(upstream = %self.upstream.name, address = %endpoint.address, "the upstream's address is healthy again");
        } else {
            endpoint.healthy.store(false, Relaxed);
            tracing::warn!(upstream = %self.upstream.name, address = %endpoint.address, "the upstream's address is unhealthy");
        }
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { self.probe.healthy } else { self.probe.unhealthy }
    }
}
