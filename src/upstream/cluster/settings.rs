//! What the configuration says of an upstream that has several addresses, or is watched.

use std::time::Duration;

/// Which address serves a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, as their weights say.
    #[default]
    RoundRobin,
    /// The same for the same user, as far as the set of addresses stays the same (Ketama).
    User,
    /// The same for the same organization.
    Organization,
}

/// Asking each address regularly how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The path to `GET`, which must answer 2xx; `None` only connects.
    pub path: Option<Box<str>>,
    pub every: Duration,
    pub timeout: Duration,
    /// Good answers in a row until an address serves again.
    pub healthy: usize,
    /// Bad ones in a row until it serves no more.
    pub unhealthy: usize,
}

impl Default for Probe {
    fn default() -> Self {
        Self { path: None, every: Duration::from_secs(5), timeout: Duration::from_secs(2), healthy: 1, unhealthy: 2 }
    }
}

/// Leaving out an address whose answers fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eject {
    /// Failures in a row; zero leaves none out.
    pub after: u32,
    /// For how long, the first time; each further time as much longer, ten times at most.
    pub time: Duration,
}

/// Everything about a cluster but its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub balance: Balance,
    pub health: Option<Probe>,
    pub eject: Eject,
    /// How long an address that is new, or well again, takes to get its full share; zero gives it at once.
    pub slow_start: Duration,
    /// Between two resolutions of the host names.
    pub resolve: Duration,
    /// Requests at the upstream at once, over all workers; zero is any number.
    pub connections: usize,
    /// Requests that wait for one of these to end; more are refused.
    pub pending: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            health: None,
            eject: Eject { after: 5, time: Duration::from_secs(10) },
            slow_start: Duration::ZERO,
            resolve: Duration::from_secs(10),
            connections: 0,
            pending: 100,
        }
    }
}
