//! Whatever an upstream sends is refused, or read as hyper's client reads it. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/client.rs"]
mod client;

libfuzzer_sys::fuzz_target!(|stream: &[u8]| {
    let size = stream.first().map_or(1, |first| usize::from(*first % 40) + 1);
    for method in [http::Method::GET, http::Method::HEAD] {
        client::check(stream, size, &method);
    }
});
