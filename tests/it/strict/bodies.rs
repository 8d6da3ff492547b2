//! Bodies that decide, against another reader.

use super::body::{PIECES, check};
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn what_passes_and_what_does_not_is_told_apart() {
    for (body, passes) in [
        (r#"{"org":"acme","device":"d1"}"#, [true, false]),
        (r#"{"org":"acme","device":["d1",null]}"#, [true, false]),
        (r#"{"org":"bolt","device":"d1"}"#, [false, false]),
        (r#"{"org":"acme","device":"d2"}"#, [false, false]),
        (r#"[{"org":"acme","device":"d1"},{"org":"bolt"}]"#, [false, true]),
        (r#"[{"org":"acme","device":"d1"},{"org":"bolt","device":["d3"]}]"#, [false, true]),
        (r#"[{"org":"acme","device":"d3"},{"org":"bolt","device":"d1"}]"#, [false, false]),
        (r#"[{"org":"acme"},[]]"#, [false, false]),
        (r#"[{"org":"acme"},{"org":"core"}]"#, [false, false]),
        (r#"[{"org":"acme"},{}]"#, [false, false]),
        (r#"[{"org":"acme"},7]"#, [false, false]),
        ("[]", [false, false]),
    ] {
        assert_eq!(check(body.as_bytes()), passes, "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn what_passes_was_judged_by_all_that_another_reader_finds(pieces in prop::collection::vec(select(&PIECES[..]), 1..14)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn and_so_it_is_of_documents_that_are_nearly_good(
        items in prop::collection::vec((select(&["acme", "bolt", "acme", "core"][..]), prop::option::of(select(&["d1", "d1", "d2", "d3"][..]))), 0..4),
        odd in select(&["", "", "", ",\"org\":\"acme\"", ",\"ORG\":\"core\"", ",\"devi\\u0063e\":\"d2\"", ",\"org[]\":1", ",\"x\":{\"org\":\"core\"}"][..]),
        is_list: bool,
    ) {
        let object = |(org, device): &(&str, Option<&str>)| {
            let device = device.map(|device| format!(",\"device\":\"{device}\"")).unwrap_or_default();
            format!("{{\"org\":\"{org}\"{device}{odd}}}")
        };
        let objects: Vec<String> = items.iter().map(object).collect();
        let body = if is_list { format!("[{}]", objects.join(",")) } else { objects.first().cloned().unwrap_or_default() };
        check(body.as_bytes());
    }
}
