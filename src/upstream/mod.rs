//! The services behind the gate: where they are, and each worker's connections to them.
//!
//! [`pool`] keeps idle connections, [`h1`] speaks HTTP/1.1 on one: it runs in the task of the client's connection, so that
//! an exchange wakes nobody else and passes through no channel.

pub mod address;
pub mod h1;
pub mod hop;
pub mod pool;
pub mod stream;

pub use address::{AddressError, HostHeader, Upstream};
pub use pool::{Pool, SendError, Timeouts};
pub use stream::Stream;
