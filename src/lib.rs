//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod clock;
pub mod facts;
pub mod id;
pub mod yaml;
