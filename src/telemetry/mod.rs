//! What operators see: metrics ([`metrics`]), one access line a request ([`access`]), operational log lines ([`log`]),
//! what was refused a moment ago ([`recent`]) and how much in each minute ([`minutes`]), spans of sampled requests ([`trace`]).

pub mod access;
pub mod counters;
pub mod log;
pub mod metrics;
pub mod minutes;
pub mod recent;
pub mod trace;
