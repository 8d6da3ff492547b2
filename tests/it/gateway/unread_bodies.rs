//! Answers that come before the request's body has: they are not lost, and what is sent behind them harms nobody.

use crate::support::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM, block};
use crate::support::tls::Wire;
use crate::support::{Gate, Options, ROUTES, Who, get};
use postern::clock::monotonic as now;
use std::process::Command;
use std::time::Duration;

const LARGE: usize = 1 << 20;

fn head(length: usize) -> String {
    format!("POST /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_refused_client_that_sends_on_is_served_on() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    let chunked = "POST /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [vec![b'x'; LARGE], b"GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()] {
        raw.send(head(body.len()));
        let refused = raw.answer();
        assert_eq!((refused.status, refused.header("connection")), (401, None));
        raw.send(&body);
        raw.send(chunked);
        assert_eq!(raw.answer().status, 401);
        raw.send(format!("{:x}\r\n", body.len())).send(&body).send("\r\n0\r\n\r\n");
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().status, 200, "the connection serves on");
    }
    let asked = gate.upstream.recorded();
    assert!(asked.iter().all(|request| request.target == "/me/x"), "a refused body is nobody's request");
}

#[test]
fn a_body_that_would_be_too_much_is_not_waited_for() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.body", "1MiB"));
    // Known to be: it is said.
    let mut raw = gate.raw();
    raw.send(head(64 << 20));
    let refused = raw.answer();
    assert_eq!((refused.status, refused.header("connection")), (401, Some("close")));
    raw.send(vec![b'x'; LARGE]);
    raw.assert_closed();
    // Nothing of it comes: two seconds.
    let mut raw = gate.raw();
    raw.send(head(LARGE));
    assert_eq!(raw.answer().status, 401);
    let begun = now();
    raw.assert_closed();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    // It never ends.
    let mut raw = gate.raw();
    raw.send("POST /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(raw.answer().status, 401);
    let piece = [format!("{LARGE:x}\r\n").into_bytes(), vec![b'x'; LARGE], b"\r\n".to_vec()].concat();
    let before = gate.postern.memory();
    let mut taken = 0;
    while taken < 64 && raw.try_send(&piece).is_ok() {
        taken += 1;
    }
    assert!(taken < 64, "nobody objects");
    assert!(gate.postern.memory().saturating_sub(before) < 8 << 20);
}

/// Clients of many kinds take even NO_ERROR for a failure when it comes with the answer (RFC 9113, 8.1).
#[test]
fn a_stream_is_not_reset_behind_its_refusal() {
    let gate = Gate::new();
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let fields = [(":method", &b"POST"[..]), (":scheme", b"http"), (":authority", b"a"), (":path", b"/me/x")];
    peer.send(HEADERS, END_HEADERS, 1, &block(&fields));
    let refused = peer.end_of(1).unwrap();
    assert_eq!((refused.kind, refused.flags & END_STREAM), (DATA, END_STREAM), "the answer has ended");
    for _ in 0..10 {
        peer.send(DATA, 0, 1, &[b'x'; 1000]);
    }
    peer.send(DATA, END_STREAM, 1, b"");
    peer.assert_alive();
    // One that does not end is reset after all.
    peer.send(HEADERS, END_HEADERS, 3, &block(&fields));
    peer.end_of(3).unwrap();
    let begun = now();
    let reset = loop {
        let frame = peer.frame().expect("the connection lives");
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!((reset.stream, reset.code()), (3, 0));
    assert!(begun.elapsed() > Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(6));
    peer.assert_alive();
    gate.upstream.assert_untouched("all were refused");
}

#[test]
fn curl_sees_the_refusal_of_a_large_upload_in_every_way() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.body", "1MiB"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    for (who, size, status) in [(Who::nobody, 3 << 20, "401"), (Who::nobody, 100_000, "401"), (Who::mA, 2 << 20, "413")]
    {
        std::fs::write(&file, vec![b'x'; size]).unwrap();
        for version in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
            for expect in ["Expect:", "Expect: 100-continue"] {
                let url = format!("http://{}/api/v1/org/a/x", gate.postern.data);
                let mut curl = Command::new("curl");
                curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", version, "-H", expect, "--data-binary"]);
                curl.arg(format!("@{}", file.display())).arg(url);
                if let Some(token) = crate::support::World::get().token(who) {
                    curl.args(["-H", &format!("Authorization: Bearer {token}")]);
                }
                let output = curl.output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_eq!(said, status, "{version} {expect} {size}: {output:?}");
            }
        }
    }
    gate.upstream.assert_untouched("all were refused");
}
