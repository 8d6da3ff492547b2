//! What is served on a connection, whichever protocol it speaks.

use super::connection::Connection;
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::rc::Rc;

/// What a worker serves: one service for each connection.
pub trait Serve: 'static {
    type Body: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + 'static;
    type Service: Service<
            http::Request<Incoming>,
            Response = http::Response<Self::Body>,
            Error = Infallible,
            Future: Unpin + 'static,
        > + 'static;

    /// A service for a connection that was just accepted.
    fn connection(&self, connection: Rc<Connection>) -> Self::Service;

    /// A service for one stream of an HTTP/2 connection, whose service is `connection`.
    fn stream(&self, connection: &Self::Service, stream: Rc<Connection>) -> Self::Service;
}
