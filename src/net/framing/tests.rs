//! The framing rules as stories: what passes, what is refused and why, and that splits change nothing.

use super::{Class, Limits, Position, Scan, Scanner, Stop, Violation};
use crate::request_target::TargetError;
use crate::request_target::host::HostError;

const LIMITS: Limits = Limits { head_bytes: 2048, headers: 8 };
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Scans all at once, and then split at every place, byte by byte too; all must agree.
fn scan(stream: &[u8]) -> Scan {
    let whole = Scanner::new(LIMITS).scan(stream);
    for at in 0..=stream.len() {
        assert_eq!(
            in_parts(stream, &[at, stream.len()]),
            whole,
            "split at {at}: {:?}",
            String::from_utf8_lossy(stream)
        );
    }
    let each: Vec<_> = (1..=stream.len()).collect();
    assert_eq!(in_parts(stream, &each), whole, "byte by byte: {:?}", String::from_utf8_lossy(stream));
    whole
}

/// Gives the stream up to each of `ends` in turn, from the first byte that was not accepted.
fn in_parts(stream: &[u8], ends: &[usize]) -> Scan {
    let mut scanner = Scanner::new(LIMITS);
    let mut total = Scan { accepted: 0, stop: Stop::None };
    for &end in ends {
        let scan = scanner.scan(&stream[total.accepted..end]);
        total = Scan { accepted: total.accepted + scan.accepted, stop: scan.stop };
    }
    total
}

fn passes(stream: impl AsRef<[u8]>) {
    let stream = stream.as_ref();
    assert_eq!(
        scan(stream),
        Scan { accepted: stream.len(), stop: Stop::None },
        "{:?}",
        String::from_utf8_lossy(stream)
    );
}

fn waits(stream: &str) {
    assert_eq!(scan(stream.as_bytes()).stop, Stop::Incomplete, "{stream:?}");
}

/// The stream is refused, and nothing of the last head in it is accepted; alone and behind another message.
fn refused(stream: impl AsRef<[u8]>, violation: Violation) {
    let stream = stream.as_ref();
    assert_eq!(
        scan(stream),
        Scan { accepted: 0, stop: Stop::Refused(violation) },
        "{:?}",
        String::from_utf8_lossy(stream)
    );
    let behind = [GET.as_bytes(), stream].concat();
    assert_eq!(scan(&behind), Scan { accepted: GET.len(), stop: Stop::Refused(violation) });
}

fn refused_field(field: impl AsRef<[u8]>, violation: Violation) {
    refused([b"POST / HTTP/1.1\r\nHost: a\r\n", field.as_ref(), b"\r\n\r\n"].concat(), violation);
}

fn refused_line(line: &str, violation: Violation) {
    refused(format!("{line}\r\nHost: a\r\n\r\n"), violation);
}

#[test]
fn ordinary_messages_pass_however_they_are_pipelined() {
    passes(GET);
    passes(format!("\r\n{GET}{GET}\r\n{GET}"));
    passes("PUT /x?y=[1] HTTP/1.1\r\nhOsT:\t a.example:8080 \t\r\nContent-Length: 5\r\nX-Empty:\r\n\r\nhello");
    passes(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n{GET}"));
    passes(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello{GET}"));
    passes(format!("POST / HTTP/1.0\r\nHost: a\r\nConnection: x, Keep-Alive\r\nContent-Length: 3\r\n\r\nabc{GET}"));
    passes("PURGE //a;b/..\\%zz\"{|}^ HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn chunked_bodies_pass_with_extensions_and_trailers() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n";
    passes(format!("{head}0\r\n\r\n{GET}"));
    passes(format!("{head}5\r\nhello\r\n00A\r\n0123456789\r\n000\r\n\r\n{GET}"));
    passes(format!("{head}1;a\r\nx\r\n1;a=b;c=\"d;\\\"\t\"\r\ny\r\n1 ; a = b\r\nz\r\n0;last\r\n\r\n{GET}"));
    passes(format!("{head}0\r\nX-Sum: 1\r\nY:\r\n\r\n{GET}"));
}

#[test]
fn a_head_is_accepted_as_a_whole_or_not_at_all() {
    let mut scanner = Scanner::new(LIMITS);
    for end in 0..GET.len() {
        let scan = scanner.scan(&GET.as_bytes()[..end]);
        assert_eq!((scan.accepted, scanner.heads()), (0, 0));
        assert_eq!(scan.stop, if end == 0 { Stop::None } else { Stop::Incomplete });
    }
    assert_eq!(scanner.scan(GET.as_bytes()), Scan { accepted: GET.len(), stop: Stop::None });
    assert_eq!(scanner.heads(), 1);
}

#[test]
fn the_position_tells_a_head_from_a_body() {
    let mut scanner = Scanner::new(LIMITS);
    let mut step = |bytes: &str| {
        let scan = scanner.scan(bytes.as_bytes());
        (scan.accepted == bytes.len(), scanner.position(), scanner.heads())
    };
    assert_eq!(step("POST /"), (false, Position::BetweenMessages, 0));
    assert_eq!(step("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"), (true, Position::InBody, 1));
    assert_eq!(step("a"), (true, Position::InBody, 1));
    assert_eq!(step("b"), (true, Position::BetweenMessages, 1));
    assert_eq!(step("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), (true, Position::InBody, 2));
    assert_eq!(step("1\r\na\r\n0\r\n"), (true, Position::InBody, 2));
    assert_eq!(step("X: y\r\n"), (true, Position::InBody, 2));
    assert_eq!(step("\r\n"), (true, Position::BetweenMessages, 2));
}

#[test]
fn nothing_is_accepted_behind_an_error_or_behind_the_last_message() {
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(b"\0").stop, Stop::Refused(Violation::Method));
    assert_eq!(scanner.scan(GET.as_bytes()), Scan { accepted: 0, stop: Stop::Refused(Violation::Method) });
    for last in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: x,\tCLOSE\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(scan(last.as_bytes()), Scan { accepted: last.len(), stop: Stop::None });
        assert_eq!(scan(format!("{last}{GET}").as_bytes()), Scan { accepted: last.len(), stop: Stop::Ended });
        assert_eq!(scan(format!("{last}\0").as_bytes()), Scan { accepted: last.len(), stop: Stop::Ended });
    }
}

#[test]
fn lines_end_with_crlf_only() {
    refused("GET / HTTP/1.1\nHost: a\n\n", Violation::BareLineFeed);
    refused("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Violation::BareLineFeed);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", Violation::BareLineFeed);
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Violation::BareLineFeed);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n", Violation::FieldValue);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n", Violation::FieldValue);
    refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Violation::RequestLine);
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Violation::EmptyLines);
    refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Violation::Method);
}

#[test]
fn the_request_line_has_one_form() {
    refused_line("GET /", Violation::RequestLine);
    refused_line("GET", Violation::RequestLine);
    refused_line("GET / http/1.1", Violation::RequestLine);
    refused_line("GET / HTTP/1.1 ", Violation::RequestLine);
    refused_line("GET / HTTP/1.10", Violation::RequestLine);
    refused_line("GET\t/\tHTTP/1.1", Violation::RequestLine);
    refused_line("G@T / HTTP/1.1", Violation::Method);
    refused_line(" GET / HTTP/1.1", Violation::Method);
    refused_line("G\0T / HTTP/1.1", Violation::Method);
    refused_line(&format!("{} / HTTP/1.1", "A".repeat(33)), Violation::Method);
    refused(b"\x16\x03\x01\x02\x00\x01\x00", Violation::Method);
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        refused_line(&format!("GET / {version}"), Violation::Version);
    }
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Violation::Http2Preface);
}

#[test]
fn only_the_origin_form_is_served() {
    refused_line("GET ftp://other/admin HTTP/1.1", Violation::AbsoluteForm);
    // Whether the authority is the `Host` is looked at above.
    passes("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
    passes("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n");
    refused_line("GET http://u@a/ HTTP/1.1", Violation::Host(HostError::UserInfo));
    refused_line("GET http:///x HTTP/1.1", Violation::Host(HostError::Empty));
    refused_line("GET http://a/x#y HTTP/1.1", Violation::Target(TargetError::Fragment));
    refused_line("OPTIONS http://a HTTP/1.1", Violation::OptionsAsterisk);
    refused_line("CONNECT a:443 HTTP/1.1", Violation::Connect);
    refused_line("CONNECT / HTTP/1.1", Violation::Connect);
    refused_line("OPTIONS * HTTP/1.1", Violation::OptionsAsterisk);
    refused_line("GET * HTTP/1.1", Violation::Target(TargetError::NotOrigin));
    refused_line("GET admin HTTP/1.1", Violation::Target(TargetError::NotOrigin));
    refused_line("GET  HTTP/1.1", Violation::Target(TargetError::NotOrigin));
    refused_line("GET  / HTTP/1.1", Violation::Target(TargetError::NotOrigin));
    refused_line("GET /  HTTP/1.1", Violation::Target(TargetError::Blank));
    refused_line("GET /a b HTTP/1.1", Violation::Target(TargetError::Blank));
    refused_line("GET /a#b HTTP/1.1", Violation::Target(TargetError::Fragment));
    refused_line("GET /a?b#c HTTP/1.1", Violation::Target(TargetError::Fragment));
    refused_line("GET /a`b HTTP/1.1", Violation::Target(TargetError::NotAllowed));
    refused_line("GET /a?<b> HTTP/1.1", Violation::Target(TargetError::NotAllowed));
    refused_line("GET /\u{e9} HTTP/1.1", Violation::Target(TargetError::NotAscii));
    refused_line("GET /a\tb HTTP/1.1", Violation::Target(TargetError::Control));
}

#[test]
fn header_lines_have_one_form() {
    refused_field(" X: folded", Violation::FoldedField);
    refused_field("X: y\r\n\tfolded", Violation::FoldedField);
    refused_field("NoColon", Violation::NoColon);
    refused_field("X : y", Violation::BlankBeforeColon);
    refused_field("Transfer-Encoding\t: chunked", Violation::BlankBeforeColon);
    refused_field(": y", Violation::FieldName);
    refused_field("X(y): z", Violation::FieldName);
    refused_field("X\0: z", Violation::FieldName);
    refused_field("X\u{e9}: z", Violation::FieldName);
    for byte in [0, 1, b'\r', 0x0b, 0x1f, 0x7f] {
        refused_field([b"X: a", [byte].as_slice(), b"b"].concat(), Violation::FieldValue);
    }
    // Opaque (RFC 9110, 5.5).
    passes(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x80\xffb\r\n\r\n");
    for name in ["Content_Length", "content.length", "Transfer_Encoding", "host_"] {
        refused_field(format!("{name}: 5"), Violation::DisguisedField);
    }
}

#[test]
fn exactly_one_host_names_a_host() {
    refused("GET / HTTP/1.1\r\n\r\n", Violation::HostMissing);
    // HTTP/1.0 did not have it.
    passes("GET / HTTP/1.0\r\nX: y\r\n\r\n");
    refused_field("Host: a", Violation::HostRepeated);
    refused_field("HOST: b", Violation::HostRepeated);
    for (host, error) in [
        ("", HostError::Empty),
        ("u@a", HostError::UserInfo),
        ("a b", HostError::Character),
        ("a:x", HostError::Port),
        ("a, b", HostError::Character),
    ] {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Violation::Host(error));
    }
}

#[test]
fn the_length_of_a_body_is_said_once_and_in_one_way() {
    for value in ["+4", "-4", "4, 4", "4 4", "", "0x4", "4.0", "four", "99999999999999999999", "00000000000000000004"] {
        refused_field(format!("Content-Length: {value}"), Violation::Length);
    }
    refused_field("Content-Length: 4\r\nContent-Length: 4", Violation::LengthRepeated);
    refused_field("Content-Length: 4\r\nTransfer-Encoding: chunked", Violation::LengthAndCoding);
    refused_field("Transfer-Encoding: chunked\r\nContent-Length: 4", Violation::LengthAndCoding);
    for value in [
        "xchunked",
        "chunked, chunked",
        "gzip, chunked",
        "chunked, identity",
        "identity",
        "",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
    ] {
        refused_field(format!("Transfer-Encoding: {value}"), Violation::Coding);
    }
    refused_field("Transfer-Encoding: \u{b}chunked", Violation::FieldValue);
    refused_field("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked", Violation::CodingRepeated);
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Violation::CodingInHttp10);
}

#[test]
fn heads_are_bounded() {
    let head = |value: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(value));
    let most = LIMITS.head_bytes - head(0).len();
    passes(head(most));
    refused(head(most + 1), Violation::HeadTooLarge);
    refused(format!("GET /{}", "a".repeat(LIMITS.head_bytes)), Violation::HeadTooLarge);
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    passes(fields(LIMITS.headers));
    refused(fields(LIMITS.headers + 1), Violation::TooManyFields);
    assert_eq!(Scanner::new(Limits { head_bytes: usize::MAX, headers: 1 }).limits.head_bytes, Limits::MOST_HEAD_BYTES);
}

#[test]
fn chunk_lines_have_one_form() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let refused = |body: &str, accepted: usize, violation| {
        let stream = format!("{head}{body}");
        assert_eq!(
            scan(stream.as_bytes()),
            Scan { accepted: head.len() + accepted, stop: Stop::Refused(violation) },
            "{body:?}"
        );
    };
    for size in ["", "x", "-1", "+1", "0x1", " 1", "1x", "10000000000000000", "1\r", "\u{e9}"] {
        refused(&format!("{size}\r\n"), 0, Violation::ChunkSize);
    }
    for extension in [
        ";",
        "; ",
        ";=",
        ";a=",
        ";a=\"",
        ";a=\"b",
        ";a=\"b\\",
        ";a b",
        ";a;;b",
        ";a=\0",
        ";a=\"\u{e9}\"",
        ";a=\"\r\"",
        " ",
        "\t",
        " a",
    ] {
        refused(&format!("1{extension}\r\n"), 0, Violation::ChunkExtension);
    }
    refused("1\n", 0, Violation::BareLineFeed);
    refused("1;a\nb\r\n", 0, Violation::BareLineFeed);
    refused(&format!("1;{}\r\n", "a".repeat(254)), 0, Violation::ChunkExtensionTooLarge);
    refused("2\r\nabc\r\n", 5, Violation::ChunkEnd);
    refused("2\r\nab\n", 5, Violation::ChunkEnd);
    refused("2\r\nab\rx", 5, Violation::ChunkEnd);
    refused("2\r\nabx\n", 5, Violation::ChunkEnd);
    refused("2\r\nab0\r\n\r\n", 5, Violation::ChunkEnd);
    waits(&format!("{head}2\r\nab\r"));
    waits(&format!("{head}2;a"));
    passes(format!("{head}ffffffffffffffff\r\nabc"));
}

#[test]
fn all_extensions_of_a_body_together_are_bounded() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(199));
    let stream = format!("{head}{}", chunk.repeat(81));
    let scan = Scanner::new(LIMITS).scan(stream.as_bytes());
    assert_eq!(
        scan,
        Scan { accepted: head.len() + 80 * chunk.len(), stop: Stop::Refused(Violation::ChunkExtensionTooLarge) }
    );
}

#[test]
fn trailers_are_held_to_the_rules_of_headers() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let refused = |trailers: &str, accepted: usize, violation| {
        let stream = format!("{head}{trailers}");
        assert_eq!(
            scan(stream.as_bytes()),
            Scan { accepted: head.len() + accepted, stop: Stop::Refused(violation) },
            "{trailers:?}"
        );
    };
    refused("X : y\r\n\r\n", 0, Violation::BlankBeforeColon);
    refused("X: y\r\n z\r\n\r\n", 6, Violation::FoldedField);
    refused("X: \0\r\n\r\n", 0, Violation::FieldValue);
    refused("X: y\n\r\n", 0, Violation::BareLineFeed);
    refused("GET / HTTP/1.1\r\n\r\n", 0, Violation::NoColon);
    for name in ["Content-Length", "transfer-encoding", "Host", "Content_Length"] {
        refused(&format!("{name}: 1\r\n\r\n"), 0, Violation::ForbiddenTrailer);
    }
    refused(&"X: y\r\n".repeat(LIMITS.headers + 1), 6 * LIMITS.headers, Violation::TrailersTooLarge);
    refused(&format!("X: {}", "y".repeat(8 * 1024)), 0, Violation::TrailersTooLarge);
}

#[test]
fn a_head_that_trickles_in_is_searched_once() {
    // 64 KiB byte by byte: quadratic work would be two thousand million bytes.
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(65_000));
    let mut scanner = Scanner::new(Limits { head_bytes: Limits::MOST_HEAD_BYTES, headers: 8 });
    for end in 1..head.len() {
        assert_eq!(scanner.scan(&head.as_bytes()[..end]).stop, Stop::Incomplete);
        assert_eq!(scanner.searched, end);
    }
    assert_eq!(scanner.scan(head.as_bytes()), Scan { accepted: head.len(), stop: Stop::None });
}

#[test]
fn every_class_has_a_status_and_a_stable_code() {
    for (violation, status, code) in [
        (Violation::Connect, 400, "bad_target"),
        (Violation::Target(TargetError::Fragment), 400, "bad_target"),
        (Violation::LengthAndCoding, 400, "bad_framing"),
        (Violation::TooManyFields, 431, "bad_framing"),
        (Violation::Http2Preface, 505, "bad_framing"),
    ] {
        assert_eq!((violation.class().status(), violation.class().code()), (status, code));
        assert_eq!(violation.to_string(), violation.reason());
    }
    assert_eq!(Violation::Target(TargetError::Fragment).reason(), "the target has a fragment");
    assert_eq!(Violation::HostMissing.class(), Class::BadFraming);
}
