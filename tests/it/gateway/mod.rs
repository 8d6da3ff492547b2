//! The data path, told as stories: what goes through, how it streams, and what becomes of it when one side fails.

mod bodies;
mod browsers;
mod clusters;
mod failures;
mod grpc;
mod http2_upstreams;
mod limits;
mod lying;
mod lying_http2;
mod messages;
mod nghttpd;
mod own_cookies;
mod refusals;
mod rewrites;
mod secure_upstreams;
mod shadow;
mod shadow_answers;
mod strict_source;
mod targets;
mod unread_bodies;
mod way;
pub mod websockets;
pub mod websockets_http2;
mod websockets_to_http2;
