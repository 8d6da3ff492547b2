//! What makes a policy trustworthy: tests, explanations, the matrix, comparisons. All of them ask the one decision engine.
//!
//! [`world`] is who exists (`given` of a tests file), [`ask`] sends one request to [`crate::decision`] as the gateway would.
//! On these two stand [`suite`] (`postern test`), [`explain`], [`matrix`] and its comparison of two policies, which a reload
//! uses too. `schema` tells editors what a policy may say. Everything here is pure: files and stores are `cli`'s business.

pub mod ask;
pub mod explain;
pub mod matrix;
mod objects;
pub mod schema;
pub mod suite;
pub mod world;
