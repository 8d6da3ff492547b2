//! The network's edge: workers, accept and hand-over, strict framing below the parser, deadlines, drain.
//!
//! Each worker is a thread with a current-thread runtime of its own ([`worker`]); the first also accepts and hands each
//! connection to the least loaded one. A connection may begin with a [`proxy`] header and with [`tls`]. Then its bytes pass
//! [`framing`] before hyper parses them ([`io`]; what is known of each is its [`connection`]), or the frame meter of [`http2`]; everything that it can wait for has a
//! deadline ([`deadline`]). [`drain`] is the shutdown: readiness first, then the listeners, then the connections.

pub mod connection;
pub mod counts;
pub mod date;
pub mod deadline;
pub mod descriptors;
pub mod drain;
pub mod framing;
pub mod http2;
pub mod interim;
pub mod io;
pub mod keepalive;
pub mod listen;
pub mod per_address_limit;
pub mod proxy;
pub mod serve;
pub mod stream;
pub mod tls;
pub mod unread_body;
pub mod worker;
