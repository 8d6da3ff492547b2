//! The commands, one file each: arguments to calls, results to text or JSON.

pub mod batch;
mod fields;
pub mod member;
pub mod migrate;
pub mod moment;
pub mod org;
pub mod output;
pub mod store;
pub mod token;
pub mod user;
