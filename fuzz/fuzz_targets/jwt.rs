//! A JWT is taken apart or refused, whatever is in it; nothing that a stranger writes is signed.
#![no_main]

use postern::identity::jwt::key::{Algorithm, Key};
use postern::identity::jwt::token::Parts;
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|token: &str| {
    static KEY: OnceLock<Key> = OnceLock::new();
    let key = KEY.get_or_init(|| Key::of_text("a secret of forty characters, more or less", Algorithm::ALL).unwrap());
    if let Ok(parts) = Parts::of(token) {
        assert!(!key.verifies(parts.algorithm, parts.message.as_bytes(), &parts.signature));
        let _ = parts.in_force(Some(&["postern".into()]), 30, 1_767_225_600);
        let _ = parts.text("sub");
    }
});
