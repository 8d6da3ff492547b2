//! Upstreams with several addresses: who serves, who is left out, and how much they may hold.

use crate::support::{Gate, Options, ROUTES, Upstream, Who, eventually, get, post, request};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A gate before a cluster of these addresses; the gate's own upstream is the first.
fn gate(first: Upstream, others: &[SocketAddr], more: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    let addresses: Vec<_> = [&first.address()].into_iter().chain(others).map(|a| format!("\"http://{a}\"")).collect();
    options.upstreams = Some(format!("{{ echo: {{ addresses: [{}]{more} }} }}", addresses.join(", ")));
    Gate::before(first, &options)
}

fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn each_address_gets_its_turn_and_connections_are_kept() {
    let (a, b) = (Upstream::echo(), Upstream::echo());
    let gate = gate(a, &[b.address()], "");
    let mut raw = gate.raw();
    for _ in 0..10 {
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().status, 200);
    }
    assert_eq!((gate.upstream.recorded().len(), b.recorded().len()), (5, 5));
    assert_eq!((gate.upstream.connections(), b.connections()), (1, 1));
}

#[test]
fn a_weight_says_how_often() {
    let (a, b) = (Upstream::echo(), Upstream::echo());
    let mut options = Options::policy(ROUTES);
    let (first, second) = (a.address(), b.address());
    options.upstreams =
        Some(format!("{{ echo: {{ addresses: [{{ url: \"http://{first}\", weight: 3 }}, \"http://{second}\"] }} }}"));
    let gate = Gate::before(a, &options);
    let mut raw = gate.raw();
    for _ in 0..8 {
        raw.send(get(Who::uA, "/me/x"));
        assert_eq!(raw.answer().status, 200);
    }
    assert_eq!((gate.upstream.recorded().len(), b.recorded().len()), (6, 2));
}

#[test]
fn a_user_stays_at_one_address() {
    let others: Vec<_> = (0..4).map(|_| Upstream::echo()).collect();
    let addresses: Vec<_> = others.iter().map(Upstream::address).collect();
    let gate = gate(Upstream::echo(), &addresses, ", balance: user");
    for who in [Who::uA, Who::mA, Who::oA, Who::uB] {
        for _ in 0..4 {
            assert_eq!(gate.get(who, "/me/x").status, 200);
        }
        let mut counts: Vec<_> = others.iter().map(|other| other.recorded().len()).collect();
        counts.push(gate.upstream.recorded().len());
        assert!(counts.iter().all(|count| count % 4 == 0), "{who:?}: {counts:?}");
        gate.upstream.forget();
        others.iter().for_each(Upstream::forget);
    }
}

#[test]
fn a_dead_address_gives_way_to_another_for_what_may_be_repeated() {
    let gate = gate(Upstream::echo(), &[dead()], ", eject: { after: 3, time: 60s }");
    for _ in 0..6 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "a GET is tried elsewhere");
    }
    assert_eq!(gate.upstream.recorded().len(), 6);
    // By now it has failed three times, and nobody is sent there any more.
    for _ in 0..6 {
        assert_eq!(gate.send(post(Who::mA, "/api/v1/org/a/x")).status, 200);
    }
}

#[test]
fn what_may_not_be_repeated_is_not() {
    let gate = gate(Upstream::echo(), &[dead()], ", eject: { after: 0 }");
    let statuses: Vec<_> = (0..4).map(|_| gate.send(post(Who::mA, "/api/v1/org/a/x")).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
    assert_eq!(gate.upstream.recorded().len(), 2);
}

#[test]
fn an_address_that_answers_503_is_left_out() {
    let sick = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.answer("503 Service Unavailable", &[], b"")
    });
    let gate = gate(Upstream::echo(), &[sick.address()], ", eject: { after: 2, time: 60s }");
    let statuses: Vec<_> = (0..12).map(|_| gate.get(Who::uA, "/me/x").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 2, "an answer is passed on: {statuses:?}");
    assert_eq!(sick.recorded().len(), 2);
    let sample = format!("postern_upstream_ejected{{upstream=\"echo\",address=\"{}\"}}", sick.address());
    assert_eq!(gate.postern.metric(&sample), 1.0);
}

#[test]
fn checks_take_an_address_out_and_without_any_it_is_503() {
    let well = Arc::new(AtomicBool::new(true));
    let says = Arc::clone(&well);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        let sick = exchange.request.target == "/health" && !says.load(Ordering::SeqCst);
        exchange.answer(if sick { "500 Sick" } else { "200 OK" }, &[], b"")
    });
    let gate = gate(upstream, &[], ", health: { path: /health, every: 100ms, healthy: 2, unhealthy: 2 }");
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    well.store(false, Ordering::SeqCst);
    eventually("the only address is out", || {
        let answer = gate.get(Who::uA, "/me/x");
        (answer.status == 503).then(|| {
            assert_eq!(answer.code(), "upstream_unhealthy");
            assert_eq!(answer.header("retry-after"), Some("1"));
        })
    });
    let sample = format!("postern_upstream_healthy{{upstream=\"echo\",address=\"{}\"}}", gate.upstream.address());
    assert_eq!(gate.postern.metric(&sample), 0.0);
    // Who may not pass does not learn that the service is unwell.
    assert_eq!(gate.get(Who::uA, "/admin/x").status, 403);
    well.store(true, Ordering::SeqCst);
    eventually("it is back", || (gate.get(Who::uA, "/me/x").status == 200).then_some(()));
    let checks: Vec<_> = gate.upstream.recorded().into_iter().filter(|r| r.target == "/health").collect();
    assert!(checks.iter().all(|check| check.header("authorization").is_none()));
}

#[test]
fn more_requests_than_may_wait_are_refused_and_the_others_served() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_millis(400));
        exchange.answer("200 OK", &[], b"slow")
    });
    let gate = gate(upstream, &[], ", limits: { connections: 1, pending: 1 }");
    let mut raws: Vec<_> = (0..3).map(|_| gate.raw()).collect();
    for raw in &mut raws {
        raw.send(get(Who::uA, "/me/x"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let answers: Vec<_> = raws.iter_mut().map(|raw| raw.answer()).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 503]);
    assert_eq!((answers[2].code().as_str(), answers[2].header("retry-after")), ("upstream_overloaded", Some("1")));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "the places are free again");
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        if exchange.request.target == "/me/hang" {
            std::thread::sleep(Duration::from_secs(5));
        }
        exchange.answer("200 OK", &[], b"")
    });
    let gate = gate(upstream, &[], ", limits: { connections: 1, pending: 1 }");
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/hang"));
    eventually("it is at the upstream", || (!gate.upstream.recorded().is_empty()).then_some(()));
    drop(raw);
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
}

#[test]
fn an_upstream_on_a_unix_socket() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("service.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = std::io::BufReader::new(stream.unwrap());
            let mut line = String::new();
            let mut head = String::new();
            while std::io::BufRead::read_line(&mut stream, &mut line).unwrap() > 2 {
                head += &std::mem::take(&mut line);
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{head}", head.len());
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut options = Options::policy(ROUTES);
    options.upstreams = Some(format!("{{ echo: \"unix://{}\" }}", path.display()));
    let gate = Gate::with(&options);
    for _ in 0..3 {
        let answer = gate.send(request(Who::uA, "GET", "/me/x", &[("X-Postern-User", "admin")], ""));
        assert_eq!(answer.status, 200);
        let told = answer.text();
        assert!(told.starts_with("GET /me/x HTTP/1.1\r\n") && told.contains("host: api.example.com"), "{told}");
        assert!(!told.contains("admin"), "{told}");
    }
}
