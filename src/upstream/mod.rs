//! The services behind the gate: where they are, and each worker's connections to them.
//!
//! A configured [`Upstream`] becomes a [`Destination`]: its TLS is loaded, and where it has several addresses, checks or limits,
//! a [`Cluster`] says which address serves. [`dial`] opens connections.
//! [`pool`] keeps connections. [`h1`] speaks HTTP/1.1 on one: it runs in the task of the client's connection, so that
//! an exchange wakes nobody else and passes through no channel. [`h2`] speaks HTTP/2, many exchanges on one connection.

pub mod address;
pub mod cluster;
pub mod destination;
pub mod dial;
pub mod fault;
pub mod h1;
pub mod h2;
pub mod pool;
pub mod stream;
pub mod tls;

pub use address::{Address, AddressError, HostHeader, Location, Protocol, Scheme, Upstream};
pub use cluster::Cluster;
pub use destination::{Destination, Destinations};
pub use fault::Fault;
pub use pool::{Pool, SendError, Timeouts};
pub use stream::Stream;
