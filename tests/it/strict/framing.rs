//! The scanner against hyper: valid streams pass whole, broken ones as far as they are whole, and both read the same.

use super::parser::check;
use postern::net::framing::{Scan, Stop};
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked { chunks: Vec<(Vec<u8>, &'static str)>, trailers: Vec<&'static str> },
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = || {
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), select(NASTY).prop_map(|text| text.as_bytes().to_vec())]
    };
    let extension = select(&["", "", "", ";a", ";a=b", " ; a = \"b;\\\"\"", ";a;b=c"][..]);
    let chunks =
        prop::collection::vec((bytes().prop_filter("a chunk has data", |data| !data.is_empty()), extension), 0..4);
    let trailers = prop::collection::vec(select(&["X-Sum: 1", "y:", "Z: GET / HTTP/1.1"][..]), 0..3);
    prop_oneof![
        Just(Body::None),
        bytes().prop_map(Body::Length),
        (chunks, trailers).prop_map(|(chunks, trailers)| Body::Chunked { chunks, trailers }),
    ]
}

/// One valid message that leaves the connection open.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let start = select(&["", "", "", "\r\n"][..]);
    let method = select(&["GET", "POST", "HEAD", "DELETE", "PURGE", "get"][..]);
    let target = select(&["/", "/a/b?c=[d]|e", "/%2e%2e/..;x\\", "//x?/../y", "/a?b{}\\^`"][..]);
    let fields = prop::collection::vec(
        select(
            &[
                "X-Y: z",
                "Accept:\t*/* \t",
                "Empty:",
                "Expect: 100-continue",
                "Connection: x, keep-alive",
                "Upgrade: websocket",
                "TE: trailers",
                "Cookie: a=\"b\"; c",
            ][..],
        ),
        0..4,
    );
    (start, method, target, select(&["1.1", "1.1", "1.0"][..]), fields, body()).prop_map(
        |(start, method, target, version, fields, body)| {
            let version = if matches!(body, Body::Chunked { .. }) { "1.1" } else { version };
            let mut out = format!("{start}{method} {target} HTTP/{version}\r\nHost: a.example\r\n");
            for field in fields {
                out += &format!("{field}\r\n");
            }
            if version == "1.0" {
                out += "connection: Keep-Alive\r\n";
            }
            let mut out = out.into_bytes();
            match body {
                Body::None => out.extend(b"\r\n"),
                Body::Length(data) => {
                    out.extend(format!("content-LENGTH: {}\r\n\r\n", data.len()).bytes());
                    out.extend(data);
                }
                Body::Chunked { chunks, trailers } => {
                    out.extend(b"Transfer-Encoding: CHUNKED\r\n\r\n");
                    for (data, extension) in chunks {
                        out.extend(format!("{:03X}{extension}\r\n", data.len()).bytes());
                        out.extend(data);
                        out.extend(b"\r\n");
                    }
                    out.extend(b"0\r\n");
                    trailers.iter().for_each(|trailer| out.extend(format!("{trailer}\r\n").bytes()));
                    out.extend(b"\r\n");
                }
            }
            out
        },
    )
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(message(), 1..5).prop_map(|messages| messages.concat())
}

/// Snippets that smuggling is made of.
const NASTY: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    "0",
    "1",
    "ffffffffffffffff",
    "\r\n\r\n",
    "0\r\n\r\n",
    "X",
    "\u{e9}",
    "chunked",
    "close",
    "Connection: close\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Content_Length: 5\r\n",
    "Host: b\r\n",
    " folded\r\n",
    "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.0",
    "HTTP/2.0",
    "\"",
    "#",
    ",",
    "+",
    "\x0b",
];

/// One change to a stream.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, &'static str),
    Replace(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    /// Breaks or makes a line end at the next one.
    LineEnd(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), select(NASTY)).prop_map(|(at, text)| Change::Insert(at, text)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        2 => (at(), 1..12_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        1 => at().prop_map(Change::Cut),
        4 => (at(), select(&["\n", "x\n", "\rx", "\r", "", "\r\r\n", "\r\n ", "\n\r\n", "\r\n\r\n", "\r\nContent-Length: 3\r\n", "\r\nTransfer-Encoding: chunked\r\n", "\r\nConnection: close\r\n"][..]))
            .prop_map(|(at, text)| Change::LineEnd(at, text)),
    ]
}

fn apply(stream: &mut Vec<u8>, change: &Change) {
    let len = stream.len() + 1;
    match *change {
        Change::Insert(at, text) => drop(stream.splice(at.index(len)..at.index(len), text.bytes())),
        Change::Replace(at, byte) => stream.iter_mut().skip(at.index(len)).take(1).for_each(|b| *b = byte),
        Change::Remove(at, count) => drop(stream.drain(at.index(len)..(at.index(len) + count).min(len - 1))),
        Change::Repeat(at, count) => {
            let copy = stream[at.index(len)..(at.index(len) + count).min(len - 1)].to_vec();
            drop(stream.splice(at.index(len)..at.index(len), copy));
        }
        Change::Cut(at) => stream.truncate(at.index(len)),
        Change::LineEnd(at, text) => {
            let from = at.index(len);
            if let Some(end) = stream[from..].windows(2).position(|two| two == b"\r\n").map(|end| from + end) {
                drop(stream.splice(end..end + 2, text.bytes()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn valid_streams_pass_whole(stream in stream()) {
        prop_assert_eq!(check(&stream), Scan { accepted: stream.len(), stop: Stop::None });
    }

    #[test]
    fn broken_streams_pass_as_far_as_both_agree(mut stream in stream(), changes in prop::collection::vec(change(), 1..4)) {
        changes.iter().for_each(|change| apply(&mut stream, change));
        check(&stream);
    }

    #[test]
    fn streams_of_snippets_pass_as_far_as_both_agree(snippets in prop::collection::vec(select(NASTY), 0..12)) {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n";
        check(format!("{head}{}", snippets.concat()).as_bytes());
        check(format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", snippets.concat()).as_bytes());
    }

    #[test]
    fn any_split_gives_the_same_verdict(stream in stream(), changes in prop::collection::vec(change(), 0..2), splits in prop::collection::vec(any::<Index>(), 0..8)) {
        use super::parser::LIMITS;
        use postern::net::framing::Scanner;
        let mut stream = stream;
        changes.iter().for_each(|change| apply(&mut stream, change));
        let mut ends: Vec<_> = splits.iter().map(|at| at.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let mut scanner = Scanner::new(LIMITS);
        let mut total = Scan { accepted: 0, stop: Stop::None };
        for end in ends {
            let scan = scanner.scan(&stream[total.accepted..end.max(total.accepted)]);
            total = Scan { accepted: total.accepted + scan.accepted, stop: scan.stop };
        }
        prop_assert_eq!(total, Scanner::new(LIMITS).scan(&stream));
    }
}
