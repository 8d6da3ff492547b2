//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod cli;
pub mod clock;
pub mod decision;
pub mod facts;
pub mod fold;
pub mod id;
pub mod policy;
pub mod target;
pub mod yaml;
