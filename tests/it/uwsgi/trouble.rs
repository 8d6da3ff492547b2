//! Services that fail, several of them, and what keeps them from too much.

use super::{Recorder, Service, before, with};
use crate::support::{Options, ROUTES, Who, World, eventually, free_port, get};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

#[test]
fn a_killed_service_is_502_until_it_is_back() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut service = Service::at(address);
    let postern = before(&service.url);
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    service.kill();
    for _ in 0..3 {
        let answer = postern.get(Who::uA, "/me/x");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
        assert!(!answer.text().contains("127.0.0.1"), "it is not for the caller");
    }
    let _service = Service::at(address);
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
}

#[test]
fn an_answer_whose_service_says_more_than_it_sends_is_cut() {
    let service = Service::start();
    let postern = before(&service.url);
    let mut raw = postern.raw();
    raw.send(get(Who::nobody, "/public/cut"));
    assert!(raw.try_answer().is_err());
    assert_eq!(postern.get(Who::nobody, "/public/x").status, 200);
}

/// A check is a GET as any other, over the same protocol.
#[test]
fn several_services_are_checked_and_the_dead_one_is_left_out() {
    let (mut first, second) = (Service::start(), Service::start());
    let upstream = format!(
        "{{ addresses: [\"{}\", \"{}\"], health: {{ path: \"/ok?x\", every: 100ms }} }}",
        first.url, second.url
    );
    let postern = with(&Options::policy(ROUTES), &upstream);
    let pids =
        || -> BTreeSet<u64> { (0..6).map(|_| postern.get(Who::uA, "/me/x").json()["pid"].as_u64().unwrap()).collect() };
    assert_eq!(pids().len(), 2);
    first.kill();
    eventually("the dead one is left out", || {
        let said = postern.stderr();
        said.iter().any(|line| line.contains("the upstream's address is unhealthy")).then_some(())
    });
    assert_eq!(pids().len(), 1);
    drop(second);
    eventually("nobody is well", || {
        let answer = postern.get(Who::uA, "/me/x");
        ((answer.status, answer.code().as_str()) == (503, "upstream_unhealthy")).then_some(())
    });
}

#[test]
fn a_check_believes_2xx_alone() {
    for (answer, is_well) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("Status: 200 OK\r\n\r\n", true),
        ("Status: 503 Service Unavailable\r\n\r\n", false),
        ("HTTP/1.1 302 Found\r\n\r\n", false),
        ("hello", false),
        ("Status: 200 OK", false),
    ] {
        let recorder = Recorder::saying(answer);
        let upstream =
            format!("{{ addresses: [\"{}\"], health: {{ path: /ok, every: 100ms, unhealthy: 1 }} }}", recorder.url());
        let postern = with(&Options::policy(ROUTES), &upstream);
        eventually("it is checked", || (recorder.told.lock().unwrap().len() > 2).then_some(()));
        let told = recorder.take();
        let asked = &told[0].variables;
        assert_eq!((asked["PATH_INFO"].as_str(), asked["REQUEST_METHOD"].as_str()), ("/ok", "GET"));
        assert!(asked["HTTP_USER_AGENT"].contains("health check"), "{asked:?}");
        let status = postern.get(Who::uA, "/me/x").status;
        assert_eq!(status != 503, is_well, "{answer:?}: {status}");
    }
}

#[test]
fn limits_and_timeouts_hold() {
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("uwsgi://{}", silent.local_addr().unwrap());
    let options = Options::policy(ROUTES).set("timeouts.first_byte", "300ms").set("timeouts.connect", "100ms");
    let upstream =
        format!("{{ addresses: [\"{url}\"], limits: {{ connections: 1, pending: 1 }}, eject: {{ after: 0 }} }}");
    let postern = with(&options, &upstream);
    let mut first = postern.raw();
    first.send(get(Who::uA, "/me/x"));
    std::thread::sleep(Duration::from_millis(100));
    let second = postern.get(Who::uA, "/me/x");
    assert_eq!((second.status, second.code().as_str()), (503, "upstream_overloaded"));
    let first = first.answer();
    assert_eq!((first.status, first.code().as_str()), (504, "upstream_timeout"));
}

/// As one that streams over HTTP has.
#[test]
fn a_body_that_is_held_has_its_place_at_the_cluster() {
    let recorder = Recorder::new();
    let options = Options::policy(ROUTES).set("timeouts.connect", "100ms");
    let upstream = format!("{{ addresses: [\"{}\"], limits: {{ connections: 1, pending: 1 }} }}", recorder.url());
    let postern = with(&options, &upstream);
    let token = World::get().token(Who::uA).unwrap();
    let mut held = postern.raw();
    held.send(format!(
        "POST /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    ));
    std::thread::sleep(Duration::from_millis(300));
    let second = postern.get(Who::uA, "/me/x");
    assert_eq!((second.status, second.code().as_str()), (503, "upstream_overloaded"));
    held.send("0\r\n\r\n");
    assert_eq!((held.answer().status, &*recorder.one().body), (200, &b"abc"[..]));
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200, "and gives it back");
}
