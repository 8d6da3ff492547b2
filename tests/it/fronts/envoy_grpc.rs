//! Envoy asks by `ext_authz` over gRPC, with the filter and the cluster of docs/fronts.md, and forwards.

use super::ext_authz::Grpc;
use crate::gateway::websockets::echo;
use crate::interop::{HTTP1, envoy, envoy_configuration};
use crate::support::{Raw, Upstream, Who, World, eventually, free_port, request};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
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
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /few: { level: public, throttle: { rate: 1/hour, by: address } }
  /readonly: { GET: authenticated }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /body: { POST: { level: member, org: body.organization as slug } }
  /basic: { level: authenticated, authenticate: [bearer, basic] }
  /cors: { level: authenticated, cors: { origins: [\"https://a.example\"], methods: [GET], headers: [Authorization], credentials: true } }
  /ws/**: { GET: { level: authenticated, upgrade: [websocket] } }
";

const RAW: &str = "encode_raw_headers: true";
const BODY: &str = "with_request_body: { max_request_bytes: 64, allow_partial_message: true, pack_as_bytes: true }";

/// A block of the manual, further in by so many blanks.
fn block(at: usize, blanks: usize) -> String {
    let manual = include_str!("../../../docs/fronts.md");
    let section = manual.split("## Envoy over gRPC").nth(1).unwrap();
    let block = section.split("```yaml\n").nth(at + 1).and_then(|rest| rest.split("```").next()).unwrap();
    block.lines().map(|line| format!("{:blanks$}{line}\n", "")).collect()
}

/// Envoy before this service, which asks. `raw`: what stands in the place of `encode_raw_headers: true`.
fn before(grpc: &Grpc, service: SocketAddr, raw: &str) -> (impl Drop + use<>, SocketAddr) {
    changed(grpc, service, raw, &|configuration| configuration)
}

/// The same with its configuration changed.
fn changed(
    grpc: &Grpc,
    service: SocketAddr,
    raw: &str,
    change: &dyn Fn(String) -> String,
) -> (impl Drop + use<>, SocketAddr) {
    let filter = block(1, 10).replace(RAW, raw);
    let cluster = block(2, 2).replace("port_value: 9191", &format!("port_value: {}", grpc.address.port()));
    let port = free_port();
    let configuration = envoy_configuration(port, service, HTTP1, "")
        .replace("          http_filters:\n", &format!("          http_filters:\n{filter}"))
        .replace("  clusters:\n", &format!("  clusters:\n{cluster}"));
    (envoy(&change(configuration), port), SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Sends until Envoy has found out that postern is well.
fn ready(front: SocketAddr) {
    eventually("Envoy asks", || {
        let answer = Raw::connect(front).send(request(Who::nobody, "GET", "/public/x", &[], "")).answer();
        (answer.status == 200).then_some(())
    });
}

#[test]
fn envoy_forwards_what_was_judged_and_says_whose_it_is() {
    let (grpc, service) = (Grpc::new(POLICY), Upstream::echo());
    let spoofed = [
        ("X-Postern-User", "su"),
        ("x_postern_user", "su"),
        ("x.postern.user", "su"),
        ("X-Postern-Organization", "b"),
        ("X-Postern-Organization", "c"),
        ("Remote-User", "su"),
        ("Cookie", "theme=dark"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Host", "evil.example"),
        ("x_forwarded_host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Real-Ip", "6.6.6.6"),
    ];
    for raw in [RAW, "encode_raw_headers: false"] {
        let (_envoy, front) = before(&grpc, service.address(), raw);
        ready(front);
        service.forget();
        let send = |bytes: Vec<u8>| Raw::connect(front).send(bytes).answer();
        let answer = send(request(Who::mA, "POST", "/api/v1/org/a/caf%C3%A9?q=%2F", &spoofed, "hello"));
        assert_eq!(answer.status, 200, "{raw}: {answer:?}");
        let seen = &service.recorded()[0];
        assert_eq!((seen.target.as_str(), seen.body.as_slice()), ("/api/v1/org/a/caf%C3%A9?q=%2F", &b"hello"[..]));
        assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec!["mA"], vec!["a"]));
        assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, Some("theme=dark")), "{raw}");
        for gone in ["remote-user", "x-forwarded-host", "forwarded", "x-real-ip"] {
            assert!(seen.folded(gone).is_empty(), "{gone}: {seen:?}");
        }
        let told = seen.header("x-request-id").unwrap();
        let line = eventually("its line", || {
            grpc.postern.access_lines_now().into_iter().find(|line| line["request_id"] == told)
        });
        assert_eq!(line["method"], "POST", "{line}");
        assert_ne!(line["client"], "6.6.6.6", "{line}");
        service.forget();
        assert_eq!(send(request(Who::nobody, "GET", "/public/x", &spoofed, "")).status, 200);
        let seen = &service.recorded()[0];
        assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec![], vec![]), "{raw}");
        let twice = send(request(Who::mA, "GET", "/me/x", &[("Authorization", "Basic eDp5")], ""));
        assert_eq!((twice.status, twice.code().as_str()), (400, "ambiguous"), "{raw}");
    }
}

#[test]
fn through_envoy_every_refusal_keeps_its_status_body_and_headers() {
    let (grpc, service) = (Grpc::new(POLICY), Upstream::echo());
    let (_envoy, front) = before(&grpc, service.address(), RAW);
    ready(front);
    service.forget();
    let send = |bytes: Vec<u8>| Raw::connect(front).send(bytes).answer();
    for (who, method, target, status, code) in [
        (Who::nobody, "GET", "/me/x", 401, "credentials_missing"),
        (Who::off, "GET", "/me/x", 401, "user_inactive"),
        (Who::uB, "GET", "/api/v1/org/a/x", 403, "org_foreign"),
        (Who::uA, "GET", "/nothing", 404, "no_route"),
        (Who::uA, "PUT", "/readonly", 405, "method_not_allowed"),
        (Who::uA, "GET", "/ext/me", 403, "proxy_only"),
        (Who::uA, "POST", "/body", 403, "body_unseen"),
        (Who::uA, "GET", "/me/a%2Fb", 400, "bad_target"),
    ] {
        let answer = send(request(who, method, target, &[], ""));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who:?} {method} {target}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    }
    let basic = send(request(Who::nobody, "GET", "/basic", &[], ""));
    assert_eq!(basic.all("www-authenticate").len(), 2, "both challenges: {basic:?}");
    assert!(service.recorded().is_empty());
    let passed = send(request(Who::nobody, "GET", "/few", &[], ""));
    assert!(passed.status == 200 && passed.header("ratelimit").is_some(), "{passed:?}");
    let over = send(request(Who::nobody, "GET", "/few", &[], ""));
    assert_eq!((over.status, over.code().as_str()), (429, "throttled"));
    assert!(over.header("retry-after").is_some(), "{over:?}");
    let preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")];
    let answer = send(request(Who::nobody, "OPTIONS", "/cors", &preflight, ""));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://a.example")));
    assert_eq!(service.recorded().len(), 1, "nothing that was refused reached the service");
}

#[test]
fn envoy_says_who_is_connected_to_it_and_nobody_else_does() {
    let (grpc, service) = (Grpc::new(POLICY), Upstream::echo());
    for (number, remote) in ["use_remote_address: true", "use_remote_address: false"].into_iter().enumerate() {
        let (_envoy, front) = changed(&grpc, service.address(), RAW, &|configuration| {
            configuration.replace("use_remote_address: true", remote)
        });
        ready(front);
        // Not the address that Envoy asks from, which is trusted.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        socket.connect(&front.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        let head = format!(
            "GET /public/from{number} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let path = format!("/public/from{number}");
        let line =
            eventually("its line", || grpc.postern.access_lines_now().into_iter().find(|line| line["path"] == *path));
        assert_eq!(line["client"], "127.0.0.2", "{remote}: {line}");
    }
}

#[test]
fn through_envoy_a_whole_body_decides_and_a_part_never() {
    let (grpc, service) = (Grpc::new(POLICY), Upstream::echo());
    let (_envoy, front) = before(&grpc, service.address(), &format!("{RAW}\n              {BODY}"));
    ready(front);
    service.forget();
    let json = [("Content-Type", "application/json")];
    let post = |who, body: &str| {
        let answer = Raw::connect(front).send(request(who, "POST", "/body", &json, body)).answer();
        (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
    };
    assert_eq!(post(Who::mA, r#"{"organization":"a"}"#), (200, String::new()));
    assert_eq!(service.recorded()[0].body, br#"{"organization":"a"}"#);
    assert_eq!(post(Who::mA, r#"{"organization":"b"}"#), (403, "org_foreign".to_owned()));
    // As long as what is shown of it, and longer.
    let long = |size: usize| format!("{:<size$}", r#"{"organization":"a"}"#);
    assert_eq!(post(Who::mA, &long(63)).0, 200);
    assert_eq!(post(Who::mA, &long(64)).0, 200);
    assert_eq!(post(Who::mA, &long(65)), (403, "body_unseen".to_owned()));
    let forged = [json[0], ("X-Envoy-Auth-Partial-Body", "false")];
    let answer = Raw::connect(front).send(request(Who::mA, "POST", "/body", &forged, &long(65))).answer();
    assert_eq!(answer.code(), "body_unseen");
}

#[test]
fn through_envoy_a_revocation_holds_and_a_postern_that_is_away_lets_nothing_pass() {
    let (grpc, service) = (Grpc::new(POLICY), Upstream::echo());
    let (_envoy, front) = before(&grpc, service.address(), RAW);
    ready(front);
    let status = || Raw::connect(front).send(request(Who::uA, "GET", "/me/x", &[], "")).answer().status;
    assert_eq!(status(), 200);
    grpc.postern.cli(&["user", "edit", "uA", "--active=false"]);
    let begun = postern::clock::monotonic();
    eventually("it is refused", || (status() == 401).then_some(()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(grpc);
    let count = service.recorded().len();
    let away = Raw::connect(front).send(request(Who::nobody, "GET", "/public/x", &[], "")).answer();
    assert_eq!(away.status, 503, "{away:?}");
    assert_eq!(service.recorded().len(), count);
}

#[test]
fn through_envoy_a_link_becomes_a_session_by_two_cookies() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("django.key");
    std::fs::write(&key, "fn)t*+$)ugeyip6-#txyy$5wf2ervc0d2n#h)qb)y5@ly$t*@w").unwrap();
    let config = format!(
        "trusted_proxies: [127.0.0.1]\nidentity:\n  session: {{ secure: false }}\n  sesame: {{ key: {{ file: {} }}, query: {{ name: key, exchange: true }} }}\n",
        key.display()
    );
    let policy = format!("{POLICY}  /link/**: {{ level: authenticated, authenticate: [sesame, session] }}\n");
    let (grpc, service) = (Grpc::with(&policy, &config), Upstream::echo());
    let (_envoy, front) = before(&grpc, service.address(), RAW);
    ready(front);
    service.forget();
    let token = grpc.postern.cli(&["sesame", "mint", "--user", "uA"]).trim().to_owned();
    let send = |target: &str, headers: &[(&str, &str)]| {
        Raw::connect(front).send(request(Who::nobody, "GET", target, headers, "")).answer()
    };
    let answer = send(&format!("/link/1?a=1&key={token}"), &[("Sec-Fetch-Site", "none")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/link/1?a=1")), "{answer:?}");
    let cookies = answer.all("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(service.recorded().is_empty());
    let session = cookies[0].split(';').next().unwrap();
    let cookie = format!("theme=dark; {session}");
    assert_eq!(send("/link/1?a=1", &[("Cookie", &cookie)]).status, 200);
    let seen = &service.recorded()[0];
    assert_eq!((seen.header("x-postern-user"), seen.header("cookie")), (Some("uA"), Some("theme=dark")));
}

#[test]
fn through_envoy_a_websocket_is_judged_before_it_is_one() {
    let (grpc, sockets) = (Grpc::new(POLICY), echo());
    let (_envoy, front) = before(&grpc, sockets, RAW);
    let open = |who| {
        let mut request = format!("ws://{front}/ws/x").into_client_request().unwrap();
        if let Some(token) = World::get().token(who) {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        connect(request)
    };
    eventually("Envoy asks", || open(Who::uA).is_ok().then_some(()));
    let Err(Error::Http(refused)) = open(Who::nobody) else { panic!("it must be refused") };
    assert_eq!(refused.status(), 401);
}
