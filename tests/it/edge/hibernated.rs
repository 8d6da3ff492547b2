//! A connection that nobody has used for a while hibernates without its parser; whoever asks then notices nothing of it.

use super::secure_gate;
use crate::support::frames::Peer;
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, Options, ROUTES, Who, get, post, request};
use postern::clock::monotonic as now;
use std::io::{Read, Write};
use std::time::Duration;

/// Longer than a connection must be idle to rest.
const LONG: Duration = Duration::from_millis(2600);

#[test]
fn whoever_asks_after_a_rest_is_answered_as_before() {
    let gate = Gate::new();
    let (mut kept, mut silent, mut slow, mut wrong) = (gate.raw(), gate.raw(), gate.raw(), gate.raw());
    for raw in [&mut kept, &mut slow, &mut wrong] {
        raw.send(post(Who::uA, "/me/x"));
        assert_eq!(raw.answer().status, 200);
    }
    for _ in 0..2 {
        std::thread::sleep(LONG);
        // Two at once, and one that never asked before.
        kept.send([get(Who::uA, "/me/x"), get(Who::nobody, "/me/x")].concat());
        assert_eq!((kept.answer().status, kept.answer().status), (200, 401));
        silent.send(get(Who::uA, "/me/x"));
        assert_eq!(silent.answer().status, 200);
        for byte in get(Who::uA, "/me/x") {
            slow.send([byte]);
        }
        assert_eq!(slow.answer().status, 200);
    }
    wrong.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let refused = wrong.answer();
    assert_eq!((refused.status, refused.code().as_str()), (400, "bad_framing"));
    wrong.assert_closed();
}

/// Of the connections of IPv4 between these ports (0 is any): how long until the kernel asks the other side whether it is there.
fn asked_in(local: u16, remote: u16) -> Vec<Option<Duration>> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let port = |text: &str| u16::from_str_radix(text.split_once(':').unwrap().1, 16).unwrap();
    let is = |wanted, text| wanted == 0 || port(text) == wanted;
    lines
        .filter(|line| line[3] == "01" && is(local, line[1]) && is(remote, line[2]))
        .map(|line| {
            let (timer, when) = line[5].split_once(':').unwrap();
            // In hundredths of a second; 02 is the timer of keep-alive.
            let when = u64::from_str_radix(when, 16).unwrap();
            (timer == "02").then(|| Duration::from_millis(10 * when))
        })
        .collect()
}

#[test]
fn who_is_silent_is_asked_after_a_minute_on_either_side() {
    let gate = Gate::new();
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    assert_eq!(raw.answer().status, 200);
    let (data, upstream) = (gate.postern.data.port(), gate.upstream.address().port());
    for (side, connections) in [("clients", asked_in(data, 0)), ("the upstream", asked_in(0, upstream))] {
        assert!(!connections.is_empty(), "{side}: none");
        for connection in connections {
            let wait = connection.unwrap_or_else(|| panic!("{side}: never asked"));
            assert!(wait <= Duration::from_secs(60), "{side}: {wait:?}");
        }
    }
}

#[test]
fn a_rest_is_over_tls_too_and_before_http2() {
    let authority = Authority::new();
    let gate = secure_gate(&authority);
    let client = authority.client(&["http/1.1"], None);
    let mut wire = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
    wire.write_all(&get(Who::uA, "/api/v1/org/a/x")).unwrap();
    let mut answer = [0; 4096];
    assert!(wire.read(&mut answer).unwrap() > 0 && answer.starts_with(b"HTTP/1.1 200 "));
    std::thread::sleep(LONG);
    assert_eq!(wire.ask(&request(Who::uA, "GET", "/api/v1/org/a/x", &[("Connection", "close")], "")).0, 200);

    let gate = Gate::new();
    let quiet = Wire::plain(gate.postern.data);
    std::thread::sleep(LONG);
    Peer::begin(quiet, &[]).assert_alive();
}

#[test]
fn a_resting_connection_still_has_its_limits() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.idle", "4s").set("timeouts.head", "500ms"));
    let (mut idle, mut half) = (gate.raw(), gate.raw());
    for raw in [&mut idle, &mut half] {
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().status, 200);
    }
    std::thread::sleep(LONG);
    // A head that does not end ends the connection long before its idleness would.
    let begun = now();
    half.send("GET /me/x HTTP/1.1\r\nHo");
    half.assert_closed();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    idle.assert_closed();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
