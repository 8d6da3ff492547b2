//! What fronts of each name are answered, question by question.

use super::Asked;
use crate::support::{Gate, Options, Postern, ROUTES, Who, free_port, request};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const FRONTS: [&str; 6] = ["nginx", "caddy", "traefik", "haproxy", "envoy", "gateway-api"];

/// Who asks for what: allowed, and refused in each way.
pub(super) const REQUESTS: [(Who, &str, &str); 20] = [
    (Who::mA, "GET", "/api/v1/org/a/x"),
    (Who::mA, "POST", "/api/v1/org/a/x?y=1"),
    (Who::uA, "DELETE", "/api/v1/org/a/x"),
    (Who::uB, "GET", "/api/v1/org/a/x"),
    (Who::nobody, "GET", "/api/v1/org/a/x"),
    (Who::off, "GET", "/api/v1/org/a/x"),
    (Who::su, "GET", "/api/v1/org/a/x"),
    (Who::su, "GET", "/api/v1/org/nowhere/x"),
    (Who::gone, "GET", "/api/v1/org/gone/x"),
    (Who::both, "GET", "/mine/x"),
    (Who::uA, "GET", "/query/x?organization=a"),
    (Who::uA, "GET", "/query/x?organization=a&organization=b"),
    (Who::nobody, "GET", "/public/x"),
    (Who::uA, "GET", "/public/x"),
    (Who::nobody, "GET", "/optional/x"),
    (Who::uA, "PUT", "/readonly"),
    (Who::su, "GET", "/closed/x"),
    (Who::uA, "GET", "/nothing"),
    (Who::uA, "GET", "/me/%2e%2e/admin/x"),
    (Who::uA, "GET", "/me/x%00"),
];

#[test]
fn a_front_is_told_what_the_proxy_itself_would_do() {
    let gate = Gate::new();
    for front in FRONTS {
        let asked = Asked::new(front, ROUTES);
        for (who, method, target) in REQUESTS {
            gate.upstream.forget();
            let proxied = gate.send(request(who, method, target, &[], ""));
            let told = asked.ask(who, method, target, &[]);
            let what = format!("{front}: {who:?} {method} {target}: {told:?}");
            assert_eq!(told.status, proxied.status, "{what}");
            for name in ["www-authenticate", "allow", "content-type"] {
                // nginx would add the challenge of the first question to that of the second.
                let is_added = front == "nginx" && name == "www-authenticate";
                if told.status != 200 {
                    let all = if is_added { Vec::new() } else { proxied.all(name) };
                    assert_eq!(told.all(name), all, "{what}");
                }
            }
            let Some(seen) = gate.upstream.recorded().into_iter().next() else {
                assert_eq!(told.text(), proxied.text(), "{what}");
                continue;
            };
            assert_eq!(told.status, 200, "{what}");
            for name in ["x-postern-user", "x-postern-organization", "x-postern-organizations", "x-postern-role"] {
                assert_eq!(
                    told.header(name).unwrap_or_default(),
                    seen.header(name).unwrap_or_default(),
                    "{name}: {what}"
                );
            }
            assert_eq!(told.header("authorization").unwrap_or_default(), "", "{what}");
        }
    }
}

#[test]
fn what_the_client_sent_in_our_name_is_blanked_or_listed() {
    let spoofed = [
        ("X-Postern-Role", "owner"),
        ("X-Envoy-External-Address", "1.1.1.1"),
        ("x.postern.user", "su"),
        ("X_Postern_User", "su"),
        ("Remote-User", "su"),
    ];
    for front in ["nginx", "caddy", "traefik", "gateway-api"] {
        let asked = Asked::new(front, ROUTES);
        for (name, value) in &spoofed[1..] {
            let told = asked.ask(Who::su, "GET", "/public/x", &[(name, value)]);
            assert_eq!((told.status, told.code().as_str()), (400, "bad_field"), "{front} cannot take {name} away");
        }
        let told = asked.ask(Who::nobody, "GET", "/public/x", &spoofed[..1]);
        assert_eq!(told.status, 200, "{front}");
        for name in ["x-postern-user", "x-postern-organization", "x-postern-organizations", "x-postern-role"] {
            assert_eq!(told.header(name), Some(""), "{front}: {name}");
        }
    }
    let kept = "trusted_proxies: [127.0.0.1]\nkeep_headers: [Remote-User]\n";
    assert_eq!(Asked::with("nginx", ROUTES, kept).ask(Who::nobody, "GET", "/public/x", &spoofed[4..]).status, 200);
    for (front, list) in [("envoy", "x-envoy-auth-headers-to-remove"), ("haproxy", "x-postern-remove")] {
        let told = Asked::new(front, ROUTES).ask(Who::mA, "GET", "/api/v1/org/a/x", &spoofed);
        let removed: Vec<_> = told.header(list).unwrap().split(',').collect();
        for name in ["authorization", "x.postern.user", "x_postern_user", "remote-user"] {
            assert!(removed.contains(&name), "{name}: {removed:?}");
        }
        assert_eq!(removed.contains(&"x-envoy-external-address"), front == "haproxy", "{removed:?}");
        assert_eq!(told.header("x-postern-role"), Some("manager"), "it is told anew: {removed:?}");
        assert!(!removed.contains(&"x-postern-role") && !removed.contains(&"host"), "{removed:?}");
    }
}

#[test]
fn a_route_that_forwards_the_credential_has_the_front_forward_it() {
    let cookie = [("Cookie", "a=b; theme=dark")];
    for front in ["nginx", "caddy"] {
        let asked = Asked::new(front, ROUTES);
        let own = asked.ask(Who::uA, "GET", "/own/x", &cookie);
        assert!(own.header("authorization").unwrap().starts_with("Bearer "), "{own:?}");
        assert_eq!(own.header("cookie"), Some("a=b; theme=dark"));
        let other = asked.ask(Who::uA, "GET", "/me/x", &cookie);
        assert_eq!((other.header("authorization"), other.header("cookie")), (Some(""), Some("a=b; theme=dark")));
    }
    let own = Asked::new("envoy", ROUTES).ask(Who::uA, "GET", "/own/x", &cookie);
    assert!(!own.header("x-envoy-auth-headers-to-remove").unwrap_or_default().contains("authorization"), "{own:?}");
}

pub(super) const ONLY_THE_PROXY: &str = "
version: 1
upstream: echo
routes:
  /body: { POST: { level: member, org: body.organization }, GET: authenticated }
  /list: { level: authenticated, list: { items: /results, org: /organization } }
  /answer/{_}: { GET: { level: member, org: response./organization } }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /cors: { level: authenticated, cors: { origins: [\"https://a.example\"], methods: [GET] } }
  /ws: { GET: { level: authenticated, upgrade: [websocket], origins: [\"https://a.example\"] } }
  /shadow: { level: superuser, mode: shadow }
";

#[test]
fn what_only_the_proxy_can_do_is_refused_by_its_own_reason() {
    for front in FRONTS {
        let asked = Asked::new(front, ONLY_THE_PROXY);
        for (method, target, code) in [
            ("POST", "/body", "body_unseen"),
            ("GET", "/list", "proxy_only"),
            ("GET", "/answer/1", "proxy_only"),
            ("GET", "/ext/body", "proxy_only"),
        ] {
            let told = asked.ask(Who::uA, method, target, &[]);
            assert_eq!((told.status, told.code().as_str()), (403, code), "{front}: {method} {target}");
        }
        // A length is the front's, of a body that is not there.
        let told = asked.ask(Who::uA, "POST", "/body", &[("Content-Length", "0")]);
        assert_eq!(told.code(), "body_unseen", "{front}");
        assert_eq!(asked.ask(Who::uA, "GET", "/body", &[]).status, 200, "{front}");
        assert_eq!(asked.ask(Who::nobody, "POST", "/body", &[]).status, 401, "{front}: who asks counts first");
    }
}

#[test]
fn a_preflight_passes_no_front_to_the_service() {
    let preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")];
    for front in FRONTS {
        let asked = Asked::new(front, ONLY_THE_PROXY);
        let told = asked.ask(Who::nobody, "OPTIONS", "/cors", &preflight);
        // By these, nothing but 200 lets pass.
        let status = if ["envoy", "haproxy"].contains(&front) { 204 } else { 403 };
        assert_eq!(told.status, status, "{front}: {told:?}");
    }
    // nginx asks again for what the client is told.
    let told = [("X-Original-Method", "OPTIONS"), ("X-Original-URI", "/cors"), preflight[0], preflight[1]];
    let answer = Asked::new("nginx", ONLY_THE_PROXY).put(Who::nobody, "GET /answer", &told);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://a.example")));
}

#[test]
fn a_websocket_is_asked_about_over_a_connection_that_stays_http() {
    let handshake = |origin: &'static str| {
        [
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("Origin", origin),
        ]
    };
    for front in FRONTS {
        let asked = Asked::new(front, ONLY_THE_PROXY);
        assert_eq!(asked.ask(Who::uA, "GET", "/ws", &handshake("https://a.example")).status, 200, "{front}");
        let other = asked.ask(Who::uA, "GET", "/ws", &handshake("https://b.example"));
        assert_eq!(other.code(), "origin_denied", "{front}");
    }
}

#[test]
fn in_shadow_mode_a_front_lets_pass_in_nobody_s_name() {
    let asked =
        Asked::new("nginx", &format!("{ONLY_THE_PROXY}defaults: {{ inject: {{ X-Postern-User: user.username }} }}\n"));
    let told = asked.ask(Who::uA, "GET", "/shadow", &[]);
    assert_eq!((told.status, told.header("x-postern-user")), (200, Some("")));
    assert!(told.header("authorization").unwrap().starts_with("Bearer "), "as it came: {told:?}");
    let line = &asked.postern.access_lines(1)[0];
    assert_eq!((line["shadow"].as_str(), line["path"].as_str()), (Some("superuser_only"), Some("/shadow")), "{line}");
}

#[test]
fn a_target_that_a_front_may_read_otherwise_is_ambiguous() {
    let policy = "version: 1\nupstream: echo\nroutes:\n  /x/**: { level: public, target: { double_slash: allow, encoded_slash: allow, semicolon: allow } }\n";
    for (front, target, code) in [
        ("nginx", "/x//y", "ambiguous_target"),
        ("nginx", "/x/a%2Fb", "ambiguous_target"),
        ("nginx", "/x/a;b", ""),
        ("caddy", "/x//y", "ambiguous_target"),
        ("traefik", "/x/a;b", "ambiguous_target"),
        ("gateway-api", "/x/a;b", "ambiguous_target"),
        ("envoy", "/x//y", ""),
        ("haproxy", "/x/a%2Fb", ""),
    ] {
        let told = Asked::new(front, policy).ask(Who::nobody, "GET", target, &[]);
        match code {
            "" => assert_eq!(told.status, 200, "{front} {target}"),
            code => assert_eq!((told.status, told.code().as_str()), (400, code), "{front} {target}"),
        }
    }
}

#[test]
fn a_front_that_does_not_say_what_was_asked_lets_nothing_pass() {
    for front in ["nginx", "caddy", "traefik", "haproxy"] {
        let asked = Asked::new(front, ROUTES);
        let told = asked.put(Who::su, "GET /public/x", &[]);
        assert_eq!((told.status, told.code().as_str()), (400, "bad_framing"), "{front}");
    }
    let twice = [("X-Original-Method", "GET"), ("X-Original-URI", "/public/x"), ("X-Original-URI", "/admin/x")];
    assert_eq!(Asked::new("nginx", ROUTES).put(Who::uA, "GET /verdict", &twice).code(), "ambiguous");
}

#[test]
fn a_refused_grpc_call_is_no_permission() {
    for front in FRONTS {
        let asked = Asked::new(front, ROUTES);
        let told = asked.ask(Who::nobody, "POST", "/me/x", &[("Content-Type", "application/grpc"), ("TE", "trailers")]);
        assert_eq!((told.status, told.code().as_str()), (401, "credentials_missing"), "{front}");
    }
}

#[test]
fn nobody_but_trusted_proxies_may_ask() {
    let asked = Asked::with("nginx", ROUTES, "trusted_proxies: [10.0.0.0/8]\n");
    let told = asked.ask(Who::su, "GET", "/public/x", &[]);
    assert_eq!((told.status, told.code().as_str()), (403, "denied"));
}

#[test]
fn without_trusted_proxies_it_does_not_start() {
    let mut options = Options::policy(ROUTES);
    options.config = "forward_auth: { listen: 127.0.0.1:0, front: nginx }\n".to_owned();
    let home = Postern::prepare(None, &options);
    let output = Postern::serve(home.path(), &options).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("`forward_auth` answers `trusted_proxies` alone"), "{said}");
}

#[test]
fn a_front_may_ask_over_a_unix_socket() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("ask.sock");
    let mut options = Options::policy(ROUTES);
    options.config = format!(
        "trusted_proxies: [127.0.0.1]\nforward_auth: {{ listen: \"unix://{}\", front: envoy }}\n",
        socket.display()
    );
    let _postern = Postern::start(std::net::SocketAddr::from(([127, 0, 0, 1], free_port())), &options);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
