//! A question of Envoy's is refused, or another reader of Protocol Buffers reads the same.
#![no_main]

#[path = "../../tests/it/strict/check_request.rs"]
mod check_request;

libfuzzer_sys::fuzz_target!(|message: &[u8]| {
    check_request::check(message);
});
