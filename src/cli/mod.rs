//! The commands: one file each, arguments to calls, results to text or JSON and an exit code.

pub mod check;
