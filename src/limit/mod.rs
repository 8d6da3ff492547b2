//! How often: the generic cell rate algorithm over a bounded table of who came when.
//!
//! [`gcra`] is the arithmetic, governor's; [`table`] remembers one number for each key, in bounded memory, for all limits
//! together; [`shared`] does the same in Redis, for all replicas, and is what callers use: [`Limiter`]. [`lane`] is for what must be
//! answered all the same. What is
//! limited, and by what, is the caller's business: a key is a limit's number and who is counted. Nothing here reads a clock.

pub mod gcra;
pub mod lane;
pub mod shared;
pub mod table;

pub use gcra::{Quota, Verdict};
pub use lane::Lane;
pub use shared::{Limiter, Shared};
pub use table::{Key, Limits, Who};
