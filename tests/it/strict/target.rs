//! Request targets at random: a million targets, each refused or read alike by everybody.

use super::random::Random;
use super::reader::check;
use proptest::prelude::*;

/// Pieces that attacks are made of, among harmless ones.
const ATOMS: &[&str] = &[
    "/",
    "/",
    "/",
    "/",
    "/",
    "/",
    "a",
    "b",
    "admin",
    "public",
    "x.json",
    "A",
    "0",
    "~",
    "-",
    "2e",
    "2f",
    "5c",
    "25",
    "u002e",
    ".",
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    ";",
    ";a=b",
    "%3b",
    "%25",
    "%252e",
    "%252f",
    "%",
    "%4",
    "%zz",
    "%41",
    "%61",
    "%00",
    "%0a",
    "%0d",
    "%09",
    "%7f",
    "%c0%ae",
    "%c0%af",
    "%e0%80%af",
    "%C3%A9",
    "%c3",
    "%a9",
    "%C2%85",
    "%C2%A0",
    "%EF%BC%8F",
    "%EF%BC%BC",
    "%EF%BC%8E",
    "%EF%BC%9B",
    "%EF%BC%85",
    "%EF%B9%92",
    "%EF%B9%A8",
    "%E2%80%A4",
    "%E2%80%A5",
    "%E2%80%A6",
    "%E2%80%8B",
    "%E2%84%80",
    "%E2%88%95",
    "%EF%BB%BF",
    "%20",
    "%23",
    "#",
    "?",
    "%3f",
    "=",
    "&",
    "+",
    ":",
    "@",
    "!",
    "*",
    " ",
    "\t",
    "\r\n",
    "\0",
    "\u{e9}",
    "\u{ff0f}",
    "\"",
    "<",
    "[",
    "]",
    "{",
    "|",
    "^",
    "`",
];

/// The harmless ones, so that long targets are accepted too.
const HARMLESS: &[&str] = &[
    "/a", "/admin", "/%41", "/x.json", "/..a", "/a..", "/%20", "b", "%C3%A9", "%25", "%23", "=", ".", "-", "%3f", "+",
    "?",
];

#[test]
fn a_million_targets_are_refused_or_read_alike_by_everybody() {
    let mut random = Random(23);
    let mut raw = String::new();
    let mut accepted = 0;
    const TARGETS: usize = 1_000_000;
    for _ in 0..TARGETS {
        raw.clear();
        raw.push_str(if random.below(50) == 0 { "" } else { "/" });
        let nasty_in = 1 + random.below(12);
        for _ in 0..random.below(7) {
            let pieces = if random.below(nasty_in) == 0 { ATOMS } else { HARMLESS };
            raw.push_str(random.pick(pieces));
        }
        accepted += usize::from(check(&raw));
    }
    assert!(
        (TARGETS / 10..TARGETS * 9 / 10).contains(&accepted),
        "{accepted} of {TARGETS} accepted: the generator tests one side only"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn made_of_nasty_pieces(pieces in prop::collection::vec(prop::sample::select(ATOMS), 0..10)) {
        check(&format!("/{}", pieces.concat()));
    }

    #[test]
    fn made_of_any_characters(path in "/\\PC{0,40}") {
        check(&path);
    }

    #[test]
    fn made_of_any_bytes_in_escapes(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        check(&bytes.iter().fold(String::from("/"), |path, b| format!("{path}%{b:02x}")));
    }

    #[test]
    fn made_of_any_decoded_text(text in "[./; %a-c\\PC]{0,12}") {
        let escaped = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        check(&format!("/{escaped}"));
    }
}
