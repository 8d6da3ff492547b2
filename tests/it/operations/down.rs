//! The way down: not ready, still serving; then nothing new; what is in flight finishes; then the end.

use crate::support::{Gate, Options, ROUTES, Raw, Signal, Upstream, Who, get};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn now() -> Instant {
    postern::clock::monotonic()
}

/// Answers after so long.
fn slow(delay: Duration) -> Upstream {
    Upstream::with(move |exchange| {
        exchange.body()?;
        std::thread::sleep(delay);
        exchange.answer("200 OK", &[], b"finished")
    })
}

#[test]
fn an_orchestrator_s_signal_is_followed_by_a_lame_duck() {
    let mut gate = Gate::with(&Options::policy(ROUTES).set("drain.lame_duck", "1500ms"));
    let mut kept = gate.raw();
    kept.send(get(Who::uA, "/me/x"));
    assert_eq!(kept.answer().status, 200);
    gate.postern.signal(Signal::Term);
    let start = now();
    crate::support::eventually("readiness goes first", || (gate.postern.admin("/readyz").status == 503).then_some(()));
    assert_eq!(gate.postern.admin("/livez").status, 200);
    // Whoever has not noticed yet is still served, on old connections and on new ones.
    kept.send(get(Who::uA, "/me/x"));
    assert_eq!(kept.answer().status, 200);
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert!(gate.postern.runs());
    assert_eq!(gate.postern.wait().code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(1400), "the lame duck was cut short");
    assert!(TcpStream::connect(gate.postern.data).is_err(), "nobody listens any more");
    kept.assert_closed();
}

#[test]
fn what_is_in_flight_finishes() {
    let mut gate = Gate::to(slow(Duration::from_millis(800)));
    let mut flying: Vec<Raw> = (0..5).map(|_| gate.raw()).collect();
    for raw in &mut flying {
        raw.send(get(Who::uA, "/me/x"));
    }
    crate::support::eventually("all are at the upstream", || (gate.upstream.recorded().len() == 5).then_some(()));
    gate.postern.signal(Signal::Term);
    for raw in &mut flying {
        let answer = raw.answer();
        assert_eq!((answer.status, answer.text()), (200, "finished".into()));
        raw.assert_closed();
    }
    assert_eq!(gate.postern.wait().code(), Some(0));
    // Their lines are not lost.
    assert_eq!(gate.postern.access_lines(5).len(), 5);
}

#[test]
fn a_body_in_flight_finishes_both_ways() {
    let upstream = Upstream::with(|exchange| {
        let size = exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for _ in 0..5 {
            exchange.write(b"1\r\nx\r\n")?;
            std::thread::sleep(Duration::from_millis(100));
        }
        exchange.write(format!("{:x}\r\n{size}\r\n0\r\n\r\n", size.to_string().len()).as_bytes())
    });
    let mut gate = Gate::to(upstream);
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    crate::support::eventually("half of it is there", || gate.upstream.recorded().pop());
    gate.postern.signal(Signal::Term);
    std::thread::sleep(Duration::from_millis(300));
    raw.send("world");
    assert_eq!(raw.answer().text(), "xxxxx10");
    assert_eq!(gate.postern.wait().code(), Some(0));
}

#[test]
fn idle_and_silent_connections_hold_nothing_up() {
    let mut gate = Gate::new();
    let mut silent = gate.raw();
    let mut kept = gate.raw();
    kept.send(get(Who::uA, "/me/x"));
    assert_eq!(kept.answer().status, 200);
    let start = now();
    gate.postern.signal(Signal::Term);
    assert_eq!(gate.postern.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    kept.assert_closed();
    silent.assert_closed();
}

#[test]
fn the_drain_has_a_limit() {
    let mut gate = Gate::before(slow(Duration::from_secs(10)), &Options::policy(ROUTES).set("drain.limit", "500ms"));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    crate::support::eventually("it is at the upstream", || gate.upstream.recorded().pop());
    let start = now();
    gate.postern.signal(Signal::Term);
    assert_eq!(gate.postern.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(raw.try_answer().is_err());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [(Signal::Term, Signal::Term), (Signal::Int, Signal::Int), (Signal::Term, Signal::Int)] {
        let options = Options::policy(ROUTES).set("drain.lame_duck", "10s").set("drain.limit", "10s");
        let mut gate = Gate::before(slow(Duration::from_secs(10)), &options);
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        crate::support::eventually("it is at the upstream", || gate.upstream.recorded().pop());
        let start = now();
        gate.postern.signal(first);
        std::thread::sleep(Duration::from_millis(300));
        assert!(gate.postern.runs());
        gate.postern.signal(second);
        assert_eq!(gate.postern.wait().code(), Some(1), "{first:?} {second:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

/// A person does not wait for load balancers.
#[test]
fn ctrl_c_skips_the_lame_duck() {
    let mut gate = Gate::with(&Options::policy(ROUTES).set("drain.lame_duck", "10s"));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    let start = now();
    gate.postern.signal(Signal::Int);
    assert_eq!(gate.postern.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5));
}
