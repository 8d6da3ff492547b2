//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decision;
pub mod directory;
pub mod facts;
pub mod fold;
pub mod gateway;
pub mod id;
pub mod identity;
pub mod limit;
pub mod membership;
pub mod net;
pub mod password;
pub mod phone;
pub mod policy;
pub mod redis;
pub mod reload;
pub mod server;
pub mod target;
pub mod telemetry;
pub mod tools;
pub mod upstream;
pub mod yaml;
