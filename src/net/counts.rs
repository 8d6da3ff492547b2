//! What the network's edge counts; `server` gives it to the metrics.

use crate::telemetry::counters::Count;

/// A counter's name, its help text, and how it is read.
pub type Described = (&'static str, &'static str, fn(&Counts) -> u64);

/// Counters of all listeners and workers. None is on the path of an ordinary HTTP/1.1 request.
#[derive(Debug, Default)]
pub struct Counts {
    /// Times that accepting paused because the limit on connections was reached.
    pub paused: Count,
    /// Times that a connection could not be accepted.
    pub accept_failed: Count,
    /// Connections closed because their address had too many.
    pub over_address: Count,
    pub handshakes: Count,
    pub resumed: Count,
    pub handshakes_failed: Count,
    /// Connections closed because their PROXY header was missing or wrong.
    pub proxy_refused: Count,
    pub http2_connections: Count,
    /// HTTP/2 requests.
    pub http2_streams: Count,
    /// HTTP/2 connections closed because they sent too many frames that carry nothing, or reset too many streams.
    pub http2_floods: Count,
    /// HTTP/2 streams reset because the client sent no more of its request, or took no more of the answer.
    pub http2_stalled: Count,
}

impl Counts {
    /// Names, help texts and values, for the metrics.
    pub const DESCRIBED: &[Described] = &[
        ("postern_accept_paused", "Times that accepting paused at the limit on connections", |c| c.paused.get()),
        ("postern_accept_failed", "Times that the system gave no connection, for want of descriptors or memory", |c| {
            c.accept_failed.get()
        }),
        ("postern_connections_over_address", "Client connections closed at the limit for one address", |c| {
            c.over_address.get()
        }),
        ("postern_tls_handshakes", "TLS handshakes that succeeded", |c| c.handshakes.get()),
        ("postern_tls_resumed", "TLS handshakes that resumed a session", |c| c.resumed.get()),
        ("postern_tls_handshakes_failed", "TLS handshakes that failed", |c| c.handshakes_failed.get()),
        ("postern_proxy_refused", "Client connections closed for a missing or wrong PROXY header", |c| {
            c.proxy_refused.get()
        }),
        ("postern_http2_connections", "Client connections that speak HTTP/2", |c| c.http2_connections.get()),
        ("postern_http2_streams", "Requests over HTTP/2", |c| c.http2_streams.get()),
        ("postern_http2_floods", "HTTP/2 connections closed for a flood of frames or resets", |c| c.http2_floods.get()),
        ("postern_http2_stalled", "HTTP/2 streams reset because the client stalled", |c| c.http2_stalled.get()),
    ];
}
