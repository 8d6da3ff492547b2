//! Methods that change on the way, and hosts that are written in two ways.

use crate::support::{Gate, Options, Who, World, get, post, request};

/// Method override headers; method override in a form.
#[test]
pub(super) fn a_method_is_what_the_request_line_says() {
    let gate = Gate::new();
    for name in [
        "X-HTTP-Method-Override",
        "x_http_method_override",
        "X.HTTP.Method.Override",
        "X-Method-Override",
        "X-HTTP-Method",
        "X--Http_Method",
        "X-Original-Method",
        "X-Forwarded-Method",
    ] {
        let sent = gate.forwarded(request(Who::uA, "GET", "/readonly", &[(name, "DELETE")], ""));
        assert_eq!(sent.method, "GET");
        assert!(sent.folded(name).is_empty(), "{name}: {:?}", sent.headers);
        // Who may only read does not write by asking for it.
        gate.refused(request(Who::uA, "POST", "/api/v1/org/a/x", &[(name, "GET")], "x"), 403, "org_level_missing");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    gate.refused(request(Who::uA, "POST", "/readonly", &form, "_method=GET"), 405, "method_not_allowed");
    let sent = gate.forwarded(request(Who::mA, "POST", "/api/v1/org/a/x", &form, "_method=DELETE"));
    assert_eq!((sent.method.as_str(), &*sent.body), ("POST", &b"_method=DELETE"[..]));
}

/// Unknown methods.
#[test]
pub(super) fn odd_methods_are_refused_or_count_as_writing() {
    let gate = Gate::new();
    for method in ["get", "Get", "gET", "post", "options", "GETt"] {
        gate.refused(request(Who::mA, method, "/api/v1/org/a/x", &[], ""), 400, "bad_framing");
    }
    for method in ["GETT", "PURGE", "FOO", "M-SEARCH", "PROPFIND", "X", "QUERY", "PATCH", "DELETE"] {
        gate.refused(request(Who::uA, method, "/api/v1/org/a/x", &[], ""), 403, "org_level_missing");
        assert_eq!(gate.forwarded(request(Who::mA, method, "/api/v1/org/a/x", &[], "")).method, method);
        let answer = gate.refused(request(Who::mA, method, "/readonly", &[], ""), 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    for method in ["G@T", "GE/T", "G\u{e9}T", "(GET)", "GET:", "", "GET\0", &"A".repeat(33), "\"GET\""] {
        gate.refused(request(Who::mA, method, "/api/v1/org/a/x", &[], ""), 400, "bad_framing");
    }
}

/// `OPTIONS *`, CONNECT, TRACE.
#[test]
pub(super) fn requests_about_the_server_itself_are_refused() {
    let gate = Gate::new();
    for head in [
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n",
        "CONNECT /public/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\nSSH-2.0-x\r\n",
    ] {
        gate.refused(head, 400, "bad_target");
    }
    for target in ["/public/x", "/me/x", "/api/v1/org/a/x"] {
        gate.refused(request(Who::su, "TRACE", target, &[], ""), 405, "method_not_allowed");
    }
}

/// HEAD and OPTIONS, who may: HEAD is judged as GET is, and OPTIONS as reading.
#[test]
fn head_and_options_are_judged_as_reading() {
    let gate = Gate::new();
    for method in ["HEAD", "OPTIONS"] {
        for (who, target, status) in [
            (Who::uA, "/api/v1/org/a/x", 200),
            (Who::uA, "/api/v1/org/b/x", 403),
            (Who::nobody, "/api/v1/org/a/x", 401),
            (Who::uA, "/admin/x", 403),
        ] {
            let mut raw = gate.raw();
            raw.send(request(who, method, target, &[("Connection", "close")], ""));
            let answer = if method == "HEAD" { raw.answer_to_head() } else { raw.answer() };
            assert_eq!(answer.status, status, "{method} {target}");
            raw.assert_closed();
        }
    }
}

const BY_HOST: &str = r#"
version: 1
hosts: ["{org}.example.com"]
routes:
  /**: { org: host.org as slug, level: member, inject: { X-Org: org.slug } }
"#;
const OTHER_HOST: &str = r#"
version: 1
hosts: [open.example.com, "[::1]"]
routes:
  /**: public
"#;

/// Spellings of a host.
#[test]
pub(super) fn a_host_in_any_spelling_is_one_host() {
    let mut options = Options::policy(BY_HOST);
    options.policies.push(("open.yaml", OTHER_HOST.into()));
    let gate = Gate::with(&options);
    let ask = |who, host: &str| {
        let token = World::get().token(who).map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{token}\r\n")
    };
    for host in ["a.example.com", "A.Example.COM", "a.example.com.", "a.example.com:443", "A.EXAMPLE.com.:8443"] {
        assert_eq!(gate.forwarded(ask(Who::uA, host)).header("x-org"), Some("a"));
        gate.refused(ask(Who::uB, host), 403, "org_foreign");
    }
    for host in ["b.example.com", "B.example.com.", "B.EXAMPLE.COM:80"] {
        gate.refused(ask(Who::uA, host), 403, "org_foreign");
        gate.refused(ask(Who::nobody, host), 401, "credentials_missing");
    }
    gate.refused(ask(Who::uA, "xopen.example.com"), 403, "org_foreign");
    for host in ["OPEN.example.com", "open.example.com.", "open.example.com:1", "[::1]", "[0:0::1]:80"] {
        gate.forwarded(ask(Who::nobody, host));
    }
    // A label more or less is another host.
    for host in ["a.b.example.com", "example.com", "open.example.com.evil.example", "openxexample.com", "127.0.0.1"] {
        gate.refused(ask(Who::uA, host), 404, "no_route");
    }
}

/// Two hosts, malformed hosts.
#[test]
pub(super) fn a_host_that_is_no_host_or_two_is_refused() {
    let gate = Gate::new();
    for host in [
        "user@api.example.com",
        "api.example.com@evil",
        "a b",
        "a\tb",
        "a,b",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a%2eb",
        "a..b",
        ".a",
        "",
        ":80",
        "a:b",
        "a:80:80",
        "a:99999",
        "a:+80",
        "::1",
        "[::1",
        "[v1.a]",
        "<script>",
        "a;b",
        "http://a",
        "*",
        "*.example.com",
    ] {
        gate.refused(format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400, "bad_target");
    }
    for head in [
        "GET /public/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: a\r\nhOsT: b\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n",
        "GET /public/x HTTP/1.1\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nX-Host: a\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /public/x HTTP/1.1\r\nHo-st: b\r\nHost: a\r\n b\r\n\r\n",
    ] {
        gate.refused(head, 400, "bad_framing");
    }
}

/// Names by which other software is told another host than `Host`.
#[test]
pub(super) fn no_header_names_another_host() {
    let gate = Gate::new();
    for name in [
        "X-Forwarded-Host",
        "X_Forwarded_Host",
        "X-Host",
        "X-Original-Host",
        "X-Forwarded-Server",
        "X-HTTP-Host-Override",
    ] {
        let sent = gate.forwarded(request(Who::nobody, "GET", "/public/x", &[(name, "evil.example")], ""));
        let text = String::from_utf8_lossy(&sent.head).into_owned();
        assert!(!text.contains("evil.example"), "{name}: {text}");
        assert_eq!(sent.header("host"), Some("api.example.com"));
        assert_eq!(sent.header("x-forwarded-host"), Some("api.example.com"));
    }
}

/// A path of one host is no path of another.
#[test]
pub(super) fn a_route_of_one_host_does_not_answer_for_another() {
    let gate = Gate::with(&Options::policy("version: 1\nhosts: [a.example]\nroutes:\n  /**: public\n"));
    gate.refused(get(Who::nobody, "/x"), 404, "no_route");
    gate.refused(post(Who::su, "/x"), 404, "no_route");
}
