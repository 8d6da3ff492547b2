//! Bodies stream both ways, at the speed of the slower side, and are never held.

use crate::support::{Gate, PATIENCE, Upstream, Who, get};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MIB: usize = 1 << 20;
/// Much more than all the buffers on the way together.
const LARGE: usize = 50 * MIB;
/// What postern may grow by while it passes.
const SLACK: u64 = 12 * MIB as u64;

#[test]
fn a_large_upload_to_a_slow_upstream_takes_no_memory() {
    let upstream = Upstream::with(|exchange| {
        let mut size = 0;
        while let Some(piece) = exchange.piece()? {
            if size < 8 * MIB {
                // Slow for long enough that everything on the way fills up.
                std::thread::sleep(Duration::from_millis(4));
            }
            size += piece;
        }
        exchange.answer("200 OK", &[], size.to_string().as_bytes())
    });
    let gate = Gate::to(upstream);
    assert_eq!(gate.get(Who::nobody, "/public/warm").status, 200);
    let before = gate.postern.memory();
    for framing in [format!("Content-Length: {LARGE}"), "Transfer-Encoding: chunked".into()] {
        let mut raw = gate.raw();
        raw.send(format!("PUT /public/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        let chunked = framing.starts_with('T');
        let piece = vec![b'x'; 64 * 1024];
        let mut most = 0;
        for number in 0..LARGE / piece.len() {
            if chunked {
                raw.send(format!("{:x}\r\n", piece.len()));
            }
            raw.try_send(&piece).unwrap();
            if chunked {
                raw.send("\r\n");
            }
            if number % 50 == 0 {
                most = most.max(gate.postern.memory());
            }
        }
        if chunked {
            raw.send("0\r\n\r\n");
        }
        let answer = raw.answer();
        assert_eq!((answer.status, answer.text()), (200, LARGE.to_string()));
        assert!(most < before + SLACK, "grew by {} KiB", (most - before) / 1024);
    }
}

#[test]
fn a_large_download_by_a_slow_client_takes_no_memory() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let chunked = exchange.request.target.ends_with("chunked");
        let framing =
            if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {LARGE}") };
        exchange.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes())?;
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..LARGE / piece.len() {
            if chunked {
                exchange.write(b"10000\r\n")?;
            }
            exchange.write(&piece)?;
            if chunked {
                exchange.write(b"\r\n")?;
            }
        }
        if chunked { exchange.write(b"0\r\n\r\n") } else { Ok(()) }
    });
    let gate = Gate::to(upstream);
    let before = gate.postern.memory();
    for target in ["/public/length", "/public/chunked"] {
        let mut raw = gate.raw();
        raw.send(get(Who::nobody, target));
        std::thread::sleep(Duration::from_millis(300));
        let stalled = gate.postern.memory();
        assert!(stalled < before + SLACK, "grew by {} KiB", (stalled - before) / 1024);
        let answer = raw.answer();
        assert_eq!((answer.status, answer.body.len()), (200, LARGE));
        assert_eq!(answer.header("transfer-encoding").is_some(), target.ends_with("chunked"));
    }
}

/// Each side sees a piece before the other has sent the next one.
#[test]
fn pieces_pass_as_they_come() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::with(move |exchange| {
        let tell: Sender<usize> = tell.lock().unwrap().clone();
        while let Some(piece) = exchange.piece()? {
            tell.send(piece).unwrap();
        }
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for piece in ["1\r\na\r\n", "2\r\nbb\r\n", "3\r\nccc\r\n"] {
            exchange.write(piece.as_bytes())?;
            std::thread::sleep(Duration::from_millis(100));
        }
        exchange.write(b"0\r\n\r\n")
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for size in [1, 2, 3] {
        raw.send(format!("{size}\r\n{}\r\n", "x".repeat(size)));
        assert_eq!(told.recv_timeout(PATIENCE), Ok(size), "the upstream sees it before more is sent");
    }
    raw.send("0\r\n\r\n");
    let (answer, _) = raw.answer_head().unwrap();
    assert_eq!(answer.status, 200);
    let mut times = 0;
    let mut seen = String::new();
    while !seen.ends_with("0\r\n\r\n") {
        seen += std::str::from_utf8(&raw.bytes().unwrap()).unwrap();
        times += 1;
    }
    assert!(times >= 3, "the client sees pieces, not the whole: {seen:?}");
}

/// A client that goes away ends the upstream's work.
#[test]
fn a_client_that_goes_away_lets_the_upstream_go() {
    let ended = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&ended);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        while exchange.write(b"1\r\nx\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
        *counted.lock().unwrap() += 1;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send(get(Who::nobody, "/public/x"));
    assert_eq!(raw.answer_head().unwrap().0.status, 200);
    drop(raw);
    crate::support::eventually("the upstream is let go", || (*ended.lock().unwrap() == 1).then_some(()));
    let line = &gate.postern.access_lines(1)[0];
    assert_eq!((line["status"].as_u64(), line["aborted"].as_bool()), (Some(200), Some(true)), "{line}");
}

/// A client that goes away before there is an answer is noted as gone.
#[test]
fn a_client_that_does_not_wait_is_noted() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_millis(700));
        exchange.answer("200 OK", &[], b"late")
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    crate::support::eventually("the upstream is asked", || gate.upstream.recorded().pop());
    // A reset, not a polite end: half-closed connections still get their answer.
    raw.socket().set_nonblocking(false).unwrap();
    drop(raw);
    let line = &gate.postern.access_lines(1)[0];
    assert!(["client_gone", ""].contains(&line["code"].as_str().unwrap_or("")), "{line}");
}

/// Who has said everything may close that side, and still gets the answer.
#[test]
fn a_half_closed_connection_gets_its_answer() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_millis(200));
        exchange.answer("200 OK", &[], b"late")
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x")).finish();
    let answer = raw.answer();
    assert_eq!((answer.status, answer.text()), (200, "late".into()));
    raw.assert_closed();
}
