//! A request target is refused, or every reader sees it alike. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/reader.rs"]
mod reader;

libfuzzer_sys::fuzz_target!(|raw: &str| {
    reader::check(raw);
});
