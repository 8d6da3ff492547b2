//! Header fields that a rule reads, and those that it does not.

use crate::support::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, block};
use crate::support::tls::Wire;
use crate::support::{Gate, Options, ROUTES, Who, get, request};

const DECIDING: &str = r#"
version: 1
routes:
  /org/**: { org: header.X-Org as slug, level: member }
  /or/**: { org: header.X-Org as slug or user.only, level: member }
  /when/**: { level: public, when: '!("x-mode" in request.headers) || request.headers["x-mode"] == "live"' }
  /all/**: { level: public, when: 'request.headers.all(h, request.headers[h] != "evil")' }
  /own/**: { level: authenticated, forward_authorization: true }
  /open/**: public
"#;

/// What Connection names is not sent on: then the service would decide without what was judged.
#[test]
pub(super) fn a_header_that_decides_and_that_connection_names_is_refused() {
    let gate = Gate::with(&Options::policy(DECIDING));
    let ask = |target: &str, fields: &[(&str, &str)]| request(Who::uA, "GET", target, fields, "");
    let detail = "The Connection header takes away a header that decides.";
    for connection in ["X-Org", "close, x-org", "keep-alive,X-ORG", "te, x, y, z, w, v, x-org"] {
        for target in ["/org/x", "/or/x"] {
            let answer = gate.refused(ask(target, &[("X-Org", "a"), ("Connection", connection)]), 400, "bad_field");
            assert_eq!(answer.json()["detail"], detail, "{connection}");
        }
    }
    gate.refused(ask("/when/x", &[("X-Mode", "live"), ("Connection", "X-Mode")]), 400, "bad_field");
    gate.refused(ask("/all/x", &[("X-Any", "1"), ("Connection", "X-Any")]), 400, "bad_field");
    gate.refused(ask("/own/x", &[("Connection", "Authorization")]), 400, "bad_field");
    // What no rule reads is taken away as always, and what is not there cannot be.
    let sent = gate.forwarded(ask("/open/x", &[("X-Org", "a"), ("Connection", "X-Org")]));
    assert!(sent.folded("x-org").is_empty());
    gate.forwarded(ask("/or/x", &[("Connection", "X-Org")]));
    gate.forwarded(ask("/all/x", &[("Connection", "keep-alive, TE"), ("TE", "trailers")]));
    let sent = gate.forwarded(ask("/org/x", &[("X-Org", "a"), ("Connection", "close")]));
    assert_eq!(sent.header("x-org"), Some("a"));
}

/// RFC 9110, 5.5: they are opaque, and browsers send them.
#[test]
pub(super) fn bytes_above_ascii_pass_where_nobody_reads_them() {
    let gate = Gate::with(&Options::policy(DECIDING));
    let fields = [("Cookie", "name=Jos\u{e9}; a=b"), ("X-Name", "\u{fc}ber"), ("User-Agent", "\u{1f980}")];
    let sent = gate.forwarded(request(Who::uA, "GET", "/own/x", &fields, ""));
    for (name, value) in fields {
        let line = format!("{}: {value}\r\n", name.to_lowercase());
        assert!(sent.head.windows(line.len()).any(|window| window == line.as_bytes()), "{line}");
    }
    let latin1 = b"GET /open/x HTTP/1.1\r\nHost: api.example.com\r\nX-Name: caf\xe9\x80\xff\r\n\r\n";
    let sent = gate.forwarded(latin1);
    assert!(sent.head.windows(14).any(|window| window == b"x-name: caf\xe9\x80\xff"), "{:?}", sent.head.escape_ascii());
    for control in [&b"\x00"[..], b"\x01", b"\x0b", b"\x7f", b"a\rb"] {
        let head = [b"GET /open/x HTTP/1.1\r\nHost: a\r\nX-Name: ", control, b"\r\n\r\n"].concat();
        gate.refused(head, 400, "bad_framing");
    }
}

#[test]
fn bytes_above_ascii_pass_over_http2_too() {
    let gate = Gate::with(&Options::policy(DECIDING));
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let ask = |path: &[u8], further: &[(&str, &[u8])]| {
        let mut fields: Vec<(&str, &[u8])> =
            vec![(":method", b"GET"), (":scheme", b"http"), (":path", path), (":authority", b"api.example.com")];
        fields.extend(further);
        block(&fields)
    };
    let fields = ask(b"/open/x", &[("x-name", b"caf\xe9"), ("cookie", b"name=Jos\xc3\xa9")]);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &fields);
    assert!(peer.end_of(1).is_some());
    let sent = gate.upstream.last();
    for line in [&b"x-name: caf\xe9\r\n"[..], b"cookie: name=Jos\xc3\xa9\r\n"] {
        assert!(sent.head.windows(line.len()).any(|window| window == line), "{:?}", line.escape_ascii().to_string());
    }
}

#[test]
pub(super) fn bytes_above_ascii_in_a_header_that_decides_are_refused() {
    let gate = Gate::with(&Options::policy(DECIDING));
    let detail = "A header that decides has a byte outside of ASCII.";
    for (target, field) in [
        ("/org/x", ("X-Org", "caf\u{e9}")),
        ("/or/x", ("X-Org", "a\u{e9}")),
        ("/when/x", ("X-Mode", "\u{e9}")),
        ("/all/x", ("X-Any", "\u{e9}")),
        ("/own/x", ("Authorization", "Bearer t\u{f6}k")),
        ("/own/x", ("Authorization", "B\u{e9}arer x")),
    ] {
        let who = if field.0 == "Authorization" { Who::nobody } else { Who::uA };
        let answer = gate.refused(request(who, "GET", target, &[field], ""), 400, "bad_field");
        assert_eq!(answer.json()["detail"], detail, "{target} {field:?}");
    }
    // A credential that nobody looks at is removed, whatever it is.
    let sent = gate.forwarded(request(Who::nobody, "GET", "/open/x", &[("Authorization", "t\u{f6}k")], ""));
    assert!(sent.folded("authorization").is_empty());
}

#[test]
pub(super) fn hop_by_hop_headers_and_credentials_go_in_no_spelling() {
    let gate = Gate::new();
    for name in [
        "Keep_Alive",
        "keep.alive",
        "proxy_authorization",
        "Proxy_Connection",
        "T_E",
        "Up_grade",
        "Author_ization",
        "authorization_",
        "X_SSL_Client_Verify",
        "OIDC_CLAIM_email",
        "Impersonate_User",
    ] {
        for target in ["/public/x", "/own/x"] {
            let sent = gate.forwarded(request(Who::uA, "GET", target, &[(name, "evil")], ""));
            let text = String::from_utf8_lossy(&sent.head).into_owned();
            assert!(!text.contains("evil"), "{name}: {text}");
        }
    }
}

#[test]
fn what_a_trusted_proxy_may_set_is_kept_of_it_alone() {
    let fields =
        [("X-SSL-Client-Verify", "SUCCESS"), ("X-Forwarded-Client-Cert", "Hash=1"), ("X-SSL-Client-DN", "CN=a")];
    let keep = "[X-SSL-Client-Verify, X-Forwarded-Client-Cert]";
    for (proxies, kept) in [("[127.0.0.1]", true), ("[10.0.0.0/8]", false)] {
        let options = Options::policy(ROUTES).set("trusted_proxies", proxies).set("keep_headers", keep);
        let gate = Gate::with(&options);
        let sent = gate.forwarded(request(Who::nobody, "GET", "/public/x", &fields, ""));
        assert_eq!(sent.header("x-ssl-client-verify"), kept.then_some("SUCCESS"), "{proxies}");
        assert_eq!(sent.header("x-forwarded-client-cert"), kept.then_some("Hash=1"), "{proxies}");
        assert_eq!(sent.header("x-ssl-client-dn"), None, "{proxies}");
    }
}

/// Each 400 says what is wrong with the request, and repeats nothing of it.
#[test]
pub(super) fn a_refused_request_is_told_its_own_fault() {
    let gate = Gate::new();
    for (target, detail) in [
        ("/public//x", "The path has an empty segment."),
        ("/public/../x", "The path has a segment of dots."),
        ("/public/a%2Fb", "The path has an encoded slash."),
        ("/public/a%5Cb", "The path has an encoded backslash."),
        ("/public/a;b", "The path has a semicolon."),
        ("/public/%2541", "The path is encoded twice."),
        ("/public/%zz", "The path has a malformed percent escape."),
        ("/public/%ff", "The path does not decode to UTF-8."),
        ("/public/%00", "The target has a control character."),
        ("/public/{x}", "The target has a character that must be percent-encoded."),
    ] {
        assert_eq!(gate.refused(get(Who::uA, target), 400, "bad_target").json()["detail"], detail, "{target}");
    }
    for (target, code, detail) in [
        ("/query/x", "org_missing", "Nothing names the organization."),
        ("/query/x?organization=%20", "org_missing", "What names the organization is not a slug."),
        ("/query/x?organization=a&organization=a", "ambiguous", "A query parameter that decides is repeated."),
        ("/query/x?Organization=a", "ambiguous", "A query parameter that decides has another spelling of its name."),
    ] {
        assert_eq!(gate.refused(get(Who::uA, target), 400, code).json()["detail"], detail, "{target}");
    }
    for (head, code, detail) in [
        ("GET /public/x HTTP/1.1\r\n\r\n", "bad_framing", "The Host header is missing."),
        ("GET /public/x HTTP/1.1\r\nHost: a@b\r\n\r\n", "bad_target", "The host has user information."),
        (
            "GET /public/x HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            "bad_framing",
            "A blank stands before a header's colon.",
        ),
        ("get /public/x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_framing", "The method is written in lower case."),
        (
            "GET http://b/public/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "bad_target",
            "The Host header differs from the authority of the target.",
        ),
    ] {
        assert_eq!(gate.refused(head, 400, code).json()["detail"], detail, "{head}");
    }
    let twice = request(Who::uA, "GET", "/header/x", &[("X-Org", "a"), ("X-Org", "a")], "");
    assert_eq!(gate.refused(twice, 400, "ambiguous").json()["detail"], "A header that decides is repeated.");
    let spelt = request(Who::uA, "GET", "/header/x", &[("X_Org", "a")], "");
    let detail = "A header that decides has another spelling of its name.";
    assert_eq!(gate.refused(spelt, 400, "ambiguous").json()["detail"], detail);
}
