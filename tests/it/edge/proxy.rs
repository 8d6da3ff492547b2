//! The PROXY protocol: believed from trusted proxies, demanded of them, and refused from anybody else.

use super::secure;
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, Options, ROUTES, Upstream, Who, get};
use std::io::{Read, Write};
use std::process::Command;

fn options() -> Options {
    Options::policy(ROUTES).set("trusted_proxies", "[127.0.0.1]").set("proxy_protocol", "true")
}

fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 9, 10, 0, 0, 1, 0x12, 0x34, 0, 80]);
    header
}

#[test]
fn the_client_is_who_the_proxy_says() {
    let gate = Gate::with(&options());
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (v2(), "192.0.2.9"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let answer = gate.send([header, get(Who::uA, "/me/x")].concat());
        assert_eq!(answer.status, 200, "{client}");
        assert_eq!(gate.upstream.last().header("x-forwarded-for"), Some(client));
    }
    // The client that it names is no proxy: what it says of itself is not believed.
    let spoof = crate::support::request(Who::uA, "GET", "/me/x", &[("X-Forwarded-For", "1.1.1.1")], "");
    gate.send([&b"PROXY TCP4 192.0.2.7 10.0.0.1 1 80\r\n"[..], &spoof].concat());
    assert_eq!(gate.upstream.last().header("x-forwarded-for"), Some("192.0.2.7"));
    let lines = gate.postern.access_lines(5);
    assert_eq!(lines[0]["client"], "192.0.2.7");
}

#[test]
fn a_proxy_that_says_nothing_is_not_served() {
    let gate = Gate::with(&options().set("timeouts.head", "300ms"));
    for bytes in [get(Who::uA, "/me/x"), b"PROXY TCP4 nonsense\r\n".to_vec(), b"PROXY".to_vec(), Vec::new()] {
        let mut raw = gate.raw();
        raw.send(bytes);
        raw.assert_closed();
    }
    gate.upstream.assert_untouched("no header was good");
    assert_eq!(gate.postern.metric("postern_proxy_refused_total"), 2.0);
}

#[test]
fn a_stranger_s_header_is_a_bad_request() {
    let gate = Gate::with(&options().set("trusted_proxies", "[10.0.0.0/8]"));
    let answer = gate.send([&b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"[..], &get(Who::uA, "/me/x")].concat());
    assert_eq!(answer.status, 400);
    let mut raw = gate.raw();
    raw.send([v2(), get(Who::uA, "/me/x")].concat());
    assert_eq!(raw.answer().status, 400);
    gate.upstream.assert_untouched("a stranger");
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "without one it is served");
}

#[test]
fn each_client_behind_a_proxy_has_its_own_share() {
    let gate = Gate::with(&options().set("limits.per_address", "1"));
    let open = |address: &str| {
        let mut raw = gate.raw();
        raw.send(format!("PROXY TCP4 {address} 10.0.0.1 1 2\r\n"));
        raw.send(get(Who::nobody, "/public/x"));
        raw
    };
    let mut first = open("192.0.2.1");
    assert_eq!(first.answer().status, 200);
    open("192.0.2.1").assert_closed();
    assert_eq!(open("192.0.2.2").answer().status, 200);
}

#[test]
fn tls_begins_behind_the_header_and_curl_speaks_both() {
    let authority = Authority::new();
    let options = secure(&authority).set("trusted_proxies", "[127.0.0.1]").set("proxy_protocol", "true");
    let gate = Gate::before(Upstream::echo(), &options);
    let port = gate.postern.data.port();
    let output = Command::new("curl")
        .args(["-sS", "--haproxy-protocol", "--cacert", authority.file("ca.pem").to_str().unwrap(), "--resolve"])
        .arg(format!("api.example.com:{port}:127.0.0.1"))
        .args(["-w", "%{http_version} %{http_code}"])
        .arg(format!("https://api.example.com:{port}/public/x"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("2 200"), "{output:?}");
    let mut without = Wire::plain(gate.postern.data);
    without.write_all(&[0x16, 3, 1, 0, 100, 1, 0, 0, 96, 3, 3, 0, 0, 0, 0, 0]).unwrap();
    let _ = without.read_to_end(&mut Vec::new());
    assert_eq!(gate.postern.metric("postern_proxy_refused_total"), 1.0);
}
