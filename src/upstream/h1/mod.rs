//! HTTP/1.1 towards an upstream, one exchange at a time on a [`Connection`].
//!
//! A head is written into one buffer ([`HeadWriter`]) and sent as a [`Call`], with the request's body streamed behind it; the answer is
//! read at the same time, since it may come early. [`answer`] reads its head as strictly as RFC 9112 demands of a proxy,
//! [`body`] follows its body to the last byte: only a connection on which both messages ended exactly serves again.
//! Everything is polled by whoever owns the exchange: no task, no channel, no lock.

pub mod answer;
pub mod body;
mod call;
mod cgi;
mod connection;
mod head;
mod known;

pub use body::Body;
pub use call::{Call, Received};
pub use connection::{Connection, Memory};
pub use head::{HeadWriter, Request};
