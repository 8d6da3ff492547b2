//! Arguments of lookups at random, and as attackers choose them.

use super::lookup_args::check;
use proptest::prelude::*;

#[test]
fn an_argument_stays_in_its_place_or_names_nothing() {
    for (arg, is_asked) in [
        ("42", true),
        ("a b", true),
        ("K\u{fc}che", true),
        ("1 OR 1=1", true),
        ("a?b", true),
        ("a&id=2", true),
        ("a+b", true),
        ("", false),
        (".", false),
        ("..", false),
        ("../x", false),
        ("a/b", false),
        ("a\\b", false),
        ("a;b", false),
        ("%2e%2e", false),
        ("a\0b", false),
        ("a\r\nHost: x", false),
    ] {
        assert_eq!(check([arg, "x", "x"]), is_asked, "{arg:?}");
    }
    assert!(check(["x", "x", "a/b?c=d&e"]), "a parameter may say anything");
    assert!(!check(["x", "x", &"x".repeat(5000)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn whatever_they_are(a in "[a-z./;%?#&=+\\\\ -~]{0,6}|\\PC{0,4}", b in "\\PC{0,4}|[.%/]{0,3}", c in ".{0,6}") {
        check([&a, &b, &c]);
    }
}
