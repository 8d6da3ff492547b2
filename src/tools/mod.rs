//! What makes a policy trustworthy: tests, explanations, the matrix, comparisons. All of them ask the one decision engine.
//!
//! [`world`] is who exists (`given` of a tests file), [`ask`] sends one request to [`crate::decision`] as the gateway would.
//! On these two stand [`suite`] (`postern test`), [`explain`], [`matrix`] and its comparison of two policies, which a reload
//! uses too. [`access_log`] reads a gate's lines back, for [`shadow`] and [`replay`]; [`learn`] drafts a policy. `schema` tells editors what a policy may say. Everything here is pure: files and stores are `cli`'s business.

pub mod access_log;
pub mod ask;
pub mod explain;
pub mod integrate;
pub mod learn;
pub mod matrix;
mod objects;
pub mod replay;
pub mod schema;
pub mod shadow;
pub mod suite;
pub mod world;
