//! `/livez`, `/readyz`, and `postern health`.

use crate::support::{Gate, Options, Postern, ROUTES, Raw};
use std::net::TcpListener;

#[test]
fn a_process_that_serves_is_alive_and_ready() {
    let gate = Gate::new();
    assert_eq!(gate.postern.admin("/livez").status, 200);
    let ready = gate.postern.admin("/readyz");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    assert_eq!(ready.json()["checks"]["store"], "ok");
    assert_eq!(gate.postern.admin("/none").status, 404);
}

/// An upstream that is down is not our own fault: the process can judge, and says so.
#[test]
fn readiness_does_not_depend_on_the_upstream() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let postern = Postern::start(nobody, &Options::policy(ROUTES));
    assert_eq!(postern.admin("/readyz").status, 200);
}

#[test]
fn probes_can_have_a_listener_of_their_own() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gate = Gate::with(&Options::policy(ROUTES).set("probes", port));
    let ask = |path: &str| {
        let mut raw = Raw::connect(port);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        raw.answer().status
    };
    assert_eq!((ask("/livez"), ask("/readyz"), ask("/metrics")), (200, 200, 404));
    drop(gate);
}

#[test]
fn health_asks_the_local_process() {
    let mut gate = Gate::new();
    let admin = gate.postern.admin.to_string();
    assert!(gate.postern.cli(&["health", "--management", &admin]).contains("\"ready\":true"));
    // The address may come from the environment, as in a container.
    gate.postern.signal(crate::support::Signal::Int);
    gate.postern.wait();
    let told = gate.postern.try_cli(&["health", "--management", &admin]).unwrap_err();
    assert!(told.contains(&admin) && told.contains("hint:"), "{told}");
}

/// A page whose name leads here (DNS rebinding) sends its own name, and reads nothing.
#[test]
fn metrics_are_read_by_the_listener_s_own_addresses_and_names_alone() {
    let gate = Gate::with(&Options::policy(ROUTES).set("management_hosts", "[metrics.example.com]"));
    let own = gate.postern.admin.to_string();
    let ask = |path: &str, host: &str| {
        let mut raw = Raw::connect(gate.postern.admin);
        raw.send(format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
        raw.answer().status
    };
    let named = |host: &str| format!("Host: {host}\r\n");
    for host in [&own, "localhost", "LocalHost:1", "[::1]:9090", "metrics.example.com:9090"] {
        assert_eq!(ask("/metrics", &named(host)), 200, "{host}");
    }
    for host in ["evil.example", "evil.example:9090", "10.0.0.7", "127.0.0.1.evil.example"] {
        assert_eq!(ask("/metrics", &named(host)), 421, "{host}");
    }
    // Probes come with whatever name, through whatever translates addresses, and old ones name nothing.
    for host in ["10.0.0.7:9090", "some-pod", "", "a b"] {
        assert_eq!((ask("/readyz", &named(host)), ask("/livez", &named(host))), (200, 200), "{host}");
    }
    assert_eq!(ask("/metrics", "Host: localhost\r\nHost: localhost\r\n"), 400);
    assert_eq!(ask("/metrics", &named("localhost:80x")), 400);
    let mut raw = Raw::connect(gate.postern.admin);
    raw.send("GET /readyz HTTP/1.0\r\n\r\n");
    assert_eq!(raw.answer().status, 200);
}
