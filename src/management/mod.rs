//! The listeners of management and of probes: `/metrics`, `/livez`, `/readyz`. Never reachable through the data port.
//!
//! They run on the control plane, so that a busy data plane cannot make a healthy process look dead, and accept few
//! connections with short deadlines.

mod host;
mod readiness;

pub use host::Hosts;
pub use readiness::{Check, Readiness};

use crate::assertion::Assertions;
use crate::net::date;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use host::Wrong;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections at a time: a few scrapers and probes.
const CONNECTIONS: usize = 64;
/// What a connection may take in all, keep-alive included.
const LIFETIME: Duration = Duration::from_secs(60);

/// What is said to who asks another host for metrics.
const MISDIRECTED: &str =
    "this Host is none of the listener's addresses; `management_hosts` of postern.yaml names others\n";

#[derive(Clone)]
pub struct Management {
    /// Whether the process can serve.
    pub readiness: Arc<Readiness>,
    /// The counters; `None` on a listener that shows probes alone.
    pub metrics: Option<Arc<Metrics>>,
    /// The names by which metrics are asked for, besides its addresses. Probes are no secret, and come with any name.
    pub hosts: Hosts,
    /// Whose keys are shown, where requests are signed.
    pub assertions: Option<Arc<Assertions>>,
}

impl Management {
    /// Serves until the process has drained: probes must see the way down.
    ///
    /// # Errors
    /// The socket cannot be registered.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            let accepted = listener.accept().await;
            let accepted = accepted.and_then(|(stream, _)| Ok((stream.local_addr()?.ip(), stream)));
            let Ok((local, stream)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let management = self.clone();
            tokio::spawn(async move {
                let answer = |request| std::future::ready(Ok::<_, Infallible>(management.answer(&request, local)));
                let service = service_fn(answer);
                let mut http = http1::Builder::new();
                http.auto_date_header(false)
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .max_buf_size(16 * 1024);
                let served = http.serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(LIFETIME, served).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>, local: IpAddr) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n".to_owned());
        }
        if let ("/.well-known/jwks.json", Some(assertions)) = (request.uri().path(), &self.assertions) {
            return typed(StatusCode::OK, "application/jwk-set+json", assertions.published().to_string());
        }
        match (request.uri().path(), &self.metrics) {
            ("/livez", _) => match self.readiness.needs_restart() {
                None => text(StatusCode::OK, "ok\n".to_owned()),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            ("/readyz", _) => {
                let (ready, body) = self.readiness.report();
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                typed(status, "application/json", body)
            }
            ("/metrics", Some(metrics)) => match self.hosts.check(request.uri(), request.headers(), local) {
                Ok(()) => exposition(metrics),
                Err(Wrong::Malformed) => text(StatusCode::BAD_REQUEST, "the Host cannot be read\n".to_owned()),
                Err(Wrong::Misdirected) => text(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED.to_owned()),
            },
            _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        }
    }
}

fn exposition(metrics: &Arc<Metrics>) -> Response<Full<Bytes>> {
    match metrics.render() {
        Ok(body) => typed(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    date::put(response.headers_mut());
    response
}
