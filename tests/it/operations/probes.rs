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
    assert!(gate.postern.cli(&["health", "--admin", &admin]).contains("\"ready\":true"));
    // The address may come from the environment, as in a container.
    gate.postern.signal(crate::support::Signal::Int);
    gate.postern.wait();
    let told = gate.postern.try_cli(&["health", "--admin", &admin]).unwrap_err();
    assert!(told.contains(&admin) && told.contains("hint:"), "{told}");
}
