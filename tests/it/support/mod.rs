//! The product from outside: a started [`Postern`] (the real binary), an [`Upstream`] that records every byte that reaches
//! it, a [`Raw`] client that sends any bytes, and one [`World`] of tenants and people. [`Gate`] is all of them together.
//!
//! Everything has a time limit, and every process ends with the test that started it; a postern that has panicked fails its
//! test whatever else the test has seen.

pub mod chromium;
pub mod frames;
mod gate;
pub mod h2;
pub mod h2_upstream;
mod http;
pub mod mariadb;
pub mod openapi;
pub mod pgbouncer;
pub mod postgres;
mod process;
mod raw;
mod redis;
pub mod reloads;
pub mod tape;
pub mod tls;
mod upstream;
mod world;

pub use gate::{Gate, ROUTES, get, get_with, post, request};
pub use h2_upstream::H2Upstream;
pub use http::{Answer, Recorded};
pub use process::{Options, Postern, Signal};
pub use raw::Raw;
pub use redis::{RedisServer, Wire, free_port};
pub use upstream::{Exchange, Upstream};
pub use world::{ORG_A, ORG_B, ORG_GONE, Who, World, command};

use std::time::Duration;

/// Longer than anything should take, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `holds` says something, and fails with `what` when it never does.
pub fn eventually<T>(what: &str, holds: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, holds)
}

/// The same, where others are slow by nature.
pub fn eventually_within<T>(patience: Duration, what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let start = postern::clock::monotonic();
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(start.elapsed() < patience, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
