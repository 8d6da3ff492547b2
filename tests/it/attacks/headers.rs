//! Headers that claim who somebody is, where they come from, or what they asked for.

use crate::support::{Gate, Options, ROUTES, Recorded, Upstream, Who, World, get, request};

/// The open route, the optional one without a credential, and an allowed one.
const ROUTES_OF: [(Who, &str); 4] =
    [(Who::nobody, "/public/x"), (Who::su, "/public/x"), (Who::nobody, "/optional/x"), (Who::uA, "/api/v1/org/a/x")];

/// What the upstream may be told of the caller.
fn expected(who: Who, target: &str) -> [Option<&'static str>; 3] {
    if who == Who::uA && target.starts_with("/api") { [Some("uA"), Some("a"), Some("member")] } else { [None; 3] }
}

fn assert_identity(sent: &Recorded, who: Who, target: &str) {
    let [user, organization, role] = expected(who, target);
    for (name, value) in [("X-Postern-User", user), ("X-Postern-Organization", organization), ("X-Postern-Role", role)]
    {
        assert_eq!(sent.folded(name), Vec::from_iter(value), "{who:?} {target} {name}: {:?}", sent.headers);
    }
}

/// Forged identity headers; spellings of identity headers; repeated identity headers.
#[test]
pub(super) fn identity_headers_come_from_postern_alone() {
    let gate = Gate::new();
    for (who, target) in ROUTES_OF {
        for name in [
            "X-Postern-User",
            "x-postern-user",
            "x-PoStErN_user",
            "X_Postern_User",
            "X.Postern.User",
            "X-Postern--User",
            "X~Postern~User",
            "X-Postern-Role",
            "X!Postern!Role",
            "X_POSTERN_ORGANIZATION",
            "X-Postern-Organizations",
            "X-Postern-Anything-Else",
            "X*Postern*User",
            "-X-Postern-User",
            "X-Postern-User-",
            "XPosternUser",
            "X`Postern`User",
            "X|Postern|User",
            "X'Postern'User",
        ] {
            let twice = [(name, "su"), ("Accept", "*/*"), (name, "")];
            for headers in [&twice[..1], &twice[..], &twice[1..]] {
                let sent = gate.forwarded(request(who, "GET", target, headers, ""));
                assert_identity(&sent, who, target);
                assert!(sent.folded("X-Postern-Anything-Else").is_empty());
                assert!(!String::from_utf8_lossy(&sent.head).contains(": su\r\n"), "{name}: {:?}", sent.headers);
            }
        }
        // On a denied route nobody is told anything.
        gate.refused(request(who, "GET", "/closed/x", &[("X-Postern-User", "su")], ""), 403, "denied");
    }
}

/// The usual names by which other software is told who somebody is.
#[test]
pub(super) fn the_usual_identity_headers_do_not_pass() {
    let gate = Gate::new();
    for name in [
        "Remote-User",
        "Remote_User",
        "REMOTE.USER",
        "X-Remote-User",
        "X-Remote-Group",
        "X-Remote-Extra-Scopes",
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Access-Token",
        "X-Forwarded-Client-Cert",
        "X-Auth-Request-User",
        "X-Auth-Request-Access-Token",
        "X-Authenticated-Userid",
        "X-WEBAUTH-USER",
        "X-User",
        "X-User-Id",
        "SSL-Client-Verify",
        "X-SSL-Client-S-DN",
    ] {
        for (who, target) in ROUTES_OF {
            let sent = gate.forwarded(request(who, "GET", target, &[(name, "su")], ""));
            assert!(sent.folded(name).is_empty(), "{name} {target}: {:?}", sent.headers);
        }
    }
}

/// A name that one route injects is no client's on any route, of any file.
#[test]
pub(super) fn a_name_that_any_file_injects_is_stripped_everywhere() {
    let mut options = Options::policy("version: 1\nroutes:\n  /open/**: public\n");
    let other =
        "version: 1\nhosts: [b.example]\nroutes:\n  /x: { level: authenticated, inject: { X-Scope-OrgID: user.id } }\n";
    options.policies.push(("other.yaml", other.into()));
    let gate = Gate::with(&options);
    for name in ["X-Scope-OrgID", "x_scope_orgid", "XScopeOrgId", "X-Scope--Org.ID"] {
        let sent = gate.forwarded(request(Who::nobody, "GET", "/open/x", &[(name, "acme|bolt")], ""));
        assert!(sent.folded(name).is_empty(), "{name}: {:?}", sent.headers);
    }
}

/// Hop-by-hop abuse: `Connection` names a header.
#[test]
pub(super) fn what_connection_names_cannot_take_our_headers_away() {
    let gate = Gate::new();
    for connection in [
        "close, X-Postern-User",
        "X-Postern-User, X-Postern-Role, X-Postern-Organization",
        "keep-alive, x-postern-user",
        "X-POSTERN-USER",
        "x_postern_user",
        "keep-alive, authorization",
        "Authorization",
        "host",
        "close, Content-Length, Host, Transfer-Encoding",
        ",,, x-postern-user ,",
        "\"X-Postern-User\"",
        "x-forwarded-for, forwarded, x-request-id, traceparent",
    ] {
        let sent = gate.forwarded(request(Who::uA, "GET", "/api/v1/org/a/x", &[("Connection", connection)], ""));
        assert_identity(&sent, Who::uA, "/api/v1/org/a/x");
        for kept in ["host", "x-forwarded-for", "x-request-id", "traceparent"] {
            assert!(sent.header(kept).is_some(), "{connection}: {kept}: {:?}", sent.headers);
        }
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(sent.header("host"), Some("api.example.com"));
    }
    let sent = gate.forwarded(request(
        Who::mA,
        "POST",
        "/api/v1/org/a/x",
        &[("Connection", "content-length, content-type"), ("Content-Type", "a/b")],
        "12345",
    ));
    assert_eq!((&*sent.body, sent.header("content-type")), (&b"12345"[..], Some("a/b")));
    // A client's own header may be named, and goes.
    let named = [("Connection", "x-mine"), ("X-Mine", "1"), ("X-Other", "2")];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &named, ""));
    assert_eq!((sent.header("x-mine"), sent.header("x-other")), (None, Some("2")));
}

/// Hop-by-hop fields.
#[test]
pub(super) fn headers_of_one_hop_stay_on_it() {
    let gate = Gate::new();
    let hop = [
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "X-Postern-User"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Anything", "x"),
        ("Upgrade", "websocket"),
        ("Connection", "upgrade, te, keep-alive"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        // httpoxy: CGI makes HTTP_PROXY of it.
        ("Proxy", "http://evil.example"),
    ];
    let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &hop, ""));
    for (name, _) in hop {
        assert!(sent.folded(name).is_empty(), "{name}: {:?}", sent.headers);
    }
}

/// Hop-by-hop fields, in trailers.
#[test]
pub(super) fn trailers_tell_the_upstream_nothing() {
    let gate = Gate::new();
    let token = World::get().token(Who::mA).unwrap();
    for trailer in
        ["X-Postern-User: su", "X_Postern_Role: owner", "Authorization: Bearer x", "Remote-User: su", "X-Whatever: 1"]
    {
        let sent = gate.forwarded(format!(
            "POST /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Postern-User\r\n\r\n3\r\nabc\r\n0\r\n{trailer}\r\n\r\n"
        ));
        assert_eq!((&*sent.body, sent.complete), (&b"abc"[..], true));
        assert_eq!(sent.folded("X-Postern-User"), ["mA"]);
        assert_eq!(sent.header("trailer"), None);
    }
    for trailer in [
        "Host: evil",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        " folded: x",
        "no colon",
    ] {
        let answer = gate.send(format!(
            "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailer}\r\n\r\n"
        ));
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_framing"), "{trailer}");
        assert!(gate.upstream.recorded().iter().all(|sent| !sent.complete), "{trailer}");
        gate.upstream.forget();
    }
}

/// Forged client addresses; forged `X-Forwarded-*`: from somebody who is no configured proxy.
#[test]
pub(super) fn a_stranger_does_not_say_where_it_comes_from() {
    let gate = Gate::new();
    let claims = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X_Forwarded_For", "1.2.3.4"),
        ("X-Forwarded-For", "1.2.3.4, 127.0.0.1"),
        ("Forwarded", "for=\"1.2.3.4,b\";proto=https;host=evil.example"),
        ("X-Real-IP", "1.2.3.4"),
        ("x_real_ip", "1.2.3.4"),
        ("X-Client-IP", "1.2.3.4"),
        ("X-Cluster-Client-IP", "1.2.3.4"),
        ("True-Client-IP", "1.2.3.4"),
        ("CF-Connecting-IP", "1.2.3.4"),
        ("Client-IP", "1.2.3.4"),
        ("X-Originating-IP", "1.2.3.4"),
        ("X-Remote-IP", "1.2.3.4"),
        ("X-Remote-Addr", "1.2.3.4"),
        ("X-Forwarded-Prefix", "/1.2.3.4"),
        ("X-Forwarded-Port", "1234"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Scheme", "https"),
        ("X-Forwarded-Ssl", "on"),
        ("X-Forwarded-User", "1.2.3.4"),
        ("X-Forwarded", "1.2.3.4"),
        ("Front-End-Https", "on"),
        ("X-Url-Scheme", "https"),
        ("X-Scheme", "https"),
    ];
    for (name, value) in claims {
        let sent = gate.forwarded(request(Who::nobody, "GET", "/public/x", &[(name, value)], ""));
        assert_eq!(sent.header("x-forwarded-for"), Some("127.0.0.1"), "{name}");
        assert_eq!(sent.header("forwarded"), None, "{name}");
        assert_eq!(sent.header("x-forwarded-proto"), Some("http"), "{name}");
        assert_eq!(sent.header("x-forwarded-host"), Some("api.example.com"), "{name}");
        let rebuilt = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
        if !rebuilt.iter().any(|r| r.eq_ignore_ascii_case(name)) && name != "X_Forwarded_For" {
            assert!(sent.folded(name).is_empty(), "{name}: {:?}", sent.headers);
        }
    }
    let lines = gate.postern.access_lines(claims.len());
    assert!(lines.iter().all(|line| line["client"] == "127.0.0.1"), "{lines:#?}");
}

/// Headers that override the target.
#[test]
pub(super) fn headers_that_name_another_target_change_nothing() {
    let gate = Gate::new();
    for (name, value) in [
        ("X-Forwarded-Uri", "/public/x"),
        ("X-Original-URL", "/public/x"),
        ("X-Original-Uri", "/public/x"),
        ("X-Rewrite-URL", "/public/x"),
        ("X_Rewrite_URL", "/public/x"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Path", "/public/x"),
        ("X-Envoy-Original-Path", "/public/x"),
    ] {
        gate.refused(request(Who::uA, "GET", "/admin/x", &[(name, value)], ""), 403, "superuser_only");
        let sent = gate.forwarded(request(Who::uA, "GET", "/me/x", &[(name, "/admin/x")], ""));
        assert!(sent.folded(name).is_empty(), "{name}: {:?}", sent.headers);
        assert_eq!(sent.target, "/me/x");
    }
}

/// Headers that override the target: who would believe everybody does not start.
#[test]
fn trusting_everybody_is_refused_at_the_start() {
    for everybody in ["[0.0.0.0/0]", "[\"::/0\"]", "[10.0.0.0/8, 0.0.0.0/0]"] {
        let options = Options::policy(ROUTES).set("trusted_proxies", everybody);
        let home = crate::support::Postern::prepare(None, &options);
        let output = crate::support::Postern::serve(home.path(), &options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("would believe everybody"), "{text}");
    }
}

/// A probe's `User-Agent`.
#[test]
pub(super) fn a_probe_s_name_opens_nothing() {
    let gate = Gate::new();
    for agent in ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "postern"] {
        gate.refused(
            request(Who::nobody, "GET", "/api/v1/org/a/x", &[("User-Agent", agent)], ""),
            401,
            "credentials_missing",
        );
    }
}

/// Header injection: what a client sends.
#[test]
pub(super) fn values_that_could_end_a_header_are_refused() {
    let gate = Gate::new();
    for value in [&b"a\rb"[..], b"a\nX-Postern-User: su", b"a\0b", b"\x7f", b"a\x0bb", b"\x1b[31m"] {
        let head = [b"GET /public/x HTTP/1.1\r\nHost: a\r\nX-Some: ", value, b"\r\n\r\n"].concat();
        gate.refused(head, 400, "bad_framing");
    }
    // A line feed alone between two headers is the same trick.
    gate.refused("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Some: a\r\n folded\r\n\r\n", 400, "bad_framing");
    gate.refused("GET /public/x HTTP/1.1\r\nHost: a\r\n\tX-Some: a\r\n\r\n", 400, "bad_framing");
    for name in ["X Some", "X\u{e9}", "", "X(", "X\0", "\"X\"", "X/Y"] {
        gate.refused(format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{name}: v\r\n\r\n"), 400, "bad_framing");
    }
}

/// Header injection: what the directory holds, though raw SQL wrote it.
#[test]
fn names_of_the_directory_make_no_second_header() {
    let policy = ROUTES.replace("X-Postern-Role: org.level", "X-Postern-Role: org.level\n    X-Postern-Name: org.name");
    let gate = Gate::with(&Options::policy(policy));
    gate.postern.sql(
        "UPDATE users SET username = 'uA' || char(13, 10) || 'X-Postern-Role: owner' WHERE username = 'uA';
         UPDATE organizations SET name = 'A, Inc' || char(10) || 'caf\u{e9}' WHERE slug = 'a'",
    );
    let sent = gate.forwarded(get(Who::uA, "/api/v1/org/a/x"));
    assert_eq!(sent.header("x-postern-user"), Some("uA%0D%0AX-Postern-Role: owner"));
    assert_eq!(sent.header("x-postern-role"), Some("member"));
    assert_eq!(sent.header("x-postern-name"), Some("A%2C Inc%0Acaf%C3%A9"));
}

/// Too many or too large headers.
#[test]
pub(super) fn too_many_or_too_large_headers_are_431() {
    let gate = Gate::new();
    let many =
        |count: usize, header: &str| format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{}\r\n", header.repeat(count));
    gate.forwarded(many(99, "X-A: b\r\n"));
    for head in [
        many(100, "X-A: b\r\n"),
        many(2_000, "Cookie: a=b\r\n"),
        many(10_000, "Cookie: a=b\r\n"),
        many(1, &format!("X-Long: {}\r\n", "y".repeat(128 * 1024))),
        many(1, &format!("{}: y\r\n", "X".repeat(128 * 1024))),
        format!("GET /public/{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(128 * 1024)),
        // Never a line end at all.
        "A".repeat(256 * 1024),
    ] {
        gate.refused(head, 431, "bad_framing");
    }
}

/// An answer's identity headers.
#[test]
fn an_upstream_s_words_to_postern_do_not_reach_the_client() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Postern-User: su\r\nx_postern_role: owner\r\nX.Postern.X: 1\r\n\
                  Server-Timing: db;dur=53\r\nConnection: x-secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
                  Proxy-Authenticate: Basic\r\nX-Fine: yes\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok";
    let gate = Gate::to(Upstream::saying(answer));
    let answer = gate.get(Who::uA, "/me/x");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-fine"), Some("yes"));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    for gone in ["postern", "timing", "secret", "keep-alive", "proxy-"] {
        assert!(answer.headers.iter().all(|(name, _)| !name.to_lowercase().contains(gone)), "{gone}: {answer:?}");
    }
}
