//! What Envoy does over gRPC alone: headers as they came, bodies, who is connected to it, and more than one header of a name in an answer.

use super::servers::Front;
use super::{Asked, POLICY, TRUSTING};
use crate::support::{Answer, Raw, Upstream, Who, eventually, request};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::SocketAddr;

const RAW: &str = "encode_raw_headers: true";

/// A postern with this policy and configuration, Envoy that asks it, and a service behind both.
struct All {
    asked: Asked,
    service: Upstream,
    front: Front,
}

impl All {
    fn new() -> Self {
        Self::with(POLICY, TRUSTING, "", "")
    }

    /// With one text of Envoy's configuration in the place of another.
    fn with(policy: &str, config: &str, old: &str, new: &str) -> Self {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), "envoy-grpc", policy, config);
        let front = Front::with(&asked, |text| {
            assert!(text.contains(old), "{old}: {text}");
            text.replace(old, new)
        });
        Self { asked, service, front }
    }

    fn send(&self, bytes: Vec<u8>) -> Answer {
        Raw::connect(self.front.address).send(bytes).answer()
    }
}

#[test]
fn headers_that_come_joined_are_judged_alike() {
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
        let all = All::with(POLICY, TRUSTING, RAW, raw);
        let answer = all.send(request(Who::mA, "POST", "/api/v1/org/a/caf%C3%A9?q=%2F", &spoofed, "hello"));
        assert_eq!(answer.status, 200, "{raw}: {answer:?}");
        let seen = all.service.last();
        assert_eq!((seen.target.as_str(), seen.body.as_slice()), ("/api/v1/org/a/caf%C3%A9?q=%2F", &b"hello"[..]));
        assert_eq!((seen.folded("x-postern-user"), seen.folded("x-postern-organization")), (vec!["mA"], vec!["a"]));
        assert_eq!((seen.header("authorization"), seen.header("cookie")), (None, Some("theme=dark")), "{raw}");
        for gone in ["remote-user", "x-forwarded-host", "forwarded", "x-real-ip"] {
            assert!(seen.folded(gone).is_empty(), "{gone}: {seen:?}");
        }
        let told = seen.header("x-request-id").unwrap();
        let line = eventually("its line", || {
            all.asked.postern.access_lines_now().into_iter().find(|line| line["request_id"] == told)
        });
        assert_eq!(line["method"], "POST", "{line}");
        assert_ne!(line["client"], "6.6.6.6", "{line}");
        let twice = all.send(request(Who::mA, "GET", "/me/x", &[("Authorization", "Basic eDp5")], ""));
        assert_eq!((twice.status, twice.code().as_str()), (400, "ambiguous"), "{raw}");
        for (target, headers) in
            [("/header", [("X-Org", "a"), ("X-Org", "a")]), ("/when", [("X-Mode", "evil"), ("X-Mode", "good")])]
        {
            let twice = all.send(request(Who::uA, "GET", target, &headers, ""));
            assert_eq!((twice.status, twice.code().as_str()), (400, "ambiguous"), "{raw}: {target}");
        }
        assert_eq!(all.send(request(Who::uA, "GET", "/header", &[("X-Org", "a")], "")).status, 200, "{raw}");
        let cookies = [("Cookie", "theme=dark"), ("Cookie", "a=1,postern_session=x")];
        assert_eq!(all.send(request(Who::nobody, "GET", "/public/x", &cookies, "")).status, 200, "{raw}");
        assert!(!String::from_utf8_lossy(&all.service.last().head).contains("postern_session"), "{raw}");
    }
}

#[test]
fn an_answer_keeps_each_header_of_a_name_and_what_is_said_of_a_limit() {
    let all = All::new();
    let basic = all.send(request(Who::nobody, "GET", "/basic", &[], ""));
    assert_eq!(basic.all("www-authenticate").len(), 2, "both challenges: {basic:?}");
    let passed = all.send(request(Who::nobody, "GET", "/few", &[], ""));
    assert!(passed.status == 200 && passed.header("ratelimit").is_some(), "{passed:?}");
}

#[test]
fn envoy_says_who_is_connected_to_it_and_nobody_else_does() {
    const REMOTE: &str = "use_remote_address: true";
    for (number, remote) in [REMOTE, "use_remote_address: false"].into_iter().enumerate() {
        let all = All::with(POLICY, TRUSTING, REMOTE, remote);
        // Not the address that Envoy asks from, which is trusted.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        socket.connect(&all.front.address.into()).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        let head = format!(
            "GET /public/from{number} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let line = &all.asked.postern.access_lines(1)[0];
        assert_eq!(line["client"], "127.0.0.2", "{remote}: {line}");
    }
}

#[test]
fn a_whole_body_decides_and_a_part_never() {
    let all = All::with(POLICY, TRUSTING, "max_request_bytes: 1048576", "max_request_bytes: 64");
    let json = [("Content-Type", "application/json")];
    let post = |who, body: &str| {
        let answer = all.send(request(who, "POST", "/body", &json, body));
        (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
    };
    assert_eq!(post(Who::mA, r#"{"organization":"a"}"#), (200, String::new()));
    assert_eq!(all.service.last().body, br#"{"organization":"a"}"#);
    assert_eq!(post(Who::mA, r#"{"organization":"b"}"#), (403, "org_foreign".to_owned()));
    // As long as what is shown of it, and longer.
    let long = |size: usize| format!("{:<size$}", r#"{"organization":"a"}"#);
    assert_eq!(post(Who::mA, &long(63)).0, 200);
    assert_eq!(post(Who::mA, &long(64)).0, 200);
    assert_eq!(post(Who::mA, &long(65)), (403, "body_unseen".to_owned()));
    let forged = [json[0], ("X-Envoy-Auth-Partial-Body", "false")];
    assert_eq!(all.send(request(Who::mA, "POST", "/body", &forged, &long(65))).code(), "body_unseen");
    // Where the body decides nothing, it is not held.
    assert_eq!(all.send(request(Who::mA, "POST", "/api/v1/org/a/x", &json, &long(5000))).status, 200);
    assert_eq!(all.service.last().body.len(), 5000);
}

#[test]
fn a_link_becomes_a_session_by_two_cookies() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("django.key");
    std::fs::write(&key, "fn)t*+$)ugeyip6-#txyy$5wf2ervc0d2n#h)qb)y5@ly$t*@w").unwrap();
    let config = format!(
        "{TRUSTING}identity:\n  session: {{ secure: false }}\n  sesame: {{ key: {{ file: {} }}, query: {{ name: key, exchange: true }} }}\n",
        key.display()
    );
    let policy = format!("{POLICY}  /link/**: {{ level: authenticated, authenticate: [sesame, session] }}\n");
    let all = All::with(&policy, &config, "", "");
    let token = all.asked.postern.cli(&["sesame", "mint", "--user", "uA"]).trim().to_owned();
    let send = |target: &str, headers: &[(&str, &str)]| all.send(request(Who::nobody, "GET", target, headers, ""));
    let answer = send(&format!("/link/1?a=1&key={token}"), &[("Sec-Fetch-Site", "none")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/link/1?a=1")), "{answer:?}");
    let cookies = answer.all("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(all.service.recorded().is_empty());
    let session = cookies[0].split(';').next().unwrap();
    let cookie = format!("theme=dark; {session}");
    assert_eq!(send("/link/1?a=1", &[("Cookie", &cookie)]).status, 200);
    let seen = all.service.last();
    assert_eq!((seen.header("x-postern-user"), seen.header("cookie")), (Some("uA"), Some("theme=dark")));
}
