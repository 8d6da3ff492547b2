//! Bytes that nobody meant: whatever comes, postern does not panic, the connection ends, and nothing that was not judged
//! reaches the upstream.

use crate::strict::random::Random;
use crate::support::{Gate, Options, Who, World};
use postern::request_target::Target;

const STREAMS: usize = 10_000;
const THREADS: usize = 4;

/// What may reach the service: `/open/…`, and `/me` of whoever has a token.
pub const POLICY: &str = r#"
version: 1
routes:
  /open/{name:slug}: { GET: public, POST: public }
  /me: { GET: { level: authenticated, inject: { X-Postern-User: user.username } } }
"#;

/// Pieces of requests, good and bad, which a stream is glued from.
const PIECES: &[&str] = &[
    "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /closed HTTP/1.1\r\nHost: a\r\n\r\n    ",
    "GET /closed HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n\r\n",
    "GET /me HTTP/1.1\r\nHost: a\r\nX-Postern-User: su\r\n\r\n",
    "GET /open/x HTTP/1.0\r\nHost: a\r\n\r\n",
    "GET ",
    "POST ",
    "get ",
    "/open/x",
    "/open/../closed",
    "/me",
    "http://a/closed",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    ";",
    "Host: a\r\n",
    "Host: b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length: 1",
    "Content_Length: 7\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, authorization\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "Authorization: Bearer TOKEN\r\n",
    "Authorization: Bearer x\r\n",
    "X-Postern-User: su\r\n",
    "x_postern_user: su\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "3;x=\"",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01",
    "hello",
    "\u{e9}",
    "%2e%2e",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

/// A stream: pieces glued together, and a few of its bytes changed, removed or doubled.
pub fn stream(random: &mut Random, token: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(8) {
        bytes.extend(random.pick(PIECES).replace("TOKEN", token).into_bytes());
    }
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len().max(1));
        match random.below(4) {
            _ if bytes.is_empty() => {}
            0 => bytes[at] = random.below(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, bytes[at]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn ten_thousand_random_streams_end_and_smuggle_nothing() {
    let gate = Gate::with(&Options::policy(POLICY).set("timeouts.keep", "60s"));
    let token = World::get().token(Who::uA).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let gate = &gate;
            scope.spawn(move || {
                for number in 0..STREAMS / THREADS {
                    let seed = (thread * STREAMS + number) as u64;
                    let mut random = Random(seed);
                    let bytes = stream(&mut random, token);
                    let mut raw = gate.raw();
                    let cut = random.below(bytes.len() + 1);
                    raw.send(&bytes[..cut]).send(&bytes[cut..]).finish();
                    let told = raw.rest();
                    let http1 = told.starts_with(b"HTTP/1.1 ") || told.starts_with(b"HTTP/1.0 ");
                    // Some streams begin with the preface of HTTP/2: then the gate's settings come first.
                    let http2 = bytes.starts_with(b"PRI * HTTP/2.0\r\n") && told.get(3) == Some(&4);
                    assert!(told.is_empty() || http1 || http2, "{seed}");
                }
            });
        }
    });
    let recorded = gate.upstream.recorded();
    for sent in &recorded {
        let head = String::from_utf8_lossy(&sent.head);
        let target = Target::parse(&sent.target).unwrap_or_else(|error| panic!("{error}: {head}"));
        match (sent.method.as_str(), target.decoded()) {
            ("GET" | "POST", path) if path.starts_with("/open/") => {
                assert_eq!(sent.header("x-postern-user"), None, "{head}")
            }
            ("GET", "/me") => assert_eq!(sent.folded("x-postern-user"), ["uA"], "{head}"),
            _ => panic!("nothing permits this: {head}"),
        }
        assert_eq!(sent.header("authorization"), None);
        assert_eq!(sent.folded("x-request-id").len(), 1, "not written by postern: {head}");
    }
    assert!(recorded.len() > 500, "too few good requests to mean anything: {}", recorded.len());
    assert_eq!(gate.get(Who::uA, "/me").status, 200);
    assert!(crate::support::eventually("all connections end", || {
        (gate.postern.metric("postern_connections_open") <= 1.0).then_some(true)
    }));
}
