//! HTTP/2 as its clients use it: many streams, bodies, trailers, heads, idle ends.

use super::secure_gate;
use crate::support::h2::{Ask, H2};
use crate::support::tls::Authority;
use crate::support::{Gate, Options, ROUTES, Signal, Upstream, Who, World, eventually};
use std::process::Command;
use std::time::Duration;

#[test]
fn a_request_over_http_2_reaches_the_upstream_as_one_of_http_1_1() {
    let gate = Gate::new();
    let mut client = H2::plain(gate.postern.data);
    let ask = Ask::get("/api/v1/org/a/x?b=c").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
    let answer = client.ask(Who::uA, &ask);
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /api/v1/org/a/x?b=c\n"));
    assert_eq!(answer.header("connection"), None);
    let sent = gate.upstream.last();
    assert!(sent.head.starts_with(b"GET /api/v1/org/a/x?b=c HTTP/1.1\r\n"));
    assert_eq!(sent.header("host"), Some("api.example.com"));
    assert_eq!(sent.header("cookie"), Some("a=1; b=2"));
    assert_eq!(sent.header("x-postern-organization"), Some("a"));
    assert_eq!(sent.header("x-forwarded-proto"), Some("http"));
    assert_eq!((sent.header("te"), sent.header("transfer-encoding")), (None, None));
    // One access line a request, as ever.
    let line = gate.postern.access_lines(1).remove(0);
    assert_eq!((line["path"].as_str(), line["host"].as_str()), (Some("/api/v1/org/a/x"), Some("api.example.com")));
}

#[test]
fn bodies_go_both_ways_with_the_right_framing() {
    let upstream = Upstream::with(|exchange| {
        let size = exchange.body()?;
        exchange.answer("200 OK", &[], &vec![b'x'; size])
    });
    let gate = Gate::to(upstream);
    let mut client = H2::plain(gate.postern.data);
    let body = vec![b'x'; 300_000];
    let answer = client.ask(Who::mA, &Ask::post("/api/v1/org/a/x", &body));
    assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    // Of unknown length: chunks.
    assert_eq!(gate.upstream.last().header("transfer-encoding"), Some("chunked"));
    let with_length = Ask::post("/api/v1/org/a/x", b"hello").header("content-length", "5");
    assert_eq!(client.ask(Who::mA, &with_length).text(), "xxxxx");
    let sent = gate.upstream.last();
    assert_eq!(sent.body, b"hello");
    assert_eq!((sent.header("content-length"), sent.header("transfer-encoding")), (Some("5"), None));
}

#[test]
fn refusals_and_heads_are_right() {
    let gate = Gate::new();
    let mut client = H2::plain(gate.postern.data);
    for (who, target, status, code) in [
        (Who::nobody, "/me/x", 401, "credentials_missing"),
        (Who::uA, "/admin/x", 403, "superuser_only"),
        (Who::uA, "/nowhere", 404, "no_route"),
        (Who::uA, "/api/v1/org/b/x", 403, "org_foreign"),
    ] {
        let answer = client.ask(who, &Ask::get(target));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{target}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let head = client.ask(who, &Ask { method: "HEAD", target, ..Ask::default() });
        assert_eq!((head.status, head.body.len()), (status, 0), "{target}");
    }
    gate.upstream.assert_untouched("all were refused");
    let head = client.ask(Who::uA, &Ask { method: "HEAD", target: "/me/x", ..Ask::default() });
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn an_answer_s_trailers_reach_the_client_and_ours_do_not() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-checksum\r\n\r\n\
              5\r\nhello\r\n0\r\nX-Checksum: 42\r\nX-Postern-User: root\r\nServer-Timing: secret\r\n\r\n",
        )
    });
    let gate = Gate::to(upstream);
    let mut client = H2::plain(gate.postern.data);
    let (answer, trailers) = client.try_ask(Who::uA, &Ask::get("/me/x")).unwrap();
    assert_eq!(answer.text(), "hello");
    assert_eq!(trailers.get("x-checksum").map(|value| value.as_bytes()), Some(&b"42"[..]));
    assert_eq!(trailers.len(), 1, "{trailers:?}");
}

#[test]
fn a_hundred_streams_share_a_connection_and_none_waits_for_another() {
    let gate = Gate::to(Upstream::with(|exchange| {
        exchange.body()?;
        if exchange.request.target.ends_with("slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        exchange.answer("200 OK", &[], exchange.request.target.clone().as_bytes())
    }));
    // h2load is a client of its own right.
    let url = format!("http://{}/public/slow", gate.postern.data);
    let output = Command::new("h2load").args(["-n", "200", "-c", "2", "-m", "50", &url]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("200 succeeded, 0 failed"), "{text}");
    assert_eq!(gate.postern.metric("postern_http2_streams_total"), 200.0);
    assert_eq!(gate.postern.metric("postern_http2_connections_total"), 2.0);
    eventually("no stream is left", || (gate.postern.metric("postern_connections_open") == 0.0).then_some(()));
}

#[test]
fn curl_speaks_it_in_both_ways() {
    let authority = Authority::new();
    let gate = secure_gate(&authority);
    let port = gate.postern.data.port();
    let token = World::get().token(Who::uA).unwrap();
    let ca = authority.file("ca.pem");
    for (version, spoken) in [("--http1.1", "1.1"), ("--http2", "2"), ("--tlsv1.3", "2")] {
        let output = Command::new("curl")
            .args(["-sS", version, "--cacert", ca.to_str().unwrap(), "--resolve"])
            .arg(format!("api.example.com:{port}:127.0.0.1"))
            .args(["-H", &format!("Authorization: Bearer {token}"), "-w", "%{http_version} %{http_code}"])
            .arg(format!("https://api.example.com:{port}/api/v1/org/a/x"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.ends_with(&format!("{spoken} 200")), "{version}: {text} {output:?}");
    }
    let plain = Gate::new();
    let output = Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}"])
        .arg(format!("http://{}/public/x", plain.postern.data))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("2 200"), "{text} {output:?}");
    // The other way to HTTP/2, by Upgrade, is not taken: the answer comes over HTTP/1.1.
    let output = Command::new("curl")
        .args(["-sS", "--http2", "-w", "%{http_version} %{http_code}"])
        .arg(format!("http://{}/public/x", plain.postern.data))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("1.1 200"), "{text} {output:?}");
    assert_eq!(plain.upstream.last().header("upgrade"), None);
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_stream_and_not_the_connection() {
    let gate = Gate::to(Upstream::with(|exchange| {
        exchange.body()?;
        if exchange.request.target.ends_with("broken") {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")?;
            exchange.hang_up();
            return Ok(());
        }
        exchange.answer("200 OK", &[], b"whole")
    }));
    let mut client = H2::plain(gate.postern.data);
    let error = client.try_ask(Who::uA, &Ask::get("/me/broken")).unwrap_err();
    assert!(error.is_reset(), "{error}");
    assert_eq!(client.ask(Who::uA, &Ask::get("/me/x")).text(), "whole");
}

#[test]
fn the_way_down_lets_streams_finish_and_says_good_bye() {
    let mut gate = Gate::to(Upstream::with(|exchange| {
        exchange.body()?;
        std::thread::sleep(Duration::from_millis(600));
        exchange.answer("200 OK", &[], b"finished")
    }));
    let mut client = H2::plain(gate.postern.data);
    let address = gate.postern.data;
    let asked = std::thread::spawn(move || client.ask(Who::uA, &Ask::get("/me/x")).text());
    eventually("the upstream is asked", || gate.upstream.recorded().pop());
    gate.postern.signal(Signal::Term);
    assert_eq!(asked.join().unwrap(), "finished");
    assert!(gate.postern.wait().success());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_idle_connection_ends_with_a_good_bye() {
    use crate::support::frames::{GOAWAY, Peer};
    use crate::support::tls::Wire;
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.idle", "300ms"));
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let farewell = peer.until(GOAWAY).expect("a GOAWAY");
    assert_eq!(farewell.code(), 0);
    // It answers nothing to that, and is closed all the same.
    while peer.frame().is_some() {}
}
