//! What is written to a service over uwsgi, another reader reads back: each variable once, and nothing beside them; and its answers are
//! refused, or read as hyper's client reads them. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/client.rs"]
mod client;
#[path = "../../tests/it/strict/uwsgi.rs"]
mod uwsgi;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uwsgi::check(bytes);
});
