//! Packets of uwsgi against a decoder of their own, and answers of CGI against hyper's reading of the same in HTTP/1.0.

use super::uwsgi::check;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces of paths, also such that no route takes.
const PATH: [&str; 20] = [
    "/", "/a", "/b.c", "%2F", "%2f", "%5C", "%3F", "%23", "%25", "%41", "%2541", "%C3%A9", "%ff", "%00", "..", ";",
    "+", "|", "~", "%",
];

/// Lines of a head: each value is of any bytes that a field may have, and some are long.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let name = select(
        &[
            "x-a",
            "X-A",
            "x_a",
            "x.a",
            "cookie",
            "content-type",
            "Content_Type",
            "accept",
            "host",
            "content-length",
            "a",
            "-",
        ][..],
    );
    let value = prop_oneof![
        8 => prop::collection::vec(prop_oneof![Just(b'\t'), 0x20_u8..0x7f, 0x80_u8..=0xff], 0..20),
        1 => (0_usize..70_000).prop_map(|length| vec![b'y'; length]),
    ];
    (name, value).prop_map(|(name, value)| [name.as_bytes(), b": ", &value].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn packets_are_read_back_as_what_was_said(
        path in prop::collection::vec(select(&PATH[..]), 0..6),
        query in prop_oneof![Just(String::new()), "\\?[ -~]{0,12}"],
        length in prop_oneof![Just(String::new()), any::<u64>().prop_map(|length| format!(" {length}"))],
        host in select(&["a", "A.example:8443", "[::1]:80", "[::1]", "a:", "a b", ""][..]),
        lines in prop::collection::vec(line(), 0..12),
    ) {
        let mut text = format!("PUT /{}{query}{length}\n{host}", path.concat()).into_bytes();
        for line in lines {
            text.push(b'\n');
            text.extend(line);
        }
        check(&text);
    }

    #[test]
    fn answers_of_cgi_are_refused_or_read_as_hyper_reads_them(
        begin in select(&["Status: 200 OK\r\n", "status:404\r\n", "STATUS: \t500 x y\n", "Status: 204\r\n", "HTTP/1.1 200 OK\r\n", "Status 200\r\n"][..]),
        lines in prop::collection::vec(
            select(&["X-A: b\r\n", "Content-Length: 5\r\n", "content-length: 05\r\n", "Connection: keep-alive\r\n", "Transfer-Encoding: chunked\r\n", " folded\r\n", "Status: 200\r\n", "Set-Cookie: a=1\r\n", "Location: /x\n"][..]),
            0..4,
        ),
        body in prop::collection::vec(any::<u8>(), 0..12),
        edits in prop::collection::vec((any::<Index>(), select(&["\r\n", "\n", "\r", "\0", " ", ":", "x", "Status: 1"][..]), 0_usize..4), 0..2),
    ) {
        let mut stream = format!("{begin}{}\r\n", lines.concat()).into_bytes();
        stream.extend(body);
        for (at, text, cut) in edits {
            let at = at.index(stream.len() + 1);
            let end = (at + cut).min(stream.len());
            stream.splice(at..end, text.bytes());
        }
        if stream.starts_with(b"HTTP/") || stream.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case(b"status:")) {
            check(&stream);
        }
    }
}
