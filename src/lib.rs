//! postern: a tenant-aware authorization sidecar and reverse proxy.

pub mod address;

pub mod answers;
pub mod api;
pub mod assertion;
pub mod authzen;
pub mod claims;
pub mod cli;
pub mod clock;
pub mod compat;
pub mod config;
pub mod control;
pub mod decision;
pub mod directory;
pub mod export;
pub mod ext_authz;
pub mod fact_cache;
pub mod facts;
pub mod fronts;
pub mod gateway;
pub mod id;
pub mod identity;
pub mod import;
pub mod jobs;
pub mod limit;
pub mod login;
pub mod lookup;
pub mod mail;
pub mod management;
pub mod normalized_name;

pub mod net;
pub mod oidc;
pub mod password;
pub mod phone;
pub mod policy;
pub mod redis;
pub mod reload;
pub mod request_target;
pub mod second_factor;
pub mod secret;
pub mod server;
pub mod telemetry;
pub mod tools;
pub mod upstream;
pub mod yaml;
