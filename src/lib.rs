//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod cli;
pub mod clock;
pub mod directory;
pub mod facts;
pub mod id;
