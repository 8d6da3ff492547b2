//! What exists only because other software does it, one room for each.

pub mod openwisp;
