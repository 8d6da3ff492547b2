//! Each front that is run: what it forwards, what becomes of refusals, revocations and WebSockets.

use super::servers::{Front, RUN};
use super::{Asked, POLICY, TRUSTING};
use crate::gateway::websockets::echo;
use crate::support::{Answer, Raw, Upstream, Who, World, request};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, connect};

/// A postern, a front that asks it, and what is behind both.
fn all(name: &'static str, service: SocketAddr) -> (Asked, Front) {
    let asked = Asked::before(service, name, POLICY, TRUSTING);
    let front = Front::before(&asked);
    (asked, front)
}

fn send(front: &Front, bytes: Vec<u8>) -> Answer {
    Raw::connect(front.address).send(bytes).answer()
}

#[test]
fn a_front_forwards_what_was_judged_and_says_whose_it_is() {
    for name in RUN {
        let service = Upstream::echo();
        let (asked, front) = all(name, service.address());
        let spoofed = [
            ("X-Postern-User", "su"),
            ("X-Postern-User", "mB"),
            ("X-Postern-Organization", "b"),
            ("Connection", "x-postern-user, x-postern-organization"),
            ("Cookie", "theme=dark"),
            ("X-Original-URI", "/public/x"),
            ("X-Original-Method", "OPTIONS"),
            ("X-Forwarded-Uri", "/public/x"),
            ("X-Forwarded-Method", "OPTIONS"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("Forwarded", "for=6.6.6.6"),
        ];
        let answer = send(&front, request(Who::mA, "POST", "/api/v1/org/a/caf%C3%A9?q=%2F&r=1", &spoofed, "hello"));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let seen = service.last();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("POST", "/api/v1/org/a/caf%C3%A9?q=%2F&r=1"),
            "{name}"
        );
        assert_eq!(seen.body, b"hello", "{name}: the body is the front's to forward");
        let told = (seen.folded("x-postern-user"), seen.folded("x-postern-organization"));
        assert_eq!(told, (vec!["mA"], vec!["a"]), "{name}: {seen:?}");
        assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, Some("theme=dark")), "{name}");
        for gone in ["x-original-uri", "x-original-method", "x-forwarded-uri", "x-forwarded-method", "forwarded"] {
            assert!(seen.folded(gone).is_empty(), "{name}: {gone}: {seen:?}");
        }
        let connection = seen.header("connection").unwrap_or_default();
        assert!(!connection.contains("postern"), "{name}: {seen:?}");
        let text = String::from_utf8_lossy(&seen.head);
        assert!(!text.contains("evil.example"), "{name}: {text}");
        assert_eq!(seen.folded("x-request-id").len(), 1, "{name}: {seen:?}");
        let line = &asked.postern.access_lines(1)[0];
        assert_eq!(line["method"].as_str(), Some("POST"), "{name}: {line}");
        // Of a client on its own machine Envoy says the machine's address.
        let client = line["client"].as_str().unwrap();
        assert!(if name.starts_with("envoy") { client != "6.6.6.6" } else { client == "127.0.0.1" }, "{name}: {line}");

        assert_eq!(send(&front, request(Who::uA, "GET", "/own/x", &[], "")).status, 200, "{name}");
        assert!(service.last().header("authorization").unwrap().starts_with("Bearer "), "{name}");
        assert_eq!(send(&front, request(Who::nobody, "GET", "/public/x", &spoofed, "")).status, 200, "{name}");
        let seen = service.last();
        let told = (seen.folded("x-postern-user"), seen.folded("x-postern-organization"));
        assert_eq!(told, (vec![], vec![]), "{name}: {seen:?}");
    }
}

/// In every spelling that some service reads as a name of ours.
#[test]
fn no_spelling_of_a_header_of_ours_reaches_the_service() {
    for name in RUN {
        let service = Upstream::echo();
        let (_asked, front) = all(name, service.address());
        for spelling in [
            "x_postern_user",
            "x.postern.user",
            "X_Postern-User",
            "x!postern!user",
            "x-postern-user~",
            "x-postern-user-",
            "X--Postern--User",
            "x-postern-role",
            "remote-user",
            "remote_user",
            "x-forwarded-user",
            "author_ization",
            "x_forwarded_host",
            "X-Forwarded-Ssl",
            "x-forwarded.scheme",
            "x_real_ip",
            "X-Client-Ip",
        ] {
            service.forget();
            let answer = send(&front, request(Who::nobody, "GET", "/public/x", &[(spelling, "su")], ""));
            match answer.status {
                200 => {
                    let seen = service.last();
                    let found = seen.folded(spelling);
                    // Caddy says itself which host was asked for.
                    assert!(!found.contains(&"su"), "{name}: {spelling}: {found:?}");
                }
                400 => assert!(service.recorded().is_empty(), "{name}: {spelling}"),
                status => panic!("{name}: {spelling}: {status}"),
            }
        }
    }
}

#[test]
fn a_header_that_decides_is_there_once() {
    for name in RUN {
        let service = Upstream::echo();
        let (_asked, front) = all(name, service.address());
        let ask = |target, headers: &[(&str, &str)]| send(&front, request(Who::uA, "GET", target, headers, ""));
        assert_eq!(ask("/header", &[("X-Org", "a")]).status, 200, "{name}");
        assert_eq!(ask("/when", &[("X-Mode", "good")]).status, 200, "{name}");
        assert_eq!(ask("/when", &[("X-Mode", "evil")]).status, 403, "{name}");
        for (target, header, values) in
            [("/header", "X-Org", ["a", "a"]), ("/header", "X-Org", ["a", "b"]), ("/when", "X-Mode", ["evil", "good"])]
        {
            service.forget();
            let twice = ask(target, &values.map(|value| (header, value)));
            assert_eq!((twice.status, twice.code().as_str()), (400, "ambiguous"), "{name}: {target} {values:?}");
            assert!(service.recorded().is_empty(), "{name}: {target} {values:?}");
        }
        // Nor does a cookie of postern's own reach the service behind a comma.
        assert_eq!(ask("/public/x", &[("Cookie", "theme=dark"), ("Cookie", "a=1, postern_session=x")]).status, 200);
        assert!(!String::from_utf8_lossy(&service.last().head).contains("postern_session"), "{name}");
    }
}

#[test]
fn through_a_front_every_refusal_keeps_its_status_body_and_headers() {
    for name in RUN {
        let service = Upstream::echo();
        let (_asked, front) = all(name, service.address());
        let otherwise = ["nginx", "caddy"].contains(&name);
        for (who, method, target, status, code) in [
            (Who::nobody, "GET", "/me/x", 401, "credentials_missing"),
            (Who::off, "GET", "/me/x", 401, "user_inactive"),
            (Who::uB, "GET", "/api/v1/org/a/x", 403, "org_foreign"),
            (Who::uA, "POST", "/api/v1/org/a/x", 403, "org_level_missing"),
            (Who::uA, "GET", "/nothing", 404, "no_route"),
            (Who::uA, "GET", "/me/a%2Fb", 400, if otherwise { "ambiguous_target" } else { "bad_target" }),
            (Who::uA, "GET", "/me/%2e%2e/x", 400, "bad_target"),
            (Who::uA, "PUT", "/readonly", 405, "method_not_allowed"),
            (Who::uA, "DELETE", "/ws/x", 405, "method_not_allowed"),
        ] {
            let answer = send(&front, request(who, method, target, &[], ""));
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}: {who:?} {method} {target}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}: {answer:?}");
            assert_eq!(answer.all("www-authenticate").len(), usize::from(status == 401), "{name}: {answer:?}");
            assert_eq!(answer.header("allow").is_some(), status == 405, "{name}: {answer:?}");
        }
        assert!(service.recorded().is_empty(), "{name}: nothing that was refused reached the service");
        assert_eq!(send(&front, request(Who::nobody, "GET", "/few", &[], "")).status, 200, "{name}");
        let over = send(&front, request(Who::nobody, "GET", "/few", &[], ""));
        assert_eq!((over.status, over.code().as_str()), (429, "throttled"), "{name}");
        assert!(over.header("retry-after").is_some(), "{name}: {over:?}");
        assert_eq!(service.recorded().len(), 1, "{name}");
        let preflight = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")];
        let answer = send(&front, request(Who::nobody, "OPTIONS", "/cors", &preflight, ""));
        let status = if name == "caddy" { 403 } else { 204 };
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, Some("https://a.example")),
            "{name}"
        );
        assert_eq!(service.recorded().len(), 1, "{name}: a preflight neither");
    }
}

/// What only postern's proxy can serve is sent there.
#[test]
fn a_front_leaves_to_the_proxy_what_only_that_can_do() {
    for name in RUN {
        let service = Upstream::echo();
        let (_asked, front) = all(name, service.address());
        let json = [("Content-Type", "application/json"), ("x_postern_user", "su")];
        let body = "{\"organization\": \"a\"}";
        let answer = send(&front, request(Who::uA, "POST", "/body", &json, body));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let seen = service.last();
        assert_eq!((seen.body.as_slice(), seen.folded("x-postern-user")), (body.as_bytes(), vec!["uA"]), "{name}");
        let answer = send(&front, request(Who::uB, "POST", "/body", &json, body));
        assert_eq!((answer.status, answer.code().as_str()), (403, "org_foreign"), "{name}");
        assert_eq!(send(&front, request(Who::uA, "GET", "/ext/me/a%20b?c", &[], "")).status, 200, "{name}");
        assert_eq!(service.last().target, "/me/a%20b?c", "{name}");
        // In a spelling that the front does not take for it: refused.
        let answer = send(&front, request(Who::uA, "GET", "/%65xt/me/x", &[], ""));
        let reached = service.recorded().iter().any(|seen| seen.target.contains("%65xt"));
        assert!(!reached && [200, 403].contains(&answer.status), "{name}: {answer:?}");
    }
}

#[test]
fn a_postern_that_is_away_lets_nothing_pass() {
    for name in RUN {
        let service = Upstream::echo();
        let (asked, front) = all(name, service.address());
        assert_eq!(send(&front, request(Who::uA, "GET", "/me/x", &[], "")).status, 200, "{name}");
        drop(asked);
        let count = service.recorded().len();
        let away = send(&front, request(Who::nobody, "GET", "/public/x", &[], ""));
        assert!(away.status >= 500, "{name}: {away:?}");
        assert_eq!(service.recorded().len(), count, "{name}");
    }
}

#[test]
fn through_a_front_a_websocket_is_judged_before_it_is_one() {
    for name in RUN {
        let (_asked, front) = all(name, echo());
        let open = |who| {
            let mut request = format!("ws://{}/ws/x", front.address).into_client_request().unwrap();
            if let Some(token) = World::get().token(who) {
                request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            connect(request)
        };
        let (mut socket, _) = open(Who::uA).unwrap_or_else(|error| panic!("{name}: {error}"));
        socket.send("hello".into()).unwrap();
        assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), "hello", "{name}");
        let Err(Error::Http(refused)) = open(Who::nobody) else { panic!("{name}: it must be refused") };
        assert_eq!(refused.status(), 401, "{name}");
    }
}
