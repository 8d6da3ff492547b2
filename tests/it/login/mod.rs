//! Logging in on the data port, by token and by page, and an existing installation's people.

mod flood;
mod import;
mod pages;
mod reference;
mod story;
