//! Of a list the caller's items go on, and no others, as another reader of JSON has it. The oracle is the one of the integration tests.
#![no_main]

#[path = "../../tests/it/strict/list.rs"]
mod list;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    list::check(choices);
    // Each byte is a piece of an answer.
    let pieces = choices.iter().map(|choice| list::PIECES[usize::from(*choice) % list::PIECES.len()]);
    list::check(pieces.collect::<String>().as_bytes());
});
