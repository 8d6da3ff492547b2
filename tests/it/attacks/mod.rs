//! Hostile strangers, by the class of what they try. Each class is tried in more spellings than those that made it known.

mod bodies;
mod body_and_slow;
mod credentials;
mod fields;
mod framing;
mod headers;
mod method_host;
mod new_files;
mod objects;
mod operations;
mod path;
mod query;
mod random;
pub mod secret_paths;
mod tenants;
mod tokens;
