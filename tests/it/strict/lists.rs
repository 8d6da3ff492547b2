//! The filter of lists, against another reader.

use super::list::{PIECES, check};
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn what_can_be_read_is_told() {
    for (answer, read) in [
        (r#"[{"org":"a"},{"org":"b"}]"#, [true, false]),
        (r#"{"results":[{"org":"a"},{"x":1}],"count":2,"type":"x"}"#, [false, true]),
        (r#"{"results":[{"org":"a","org":"b"}]}"#, [false, false]),
        (r#"[{"org":"a","\ud800":1}]"#, [true, false]),
        ("{}", [false, false]),
        ("[", [false, false]),
    ] {
        assert_eq!(check(answer.as_bytes()), read, "{answer}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn what_goes_on_of_a_list_is_what_another_reader_calls_the_caller_s(pieces in prop::collection::vec(select(&PIECES[..]), 1..20)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn and_so_it_is_of_lists_that_are_nearly_good(
        items in prop::collection::vec(select(&PIECES[11..28]), 0..6), before in select(&["", "\"count\":2,", "\"type\":[1],"][..]), inner: bool,
    ) {
        let list = format!("[{}]", items.join(","));
        check(if inner { format!("{{{before}\"results\":{list}}}") } else { list }.as_bytes());
    }
}
