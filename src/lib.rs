//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod clock;
pub mod facts;
pub mod fold;
pub mod id;
pub mod net;
pub mod target;
