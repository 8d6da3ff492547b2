//! Arguments of a lookup stay in their places of its target, or name nothing. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/lookup_args.rs"]
mod lookup_args;
#[path = "../../tests/it/strict/reader.rs"]
mod reader;

libfuzzer_sys::fuzz_target!(|text: &str| {
    // A line for each: whoever needs a line feed within one finds no object by it.
    let mut args = text.splitn(3, '\n');
    lookup_args::check([(); 3].map(|()| args.next().unwrap_or("x")));
});
