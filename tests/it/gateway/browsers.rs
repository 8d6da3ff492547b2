//! What pages of other origins may do, as the route's `cors` says.

use crate::support::{Answer, Gate, Options, Upstream, Who, get, request};

const POLICY: &str = r#"
version: 1
routes:
  /api/**:
    read: authenticated
    DELETE: superuser
    cors:
      origins: ["https://app.example.com", "http://localhost:3000"]
      headers: [Authorization, Content-Type]
      credentials: true
      max_age: 10m
  /open/**: { GET: public, cors: { origins: "*", methods: [GET] } }
  /plain: authenticated
"#;

fn gate() -> Gate {
    // The upstream says what it likes; on a route with `cors` it does not count.
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let loose =
            [("Access-Control-Allow-Origin", "https://evil.example"), ("Access-Control-Allow-Credentials", "true")];
        exchange.answer("200 OK", &loose, b"x")
    });
    Gate::before(upstream, &Options::policy(POLICY))
}

fn preflight(target: &str, origin: &str, method: &str) -> Vec<u8> {
    let headers = [("Origin", origin), ("Access-Control-Request-Method", method)];
    request(Who::nobody, "OPTIONS", target, &headers, "")
}

fn vary(answer: &Answer) -> bool {
    answer.all("vary").iter().any(|names| names.split(',').any(|name| name.trim() == "Origin"))
}

#[test]
fn a_preflight_is_answered_before_anybody_is_asked_who_they_are() {
    let gate = gate();
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let answer = gate.send(preflight("/api/x", origin, "DELETE"));
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        for (name, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS, DELETE"),
            ("access-control-allow-headers", "Authorization, Content-Type"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(vary(&answer));
    }
    let open = gate.send(preflight("/open/x", "https://anybody.example", "GET"));
    assert_eq!((open.status, open.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(open.header("access-control-allow-methods"), Some("GET"));
    assert_eq!((open.header("access-control-allow-credentials"), open.header("access-control-max-age")), (None, None));
    gate.upstream.assert_untouched("a preflight");
}

#[test]
fn an_origin_that_is_not_listed_is_never_named() {
    let gate = gate();
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "null",
    ] {
        let answer = gate.refused(preflight("/api/x", origin, "GET"), 403, "origin_denied");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(vary(&answer), "{origin}");
        let answer = gate.send(request(Who::uA, "GET", "/api/x", &[("Origin", origin)], ""));
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
        gate.upstream.forget();
    }
}

#[test]
fn answers_and_refusals_are_readable_by_listed_pages_and_by_no_others() {
    let gate = gate();
    let from = |who, method| request(who, method, "/api/x", &[("Origin", "https://app.example.com")], "");
    for (bytes, status) in [(from(Who::uA, "GET"), 200), (from(Who::nobody, "GET"), 401), (from(Who::uA, "POST"), 405)]
    {
        let answer = gate.send(bytes);
        assert_eq!(answer.status, status);
        assert_eq!(answer.all("access-control-allow-origin"), ["https://app.example.com"], "{status}");
        assert_eq!(answer.all("access-control-allow-credentials"), ["true"], "{status}");
        assert!(vary(&answer), "{status}");
    }
    // A cache must know, also of an answer to nobody's page.
    let answer = gate.send(get(Who::uA, "/api/x"));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    assert!(vary(&answer));
}

#[test]
fn without_cors_a_preflight_is_an_ordinary_request() {
    let gate = gate();
    gate.refused(preflight("/plain", "https://app.example.com", "GET"), 401, "credentials_missing");
    // So is an OPTIONS that is no preflight.
    let bytes = request(Who::nobody, "OPTIONS", "/api/x", &[("Origin", "https://app.example.com")], "");
    gate.refused(bytes, 401, "credentials_missing");
    let two = [
        ("Origin", "https://app.example.com"),
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "GET"),
    ];
    gate.refused(request(Who::nobody, "OPTIONS", "/api/x", &two, ""), 401, "credentials_missing");
}
