//! The services behind the gate: where they are, and each worker's connections to them.

pub mod address;
pub mod cluster;
pub mod dial;
mod io;
pub mod pool;
pub mod stream;
pub mod tls;

pub use address::{Address, AddressError, HostHeader, Location, Scheme, Upstream};
pub use cluster::Cluster;
pub use pool::{Lease, Pool, SendError, Timeouts};
pub use stream::Stream;
