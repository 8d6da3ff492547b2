//! The network's edge: workers, accept and hand-over, strict framing below the parser, deadlines, drain.
//!
//! Each worker is a thread with a current-thread runtime of its own ([`worker`]); the first also accepts and hands each
//! connection to the least loaded one. A connection's bytes pass [`framing`] before hyper parses them ([`io`]); everything
//! that it can wait for has a deadline ([`deadline`]). [`drain`] is the way down: readiness first, then the listeners, then
//! the connections.

pub mod deadline;
pub mod drain;
pub mod framing;
pub mod io;
pub mod listen;
pub mod worker;
