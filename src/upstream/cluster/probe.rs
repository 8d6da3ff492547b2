//! The active check of one address: a connection of its own as the data path would open it, and, where a path is
//! configured, one `GET` that must answer 2xx.

use super::Clock;
use super::endpoint::Endpoint;
use super::settings::Probe;
use crate::upstream::Upstream;
use crate::upstream::dial::{Dial, dial};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use pingora::lb::Backend;
use pingora::lb::health_check::HealthCheck;
use pingora::{Error, ErrorType};
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
        let stream = dial(&endpoint.place, address, &self.dial).await.map_err(|error| error.to_string())?;
        let Some(path) = &self.probe.path else { return Ok(()) };
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        let request = http::Request::get(&**path)
            .header(HOST, &address.authority)
            .header(USER_AGENT, concat!("postern/", env!("CARGO_PKG_VERSION"), " (health check)"))
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        // The connection lives as long as the question: it is dropped, and so closed, with the answer's body unread.
        let mut answer = pin!(sender.send_request(request));
        let answer = tokio::select! {
            answer = &mut answer => answer,
            // It may have ended behind the answer, which then is there.
            _ = connection => answer.await,
        };
        let status = answer.map_err(|error| error.to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
    }
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let Some(endpoint) = endpoint(target) else {
            return Error::e_explain(ErrorType::InternalError, "an address of nobody");
        };
        let asked = tokio::time::timeout(self.probe.timeout, self.ask(endpoint)).await;
        let asked = asked.unwrap_or_else(|_| Err("it took too long".to_owned()));
        asked.or_else(|why| {
            tracing::debug!(upstream = %self.upstream.name, address = %endpoint.place, why, "a health check failed");
            Error::e_explain(ErrorType::ConnectError, why)
        })
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let Some(endpoint) = endpoint(target) else { return };
        if healthy {
            endpoint.recovered(self.clock.now());
            tracing::info!(upstream = %self.upstream.name, address = %endpoint.place, "the upstream's address is healthy again");
        } else {
            endpoint.healthy.store(false, Relaxed);
            tracing::warn!(upstream = %self.upstream.name, address = %endpoint.place, "the upstream's address is unhealthy");
        }
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { self.probe.healthy } else { self.probe.unhealthy }
    }
}
