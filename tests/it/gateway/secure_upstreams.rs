//! Upstreams within TLS: verified always, and told who we are where that is asked.

use crate::support::{Gate, Options, ROUTES, Upstream, Who, eventually, get, request};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An authority and what it signs.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A service within TLS that says what it was asked; with `clients`, only to those whom that authority signed.
fn secure(authority: &Authority, name: &str, clients: Option<&Authority>) -> (SocketAddr, Arc<AtomicUsize>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (certificate, key) = authority.sign(name);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, served) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&served);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, counted) = (Arc::clone(&config), Arc::clone(&counted));
            std::thread::spawn(move || {
                let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream.unwrap());
                let mut stream = BufReader::new(stream);
                loop {
                    let (mut head, mut line) = (String::new(), String::new());
                    while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                        head += &std::mem::take(&mut line);
                    }
                    if head.is_empty() {
                        return;
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
                    let stream = stream.get_mut();
                    if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, served)
}

fn gate(address: SocketAddr, tls: &str, home: &Path, authority: &Authority) -> Gate {
    std::fs::write(home.join("ca.pem"), authority.certificate.pem()).unwrap();
    let mut options = Options::policy(ROUTES);
    let (port, home) = (address.port(), home.display());
    let tls = tls.replace("HOME", &home.to_string());
    options.upstreams = Some(format!("{{ echo: {{ addresses: [\"https://localhost:{port}\"], tls: {{ {tls} }} }} }}"));
    Gate::before(Upstream::echo(), &options)
}

#[test]
fn a_certificate_of_the_configured_authority_is_believed() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (address, served) = secure(&authority, "localhost", None);
    let gate = gate(address, "ca: HOME/ca.pem", home.path(), &authority);
    let mut raw = gate.raw();
    for _ in 0..3 {
        raw.send(get(Who::uA, "/me/x"));
        let answer = raw.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("x-postern-user: uA"), "{}", answer.text());
    }
    assert_eq!(served.load(Ordering::SeqCst), 3);
    // Counters are put together a few times a second.
    let opened = || Some(gate.postern.metric("postern_upstream_connections_total")).filter(|opened| *opened > 0.0);
    assert_eq!(eventually("the connection is counted", opened), 1.0, "and it is kept");
}

#[test]
fn a_head_is_the_same_where_the_handshake_decides_what_is_spoken() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (address, _) = secure(&authority, "localhost", None);
    let gate = gate(address, "ca: HOME/ca.pem", home.path(), &authority);
    let headers = [("X-Twice", "1"), ("x-other", "a: b\tc"), ("x-twice", "2"), ("x-empty", ""), ("te", "trailers")];
    let asked = request(Who::mA, "GET", "/api/v1/org/a/x?y=%20z", &headers, "");
    let plain = String::from_utf8(Gate::new().forwarded(&asked).head).unwrap();
    let mut raw = gate.raw();
    let lines = |head: &str| -> Vec<String> {
        let differ = ["x-request-id: ", "traceparent: "];
        let lines = head.lines().filter(|line| !line.is_empty() && !differ.iter().any(|name| line.starts_with(name)));
        lines.map(str::to_owned).collect()
    };
    // What speaks HTTP/1.1 alone is not told of trailers.
    let told = ["te: trailers", "connection: te"].map(str::to_owned);
    for connection in ["a new one", "the one that was kept"] {
        raw.send(&asked);
        assert_eq!(lines(&raw.answer().text()), [lines(&plain), told.to_vec()].concat(), "{connection}");
    }
}

#[test]
fn nobody_else_s_certificate_is() {
    let (home, authority, other) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    for (signer, name, tls) in [
        (&other, "localhost", "ca: HOME/ca.pem"),
        (&authority, "elsewhere.example", "ca: HOME/ca.pem"),
        (&authority, "localhost", "ca: HOME/ca.pem, server_name: elsewhere.example"),
        // Without `ca` the public authorities are believed, and ours is none.
        (&authority, "localhost", "server_name: localhost"),
    ] {
        let (address, served) = secure(signer, name, None);
        let gate = gate(address, tls, home.path(), &authority);
        let answer = gate.get(Who::uA, "/me/x");
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"), "{name} {tls}");
        assert_eq!(served.load(Ordering::SeqCst), 0, "{name} {tls}: it was told something");
    }
    let (address, _) = secure(&authority, "elsewhere.example", None);
    let gate = gate(address, "ca: HOME/ca.pem, server_name: elsewhere.example", home.path(), &authority);
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "a configured name stands for the address's");
}

#[test]
fn our_own_certificate_is_shown_where_it_is_asked_for() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let (certificate, key) = authority.sign("postern.example");
    std::fs::write(home.path().join("own.pem"), certificate.pem()).unwrap();
    std::fs::write(home.path().join("own.key"), key.serialize_pem()).unwrap();
    let (address, served) = secure(&authority, "localhost", Some(&authority));
    let bare = gate(address, "ca: HOME/ca.pem", home.path(), &authority);
    assert_eq!(bare.get(Who::uA, "/me/x").status, 502);
    assert_eq!(served.load(Ordering::SeqCst), 0);
    let shown = gate(address, "ca: HOME/ca.pem, cert: HOME/own.pem, key: HOME/own.key", home.path(), &authority);
    assert_eq!(shown.get(Who::uA, "/me/x").status, 200);
}

#[test]
fn an_upstream_that_does_not_speak_tls_is_told_nothing() {
    let (home, authority, plain) =
        (tempfile::tempdir().unwrap(), Authority::new(), Upstream::saying("HTTP/1.1 200 OK\r\n\r\n"));
    let gate = gate(plain.address(), "ca: HOME/ca.pem", home.path(), &authority);
    let answer = gate.get(Who::uA, "/me/x");
    // It waits for a request as we wait for its certificate.
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    plain.assert_untouched("in the clear");
}
