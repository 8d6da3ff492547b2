//! Peers that send too much, or too slowly, or never come to an end.

use crate::support::{Exchange, Gate, Options, PATIENCE, ROUTES, Raw, Upstream, Who, get, request};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MIB: usize = 1 << 20;

fn short() -> Options {
    Options::policy(ROUTES).set("timeouts.head", "400ms").set("timeouts.idle", "600ms").set("timeouts.stall", "400ms")
}

/// Sends `byte` every 20 ms until the gate hangs up; fails when it never does.
fn drip(raw: &mut Raw, byte: u8) {
    let start = postern::clock::monotonic();
    while start.elapsed() < PATIENCE {
        if raw.try_send([byte]).is_err() || raw.anything_within(Duration::from_millis(20)) {
            return;
        }
    }
    panic!("a drip may go on for ever");
}

/// Slow and flooding clients: a head that never ends.
#[test]
fn a_head_that_drips_is_cut_off() {
    let gate = Gate::with(&short());
    for beginning in ["", "G", "GET /public/x HTTP/1.1\r\n", "GET /public/x HTTP/1.1\r\nHost: a\r\nX-Slow: ", "\r\n"] {
        let mut raw = gate.raw();
        raw.send(beginning);
        drip(&mut raw, b'a');
        gate.upstream.assert_untouched(beginning);
    }
    // And one that says nothing more at all.
    let mut raw = gate.raw();
    raw.send("GET /public/x HTTP/1.1\r\nHost:");
    raw.assert_closed();
    // Nor behind a request that was good.
    let mut raw = gate.raw();
    raw.send([get(Who::nobody, "/public/x"), b"GET /public/y HT".to_vec()].concat());
    assert_eq!(raw.answer().status, 200);
    raw.assert_closed();
    assert_eq!(gate.upstream.recorded().len(), 1);
}

/// Slow and flooding clients: a connection that asks nothing.
#[test]
fn a_silent_connection_is_closed() {
    let gate = Gate::with(&short());
    gate.raw().assert_closed();
    let mut raw = gate.raw();
    raw.send(get(Who::nobody, "/public/x"));
    assert_eq!(raw.answer().status, 200);
    raw.assert_closed();
}

/// Slow and flooding clients: a body of one byte at a time.
#[test]
fn a_body_that_drips_is_cut_off() {
    let gate = Gate::with(&short());
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut raw = gate.raw();
        raw.send(format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        if framing.starts_with('T') {
            // A chunk-size line whose extension never ends.
            raw.send("5;");
        }
        drip(&mut raw, b'a');
        let told = String::from_utf8_lossy(&raw.rest()).into_owned();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
    let complete = |gate: &Gate| gate.upstream.recorded().iter().any(|sent| sent.complete);
    assert!(!complete(&gate), "the upstream took a broken body for a whole one");
    // A body that stops half-way.
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let told = String::from_utf8_lossy(&raw.rest()).into_owned();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    // Or hangs up half-way.
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").finish();
    let told = String::from_utf8_lossy(&raw.rest()).into_owned();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    assert!(!complete(&gate));
}

/// Sends a large answer; tells how many bytes it could write before it was cut off.
fn endless(written: Arc<Mutex<Vec<usize>>>) -> Upstream {
    Upstream::with(move |exchange: &mut Exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")?;
        let piece = vec![b'x'; 64 * 1024];
        let mut sum = 0;
        let end: io::Result<()> = loop {
            match exchange.write(&piece) {
                Ok(()) => sum += piece.len(),
                Err(error) => break Err(error),
            }
        };
        written.lock().unwrap().push(sum);
        end
    })
}

/// Slow and flooding clients: somebody who asks for much and reads nothing.
#[test]
fn a_reader_who_does_not_read_is_cut_off() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let gate = Gate::before(endless(Arc::clone(&written)), &short());
    let before = gate.postern.memory();
    let mut raw = gate.raw();
    raw.send(get(Who::nobody, "/public/x"));
    let sent = crate::support::eventually("the upstream is let go", || written.lock().unwrap().first().copied());
    assert!(sent < 64 * MIB, "{sent} bytes were taken for somebody who reads nothing");
    assert!(gate.postern.memory() < before + 16 * MIB as u64);
    let line = &gate.postern.access_lines(1)[0];
    assert_eq!(line["aborted"], true, "{line}");
}

/// Slow and flooding clients: requests without end, and no interest in their answers.
#[test]
fn a_pipeline_whose_answers_nobody_reads_is_bounded() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.answer("200 OK", &[], &[b'x'; 32 * 1024])
    });
    let gate = Gate::before(upstream, &short());
    let before = gate.postern.memory();
    let mut raw = gate.raw();
    raw.socket().set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let piece = get(Who::nobody, "/public/x").repeat(100);
    let mut sent = 0;
    while sent < 100_000 && raw.try_send(&piece).is_ok() {
        sent += 100;
    }
    assert!(sent < 100_000, "postern takes requests without end");
    assert!(gate.upstream.recorded().len() < 5_000);
    assert!(gate.postern.memory() < before + 16 * MIB as u64);
}

/// Oversized bodies: more than the limit, said beforehand or not.
#[test]
fn a_body_over_the_limit_is_413() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.body", "1MiB"));
    let before = gate.postern.memory();
    // Said beforehand: the upstream is not even asked.
    for length in [MIB + 1, 50 * MIB, usize::MAX / 100] {
        gate.refused(
            format!("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"),
            413,
            "body_too_large",
        );
    }
    // Not said: cut off when it gets there.
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1024 * MIB && raw.try_send(&chunk).is_ok() && !raw.anything_within(Duration::from_millis(1)) {
        sent += chunk.len();
    }
    let answer = raw.answer();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    assert!(sent < 64 * MIB, "{sent} bytes were taken");
    assert!(gate.upstream.recorded().iter().all(|sent| !sent.complete), "the upstream took the piece for the whole");
    assert!(gate.postern.memory() < before + 16 * MIB as u64);
    // Exactly the limit passes.
    let body = "x".repeat(MIB);
    gate.upstream.forget();
    assert_eq!(gate.send(request(Who::nobody, "POST", "/public/x", &[], &body)).status, 200);
}

/// Oversized bodies: chunks of one byte are slow, not large.
#[test]
fn a_body_of_tiny_chunks_passes_in_bounded_memory() {
    let gate = Gate::new();
    let before = gate.postern.memory();
    let body = "1\r\nx\r\n".repeat(50_000);
    let sent = gate
        .forwarded(format!("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n"));
    assert_eq!((sent.body.len(), sent.complete), (50_000, true));
    assert!(gate.postern.memory() < before + 16 * MIB as u64);
}

/// A body of GET: nothing reads it for a decision, so it goes on as it came.
#[test]
fn a_body_on_get_is_forwarded_with_its_framing() {
    let gate = Gate::new();
    let sent = gate.forwarded(request(Who::uA, "GET", "/readonly", &[], "{\"organization\":\"b\"}"));
    assert_eq!((&*sent.body, sent.header("content-length")), (&b"{\"organization\":\"b\"}"[..], Some("20")));
    let sent = gate
        .forwarded("DELETE /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    assert_eq!((&*sent.body, sent.header("transfer-encoding")), (&b"hi"[..], Some("chunked")));
}

/// Slow and flooding clients: hundreds of slow peers at once leave room for everybody else.
#[test]
fn slow_peers_take_nobody_s_place() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.head", "5s"));
    let before = gate.postern.memory();
    let mut slow: Vec<Raw> = (0..400).map(|_| gate.raw()).collect();
    for raw in &mut slow {
        raw.send("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    for _ in 0..20 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    }
    assert!(gate.postern.memory() < before + 32 * MIB as u64);
    assert_eq!(gate.upstream.recorded().len(), 20);
}

/// Over the limit, connections wait until others have gone; none is lost, and none is refused.
#[test]
fn connections_over_the_limit_wait_for_a_place() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.connections", 4));
    let mut held: Vec<Raw> = (0..4).map(|_| gate.raw()).collect();
    for raw in &mut held {
        raw.send(get(Who::nobody, "/public/x"));
        assert_eq!(raw.answer().status, 200);
    }
    let mut waiting = gate.raw();
    waiting.send(get(Who::nobody, "/public/late"));
    assert!(!waiting.anything_within(Duration::from_millis(300)), "there was no place yet");
    held.pop();
    assert_eq!(waiting.answer().status, 200);
}

/// A stranger who answers early must not hold a connection that others get next.
#[test]
fn a_body_that_the_upstream_does_not_want_traps_nobody() {
    let upstream = Upstream::with(|exchange| {
        // Answers at once; the body, if any, is read afterwards.
        exchange.answer("200 OK", &[], b"early")?;
        exchange.body().map(|_| ())
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("workers", 1));
    let mut stalling = gate.raw();
    stalling.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello");
    assert_eq!(stalling.answer().status, 200);
    let (done, answered) = channel();
    let mut others = gate.raw();
    std::thread::spawn(move || {
        others.send(get(Who::nobody, "/public/y"));
        let _ = done.send(others.answer().status);
    });
    assert_eq!(
        answered.recv_timeout(Duration::from_secs(5)),
        Ok(200),
        "somebody else's stalled body holds this request"
    );
}

/// What a flood of refused requests costs: no upstream connection, and no memory that stays.
#[test]
fn a_flood_of_refusals_leaves_nothing_behind() {
    let gate = Gate::new();
    let flood = |count: usize| {
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut raw = gate.raw();
                    for _ in 0..count {
                        raw.send(get(Who::nobody, "/me/x"));
                        assert_eq!(raw.answer().status, 401);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        answered.into_inner()
    };
    assert_eq!(flood(250), 1_000);
    let before = gate.postern.memory();
    assert_eq!(flood(1_000), 4_000);
    assert!(gate.postern.memory() < before + 8 * MIB as u64);
    assert_eq!(gate.upstream.connections(), 0);
}
