//! The one integration binary: what the product does, seen from outside of the crate.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod directory;
mod docs;
mod policies;
mod strict;
