//! Logging in on the data port, by token and by page, and an existing installation's people.

mod account;
mod accounts;
mod admin;
pub mod browser;
mod device;
mod dumps;
mod enrolment;
mod export;
mod flood;
mod import;
mod invitations;
pub mod letters;
mod navigation;
mod nobody;
mod old_passwords;
mod pages;
mod passkeys;
mod passwords;
mod place;
mod recorded;
mod reference;
pub mod second_factor;
mod shown_factor;
mod step_up;
mod story;
mod trusted_header;
mod validators;
