//! Every short target, read as those behind a gate read it: `cargo bench --bench targets`, `-- --length 7` for longer ones.
//!
//! A target is `/` and up to six bytes (`--length`) of [`ALPHABET`], each combination once. Either [`Target::parse`] refuses it, or what is
//! forwarded is what came, and each of [`READERS`] finds in it the path that was judged, or refuses it. The readers know nothing of `src/`.
//! Without `--bench` (as in `cargo test --benches`) three bytes are enough.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use arrayvec::ArrayVec;
use http::uri::PathAndQuery;
use postern::request_target::Target;
use std::process::ExitCode;

/// What paths are taken apart and hidden with: `%2e`, `%2f`, `%5c`, `%25` and some that mean nothing.
const ALPHABET: &[u8; 12] = b"/.%2ef5c;a?\\";

/// The longest target is a slash and this many bytes.
const LONGEST: usize = 15;

/// Offenders that are shown.
const SHOWN: usize = 10;

/// A path as some reader has it: nothing is allocated for it.
type Path = ArrayVec<u8, { LONGEST + 2 }>;

/// From the path as it came to the one that the reader looks up; `None` where it refuses.
type Reader = fn(&[u8]) -> Option<Path>;

const READERS: [(&str, Reader); 5] = [
    // Decoded once, and section 5.2.4.
    ("RFC 3986", |raw| Some(without_dots(&decoded(raw, Broken::Refused)?))),
    // `unquote`, which leaves a broken escape as it is; Django looks that up.
    ("Django behind WSGI", |raw| decoded(raw, Broken::Kept)),
    // `merge_slashes on`: an encoded slash is one, and whoever climbs above the root is refused.
    ("nginx", |raw| climbed(&decoded(raw, Broken::Refused)?, false)),
    // `path.Clean`, with the slash at the end kept, as `net/http` routes.
    ("Go", |raw| climbed(&decoded(raw, Broken::Refused)?, true)),
    // Tomcat: parameters are cut from each segment as it came; a backslash is a slash where that is allowed.
    ("a servlet container", |raw| {
        let mut path = decoded(&without_parameters(raw), Broken::Refused)?;
        path.iter_mut().filter(|b| **b == b'\\').for_each(|b| *b = b'/');
        climbed(&path, false)
    }),
];

/// A path, and what the readers in their order make of it: so that a reader which reads nothing is no proof.
const EXAMPLES: [(&str, [Option<&str>; 5]); 8] = [
    ("/a/%2e", [Some("/a/"), Some("/a/."), Some("/a/"), Some("/a/"), Some("/a/")]),
    ("/a/..", [Some("/"), Some("/a/.."), Some("/"), Some("/"), Some("/")]),
    ("/../a", [Some("/a"), Some("/../a"), None, Some("/a"), None]),
    ("/a//e", [Some("/a//e"), Some("/a//e"), Some("/a/e"), Some("/a/e"), Some("/a/e")]),
    ("/a%2fe", [Some("/a/e"); 5]),
    ("/a;e/c", [Some("/a;e/c"), Some("/a;e/c"), Some("/a;e/c"), Some("/a;e/c"), Some("/a/c")]),
    ("/a%5ce", [Some("/a\\e"), Some("/a\\e"), Some("/a\\e"), Some("/a\\e"), Some("/a/e")]),
    ("/%2", [None, Some("/%2"), None, None, None]),
];

/// What a reader does with a `%` that is no escape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    Refused,
    Kept,
}

/// Decodes escapes, once.
fn decoded(raw: &[u8], broken: Broken) -> Option<Path> {
    let digit = |at: usize| raw.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut path = Path::new();
    let mut at = 0;
    while at < raw.len() {
        match (raw[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                path.push(high * 16 + low);
                at += 3;
            }
            (b'%', _, _) if broken == Broken::Refused => return None,
            (b, _, _) => {
                path.push(b);
                at += 1;
            }
        }
    }
    Some(path)
}

/// `remove_dot_segments` of RFC 3986, 5.2.4, for what begins with a slash: an empty segment is one like any other.
fn without_dots(path: &[u8]) -> Path {
    let mut out = Path::new();
    let segments = path[1..].split(|b| *b == b'/');
    let last = segments.clone().count() - 1;
    for (number, segment) in segments.enumerate() {
        let dots = matches!(segment, b"." | b"..");
        if segment == b".." {
            out.truncate(out.iter().rposition(|b| *b == b'/').unwrap_or(0));
        }
        if !dots || number == last {
            out.push(b'/');
        }
        if !dots {
            out.extend(segment.iter().copied());
        }
    }
    out
}

/// Slashes merged, dots resolved; above the root there is nothing, or the root once more.
fn climbed(path: &[u8], stays_at_root: bool) -> Option<Path> {
    let mut out = Path::new();
    for segment in path[1..].split(|b| *b == b'/') {
        match segment {
            b"" | b"." => {}
            b".." if out.is_empty() && !stays_at_root => return None,
            b".." => out.truncate(out.iter().rposition(|b| *b == b'/').unwrap_or(0)),
            _ => {
                out.push(b'/');
                out.extend(segment.iter().copied());
            }
        }
    }
    if out.is_empty() || path.ends_with(b"/") || path.ends_with(b"/.") || path.ends_with(b"/..") {
        out.push(b'/');
    }
    Some(out)
}

/// Each segment up to its first `;`.
fn without_parameters(raw: &[u8]) -> Path {
    let mut inside = false;
    raw.iter()
        .copied()
        .filter(|b| {
            inside = *b != b'/' && (inside || *b == b';');
            !inside
        })
        .collect()
}

/// What is wrong with a target: where it is taken, and something else may be reached by it. The number is of the reader.
fn fault(raw: &str) -> Result<bool, Option<usize>> {
    let Ok(target) = Target::parse(raw) else { return Ok(false) };
    let carried = PathAndQuery::try_from(raw).is_ok_and(|carried| carried.as_str() == raw);
    if target.raw() != raw || !carried {
        return Err(None);
    }
    let path = raw.split('?').next().unwrap_or_default();
    let reads_other =
        |(_, read): &(&str, Reader)| read(path.as_bytes()).is_some_and(|p| *p != *target.decoded().as_bytes());
    READERS.iter().position(reads_other).map_or(Ok(true), |reader| Err(Some(reader)))
}

/// The next text over the alphabet, of the same length; `false` behind the last one.
fn next(digits: &mut [usize], text: &mut [u8]) -> bool {
    for (digit, byte) in digits.iter_mut().zip(text).rev() {
        *digit = (*digit + 1) % ALPHABET.len();
        *byte = ALPHABET[*digit];
        if *digit != 0 {
            return true;
        }
    }
    false
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let told = arguments.iter().position(|a| a == "--length").and_then(|at| arguments.get(at + 1));
    let usual = if arguments.iter().any(|a| a == "--bench") { 6 } else { 3 };
    let longest: usize = told.map_or(usual, |told| told.parse().expect("--length is a number"));
    assert!(longest <= LONGEST, "--length is {LONGEST} at most");

    for (raw, expected) in EXAMPLES {
        for ((name, read), expected) in READERS.iter().zip(expected) {
            let found = read(raw.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name} reads {raw}");
        }
    }

    let (mut all, mut taken, mut offenders) = (0_u64, 0_u64, 0_u64);
    for length in 0..=longest {
        let mut digits = [0; LONGEST];
        let mut text = [ALPHABET[0]; LONGEST + 1];
        text[0] = b'/';
        loop {
            let raw = std::str::from_utf8(&text[..=length]).expect("ASCII");
            all += 1;
            match fault(raw) {
                Ok(is_taken) => taken += u64::from(is_taken),
                Err(by) => {
                    offenders += 1;
                    if offenders <= SHOWN as u64 {
                        let who = by.map_or("what is forwarded", |reader| READERS[reader].0);
                        eprintln!("{raw}: {who} is not what was judged");
                    }
                }
            }
            if !next(&mut digits[..length], &mut text[1..=length]) {
                break;
            }
        }
    }
    println!("{all} targets: {taken} taken, {} refused, {offenders} read as another path", all - taken - offenders);
    if offenders == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
