//! A credential's bytes to who sent it.
//!
//! The scheme decides, and a bad credential never falls through to another one or to "anonymous" (RFC 9110, 11.6.2;
//! RFC 6750, 2.1).

pub mod bearer;

pub use bearer::{Credential, read};
