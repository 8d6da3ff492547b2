//! The operator's side: what postern says of itself, how it starts, how it goes down, and how fast a change counts.

mod access_lines;
mod audit;
mod down;
mod jobs;
mod machine;
mod metrics;
mod postgres;
mod probes;
mod reload;
mod revocation;
mod startup;
mod store;
mod traces;
