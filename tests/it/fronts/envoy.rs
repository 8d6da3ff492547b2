//! Envoy asks by `ext_authz` over HTTP, with the filter of docs/fronts.md, and forwards.

use super::Asked;
use crate::interop::{HTTP1, envoy, envoy_configuration};
use crate::support::{ROUTES, Raw, Upstream, Who, free_port, request};
use std::net::SocketAddr;

/// Envoy before this service, which asks.
fn before(asked: &Asked, service: SocketAddr) -> (impl Drop + use<>, SocketAddr) {
    let manual = include_str!("../../../docs/fronts.md");
    let yaml = manual.split("## Envoy").nth(1).and_then(|rest| rest.split("```yaml\n").nth(1));
    let filter = yaml.and_then(|rest| rest.split("```").next()).unwrap();
    let filter: String = filter.lines().map(|line| format!("          {line}\n")).collect();
    let cluster = format!(
        "  - name: postern\n    connect_timeout: 2s\n    load_assignment:\n      cluster_name: postern\n      endpoints:\n      \
         - lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }} }} ]\n",
        asked.address.port()
    );
    let port = free_port();
    let configuration = envoy_configuration(port, service, HTTP1, "")
        .replace("          http_filters:\n", &format!("          http_filters:\n{filter}"))
        .replace("  clusters:\n", &format!("  clusters:\n{cluster}"));
    (envoy(&configuration, port), SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn envoy_forwards_what_was_judged_and_says_whose_it_is() {
    let (asked, service) = (Asked::new("envoy", ROUTES), Upstream::echo());
    let (_envoy, front) = before(&asked, service.address());
    let send = |bytes: Vec<u8>| Raw::connect(front).send(bytes).answer();
    let spoofed = [
        ("X-Postern-User", "su"),
        ("x_postern_user", "su"),
        ("x.postern.user", "su"),
        ("X-Postern-Organization", "b"),
        ("Remote-User", "su"),
        ("Cookie", "theme=dark"),
    ];
    let answer = send(request(Who::mA, "POST", "/api/v1/org/a/caf%C3%A9?q=%2F", &spoofed, "hello"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &service.recorded()[0];
    assert_eq!((seen.target.as_str(), seen.body.as_slice()), ("/api/v1/org/a/caf%C3%A9?q=%2F", &b"hello"[..]));
    assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec!["mA"], vec!["a"]));
    assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, Some("theme=dark")));
    assert!(seen.folded("remote-user").is_empty(), "{seen:?}");
    service.forget();
    assert_eq!(send(request(Who::nobody, "GET", "/public/x", &spoofed, "")).status, 200);
    let seen = &service.recorded()[0];
    assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec![], vec![]), "{seen:?}");
}

#[test]
fn through_envoy_every_refusal_keeps_its_status_body_and_headers() {
    let (asked, service) = (Asked::new("envoy", ROUTES), Upstream::echo());
    let (_envoy, front) = before(&asked, service.address());
    for (who, method, target, status, code) in [
        (Who::nobody, "GET", "/me/x", 401, "credentials_missing"),
        (Who::uB, "GET", "/api/v1/org/a/x", 403, "org_foreign"),
        (Who::uA, "GET", "/nothing", 404, "no_route"),
        (Who::uA, "PUT", "/readonly", 405, "method_not_allowed"),
        (Who::uA, "GET", "/ext/me", 403, "proxy_only"),
    ] {
        let answer = Raw::connect(front).send(request(who, method, target, &[], "")).answer();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who:?} {method} {target}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
    drop(asked);
    let away = Raw::connect(front).send(request(Who::nobody, "GET", "/public/x", &[], "")).answer();
    assert_eq!(away.status, 503, "{away:?}");
    assert!(service.recorded().is_empty());
}
