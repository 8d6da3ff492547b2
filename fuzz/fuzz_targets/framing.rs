//! Whatever the scanner lets pass, hyper reads into the same messages. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/parser.rs"]
mod parser;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| {
    parser::check(stream);
});
