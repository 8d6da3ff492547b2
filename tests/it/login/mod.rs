//! Logging in on the data port, and an existing installation's people.

mod import;
mod reference;
mod story;
