//! Any identifier is read or not, and a number in E.164 stays itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|identifier: &str| {
    for candidate in postern::phone::candidates(identifier, &["+39".to_owned(), "+1".to_owned()]) {
        if candidate.valid {
            assert_eq!(postern::phone::e164(&candidate.lookup).as_deref(), Some(&*candidate.lookup));
        }
    }
});
