//! Targets and hosts that are valid and were refused once, and what a route may take besides.

use crate::support::h2::{Ask, H2};
use crate::support::h2_upstream::H2Upstream;
use crate::support::{Gate, Options, Upstream, Who, get};

const OPEN: &str = "version: 1\nroutes: { /**: public }\n";

/// RFC 9112, 3.2: HTTP/1.0 had no `Host`, and old health checkers still speak it.
#[test]
fn a_request_of_http_1_0_needs_no_host() {
    let mut options = Options::policy("version: 1\nroutes: { /healthz: public }\n");
    options.policies.push(("named.yaml", "version: 1\nhosts: [a.example]\nroutes: { /named: public }\n".into()));
    let gate = Gate::with(&options);
    let sent = gate.forwarded("GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(sent.header("host"), Some(&*gate.upstream.address().to_string()), "an upstream must be told one");
    assert_eq!(sent.header("x-forwarded-host"), None);
    gate.refused("GET /named HTTP/1.0\r\n\r\n", 404, "no_route");
    gate.refused("GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_framing");
    assert_eq!(gate.forwarded("GET http://a.example/named HTTP/1.0\r\n\r\n").header("host"), Some("a.example"));
}

/// RFC 9112, 3.2.2: every server must take it.
#[test]
fn a_target_in_absolute_form_is_taken_where_its_authority_is_the_host() {
    let gate = Gate::new();
    for (target, host, forwarded) in [
        ("http://api.example.com/public/x?y=1", "api.example.com", "/public/x?y=1"),
        ("HTTP://API.example.com/public/%41", "api.example.com", "/public/%41"),
        ("https://api.example.com/public/x", "api.example.com:443", "/public/x"),
        ("http://api.example.com:80/public/x", "api.example.com", "/public/x"),
        ("http://api.example.com:/public/x", "api.example.com.", "/public/x"),
        ("http://[::1]/public/x", "[::1]", "/public/x"),
    ] {
        let sent = gate.forwarded(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!((sent.target.as_str(), sent.header("host")), (forwarded, Some(host)), "{target}");
    }
    for (target, host) in [
        ("http://other.example/public/x", "api.example.com"),
        ("http://api.example.com:8080/public/x", "api.example.com"),
        ("http://u@api.example.com/public/x", "api.example.com"),
        ("http:///public/x", "api.example.com"),
        ("http://api.example.com/public/../admin", "api.example.com"),
        ("http://api.example.com/public//x", "api.example.com"),
        ("http://api.example.com/public/x#y", "api.example.com"),
        ("ftp://api.example.com/public/x", "api.example.com"),
        ("http://api.example.com\\@evil/public/x", "api.example.com"),
    ] {
        gate.refused(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400, "bad_target");
    }
    gate.refused("GET http://a/admin/x HTTP/1.1\r\nHost: a\r\n\r\n", 401, "credentials_missing");
    gate.refused("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_target");
    let root = Gate::with(&Options::policy(OPEN));
    for (target, forwarded) in [("http://a", "/"), ("http://a?x=1", "/?x=1"), ("http://a/", "/")] {
        let sent = root.forwarded(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(sent.target, forwarded, "{target}");
    }
    // The next request on the connection is one of its own.
    let mut raw = gate.raw();
    raw.send("GET http://a/public/x HTTP/1.1\r\nHost: a\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((raw.answer().status, raw.answer().status), (200, 401));
}

#[test]
fn a_host_may_have_an_empty_port() {
    let gate = Gate::with(&Options::policy("version: 1\nhosts: [a.example]\nroutes: { /**: public }\n"));
    for host in ["a.example:", "A.example.:", "a.example"] {
        gate.forwarded(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

/// The URL standard leaves them as they are, and so do browsers.
#[test]
fn what_browsers_send_raw_passes_byte_for_byte() {
    let targets = ["/a|b", "/a[0]", "/a]b", "/^a^", "/x?a=[1]|{2}^3`4\\5'6;7!$()*,/:@?~%zz%&=", "/[::1]/|^"];
    let gate = Gate::with(&Options::policy(OPEN));
    let mut h2 = H2::plain(gate.postern.data);
    for target in targets {
        assert_eq!(gate.forwarded(get(Who::nobody, target)).target, target);
        assert_eq!(h2.ask(Who::nobody, &Ask::get(target)).status, 200, "{target}");
        assert_eq!(gate.upstream.last().target, target);
    }
    let upstream = H2Upstream::echo();
    let mut options = Options::policy(OPEN);
    options.upstreams = Some(format!("{{ echo: h2c://{} }}", upstream.address()));
    let gate = Gate::before(Upstream::echo(), &options);
    for target in targets {
        assert_eq!(gate.get(Who::nobody, target).status, 200, "{target}");
        assert!(upstream.last().uri.ends_with(target), "{target}");
    }
}

const LENIENT: &str = r#"
version: 1
routes:
  /**: authenticated
  /admin/**: superuser
  /slash/{name}: { level: public, inject: { X-Name: path.name }, target: { encoded_slash: allow } }
  /slash/{name}/admin: superuser
  /double/**: { level: public, target: { double_slash: allow } }
  /semi/**: { level: public, target: { semicolon: allow } }
  /twice/{name}: { level: public, inject: { X-Name: path.name }, target: { double_encoding: allow } }
  /back/{name}: { level: public, inject: { X-Name: path.name }, target: { encoded_backslash: allow } }
  /when/**: { level: public, when: 'request.path == "/when/a%2Fb"', target: { encoded_slash: allow } }
  /ext/**: { level: public, rewrite: { strip_prefix: /ext }, target: { double_slash: allow, encoded_slash: allow } }
"#;

#[test]
fn what_a_route_takes_is_text_of_its_segment_and_goes_on_as_it_came() {
    let gate = Gate::with(&Options::policy(LENIENT));
    for (target, name) in [
        ("/slash/group%2Fproject", Some("group/project")),
        ("/slash/%2f", Some("/")),
        ("/slash/https:%2F%2Fa%2Fadmin", Some("https://a/admin")),
        ("/double//x", None),
        ("/double/https://a//b//", None),
        ("/semi/a;b=c;d", None),
        ("/semi/%3B", None),
        ("/twice/%2541", Some("%2541")),
        ("/twice/a%252Fb", Some("a%252Fb")),
        ("/back/a%5Cb", Some("a\\b")),
        ("/when/a%2Fb", None),
        ("/ext/slash/a%2Fb", None),
        ("/ext/double//b", None),
    ] {
        let sent = gate.forwarded(get(Who::nobody, target));
        assert_eq!(sent.target, target.strip_prefix("/ext").unwrap_or(target));
        assert_eq!(sent.header("x-name"), name, "{target}");
    }
}

#[test]
fn what_no_rule_names_stays_refused() {
    let gate = Gate::with(&Options::policy(LENIENT));
    for target in [
        // Another route, or none of these words.
        "/x/a%2Fb",
        "/slash//a",
        "/slash/a;b",
        "/slash/a%5Cb",
        "/double/a%2Fb",
        "/nowhere%2Fx",
        "//double/x",
        "/admin%2Fx",
        // Dots beside any of them.
        "/slash/..%2Fadmin",
        "/slash/a%2F..%2F..%2Fadmin",
        "/slash/%2e%2e%2fadmin",
        "/slash/a%2F.",
        "/double//../admin",
        "/semi/..;/admin",
        "/semi/..;x=y/admin",
        "/semi/.;",
        "/twice/%252e%252e",
        "/twice/%252e%252e%252fadmin",
        "/twice/%25252e%25252e",
        "/twice/%2500",
        "/twice/%25u002e",
        "/back/..%5Cadmin",
        "/back/a%5C..",
        // What the second route does not take, and what the first does not.
        "/ext/x//y",
        "/ext//slash/x",
        "/ext/semi/a;b",
        "/ext/twice/%2541",
    ] {
        let answer = gate.refused(get(Who::uA, target), 400, "bad_target");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("The path "), "{target}");
    }
    // A segment is what stands between raw slashes: this is not the closed route.
    gate.forwarded(get(Who::nobody, "/slash/x%2Fadmin"));
    gate.refused(get(Who::nobody, "/slash/x/admin"), 401, "credentials_missing");
    gate.refused(get(Who::nobody, "/when/a%2fc"), 403, "condition_false");
}
