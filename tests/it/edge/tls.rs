//! TLS: certificates by name, clients with and without one, resumption, what is refused.

use super::{secure, secure_gate};
use crate::support::h2::{Ask, H2};
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, Options, Postern, ROUTES, Upstream, Who, eventually, get};
use rustls::HandshakeKind;
use std::io::{Read, Write};
use std::process::Command;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;

/// Closes behind the answer.
fn last(who: Who, target: &str) -> Vec<u8> {
    crate::support::request(who, "GET", target, &[("Connection", "close")], "")
}

/// The common name of the certificate that the gate shows.
fn shown(wire: &Wire) -> String {
    let der = wire.connection().peer_certificates().unwrap().first().unwrap().clone();
    let certificate = Certificate::from_der(&der).unwrap();
    let mut attributes = certificate.tbs_certificate().subject().iter();
    let name = attributes.find(|attribute| attribute.oid == COMMON_NAME).unwrap();
    std::str::from_utf8(name.value.value()).unwrap().to_owned()
}

#[test]
fn a_request_over_tls_is_told_to_have_been_one() {
    let authority = Authority::new();
    let gate = secure_gate(&authority);
    for alpn in [&["http/1.1"][..], &[]] {
        let client = authority.client(alpn, None);
        let mut wire = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
        assert_eq!(wire.ask(&last(Who::uA, "/api/v1/org/a/x")).0, 200);
        assert_eq!(gate.upstream.last().header("x-forwarded-proto"), Some("https"));
    }
    let mut client = H2::tls(gate.postern.data, &authority);
    assert_eq!(client.ask(Who::uA, &Ask::get("/api/v1/org/a/x")).status, 200);
    assert_eq!(gate.upstream.last().header("x-forwarded-proto"), Some("https"));
    assert!(gate.postern.metric("postern_tls_handshakes_total") >= 3.0);
    let expires = gate.postern.metric("postern_tls_certificate_expires_seconds");
    assert!(expires > 1.7e9, "{expires}");
}

#[test]
fn the_certificate_is_the_one_for_the_name() {
    let authority = Authority::new();
    let first = authority.sign("first", &["api.example.com"]);
    let other = authority.sign("other", &["other.example.com", "both.example.com"]);
    let wild = authority.sign("wild", &["*.tenants.example.com"]);
    let mut options = Options::policy(ROUTES);
    options.config =
        format!("tls:\n  {}\n  certificates: [ {{ {other} }}, {{ {wild} }} ]\n", first.replace(", key", "\n  key"));
    let gate = Gate::with(&options);
    let client = authority.client(&[], None);
    for (name, certificate) in [
        ("api.example.com", "first"),
        ("other.example.com", "other"),
        ("BOTH.example.com", "other"),
        ("a.tenants.example.com", "wild"),
    ] {
        let wire = Wire::tls(gate.postern.data, &client, name).unwrap();
        assert_eq!(shown(&wire), certificate, "{name}");
    }
    // The first stands in for every other name, which the client then does not believe.
    for name in ["unknown.example.com", "a.b.tenants.example.com", "tenants.example.com"] {
        assert!(Wire::tls(gate.postern.data, &client, name).is_err(), "{name}");
    }
}

#[test]
fn a_client_s_certificate_is_verified_and_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.sign("robot", &["robot.example.com"]);
    stranger.sign("robot", &["robot.example.com"]);
    let routes = "version: 1\nroutes:\n  /**: { level: public, inject: { X-Client: client.name } }\n";
    let pair = authority.sign("api", &["api.example.com"]);
    let start = |further: &str| {
        let mut options = Options::policy(routes);
        options.config = format!("tls: {{ {pair}, client_ca: {}{further} }}\n", authority.file("ca.pem").display());
        Gate::with(&options)
    };
    let gate = start("");
    let mut known = H2::tls_as(gate.postern.data, authority.client(&["h2"], Some("robot")));
    let spoof = Ask::get("/x").header("x-client", "root").header("x_client", "root");
    assert_eq!(known.ask(Who::nobody, &spoof).status, 200);
    let sent = gate.upstream.last();
    assert_eq!(sent.folded("x-client"), ["robot.example.com"]);
    gate.upstream.forget();
    // TLS 1.3 tells a client only after its own handshake is done.
    let refused = |gate: &Gate, client| match Wire::tls(gate.postern.data, &client, "api.example.com") {
        Err(_) => true,
        Ok(mut wire) => {
            let _ = wire.write_all(&last(Who::nobody, "/x"));
            let mut answer = Vec::new();
            let _ = wire.read_to_end(&mut answer);
            answer.is_empty()
        }
    };
    // Whose server it is they believe; who they are it does not.
    let mut strange = (*authority.client(&[], None)).clone();
    strange.client_auth_cert_resolver =
        std::sync::Arc::clone(&stranger.client(&[], Some("robot")).client_auth_cert_resolver);
    let strange = std::sync::Arc::new(strange);
    assert!(refused(&gate, authority.client(&[], None)), "none at all");
    assert!(refused(&gate, std::sync::Arc::clone(&strange)), "another authority's");
    gate.upstream.assert_untouched("nobody was verified");
    let gate = start(", client_certificate: optional");
    let mut wire = Wire::tls(gate.postern.data, &authority.client(&[], None), "api.example.com").unwrap();
    assert_eq!(wire.ask(&last(Who::nobody, "/x")).0, 200);
    assert!(gate.upstream.last().folded("x-client").is_empty());
    assert!(refused(&gate, strange), "a wrong one is not none");
}

#[test]
fn a_session_resumes_unless_clients_are_verified() {
    let authority = Authority::new();
    authority.sign("robot", &["robot"]);
    let pair = authority.sign("api", &["api.example.com"]);
    for (further, own, resumes) in [
        (String::new(), None, true),
        (format!(", client_ca: {}", authority.file("ca.pem").display()), Some("robot"), false),
    ] {
        let mut options = Options::policy(ROUTES);
        options.config = format!("tls: {{ {pair}{further} }}\n");
        let gate = Gate::with(&options);
        let client = authority.client(&[], own);
        let kind = || {
            let mut wire = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
            // Tickets come behind the handshake.
            assert_eq!(wire.ask(&last(Who::nobody, "/public/x")).0, 200);
            wire.connection().handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        let second = kind();
        assert_eq!(second == Some(HandshakeKind::Resumed), resumes, "{second:?}");
        assert_eq!(gate.postern.metric("postern_tls_resumed_total"), f64::from(u8::from(resumes)));
    }
}

/// Kubernetes renews certificates under a process that runs for months.
#[test]
fn renewed_files_are_shown_without_a_restart_and_broken_ones_are_not() {
    let authority = Authority::new();
    let gate = secure_gate(&authority);
    let client = authority.client(&[], None);
    let der = || {
        let wire = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
        wire.connection().peer_certificates().unwrap().first().unwrap().clone()
    };
    let mut open = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
    let first = der();
    authority.sign("api", &["api.example.com"]);
    eventually("the new certificate is shown", || (der() != first).then_some(()));
    let second = der();
    // A connection from before goes on.
    assert_eq!(open.ask(&last(Who::nobody, "/public/x")).0, 200);
    std::fs::write(authority.file("api.key"), "half a key").unwrap();
    eventually("the trouble is told", || {
        gate.postern.stderr().into_iter().find(|line| line.contains("api.key") && line.contains("stays in force"))
    });
    assert_eq!(der(), second);
    authority.sign("api", &["api.example.com"]);
    eventually("the next one is shown", || (der() != second).then_some(()));
}

#[test]
fn old_versions_and_plain_text_are_not_spoken() {
    let authority = Authority::new();
    let gate = secure_gate(&authority);
    for version in ["-tls1", "-tls1_1"] {
        let output = Command::new("openssl")
            .args(["s_client", version, "-connect", &gate.postern.data.to_string()])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{version}");
    }
    let mut plain = Wire::plain(gate.postern.data);
    plain.write_all(&get(Who::uA, "/me/x")).unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP/"), "{said:?}");
    // The preface without the agreement on it (RFC 9113, 3.3).
    let mut wire = Wire::tls(gate.postern.data, &authority.client(&["http/1.1"], None), "api.example.com").unwrap();
    assert_eq!(wire.ask(crate::support::frames::PREFACE).0, 505);
    // Nothing in common.
    assert!(Wire::tls(gate.postern.data, &authority.client(&["spdy/1"], None), "api.example.com").is_err());
    gate.upstream.assert_untouched("nothing was spoken");
    eventually("all four are counted", || {
        (gate.postern.metric("postern_tls_handshakes_failed_total") >= 4.0).then_some(())
    });
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let authority = Authority::new();
    let (one, two) = (authority.sign("one", &["one"]), authority.sign("two", &["two"]));
    let crossed = format!("{}, key{}", one.split(", key").next().unwrap(), two.split(", key").nth(1).unwrap());
    let mut options = secure(&authority);
    options.config = format!("tls: {{ {crossed} }}\n");
    let home = Postern::prepare(Some(([127, 0, 0, 1], 1).into()), &options);
    let output = Postern::serve(home.path(), &options).spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("two.key: does not go with"), "{said}");
}

#[test]
fn a_large_body_goes_through_and_a_stalled_reader_is_given_up() {
    let authority = Authority::new();
    let body = vec![b'x'; 30 << 20];
    let size = body.len();
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange.answer("200 OK", &[], &body)
    });
    let gate = Gate::before(upstream, &secure(&authority).set("timeouts.stall", "500ms"));
    let client = authority.client(&[], None);
    let mut wire = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
    let (status, answer) = wire.ask(&last(Who::uA, "/me/x"));
    assert_eq!(status, 200);
    assert!(answer.len() > size);
    let mut stalled = Wire::tls(gate.postern.data, &client, "api.example.com").unwrap();
    stalled.write_all(&last(Who::uA, "/me/x")).unwrap();
    let lines = gate.postern.access_lines(2);
    assert_eq!(lines[1]["aborted"], true, "{:?}", lines[1]);
}
