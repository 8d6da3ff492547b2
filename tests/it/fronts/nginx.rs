//! nginx asks by `auth_request`, with the configuration of docs/fronts.md, and forwards.

use super::Asked;
use crate::gateway::websockets::echo;
use crate::interop::nginx;
use crate::support::{Raw, Upstream, Who, World, eventually, free_port, request};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, connect};

const POLICY: &str = "
version: 1
upstream: echo
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug }
routes:
  /public/**: public
  /me/**: authenticated
  /own/**: { level: authenticated, forward_authorization: true }
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /few: { level: public, throttle: { rate: 1/hour, by: address } }
  /odd/**: { level: public, target: { double_slash: allow, encoded_slash: allow } }
  /body: { POST: { level: member, org: body.organization as slug } }
  /cors: { level: authenticated, cors: { origins: [\"https://a.example\"], methods: [GET], headers: [Authorization], credentials: true } }
  /ws/**: { GET: { level: authenticated, upgrade: [websocket] } }
";

/// The manual's configuration with these in the place of its addresses.
fn configuration(front: u16, postern: SocketAddr, service: SocketAddr) -> String {
    let manual = include_str!("../../../docs/fronts.md");
    let block = manual.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let block = block
        .replace("127.0.0.1:8081", &postern.to_string())
        .replace("127.0.0.1:8000", &service.to_string())
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{front}"));
    format!("http {{ {block} }}")
}

/// nginx before this service, which asks.
fn before(asked: &Asked, service: SocketAddr) -> (impl Drop + use<>, SocketAddr) {
    let port = free_port();
    let server = nginx(&configuration(port, asked.address, service), port);
    (server, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn nginx_forwards_what_was_judged_and_says_whose_it_is() {
    let (asked, service) = (Asked::new("nginx", POLICY), Upstream::echo());
    let (_nginx, front) = before(&asked, service.address());
    let spoofed = [
        ("X-Postern-User", "su"),
        ("X-Postern-Organization", "b"),
        ("X_Postern_User", "su"),
        ("X.Postern.User", "su"),
        ("Connection", "x-postern-user"),
        ("Cookie", "theme=dark"),
        ("X-Original-URI", "/public/x"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Forwarded-For", "6.6.6.6"),
    ];
    let send = |bytes: Vec<u8>| Raw::connect(front).send(bytes).answer();
    let answer = send(request(Who::mA, "POST", "/api/v1/org/a/caf%C3%A9?q=%2F&r=1", &spoofed, "hello"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &service.recorded()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/api/v1/org/a/caf%C3%A9?q=%2F&r=1"));
    assert_eq!(seen.body, b"hello", "the body is the front's to forward");
    assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec!["mA"], vec!["a"]));
    assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, Some("theme=dark")));
    service.forget();
    assert_eq!(send(request(Who::nobody, "GET", "/public/x", &spoofed, "")).status, 200);
    let seen = &service.recorded()[0];
    assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec![], vec![]), "{seen:?}");
    service.forget();
    assert_eq!(send(request(Who::uA, "GET", "/own/x", &[], "")).status, 200);
    assert!(service.recorded()[0].header("authorization").unwrap().starts_with("Bearer "));
    let line = &asked.postern.access_lines(1)[0];
    assert_eq!((line["method"].as_str(), line["client"].as_str()), (Some("POST"), Some("127.0.0.1")), "{line}");
}

#[test]
fn through_nginx_every_refusal_keeps_its_status_body_and_headers() {
    let (asked, service) = (Asked::new("nginx", POLICY), Upstream::echo());
    let (_nginx, front) = before(&asked, service.address());
    let send = |bytes: Vec<u8>| Raw::connect(front).send(bytes).answer();
    for (who, method, target, status, code) in [
        (Who::nobody, "GET", "/me/x", 401, "credentials_missing"),
        (Who::off, "GET", "/me/x", 401, "user_inactive"),
        (Who::uB, "GET", "/api/v1/org/a/x", 403, "org_foreign"),
        (Who::uA, "POST", "/api/v1/org/a/x", 403, "org_level_missing"),
        (Who::uA, "GET", "/nothing", 404, "no_route"),
        (Who::uA, "GET", "/me/a%2Fb", 400, "ambiguous_target"),
        (Who::uA, "GET", "/odd//x", 400, "ambiguous_target"),
        (Who::uA, "GET", "/me/%2e%2e/x", 400, "bad_target"),
        (Who::uA, "POST", "/body", 403, "body_unseen"),
        (Who::uA, "DELETE", "/body", 405, "method_not_allowed"),
    ] {
        let answer = send(request(who, method, target, &[], ""));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who:?} {method} {target}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
    service.forget();
    assert_eq!(send(request(Who::nobody, "GET", "/few", &[], "")).status, 200);
    let over = send(request(Who::nobody, "GET", "/few", &[], ""));
    assert_eq!((over.status, over.code().as_str()), (429, "throttled"));
    assert!(over.header("retry-after").is_some(), "{over:?}");
    assert_eq!(service.recorded().len(), 1, "nothing that was refused reached the service");
    let preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")];
    let answer = send(request(Who::nobody, "OPTIONS", "/cors", &preflight, ""));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://a.example")));
    assert_eq!(service.recorded().len(), 1, "a preflight neither");
}

#[test]
fn through_nginx_a_revocation_holds_and_a_postern_that_is_away_lets_nothing_pass() {
    let (asked, service) = (Asked::new("nginx", POLICY), Upstream::echo());
    let (_nginx, front) = before(&asked, service.address());
    let status = || Raw::connect(front).send(request(Who::uA, "GET", "/me/x", &[], "")).answer().status;
    assert_eq!(status(), 200);
    asked.postern.cli(&["user", "edit", "uA", "--active=false"]);
    let begun = postern::clock::monotonic();
    eventually("it is refused", || (status() == 401).then_some(()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(asked);
    let count = service.recorded().len();
    let away = Raw::connect(front).send(request(Who::nobody, "GET", "/public/x", &[], "")).answer();
    assert!(away.status >= 500, "{away:?}");
    assert_eq!(service.recorded().len(), count);
}

#[test]
fn through_nginx_a_websocket_is_judged_before_it_is_one() {
    let (asked, sockets) = (Asked::new("nginx", POLICY), echo());
    let (_nginx, front) = before(&asked, sockets);
    let open = |who| {
        let mut request = format!("ws://{front}/ws/x").into_client_request().unwrap();
        if let Some(token) = World::get().token(who) {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        connect(request)
    };
    assert!(open(Who::uA).is_ok());
    let Err(Error::Http(refused)) = open(Who::nobody) else { panic!("it must be refused") };
    assert_eq!(refused.status(), 401);
}
