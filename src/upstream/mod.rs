//! The services behind the gate: where they are, and each worker's connections to them.

pub mod address;
mod io;
pub mod pool;

pub use address::{AddressError, HostHeader, Upstream};
pub use pool::{Lease, Pool, SendError, Timeouts};
