//! A sesame token is read or refused, by every type of key and both versions; none that a stranger writes is anybody's.
#![no_main]

use postern::identity::sesame::primary_key::KeyType;
use postern::identity::sesame::{Person, Sesame, Settings};
use std::sync::OnceLock;
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|token: &str| {
    static ALL: OnceLock<Vec<Sesame>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let settings = |key_type, max_age| Settings {
            secret_keys: vec!["a key of the fuzzer alone".into()],
            key_type,
            max_age,
            signature_size: 16,
            iterations: 1,
            ..Settings::default()
        };
        KeyType::WORDS.iter().flat_map(|(_, kind)| [None, Some(300)].map(|age| Sesame::new(settings(*kind, age)))).collect()
    });
    for sesame in all {
        if let Some(opened) = sesame.open(token) {
            let _ = sesame.is_in_time(&opened, None, Duration::from_secs(1_767_225_600));
            assert!(!sesame.is_of(&opened, Person { password: Some("x$y"), email: Some(""), last_login: None }, ""));
        }
    }
});
