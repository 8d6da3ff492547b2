//! The reader of answers against hyper's client: they agree on what is well formed, and where ours reads more strictly it
//! refuses, and never reads anything else.

use super::client::{check, hypers, ours};
use http::Method;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A well-formed answer that ends by itself: its head, its body as it is sent, and its body.
fn answer() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let interim =
        select(&["", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"][..]);
    let status = select(&["200 OK", "200", "204 No Content", "304 Not Modified", "404 \u{e4}", "599 x y", "201 "][..]);
    let fields = prop::collection::vec(
        select(
            &[
                "X-Y: z",
                "Set-Cookie: a=1",
                "Set-Cookie: b=2",
                "Empty:",
                "Vary:  Accept \t",
                "Server: n\u{e9}",
                "Connection: x-named",
                "X-Named: 1",
                "Keep-Alive: timeout=5",
                "Proxy-X: 1",
            ][..],
        ),
        0..6,
    );
    let data = || prop::collection::vec(any::<u8>(), 0..300);
    let body = prop_oneof![
        data().prop_map(|data| ("length", vec![data])),
        prop::collection::vec(data().prop_filter("data", |data| !data.is_empty()), 0..4)
            .prop_map(|all| ("chunked", all)),
        Just(("none", Vec::new())),
    ];
    (interim, status, fields, body, any::<bool>()).prop_map(|(interim, status, fields, (framing, body), close)| {
        let mut out = format!("{interim}HTTP/1.1 {status}\r\n");
        for field in fields {
            out += &format!("{field}\r\n");
        }
        if close {
            out += "Connection: close\r\n";
        }
        let empty = status.starts_with("204") || status.starts_with("304");
        let mut out = out.into_bytes();
        match framing {
            "length" => {
                out.extend(format!("Content-Length: {}\r\n\r\n", body[0].len()).bytes());
                if !empty {
                    out.extend(&body[0]);
                }
            }
            "chunked" => {
                out.extend(b"transfer-encoding: Chunked\r\n\r\n");
                for data in body.iter().filter(|_| !empty) {
                    out.extend(format!("{:X};a=b\r\n", data.len()).bytes());
                    out.extend(data);
                    out.extend(b"\r\n");
                }
                if !empty {
                    out.extend(b"0\r\nX-Sum: 1\r\n\r\n");
                }
            }
            _ => out.extend(if empty { &b"\r\n"[..] } else { b"Content-Length: 0\r\n\r\n" }),
        }
        (out, close)
    })
}

/// What breaks answers.
const NASTY: [&str; 24] = [
    "Content-Length: 5\r\n",
    "Content-Length: 5, 5\r\n",
    "content-length: 05\r\n",
    "Content-Length: +5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 200\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "ffffffffffffffff\r\n",
    "5;\r\n",
    ";a=\"\n\"\r\n",
    "Connection: close\r\n",
    "X: \u{e9}\r\n",
    ":\r\n",
];

fn show(stream: &[u8]) -> String {
    stream.escape_ascii().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn well_formed_answers_are_read_alike((stream, close) in answer(), size in 1_usize..40) {
        let (seen, again) = ours(&stream, usize::MAX, &Method::GET).map_err(|e| TestCaseError::fail(format!("{e}: {}", show(&stream))))?;
        prop_assert_eq!(&seen, &hypers(&stream, &Method::GET).unwrap(), "{}", show(&stream));
        prop_assert_eq!(again, !close, "{}", show(&stream));
        prop_assert_eq!(ours(&stream, size, &Method::GET).unwrap().0, seen, "{}", show(&stream));
    }

    /// Whatever follows an answer is never taken for the next one.
    #[test]
    fn a_connection_that_says_more_than_it_was_asked_serves_no_more((mut stream, _) in answer(), more in select(&["x", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"][..])) {
        let (alone, _) = ours(&stream, usize::MAX, &Method::GET).unwrap();
        stream.extend(more.bytes());
        let (seen, again) = ours(&stream, usize::MAX, &Method::GET).unwrap();
        prop_assert_eq!(seen, alone);
        prop_assert!(!again, "{}", show(&stream));
    }

    /// A broken answer is refused, or read as hyper reads it; never as something else.
    #[test]
    fn broken_answers_are_refused_or_read_alike(
        (mut stream, _) in answer(),
        edits in prop::collection::vec((any::<Index>(), select(&NASTY[..]), 0_usize..6), 1..3),
        size in 1_usize..40,
        head in any::<bool>(),
    ) {
        for (at, text, cut) in edits {
            let at = at.index(stream.len() + 1);
            let end = (at + cut).min(stream.len());
            stream.splice(at..end, text.bytes());
        }
        let method = if head { Method::HEAD } else { Method::GET };
        check(&stream, size, &method);
    }
}
