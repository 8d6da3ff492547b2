//! Peers that abuse what HTTP/2 and TLS give them, by name, and the limits that end it.

use super::secure;
use crate::support::frames::*;
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, Options, PATIENCE, ROUTES, Upstream, Who, World, eventually};
use std::io::{Read, Write};
use std::time::Duration;

const ENHANCE_YOUR_CALM: u32 = 11;

/// Sends the same again and again until the gate hangs up, which it must; its metric must say so, and others are served.
fn floods(gate: &Gate, name: &str, frames: impl Fn(u32) -> Vec<u8>) {
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    peer.until(SETTINGS);
    peer.send(SETTINGS, ACK, 0, &[]);
    let before = gate.postern.memory();
    let mut sent = 0;
    while sent < 400_000 && peer.try_send(&frames(sent)).is_ok() {
        sent += 1;
    }
    assert!(sent < 400_000, "{name}: nobody objects");
    let grown = gate.postern.memory().saturating_sub(before);
    assert!(grown < 24 << 20, "{name}: {grown} bytes");
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "{name}: others are served");
}

#[test]
fn frames_that_carry_nothing_are_not_taken_for_ever() {
    let gate = Gate::new();
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    floods(&gate, "settings", |_| settings.repeat(50));
    let ping = frame(PING, 0, 0, &[7; 8]);
    floods(&gate, "pings", |_| ping.repeat(50));
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]);
    floods(&gate, "priorities", |_| priority.repeat(50));
    let update = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    floods(&gate, "window updates", |_| update.repeat(50));
    let unknown = frame(0x99, 0, 0, &[]);
    floods(&gate, "unknown frames", |_| unknown.repeat(50));
    let empty = frame(DATA, 0, 1, &[]);
    let start = frame(HEADERS, END_HEADERS, 1, &post_block());
    floods(&gate, "empty data", |n| if n == 0 { start.clone() } else { empty.repeat(50) });
    assert!(gate.postern.metric("postern_http2_floods_total") >= 4.0);
}

/// What a fast client of many small messages sends, which is no abuse.
#[test]
fn a_body_in_crumbs_is_taken_as_one() {
    let gate = Gate::new();
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    peer.until(SETTINGS);
    peer.send(SETTINGS, ACK, 0, &[]);
    let crumbs = [frame(DATA, 0, 1, &[b'x'; 40]).repeat(6), frame(DATA, 0, 1, b"")].concat();
    let body = [frame(HEADERS, END_HEADERS, 1, &post_block()), crumbs.repeat(1_000), frame(DATA, END_STREAM, 1, b"")];
    peer.try_send(&body.concat()).unwrap();
    assert_eq!(peer.end_of(1).map(|end| end.kind), Some(DATA));
    assert_eq!(gate.upstream.last().body.len(), 240_000);
    peer.assert_alive();
}

fn post_block() -> Vec<u8> {
    let token = format!("Bearer {}", World::get().token(Who::mA).unwrap());
    block(&[
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"a"),
        (":path", b"/api/v1/org/a/x"),
        ("authorization", token.as_bytes()),
    ])
}

#[test]
fn a_head_without_end_is_not_collected() {
    let gate = Gate::new();
    let start = frame(HEADERS, END_STREAM, 1, &get("/public/x", &[]));
    let more = frame(CONTINUATION, 0, 1, &block(&[("x", &[b'x'; 4000])]));
    let nothing = frame(CONTINUATION, 0, 1, &[]);
    floods(&gate, "continuations", |n| if n == 0 { start.clone() } else { more.clone() });
    floods(&gate, "empty continuations", |n| if n == 0 { start.clone() } else { nothing.repeat(50) });
    let asked = gate.upstream.recorded();
    assert!(asked.iter().all(|request| request.target == "/me/x"), "no head was whole");
}

/// CVE-2023-44487: streams that are reset as soon as they are opened, at once and one by one.
#[test]
fn rapid_resets_end_the_connection() {
    for at_once in [true, false] {
        let gate = Gate::to(Upstream::with(|exchange| {
            exchange.body()?;
            std::thread::sleep(Duration::from_millis(20));
            exchange.answer("200 OK", &[], b"")
        }));
        let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
        let mut sent = 0_u32;
        while sent < 100_000 {
            let stream = sent * 2 + 1;
            let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/public/x", &[]));
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            if peer.try_send(&bytes).is_err() {
                break;
            }
            if !at_once {
                std::thread::sleep(Duration::from_millis(1));
            }
            sent += 1;
        }
        assert!(sent < 20_000, "nobody objects to {sent} resets");
        while let Some(frame) = peer.frame() {
            if frame.kind == GOAWAY && frame.code() != 0 {
                assert_eq!(frame.code(), ENHANCE_YOUR_CALM);
            }
        }
        assert!(gate.upstream.recorded().len() < 1_000);
        eventually("all places are given back", || {
            (gate.postern.metric("postern_connections_open") == 0.0).then_some(())
        });
    }
}

#[test]
fn more_streams_than_allowed_are_refused_and_the_others_served() {
    let gate = Gate::before(
        Upstream::with(|exchange| {
            exchange.body()?;
            std::thread::sleep(Duration::from_millis(300));
            exchange.answer("200 OK", &[], b"")
        }),
        &Options::policy(ROUTES).set("limits.streams", "10"),
    );
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let mut bytes = Vec::new();
    for n in 0..20 {
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &get("/public/x", &[])));
    }
    peer.try_send(&bytes).unwrap();
    let (mut refused, mut answered) = (0, 0);
    while refused + answered < 20 {
        let Some(frame) = peer.frame() else { break };
        match frame.kind {
            // REFUSED_STREAM, or a protocol error: the limit was told before.
            RST_STREAM => refused += 1,
            HEADERS => answered += 1,
            GOAWAY => break,
            _ => {}
        }
    }
    assert!(answered <= 10, "{answered} at once");
    assert!(gate.upstream.recorded().len() <= 10);
    assert_eq!(gate.postern.metric("postern_limit_http2_streams"), 10.0);
}

#[test]
fn a_head_that_does_not_end_and_a_preface_that_does_not_come_are_waited_for_in_vain() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.head", "300ms"));
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    peer.send(HEADERS, END_STREAM, 1, &get("/public/x", &[]));
    while peer.frame().is_some() {}
    // A frame that ends before its payload does.
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/public/x", &[]));
    peer.try_send(&head[..head.len() - 1]).unwrap();
    while peer.frame().is_some() {}
    // Half of a preface.
    let mut wire = Wire::plain(gate.postern.data);
    wire.write_all(b"PRI * HT").unwrap();
    let _ = wire.read_to_end(&mut Vec::new());
    gate.upstream.assert_untouched("no head was whole");
}

/// One byte of a body a second, on a stream of its own.
#[test]
fn a_dripping_body_is_given_up() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.stall", "400ms"));
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    peer.send(HEADERS, END_HEADERS, 1, &post_block());
    let start = postern::clock::monotonic();
    let mut ended = false;
    while start.elapsed() < PATIENCE && !ended {
        peer.send(DATA, 0, 1, b"x");
        std::thread::sleep(Duration::from_millis(50));
        ended = gate.postern.access_lines_now().iter().any(|line| line["path"] == "/api/v1/org/a/x");
    }
    assert!(ended, "the request was given up");
    peer.end_of(1);
    peer.assert_alive();
}

/// A client that opens no window does not keep an answer, or its upstream, for ever.
#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let body = vec![b'x'; 4 << 20];
    let gate = Gate::before(
        Upstream::with(move |exchange| {
            exchange.body()?;
            exchange.answer("200 OK", &[], &body)
        }),
        &Options::policy(ROUTES).set("timeouts.stall", "400ms"),
    );
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(4, 100)]);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &get("/public/x", &[]));
    let reset = loop {
        let frame = peer.frame().expect("the connection lives");
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!(reset.stream, 1);
    assert_eq!(gate.postern.metric("postern_http2_stalled_total"), 1.0);
    peer.assert_alive();
    let line = gate.postern.access_lines(1).remove(0);
    assert_eq!(line["aborted"], true);
}

#[test]
fn heads_over_the_limits_are_431() {
    let gate = Gate::new();
    let mut client = crate::support::h2::H2::plain(gate.postern.data);
    let long = "x".repeat(33 * 1024);
    let large = crate::support::h2::Ask::get("/public/x").header("x-long", &long);
    assert_eq!(client.ask(Who::nobody, &large).status, 431);
    let names: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
    let mut many = crate::support::h2::Ask::get("/public/x");
    for name in &names {
        many = many.header(name, "1");
    }
    assert_eq!(client.ask(Who::nobody, &many).status, 431);
    gate.upstream.assert_untouched("too large");
    assert_eq!(client.ask(Who::nobody, &crate::support::h2::Ask::get("/public/x")).status, 200);
}

#[test]
fn an_address_has_no_more_than_its_share() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.per_address", "5"));
    let mut raws: Vec<_> = (0..5).map(|_| gate.raw()).collect();
    for raw in &mut raws {
        raw.send(crate::support::get(Who::nobody, "/public/x"));
        assert_eq!(raw.answer().status, 200);
    }
    let mut sixth = gate.raw();
    sixth.send(crate::support::get(Who::nobody, "/public/x"));
    sixth.assert_closed();
    assert_eq!(gate.postern.metric("postern_connections_over_address_total"), 1.0);
    drop(raws.pop());
    eventually("a place is given back", || {
        let mut raw = gate.raw();
        raw.send(crate::support::get(Who::nobody, "/public/x"));
        raw.try_answer().ok().filter(|answer| answer.status == 200)
    });
    // A trusted proxy stands for many.
    let options = Options::policy(ROUTES).set("limits.per_address", "1").set("trusted_proxies", "[127.0.0.1]");
    let gate = Gate::with(&options);
    let mut raws: Vec<_> = (0..5).map(|_| gate.raw()).collect();
    for raw in &mut raws {
        raw.send(crate::support::get(Who::nobody, "/public/x"));
        assert_eq!(raw.answer().status, 200);
    }
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let gate = Gate::with(&Options::policy(ROUTES).set("limits.connections", "3").set("limits.per_address", "100"));
    let mut first: Vec<_> = (0..3).map(|_| gate.raw()).collect();
    for raw in &mut first {
        raw.send(crate::support::get(Who::nobody, "/public/x"));
        assert_eq!(raw.answer().status, 200);
    }
    let mut late = gate.raw();
    late.send(crate::support::get(Who::nobody, "/public/x"));
    assert!(!late.anything_within(Duration::from_millis(300)));
    assert_eq!(gate.postern.metric("postern_accept_paused_total"), 1.0);
    drop(first);
    assert_eq!(late.answer().status, 200);
}

/// Handshakes that never end, end.
#[test]
fn a_silent_handshake_is_not_waited_for() {
    let authority = Authority::new();
    let gate = Gate::before(Upstream::echo(), &secure(&authority).set("timeouts.head", "300ms"));
    let mut silent: Vec<_> = (0..20).map(|_| Wire::plain(gate.postern.data)).collect();
    for (n, wire) in silent.iter_mut().enumerate() {
        if n % 2 == 0 {
            // The beginning of a handshake record.
            wire.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
        }
    }
    for wire in &mut silent {
        let _ = wire.read_to_end(&mut Vec::new());
    }
    eventually("none is left", || (gate.postern.metric("postern_connections_open") == 0.0).then_some(()));
}
