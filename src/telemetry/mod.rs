//! What operators see: metrics ([`metrics`]), one access line a request ([`access`]), operational log lines ([`log`]).

pub mod access;
pub mod counters;
pub mod log;
pub mod metrics;
