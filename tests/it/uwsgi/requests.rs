//! What a service is told: paths, headers, where a request comes from.

use super::{Recorder, Service, before, with};
use crate::support::h2::{Ask, H2};
use crate::support::{Options, ROUTES, Raw, Who, get, request};
use serde_json::Value;

/// What WSGI makes of bytes: a text of Latin-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[test]
fn django_sees_the_path_that_was_judged() {
    let home = tempfile::tempdir().unwrap();
    for service in [Service::start(), Service::unix(home.path())] {
        let postern = before(&service.url);
        for (target, path, query) in [
            ("/public/x", "/public/x", ""),
            ("/public/x?", "/public/x", ""),
            ("/public/x?a=1&b=%2F%00?c", "/public/x", "a=1&b=%2F%00?c"),
            ("/public/caf%C3%A9%20x/%E2%82%AC", "/public/caf\u{e9} x/\u{20ac}", ""),
            ("/public/%3Fa%23b%25", "/public/?a#b%", ""),
            ("/public/a+b&c=d@e:f", "/public/a+b&c=d@e:f", ""),
            ("/%70ublic/%78/", "/public/x/", ""),
            ("/public/[::1]|^", "/public/[::1]|^", ""),
        ] {
            let answer = postern.get(Who::nobody, target);
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            let seen = answer.json();
            let environ = &seen["environ"];
            assert_eq!(environ["REQUEST_URI"], target);
            assert_eq!(environ["PATH_INFO"], latin1(path.as_bytes()), "{target}");
            assert_eq!(environ["QUERY_STRING"], query, "{target}");
            assert_eq!((&seen["path"], &environ["SCRIPT_NAME"]), (&Value::from(path), &Value::from("")));
        }
        for target in [
            "/public/a%2Fb",
            "/public/%00",
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public//x",
            "/public/a;b",
            "/public/a%5Cb",
            "/public/%252e",
            "/public/%ff",
        ] {
            let answer = postern.get(Who::nobody, target);
            assert_eq!((answer.status, answer.code().as_str()), (400, "bad_target"), "{target}");
        }
    }
}

/// `PATH_INFO` has no encoded slash: what a route takes as text of a segment would part segments there.
#[test]
fn a_target_that_would_be_another_path_is_refused_and_the_rest_is_told() {
    let recorder = Recorder::new();
    let policy = "
version: 1
routes:
  /open/**: { level: public, target: { encoded_slash: allow, double_slash: allow, semicolon: allow, double_encoding: allow, encoded_backslash: allow } }
  /ext/**: { level: public, rewrite: { strip_prefix: /ext }, target: { encoded_slash: allow } }
  /secret/**: superuser
";
    let postern = with(&Options::policy(policy), &format!("\"{}\"", recorder.url()));
    for target in ["/open/a%2Fb", "/open/%2fsecret%2fx", "/ext/open/a%2Fb", "/open//a%2F"] {
        let answer = postern.get(Who::nobody, target);
        assert_eq!((answer.status, answer.code().as_str()), (400, "ambiguous_target"), "{target}");
    }
    assert!(recorder.take().is_empty());
    for (target, uri, path) in [
        ("/open//a//", "/open//a//", "/open//a//"),
        ("/open/a;b=c/%3B", "/open/a;b=c/%3B", "/open/a;b=c/;"),
        ("/open/a%5Cb", "/open/a%5Cb", "/open/a\\b"),
        ("/open/%2541", "/open/%2541", "/open/%41"),
        ("/ext/open/%41?x=%41", "/open/%41?x=%41", "/open/A"),
    ] {
        assert_eq!(postern.get(Who::nobody, target).status, 200, "{target}");
        let told = recorder.one().variables;
        assert_eq!((told["REQUEST_URI"].as_str(), told["PATH_INFO"].as_str()), (uri, path), "{target}");
    }
}

/// Nobody speaks for postern, in whatever spelling, and no header takes the place of a variable.
#[test]
fn headers_become_variables_and_nobody_speaks_for_the_gate() {
    let service = Service::start();
    let postern = before(&service.url);
    let sent = [
        ("X-Own", "1"),
        ("X-Own", "2"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("Content-Type", "text/plain"),
        ("X-Tab", "a\tb"),
        ("X-Empty", ""),
        ("X-Byte", "caf\u{e9}"),
        // Postern's own, in every spelling that becomes the same variable.
        ("X-Postern-User", "su"),
        ("x_postern_user", "su"),
        ("X-Postern_User", "su"),
        ("X.Postern.User", "su"),
        ("X_Postern_Organization", "b"),
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X_Forwarded_Proto", "https"),
        ("X-Forwarded-Ssl", "on"),
        ("X_Request_Id", "mine"),
        ("Remote-User", "su"),
        ("Remote_Addr", "6.6.6.6"),
        ("Auth_orization", "Bearer x"),
        // Variables that are others' (httpoxy is CVE-2016-5385).
        ("Proxy", "http://evil.example"),
        ("Content_Type", "application/json"),
        ("X_Own", "spoofed"),
        ("X.Own", "spoofed"),
        ("X~Odd", "1"),
        ("Connection", "X-Named, keep-alive"),
        ("X-Named", "1"),
        ("TE", "trailers"),
        ("Keep_Alive", "5"),
    ];
    let answer = Raw::connect(postern.data).send(request(Who::mA, "POST", "/api/v1/org/a/x", &sent, "hello")).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let mut environ = seen["environ"].as_object().unwrap().clone();
    environ.remove("HTTP_X_POSTERN_ORGANIZATIONS").unwrap();
    let id = environ.remove("HTTP_X_REQUEST_ID").unwrap();
    assert_ne!(id, "mine");
    environ.remove("HTTP_TRACEPARENT").unwrap();
    environ.retain(|name, _| !name.starts_with("wsgi.") && !name.starts_with("uwsgi."));
    let told: Vec<(&str, &str)> = environ.iter().map(|(name, value)| (&**name, value.as_str().unwrap())).collect();
    let mut expected = vec![
        ("CONTENT_LENGTH", "5"),
        ("CONTENT_TYPE", "text/plain"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_HOST", "api.example.com"),
        ("HTTP_X_BYTE", "caf\u{c3}\u{a9}"),
        ("HTTP_X_EMPTY", ""),
        ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
        ("HTTP_X_FORWARDED_HOST", "api.example.com"),
        ("HTTP_X_FORWARDED_PROTO", "http"),
        ("HTTP_X_OWN", "1, 2"),
        ("HTTP_X_POSTERN_ORGANIZATION", "a"),
        ("HTTP_X_POSTERN_ROLE", "manager"),
        ("HTTP_X_POSTERN_USER", "mA"),
        ("HTTP_X_TAB", "a\tb"),
        ("PATH_INFO", "/api/v1/org/a/x"),
        ("QUERY_STRING", ""),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_SCHEME", "http"),
        ("REQUEST_URI", "/api/v1/org/a/x"),
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "api.example.com"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    expected.sort_unstable();
    let mut told = told;
    told.sort_unstable();
    assert_eq!(told, expected);
    assert_eq!((&seen["length"], &seen["is_secure"]), (&Value::from(5), &Value::from(false)));
}

#[test]
fn a_service_is_told_where_a_request_comes_from() {
    let recorder = Recorder::new();
    let mut options = Options::policy(ROUTES);
    options.config = "trusted_proxies: [127.0.0.1]\n".into();
    let postern = with(&options, &format!("\"{}\"", recorder.url()));
    for (host, proto, told) in [
        ("api.example.com", "https", ["api.example.com", "443", "https", "on"]),
        ("API.example.com:8443", "https", ["api.example.com", "8443", "https", "on"]),
        ("[::1]:81", "http", ["[::1]", "81", "http", ""]),
        ("a.", "http", ["a", "80", "http", ""]),
    ] {
        let fields = format!("X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: {proto}\r\n");
        let mut raw = postern.raw();
        raw.send(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        assert_eq!(raw.answer().status, 200);
        let seen = recorder.one().variables;
        let of = |name: &str| seen.get(name).map_or("", |value| value);
        assert_eq!(["SERVER_NAME", "SERVER_PORT", "REQUEST_SCHEME", "HTTPS"].map(of), told, "{host}");
        assert_eq!((of("REMOTE_ADDR"), of("HTTP_HOST")), ("192.0.2.7", host));
        assert_eq!(of("HTTP_X_FORWARDED_FOR"), "192.0.2.7, 127.0.0.1");
    }
}

#[test]
fn a_client_of_http_2_is_served() {
    let service = Service::start();
    let postern = before(&service.url);
    let mut client = H2::plain(postern.data);
    for _ in 0..3 {
        let answer = client.ask(Who::uA, &Ask::get("/me/caf%C3%A9").header("cookie", "a=1").header("cookie", "b=2"));
        assert_eq!(answer.status, 200);
        let environ = &answer.json()["environ"];
        assert_eq!((&environ["HTTP_X_POSTERN_USER"], &environ["HTTP_COOKIE"]), (&"uA".into(), &"a=1; b=2".into()));
        assert_eq!(environ["SERVER_PROTOCOL"], "HTTP/1.1", "what is answered is HTTP/1.1");
    }
    let answer = client.ask(Who::mA, &Ask::post("/api/v1/org/a/x", b"hello"));
    assert_eq!((answer.status, &answer.json()["length"]), (200, &Value::from(5)));
    assert_eq!(client.ask(Who::uA, &Ask::get("/api/v1/org/b/x")).status, 403);
}

/// The size of a packet is 16 bits: it is whole, or not sent.
#[test]
fn what_is_larger_than_a_packet_is_431() {
    let recorder = Recorder::new();
    let postern = with(
        &Options::policy(ROUTES).set("limits.header_bytes", "256KiB").set("workers", 1),
        &format!("\"{}\"", recorder.url()),
    );
    let send = |size: usize| {
        let mut raw = postern.raw();
        raw.send(request(Who::nobody, "GET", "/public/x", &[("X-Long", &"x".repeat(size))], ""));
        raw.answer()
    };
    assert_eq!(send(1).status, 200);
    let others: usize = recorder.one().variables.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let most = 65_535 - (others - 1);
    for (size, status) in [(most, 200), (most + 1, 431), (65_536, 431), (65_536 + 100, 431), (200_000, 431), (1, 200)] {
        let answer = send(size);
        assert_eq!(answer.status, status, "{size}");
        let told = recorder.take();
        if status == 200 {
            assert_eq!(told[0].variables["HTTP_X_LONG"].len(), size);
        } else {
            assert_eq!((told.len(), answer.code().as_str()), (0, "bad_framing"), "{size}");
        }
    }
}

#[test]
fn a_websocket_is_not_asked_for() {
    let recorder = Recorder::new();
    let policy = "version: 1\nroutes: { /ws: { GET: { level: public, upgrade: [websocket] } } }\n";
    let postern = with(&Options::policy(policy), &format!("\"{}\"", recorder.url()));
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = Raw::connect(postern.data).send(request(Who::nobody, "GET", "/ws", &handshake, "")).answer();
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    assert!(recorder.take().is_empty());
    // What a route does not let switch is a request as any other, and nothing of a switch goes on.
    let answer = Raw::connect(postern.data).send(get(Who::nobody, "/ws")).answer();
    assert_eq!(answer.status, 200);
    assert!(recorder.one().variables.keys().all(|name| !name.contains("UPGRADE") && name != "HTTP_CONNECTION"));
}
