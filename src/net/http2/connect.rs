//! A stream that becomes a WebSocket: extended CONNECT (RFC 8441).
//!
//! To everybody above it is the GET that it would have been over HTTP/1.1, marked by its [`Protocol`]: judged, logged and
//! sent on like one. Whoever permits it calls [`Connection::switch`], and the stream's bytes are theirs when the answer is out.

use super::executor::StreamExecutor;
use crate::net::connection::Connection;
use http::{Method, Request, StatusCode};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

/// Makes a GET of a CONNECT that asks for a WebSocket, and takes out what its stream becomes; any other CONNECT stays one.
pub(super) fn asked<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    if request.method() != Method::CONNECT {
        return None;
    }
    if request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket") {
        *request.method_mut() = Method::GET;
    }
    Some(hyper::upgrade::on(request))
}

/// The answer is there: where its service has switched, the stream goes on without HTTP. A success of anything else would
/// tell the client that it has; so it is none.
pub(super) fn answered(stream: &Connection, tunnel: OnUpgrade, executor: &StreamExecutor, status: &mut StatusCode) {
    match stream.take_switch() {
        Some(switch) => {
            let over = executor.set_tunnel();
            tokio::task::spawn_local(async move {
                // It fails where the client has gone meanwhile.
                if let Ok(upgraded) = tunnel.await {
                    switch(Box::new(TokioIo::new(upgraded)), Vec::new()).await;
                }
                over.notify_one();
            });
        }
        None if status.is_success() => *status = StatusCode::NOT_IMPLEMENTED,
        None => {}
    }
}
