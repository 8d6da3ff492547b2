//! The one integration binary: what the product does, seen from outside of the crate.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admin;
mod answers;
mod attacks;
mod authzen;
mod deploy;
mod directory;
mod docs;
mod edge;
mod fronts;
mod gateway;
mod identity;
mod interop;
mod judge;
mod live;
mod login;
mod lookups;
mod oidc;
mod openwisp;
mod operations;
mod policies;
mod recipes;
mod redis;
mod replicas;
mod rest;
mod strict;
mod support;
mod tools;
mod uwsgi;
