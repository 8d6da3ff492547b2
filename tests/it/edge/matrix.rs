//! The attack rows that every way in can receive, over each: HTTP/1.1 and HTTP/2, with and without TLS.

use super::secure_gate;
use crate::support::h2::{Ask, H2};
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, Who, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Http1,
    Http1Tls,
    H2c,
    H2Tls,
}

const WAYS: [Way; 4] = [Way::Http1, Way::Http1Tls, Way::H2c, Way::H2Tls];

struct Door {
    way: Way,
    gate: Gate,
    authority: Authority,
    h2: Option<H2>,
}

impl Door {
    fn open(way: Way) -> Self {
        let authority = Authority::new();
        let gate = if matches!(way, Way::Http1Tls | Way::H2Tls) { secure_gate(&authority) } else { Gate::new() };
        let h2 = match way {
            Way::H2c => Some(H2::plain(gate.postern.data)),
            Way::H2Tls => Some(H2::tls(gate.postern.data, &authority)),
            _ => None,
        };
        Self { way, gate, authority, h2 }
    }

    /// The status; and the reason code of a refusal.
    fn ask(&mut self, who: Who, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        if let Some(h2) = &mut self.h2 {
            let headers = headers.to_vec();
            let ask = Ask { method, target, headers, body: body.as_bytes(), trailers: Vec::new() };
            let answer = h2.ask(who, &ask);
            let code = if answer.status >= 400 && !answer.body.is_empty() { answer.code() } else { String::new() };
            return (answer.status, code);
        }
        let mut headers = headers.to_vec();
        headers.push(("Connection", "close"));
        let request = crate::support::request(who, method, target, &headers, body);
        let mut wire = match self.way {
            Way::Http1Tls => {
                Wire::tls(self.gate.postern.data, &self.authority.client(&["http/1.1"], None), "api.example.com")
                    .unwrap()
            }
            _ => Wire::plain(self.gate.postern.data),
        };
        let (status, text) = wire.ask(&request);
        let code = text.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        (status, code.to_owned())
    }
}

/// Request targets: what is refused before anybody is asked who they are.
#[test]
fn paths_that_two_readers_could_see_in_two_ways() {
    for way in WAYS {
        let mut door = Door::open(way);
        for target in [
            "/public/../admin/x",
            "/public/%2e%2e/admin/x",
            "/public/.%2e/admin",
            "/public/..%2fadmin",
            "/public/%2e%2e%2fadmin",
            "/public/..%5cadmin",
            "/public/%252e%252e/admin",
            "//admin/x",
            "/public//../admin",
            "//evil.example/admin",
            "/....//admin",
            "/public/..;/admin",
            "/public;/../admin",
            "/admin;a=b/x",
            "/public%00/admin",
            "/public/%0d%0a",
            "/public/%09",
            "/public%3f/../admin",
            "/api/v1/org/a%2f..%2fb/x",
            "/public/%e0%80%af..",
            "/public/%c0%ae",
            "/ext/./admin",
            "/ext/%2e/admin",
        ] {
            for who in [Who::nobody, Who::su] {
                let refused = door.ask(who, "GET", target, &[], "");
                assert_eq!(refused, (400, "bad_target".to_owned()), "{way:?} {target}");
            }
        }
        door.gate.upstream.assert_untouched("all were refused");
        // An encoded sharp is text; another case and an empty variable are no routes.
        assert_eq!(door.ask(Who::nobody, "GET", "/public/x%23y", &[], "").0, 200);
        assert_eq!(door.gate.upstream.last().target, "/public/x%23y");
        for target in ["/ADMIN/x", "/Admin/x"] {
            assert_eq!(door.ask(Who::su, "GET", target, &[], "").1, "no_route", "{way:?} {target}");
        }
        assert_ne!(door.ask(Who::uA, "GET", "/api/v1/org//device/", &[], "").0, 200);
        assert_eq!(door.ask(Who::nobody, "GET", "/admin/x", &[], "").0, 401);
    }
}

/// Method override headers; method override in a form; unknown methods; HEAD and OPTIONS: methods.
#[test]
fn methods() {
    for way in WAYS {
        let mut door = Door::open(way);
        let over = [("x-http-method-override", "DELETE"), ("x_http_method_override", "DELETE")];
        assert_eq!(door.ask(Who::uA, "GET", "/readonly", &over, "").0, 200);
        let sent = door.gate.upstream.last();
        assert_eq!((sent.method.as_str(), sent.folded("x-http-method-override").len()), ("GET", 0), "{way:?}");
        door.gate.upstream.forget();
        assert_eq!(door.ask(Who::uA, "get", "/readonly", &[], "").0, 400, "{way:?}");
        assert_eq!(door.ask(Who::uA, "PURGE", "/api/v1/org/a/x", &[], "").1, "org_level_missing", "{way:?}");
        assert_eq!(door.ask(Who::uA, "TRACE", "/public/x", &[], "").0, 405, "{way:?}");
        assert_eq!(door.ask(Who::nobody, "HEAD", "/me/x", &[], "").0, 401, "{way:?}");
        door.gate.upstream.assert_untouched("all were refused");
    }
}

/// Request targets: who one says one is.
#[test]
fn identity_and_forwarded_headers() {
    for way in WAYS {
        let mut door = Door::open(way);
        let spoofed = [
            ("x-postern-user", "root"),
            ("x_postern_user", "root"),
            ("x.postern.user", "root"),
            ("x-postern-organizations", "all"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "evil.example"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("remote-user", "root"),
        ];
        for (who, target) in [(Who::nobody, "/public/x"), (Who::uA, "/me/x"), (Who::nobody, "/optional/x")] {
            assert_eq!(door.ask(who, "GET", target, &spoofed, "").0, 200, "{way:?} {target}");
            let sent = door.gate.upstream.last();
            let user = if who == Who::nobody { Vec::new() } else { vec!["uA"] };
            assert_eq!(sent.folded("x-postern-user"), user, "{way:?} {target}");
            assert_eq!(sent.folded("x-forwarded-for"), ["127.0.0.1"]);
            assert_eq!(sent.folded("x-forwarded-host"), ["api.example.com"]);
            let proto = if matches!(way, Way::Http1Tls | Way::H2Tls) { "https" } else { "http" };
            assert_eq!(sent.folded("x-forwarded-proto"), [proto]);
            for gone in ["x-real-ip", "forwarded", "x-original-url", "x-rewrite-url", "remote-user"] {
                assert!(sent.folded(gone).is_empty(), "{way:?} {gone}");
            }
        }
    }
}

/// A repeated parameter; malformed credentials; member, manager, owner: parameters, credentials, tenants.
#[test]
fn parameters_credentials_and_tenants() {
    for way in WAYS {
        let mut door = Door::open(way);
        let mut expect = |who, method, target: &str, headers: &[(&str, &str)], status, code: &str| {
            let body = if method == "POST" { "x" } else { "" };
            let got = door.ask(who, method, target, headers, body);
            assert_eq!(got, (status, code.to_owned()), "{way:?} {method} {target} {headers:?}");
        };
        expect(Who::uA, "GET", "/query/x?organization=a&organization=b", &[], 400, "ambiguous");
        expect(Who::uA, "GET", "/header/x", &[("x-org", "a"), ("x_org", "b")], 400, "ambiguous");
        for credential in ["Bearer", "Bearer a b", "Token x", "Bearer nonsense"] {
            expect(Who::nobody, "GET", "/me/x", &[("authorization", credential)], 401, "credentials_invalid");
        }
        let token = format!("Bearer {}", World::get().token(Who::uB).unwrap());
        expect(Who::uA, "GET", "/me/x", &[("authorization", &token)], 400, "ambiguous");
        expect(Who::uA, "POST", "/api/v1/org/a/x", &[], 403, "org_level_missing");
        expect(Who::uA, "GET", "/api/v1/org/b/x", &[], 403, "org_foreign");
        expect(Who::uA, "GET", "/admin/x", &[], 403, "superuser_only");
        expect(Who::su, "GET", "/closed/x", &[], 403, "denied");
        door.gate.upstream.assert_untouched("all were refused");
        assert_eq!(door.ask(Who::mA, "POST", "/api/v1/org/a/x", &[], "x").0, 200);
        assert_eq!(door.gate.upstream.last().body, b"x");
    }
}

/// Pipelining: one connection, many callers; nothing of one is left for the next.
#[test]
fn every_request_of_a_connection_is_judged_by_itself() {
    for way in [Way::H2c, Way::H2Tls] {
        let mut door = Door::open(way);
        for _ in 0..3 {
            assert_eq!(door.ask(Who::uA, "GET", "/api/v1/org/a/x", &[], "").0, 200);
            assert_eq!(door.ask(Who::nobody, "GET", "/api/v1/org/a/x", &[], "").0, 401);
            assert_eq!(door.ask(Who::uB, "GET", "/api/v1/org/a/x", &[], "").0, 403);
            assert_eq!(door.ask(Who::su, "GET", "/admin/x", &[], "").0, 200);
        }
        assert_eq!(door.gate.upstream.recorded().len(), 6);
    }
}
