//! One query parameter against every kind of upstream: what was judged is the only value that any of them can find.

use postern::request_target::query::single;
use proptest::prelude::*;
use proptest::sample::select;

const NAME: &str = "organization";

/// Pieces of queries: the name in many spellings, values, separators.
const PIECES: &[&str] = &[
    "organization",
    "organization",
    "organization=",
    "organization=A",
    "Organization=B",
    "ORGANIZATION",
    "organization[]=B",
    "organization%5B%5D",
    "[0]",
    "%6frganization=",
    "%256frganization=",
    "organi",
    "zation",
    "+",
    "%20",
    "%00",
    "organization%00x=D",
    "%",
    "%zz",
    "%ff",
    "%26",
    "%3b",
    "%3D",
    "%2526",
    "&",
    "&",
    "&",
    ";",
    "=",
    "A",
    "B",
    "x=1",
    "org-anization=C",
    "_",
    "é",
];

/// How an upstream may read a query.
#[derive(Clone, Copy, Debug)]
struct Upstream {
    semicolons: bool,
    decodings: usize,
    folds: bool,
    arrays: bool,
    /// Ends names at a NUL, as PHP does.
    ends_at_nul: bool,
}

impl Upstream {
    /// Every value that this upstream finds for the parameter.
    fn values(self, query: &str) -> Vec<String> {
        let pairs: Vec<_> = query.split(|c| c == '&' || (self.semicolons && c == ';')).collect();
        let mut found = Vec::new();
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let mut key = decode(key);
            for _ in 1..self.decodings {
                key = decode(&key);
            }
            let key = if self.arrays { key.split('[').next().unwrap_or_default() } else { &key };
            let key = if self.ends_at_nul { key.split('\0').next().unwrap_or_default() } else { key };
            let folded =
                |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            if key == NAME || (self.folds && folded(key) == NAME) {
                found.push(decode(value));
            }
        }
        found
    }
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn upstreams() -> impl Iterator<Item = Upstream> {
    let both = [false, true];
    both.into_iter().flat_map(move |semicolons| {
        (1..=3).flat_map(move |decodings| {
            both.into_iter().flat_map(move |folds| {
                both.into_iter().flat_map(move |arrays| {
                    both.into_iter().map(move |ends_at_nul| Upstream {
                        semicolons,
                        decodings,
                        folds,
                        arrays,
                        ends_at_nul,
                    })
                })
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn no_upstream_finds_another_value(pieces in prop::collection::vec(select(PIECES), 0..8)) {
        let query = pieces.concat();
        if let Ok(judged) = single(Some(&query), NAME) {
            for upstream in upstreams() {
                for value in upstream.values(&query) {
                    prop_assert_eq!(Some(&*value), judged.as_deref(), "{:?} reads {:?}", upstream, query);
                }
            }
        }
    }
}

#[test]
fn an_upstream_that_reads_as_we_do_finds_what_we_find() {
    let plain = Upstream { semicolons: false, decodings: 1, folds: false, arrays: false, ends_at_nul: false };
    for query in ["organization=A", "x=1&%6frganization=a%20b&y", "organization=a+b"] {
        let judged = single(Some(query), NAME).expect("one reading").expect("a value");
        assert_eq!(plain.values(query), [judged.into_owned()]);
    }
}

#[test]
fn a_name_that_a_nul_ends_is_another_spelling() {
    for query in ["organization%00x=B", "organization%2500=B", "organization%00[]=B", "%ff%00organization[]=B"] {
        assert!(single(Some(query), NAME).is_err(), "{query}");
    }
    assert_eq!(single(Some("x%00organization=B"), NAME), Ok(None));
}
