//! The services behind the gate: where they are, and each worker's connections to them.
//!
//! A configured [`Upstream`] becomes a [`Destination`]: its TLS is loaded, and where it has several addresses, checks or limits,
//! a [`Cluster`] says which address serves. [`dial`] opens connections.
//! [`pool`] keeps connections. An exchange on one is a [`Call`], which is given a request's [`Head`] as data and gives an answer and its
//! [`Body`], whichever version is spoken: [`h1`] runs in the task of the client's connection, so that an exchange wakes nobody else and
//! passes through no channel; [`h2`] has many exchanges on one connection. [`uwsgi`] writes heads for services that are spoken to as by
//! nginx's `uwsgi_pass`; what follows them is [`h1`]'s.

pub mod address;
pub mod answer;
pub mod body;
pub mod call;
pub mod cluster;
pub mod destination;
pub mod dial;
pub mod fault;
pub mod h1;
pub mod h2;
pub mod head;
pub mod pool;
pub mod stream;
pub mod tls;
pub mod uwsgi;

pub use address::{Address, AddressError, HostHeader, Location, Protocol, Scheme, Upstream};
pub use answer::Answer;
pub use body::Body;
pub use call::{Call, Head, Switched};
pub use cluster::Cluster;
pub use destination::{Destination, Destinations};
pub use fault::{Failed, Fault, Unseen};
pub use head::{Fields, Framing, PutField};
pub use pool::{Pool, SendError, Timeouts, Transport, Wanted};
pub use stream::Stream;
