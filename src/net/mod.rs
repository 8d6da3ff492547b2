//! What stands between the socket and the HTTP parser.

pub mod framing;
