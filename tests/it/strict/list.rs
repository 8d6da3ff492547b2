//! A second reader of lists: of what the filter writes, every item is the caller's, and none of the caller's is missing.

use postern::answers::{List, Said, Shape, Unreadable};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Pieces of answers: what most bytes of a fuzzer would never come to be.
pub const PIECES: [&str; 36] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "{\"results\":[",
    "\"results\":",
    "\"result\\u0073\":[",
    "\"type\":\"x\"",
    "\"count\":2",
    "{\"org\":\"a\"}",
    "{\"org\":\"b\"}",
    "{\"org\":null}",
    "{\"org\":\"a\",",
    "{\"org\":\"b\",",
    "\"org\":",
    "\"\\u006frg\":",
    "\"Org\":",
    "\"a\"",
    "\"\\u0061\"",
    "\"b\"",
    "null",
    "true",
    "0",
    "-1.5e3",
    "01",
    " ",
    "\"x\":{\"org\":\"a\"}",
    "\"x\":[1,{}]",
    "\"\\ud800\"",
    "]}",
    "\"",
    "\\",
    "\u{feff}",
    "\u{e4}",
];

/// The members of an object in their order, those that are there twice too.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(member.0), member.1));
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// Keeps what says `a`, and what says null.
fn is_ours(said: &Said<'_>) -> bool {
    matches!(said, Said::Text(text) if text == "a") || *said == Said::Null
}

/// Whether an item is the caller's; `None`: the other reader cannot tell.
fn is_kept(item: &RawValue) -> Option<bool> {
    if !item.get().starts_with('{') {
        return Some(false);
    }
    let Members(members) = serde_json::from_str(item.get()).ok()?;
    let mut named = members.iter().filter(|(key, _)| key == "org");
    let Some((_, org)) = named.next() else { return Some(false) };
    assert!(named.next().is_none(), "an item names it twice");
    match org.get() {
        "null" => Some(true),
        text if text.starts_with('"') => serde_json::from_str::<String>(text).ok().map(|text| text == "a"),
        _ => Some(false),
    }
}

/// What goes on of an answer that comes in pieces of such a size.
fn filtered(shape: &Arc<Shape>, answer: &[u8], size: usize) -> (Vec<u8>, Result<[u64; 2], Unreadable>) {
    let mut filter = List::new(Arc::clone(shape), 1 << 16);
    let mut out = Vec::new();
    for piece in answer.chunks(size) {
        if let Err(error) = filter.feed(piece, &mut is_ours, &mut out) {
            return (out, Err(error));
        }
    }
    (out, filter.finish().map(|counts| [counts.kept, counts.dropped]))
}

/// The items of a document, and what stands around them.
fn items(document: &str, is_inner: bool) -> Option<(Vec<&RawValue>, Vec<String>)> {
    if !is_inner {
        return Some((serde_json::from_str(document).ok()?, Vec::new()));
    }
    let Members(members) = serde_json::from_str(document).ok()?;
    let (_, list) = members.iter().find(|(key, _)| key == "results")?;
    Some((serde_json::from_str(list.get()).ok()?, members.iter().map(|(key, _)| key.to_string()).collect()))
}

/// Checks the promise for any answer, as a list and as an object around one; tells which could be read.
pub fn check(answer: &[u8]) -> [bool; 2] {
    [false, true].map(|is_inner| {
        let steps = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        let shape = Arc::new(Shape {
            items: steps(if is_inner { &["results"] } else { &[] }),
            org: steps(&["org"]),
            envelope: steps(&["type"]),
        });
        let (out, read) = filtered(&shape, answer, usize::MAX);
        for size in [1, 3] {
            assert_eq!(filtered(&shape, answer, size), (out.clone(), read), "in pieces of {size}");
        }
        let counts = match read {
            Ok(counts) => counts,
            Err(error) => {
                let is_long = answer.split(|b| !b.is_ascii_digit()).any(|digits| digits.len() > 500);
                let is_json = serde_json::from_slice::<&RawValue>(answer).is_ok();
                assert!(error != Unreadable::NotJson || !is_json || is_long, "JSON is refused as none");
                return false;
            }
        };
        let before = std::str::from_utf8(answer).expect("UTF-8");
        let out = std::str::from_utf8(&out).expect("UTF-8");
        serde_json::from_str::<&RawValue>(before).expect("what is read is JSON");
        serde_json::from_str::<&RawValue>(out).expect("what goes on is JSON");
        // A name that is no Unicode: the other reader takes none of it.
        let Some((all, _)) = items(before, is_inner) else { return true };
        let (kept, around) = items(out, is_inner).expect("a list goes on as one");
        assert!(around.iter().all(|name| name == "results" || name == "type"), "{around:?} goes on");
        let mut rest = kept.iter().map(|item| item.get());
        let mut next = rest.next();
        for item in &all {
            let is_next = next == Some(item.get());
            match is_kept(item) {
                Some(true) => assert!(is_next, "{} is the caller's, and is missing", item.get()),
                Some(false) => assert!(!is_next, "{} goes on", item.get()),
                None => {}
            }
            if is_next {
                next = rest.next();
            }
        }
        assert_eq!(next, None, "what goes on was not there");
        assert_eq!(counts.map(|n| n as usize), [kept.len(), all.len() - kept.len()]);
        true
    })
}
