//! Messages whose end two readers could see in two places.

use crate::support::{Gate, Raw, Upstream, Who, World, get, post, request};
use std::time::Duration;

/// Sends a head that must be refused and ends the connection, whatever is smuggled behind it.
fn refused(gate: &Gate, head: &str) {
    let (answers, mut raw) = gate.stream(format!("{head}GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 1);
    assert_eq!((answers[0].status, answers[0].code().as_str()), (400, "bad_framing"), "{head:?}");
    assert_eq!(answers[0].header("connection"), Some("close"), "{head:?}");
    raw.assert_closed();
    gate.upstream.assert_untouched(head);
}

/// Request smuggling: contradictory framing.
#[test]
pub(super) fn ambiguous_lengths_are_refused_and_end_the_connection() {
    let gate = Gate::new();
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4\r\ncontent-length: 5",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 4, 4",
        "Content-Length: 4,",
        "Content-Length: 0x4",
        "Content-Length: 4 4",
        "Content-Length: 4.0",
        "Content-Length: 4e1",
        "Content-Length:",
        "Content-Length: \"4\"",
        "Content-Length: 99999999999999999999",
        "Content-Length: 18446744073709551616",
        "Content-Length: four",
        "Content_Length: 4",
        "Content.Length: 4",
        "ContentLength\t: 4",
        "Content-Length : 4",
        "Content-Length: 4\r\n 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer_Encoding: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding: chun\0ked",
        "Transfer-Encoding: \u{b}chunked",
    ] {
        refused(&gate, &format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
    }
    refused(&gate, "POST /public/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    refused(
        &gate,
        "POST /public/x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
}

/// Request lines that some read and others do not.
#[test]
pub(super) fn malformed_request_lines_are_refused() {
    let gate = Gate::new();
    for line in [
        "GET  /public/x HTTP/1.1",
        "GET /public/x  HTTP/1.1",
        " GET /public/x HTTP/1.1",
        "GET\t/public/x\tHTTP/1.1",
        "GET /public/x",
        "GET /public/x HTTP/1.1 ",
        "GET /public/x http/1.1",
        "GET /public/x HTTP/1.1x",
        "GET /public/x HTTP/01.1",
        "GET /public/x XHTTP/1.1",
        "GET",
        "/public/x HTTP/1.1",
    ] {
        let (answers, mut raw) = gate.stream(format!("{line}\r\nHost: a\r\n\r\n"), 1);
        assert_eq!(answers[0].status, 400, "{line:?}");
        raw.assert_closed();
        gate.upstream.assert_untouched(line);
    }
    for line in ["GET /public/x HTTP/2.0", "GET /public/x HTTP/1.2", "GET /public/x HTTP/0.9", "PRI * HTTP/2.0"] {
        gate.refused(format!("{line}\r\nHost: a\r\n\r\n"), 505, "bad_framing");
    }
    for bytes in [
        "GET /public/x HTTP/1.1\nHost: a\n\n",
        "\r\n\r\n\r\nGET /public/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        gate.refused(bytes, 400, "bad_framing");
    }
    // One empty line before a request is tolerated (RFC 9112, 2.2).
    gate.forwarded("\r\nGET /public/x HTTP/1.1\r\nHost: a\r\n\r\n");
}

/// Chunk extensions: the part of framing. Extensions are grammar and not data; sizes are hexadecimal numbers alone.
#[test]
pub(super) fn chunks_are_read_in_one_way_only() {
    let gate = Gate::new();
    let head = "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "3\r\nabc\r\n0\r\n\r\n",
        "3;x=y\r\nabc\r\n0;z\r\n\r\n",
        "3;x=\"a;b\"\r\nabc\r\n0\r\n\r\n",
        "0003\r\nabc\r\n0\r\n\r\n",
        "1\r\na\r\n2\r\nbc\r\n0\r\nX-T: 1\r\n\r\n",
    ] {
        let sent = gate.forwarded(format!("{head}{body}"));
        assert_eq!((&*sent.body, sent.complete), (&b"abc"[..], true), "{body:?}");
        assert!(!String::from_utf8_lossy(&sent.head).contains("x=y"));
    }
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "00000000000000003\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n",
        "3;\nGET /public/smuggled HTTP/1.1\r\n\r\n",
        "3;x\rGET\r\nabc\r\n0\r\n\r\n",
        "3;=\r\nabc\r\n0\r\n\r\n",
        "3;x=\"\r\nabc\r\n0\r\n\r\n",
    ] {
        gate.upstream.forget();
        let (answers, mut raw) =
            gate.stream(format!("{head}{body}GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 1);
        assert_eq!((answers[0].status, answers[0].code().as_str()), (400, "bad_framing"), "{body:?}");
        raw.assert_closed();
        let recorded = gate.upstream.recorded();
        assert!(
            recorded.iter().all(|sent| sent.target != "/public/smuggled" && !sent.complete),
            "{body:?}: {recorded:?}"
        );
    }
}

/// The byte stream that goes to the upstream is postern's own: nothing of a client's framing is in it.
#[test]
pub(super) fn the_upstream_s_framing_is_written_anew() {
    let gate = Gate::new();
    let sent = gate.forwarded("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTE: trailers, deflate\r\n\r\n5;ext\r\nhello\r\n0\r\n\r\n");
    assert_eq!(sent.header("transfer-encoding"), Some("chunked"));
    assert_eq!(sent.header("content-length"), None);
    let sent = gate.forwarded("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello");
    assert_eq!(sent.header("content-length").map(str::parse), Some(Ok(5)));
    assert_eq!(sent.header("transfer-encoding"), None);
    let sent = gate.forwarded("POST /public/x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert!(
        sent.head.ends_with(b"\r\n\r\n")
            && String::from_utf8_lossy(&sent.head).starts_with("POST /public/x HTTP/1.1\r\n")
    );
}

/// Upgrade smuggling, the HTTP/1.1 part: an upgrade that no route allows is an ordinary request, and what follows it is a request too.
#[test]
pub(super) fn an_upgrade_that_is_not_allowed_is_not_passed_on() {
    let gate = Gate::new();
    let upgrade =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")];
    let stream = [request(Who::uA, "GET", "/me/x", &upgrade, ""), get(Who::uA, "/admin/x")].concat();
    let (answers, _) = gate.stream(stream, 2);
    assert_eq!((answers[0].status, answers[1].code().as_str()), (200, "superuser_only"));
    let recorded = gate.upstream.recorded();
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].header("upgrade"), recorded[0].header("connection")), (None, None));
}

/// Upgrade smuggling: an upstream that switches protocols although nobody asked it to.
#[test]
fn an_upstream_cannot_switch_protocols_unasked() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw bytes";
    let gate = Gate::to(Upstream::saying(answer));
    let upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")];
    for headers in [&[][..], &upgrade] {
        let answer = gate.send(request(Who::uA, "GET", "/me/x", headers, ""));
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_invalid"));
    }
}

/// Pipelining.
#[test]
pub(super) fn pipelined_requests_are_judged_one_by_one() {
    let gate = Gate::new();
    let stream = [
        get(Who::uA, "/admin/x"),
        get(Who::uA, "/api/v1/org/a/1"),
        get(Who::nobody, "/api/v1/org/a/2"),
        post(Who::uA, "/api/v1/org/a/3"),
        post(Who::mA, "/api/v1/org/a/4"),
        get(Who::uA, "/api/v1/org/b/5"),
        get(Who::nobody, "/public/6"),
        get(Who::off, "/me/7"),
    ];
    let (answers, _) = gate.stream(stream.concat(), stream.len());
    assert_eq!(
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>(),
        [403, 200, 401, 403, 200, 403, 200, 401]
    );
    let recorded = gate.upstream.recorded();
    let seen: Vec<_> = recorded.iter().map(|r| (r.target.as_str(), r.header("x-postern-user"))).collect();
    assert_eq!(seen, [("/api/v1/org/a/1", Some("uA")), ("/api/v1/org/a/4", Some("mA")), ("/public/6", None)]);
}

/// Pipelining: a refused body is not the next request.
#[test]
fn the_body_of_a_refused_request_is_not_the_next_request() {
    let gate = Gate::new();
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (who, target) in
        [(Who::nobody, "/me/x"), (Who::uA, "/admin/x"), (Who::uA, "/nothing"), (Who::uA, "/public/../x")]
    {
        let mut raw = gate.raw();
        raw.send([request(who, "POST", target, &[], smuggled), get(Who::nobody, "/public/next")].concat());
        assert!(raw.answer().status >= 400);
        // The connection may go on with the next request or close; the body is never a request.
        let _ = raw.finish().rest();
        let recorded = gate.upstream.recorded();
        assert!(recorded.iter().all(|sent| sent.target == "/public/next"), "{recorded:?}");
        gate.upstream.forget();
    }
}

/// Request smuggling: contradictory framing, from the other side: what an upstream says about its body's end is held to the same rules.
#[test]
fn an_upstream_s_ambiguous_answer_is_not_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let gate = Gate::to(Upstream::saying(answer));
        let told = gate.get(Who::uA, "/me/x");
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_invalid"), "{answer:?}");
    }
    // No answer at all.
    let gate = Gate::to(Upstream::saying("\r\n\r\n"));
    let told = gate.get(Who::uA, "/me/x");
    assert_eq!((told.status, told.code().as_str()), (502, "upstream_unreachable"));
    // Both framings: chunked wins (RFC 9112, 6.3), and the length must not reach the client beside it.
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let gate = Gate::to(Upstream::saying(both));
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "GET", "/me/x", &[("Connection", "close")], ""));
    if let Ok(answer) = raw.try_answer() {
        assert!(
            answer.status == 502 || (answer.text() == "ok" && answer.header("content-length").is_none()),
            "{answer:?}"
        );
    }
    raw.assert_closed();
}

/// A smuggled request in an answer's surplus is nobody's answer: the connection is not used again.
#[test]
fn surplus_bytes_of_an_answer_are_nobody_s_answer() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        )
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    for _ in 0..20 {
        raw.send(get(Who::uA, "/me/x"));
        let answer = raw.answer();
        assert!(answer.status == 502 || answer.text() == "mine", "{answer:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One byte at a time changes nothing of a verdict.
#[test]
fn the_split_of_a_stream_changes_nothing() {
    let gate = Gate::new();
    let drip = |raw: &mut Raw, bytes: &[u8]| {
        for byte in bytes {
            raw.send([*byte]);
        }
    };
    let mut raw = gate.raw();
    drip(&mut raw, &post(Who::mA, "/api/v1/org/a/x"));
    assert_eq!(raw.answer().status, 200);
    assert_eq!(gate.upstream.last().body, b"hello");
    gate.upstream.forget();
    let token = World::get().token(Who::mA).unwrap();
    drip(&mut raw, format!("POST /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes());
    assert_eq!(raw.answer().code(), "bad_framing");
    raw.assert_closed();
    gate.upstream.assert_untouched("both lengths, byte by byte");
}
