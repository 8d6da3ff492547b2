//! A reader as lenient as the worst upstream, and the promise that an accepted target looks the same to it.

use postern::request_target::oddity::Oddity;
use postern::request_target::{Target, plain};

/// Checks the promise of the canonical target for any text.
///
/// Refused, or: it carries over unchanged, means the same when it is read again, and the lenient reader sees what was judged.
/// Returns whether it was accepted.
pub fn check(raw: &str) -> bool {
    lenient_routes(raw);
    let Ok(target) = Target::parse(raw) else { return false };
    assert_eq!(target.raw(), raw);
    assert_eq!(Target::parse(target.raw()).as_ref(), Ok(&target), "read again: {raw:?}");

    let uri = http::Uri::try_from(raw).unwrap_or_else(|error| panic!("{raw:?} cannot be forwarded: {error}"));
    assert_eq!((uri.path(), uri.query()), (target.path(), target.query()), "{raw:?}");
    assert_eq!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), Some(raw), "{raw:?}");

    let decoded = target.decoded();
    let again = encode(decoded);
    let again = Target::parse(&again).unwrap_or_else(|error| panic!("{raw:?} encoded anew is refused: {error}"));
    assert_eq!(again.decoded(), decoded, "{raw:?}");

    assert_eq!(
        String::from_utf8_lossy(&lenient(target.path().as_bytes())),
        decoded,
        "the lenient reader disagrees: {raw:?}"
    );
    let normalized = lenient(normalize(decoded).as_bytes());
    let slashes = |text: &[u8]| text.iter().filter(|&&b| b == b'/').count();
    assert_eq!(slashes(&normalized), slashes(decoded.as_bytes()), "a normalizing reader sees other segments: {raw:?}");
    true
}

/// What a route may take besides: the bytes stay, nothing but what is named is odd about it, and whoever takes each segment as text
/// sees what was judged, without dots.
fn lenient_routes(raw: &str) {
    let Ok(target) = Target::read(raw) else { return };
    assert_eq!(target.raw(), raw);
    assert_eq!(target.oddities().is_empty(), Target::parse(raw).is_ok(), "{raw:?}");
    let taken: Vec<_> = target.oddities().iter().collect();
    assert_eq!(Oddity::ALL.iter().all(|oddity| !taken.contains(oddity)), target.oddities().is_empty());
    let segments = target.path().split('/').map(|segment| String::from_utf8(decode(segment.as_bytes())).unwrap());
    assert!(segments.eq(target.decoded().split('/').map(|segment| plain(segment).into_owned())), "{raw:?}");
    assert_eq!(taken.contains(&Oddity::DoubleSlash), target.path().contains("//"), "{raw:?}");
    let mut path = target.path().as_bytes().to_vec();
    for _ in 0..4 {
        let dots = |segment: &[u8]| segment.iter().all(|b| *b == b'.') && !segment.is_empty();
        let cut = cut_params(&slashes(&path));
        assert!(!cut.split(|b| *b == b'/').any(dots), "dots for some reader: {raw:?}");
        path = decode(&path);
    }
}

/// Applies every liberty that a reader may take, again and again, until nothing changes.
fn lenient(path: &[u8]) -> Vec<u8> {
    let mut path = path.to_vec();
    loop {
        let next = resolve_dots(&merge_slashes(&cut_params(&slashes(&decode(&path)))));
        if next == path {
            return path;
        }
        path = next;
    }
}

fn decode(path: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(path).collect()
}

fn slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&b| if b == b'\\' { b'/' } else { b }).collect()
}

fn cut_params(path: &[u8]) -> Vec<u8> {
    let segments: Vec<_> =
        path.split(|&b| b == b'/').map(|s| s.split(|&b| b == b';').next().unwrap_or_default()).collect();
    segments.join(&b'/')
}

fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|b, a| *b == b'/' && *a == b'/');
    merged
}

/// RFC 3986, 5.2.4, for readers that take three dots and more for two, and that trim blanks around them.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&b| b == b'/') {
        match segment.trim_ascii() {
            b"." => {}
            dots if dots.len() > 1 && dots.iter().all(|&b| b == b'.') => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    kept.join(&b'/')
}

/// What Unicode normalization (NFKC) does to the characters that structure a path.
fn normalize(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\u{ff0f}' | '\u{ff3c}' | '\u{ff0e}' | '\u{ff1b}' | '\u{ff05}' => {
                out.extend(char::from_u32(c as u32 - 0xfee0))
            }
            '\u{2024}' | '\u{fe52}' => out.push('.'),
            '\u{2025}' | '\u{fe30}' => out.push_str(".."),
            '\u{2026}' | '\u{fe19}' => out.push_str("..."),
            '\u{fe68}' => out.push('\\'),
            '\u{fe54}' | '\u{37e}' => out.push(';'),
            '\u{fe6a}' => out.push('%'),
            '\u{2100}' => out.push_str("a/c"),
            '\u{a0}' | '\u{2003}' | '\u{3000}' => out.push(' '),
            '\u{200b}' | '\u{feff}' | '\u{ad}' => {}
            _ => out.push(c),
        }
    }
    out
}

/// Percent-encodes everything but letters, digits and slashes.
fn encode(decoded: &str) -> String {
    const SET: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'/');
    percent_encoding::utf8_percent_encode(decoded, SET).to_string()
}
