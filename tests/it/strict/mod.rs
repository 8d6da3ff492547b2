//! Strictness against other readers: a lenient path reader, and hyper's own parser.
//!
//! `reader`, `parser`, `client`, `body`, `list`, `lookup_args`, `check_request`, `proxy` and `uwsgi` are the oracles; the fuzz targets use the same ones. `target` and `framing` are the properties,
//! `corpus` replays the fuzzers' seeds.

mod answers;
mod arguments;
mod bodies;
mod body;
mod check_request;
mod check_requests;
mod client;
mod corpus;
mod framing;
mod list;
mod lists;
mod lookup_args;
mod multipart;
mod packets;
mod parser;
mod proxy;
mod query;
pub mod random;
mod reader;
mod target;
pub mod uwsgi;
