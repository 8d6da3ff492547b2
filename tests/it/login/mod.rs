//! Logging in on the data port, and an existing installation's people.

mod reference;
mod story;
