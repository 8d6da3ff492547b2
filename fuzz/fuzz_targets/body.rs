//! A JSON body is refused, or was judged by all that another reader finds in it. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    body::check(choices);
    // Each byte is a piece of a document.
    let pieces = choices.iter().map(|choice| body::PIECES[usize::from(*choice) % body::PIECES.len()]);
    body::check(pieces.collect::<String>().as_bytes());
});
