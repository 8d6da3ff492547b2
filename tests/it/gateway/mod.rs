//! The data path, told as stories: what goes through, how it streams, and what becomes of it when one side fails.

mod bodies;
mod browsers;
mod clusters;
mod failures;
mod limits;
mod lying;
mod messages;
mod refusals;
mod secure_upstreams;
mod way;
mod websockets;
