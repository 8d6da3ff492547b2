//! Upstreams that speak HTTP/2: with prior knowledge, or where the TLS handshake agrees on it.

use crate::support::frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM};
use crate::support::h2::{Ask, H2};
use crate::support::h2_upstream::{acceptor, echo};
use crate::support::tls::{Authority, Wire};
use crate::support::{Gate, H2Upstream, Options, Postern, ROUTES, Signal, Upstream, Who, World};
use crate::support::{eventually, get, request};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) fn options(upstream: SocketAddr) -> Options {
    let mut options = Options::policy(ROUTES);
    options.upstreams = Some(format!("{{ echo: \"h2c://{upstream}\" }}"));
    // One worker, so that all requests meet on its connections.
    options.set("workers", 1)
}

pub(super) fn gate(upstream: &H2Upstream) -> Postern {
    Postern::start(upstream.address(), &options(upstream.address()))
}

pub(super) fn secure(authority: &Authority, port: u16, more: &str) -> Options {
    let mut options = Options::policy(ROUTES);
    let ca = authority.file("ca.pem");
    options.upstreams = Some(format!(
        "{{ echo: {{ addresses: \"https://localhost:{port}\", tls: {{ ca: {} }}{more} }} }}",
        ca.display()
    ));
    options
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn a_request_reaches_it_as_one_of_http_2_whoever_sent_it() {
    let upstream = H2Upstream::echo();
    let postern = gate(&upstream);
    let mut raw = postern.raw();
    let asked = [
        ("Cookie", "a=1; b=2"),
        ("Connection", "keep-alive, X-Mine"),
        ("Keep-Alive", "timeout=5"),
        ("X-Mine", "1"),
        ("X-Postern-User", "root"),
        ("X-Kept", "yes"),
        ("TE", "gzip"),
    ];
    raw.send(request(Who::mA, "POST", "/api/v1/org/a/x?b=c%2Fd", &asked, "hello"));
    let answer = raw.answer();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")), "{}", answer.text());
    assert_eq!(answer.text(), "POST http://api.example.com/api/v1/org/a/x?b=c%2Fd 5\n");
    assert!(answer.header("vary").unwrap().contains("Authorization"));
    let seen = upstream.last();
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", &b"hello"[..]));
    for (name, value) in [
        ("x-postern-organization", Some("a")),
        ("x-postern-user", Some("mA")),
        ("cookie", Some("a=1; b=2")),
        ("content-length", Some("5")),
        ("x-kept", Some("yes")),
        ("x-forwarded-host", Some("api.example.com")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("host", None),
        ("connection", None),
        ("keep-alive", None),
        ("x-mine", None),
        ("te", None),
        ("authorization", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    // From a client of HTTP/2 it is the same, and both share one connection.
    let mut client = H2::plain(postern.data);
    let ask = Ask::get("/me/x").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
    assert_eq!(client.ask(Who::uA, &ask).text(), "GET http://api.example.com/me/x 0\n");
    let seen = upstream.last();
    assert_eq!((seen.header("cookie"), seen.header("te")), (Some("a=1; b=2"), Some("trailers")));
    assert_eq!((seen.header("x-postern-user"), seen.headers.get_all("cookie").iter().count()), (Some("uA"), 1));
    assert_eq!(upstream.connections(), 1);
    // Refusals never reach it.
    let before = upstream.seen().len();
    assert_eq!(client.ask(Who::uA, &Ask::get("/admin/x")).status, 403);
    assert_eq!(upstream.seen().len(), before);
}

#[test]
fn heads_bodies_and_lengths_are_right_for_either_client() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        let seen = state.read(request).await;
        let size: usize = seen.header("x-size").unwrap_or("0").parse().unwrap();
        let mut answer = Response::builder().status(seen.header("x-status").unwrap_or("200"));
        if seen.header("x-say").is_some() {
            answer = answer.header("content-length", size);
        }
        let answer = answer.header("x-postern-secret", "1").header("server-timing", "db").body(()).unwrap();
        if seen.method == "HEAD" || matches!(seen.header("x-status"), Some("204" | "304")) {
            respond.send_response(answer, true)?;
            return Ok(());
        }
        respond.send_response(answer, false)?.send_data(Bytes::from(vec![b'x'; size]), true)
    });
    let postern = gate(&upstream);
    let (mut raw, mut client) = (postern.raw(), H2::plain(postern.data));
    for (method, size, status, say) in [
        ("GET", "0", "200", true),
        ("GET", "5", "200", true),
        ("GET", "5", "200", false),
        ("GET", "700000", "200", true),
        ("GET", "700000", "200", false),
        ("GET", "0", "204", false),
        ("GET", "7", "304", true),
        ("GET", "3", "404", true),
        ("HEAD", "9", "200", true),
    ] {
        let what = format!("{method} {size} {status} {say}");
        let mut headers = vec![("x-size", size), ("x-status", status)];
        if say {
            headers.push(("x-say", "1"));
        }
        raw.send(request(Who::uA, method, "/me/x", &headers, ""));
        let first = if method == "HEAD" { raw.answer_to_head() } else { raw.answer() };
        let ask = Ask { method, target: "/me/x", headers, ..Ask::default() };
        let second = client.ask(Who::uA, &ask);
        let expected = if method == "HEAD" || matches!(status, "204" | "304") { 0 } else { size.parse().unwrap() };
        for answer in [&first, &second] {
            assert_eq!((answer.status.to_string(), answer.body.len()), (status.to_owned(), expected), "{what}");
            assert_eq!((answer.header("x-postern-secret"), answer.header("server-timing")), (None, None));
        }
        if say && status != "304" {
            assert_eq!(first.header("content-length"), Some(size), "{what}");
        }
    }
    assert_eq!(upstream.connections(), 1);
    let line = postern.access_lines(18).pop().unwrap();
    assert_eq!((line["status"].as_u64(), line["aborted"].as_bool().unwrap_or(false)), (Some(200), false), "{line}");
}

#[test]
fn many_requests_at_once_share_a_connection_and_more_than_it_may_hold_open_another() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(10);
    let upstream = H2Upstream::with(builder, |request, respond, state| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        echo(request, respond, state).await
    });
    let postern = gate(&upstream);
    // The limit is known from then on.
    assert_eq!(postern.get(Who::uA, "/me/first").status, 200);
    let mut clients: Vec<_> = (0..25).map(|_| postern.raw()).collect();
    for client in &mut clients {
        client.send(get(Who::uA, "/me/x"));
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(upstream.seen().len(), 26);
    let opened = upstream.connections();
    assert!((3..=4).contains(&opened), "25 at once, ten on each: {opened}");
    // Unused ones are closed.
    let idle = || postern.metric("postern_upstream_connections_idle");
    eventually("they are let go of", || (idle() == 0.0).then_some(()));
}

#[test]
fn bodies_stream_both_ways_with_back_pressure() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, _| async move {
        // What comes in goes out again, piece by piece.
        let mut incoming = request.into_body();
        let mut outgoing = respond.send_response(Response::new(()), false)?;
        while let Some(piece) = incoming.data().await {
            let piece = piece?;
            outgoing.reserve_capacity(piece.len());
            while outgoing.capacity() < piece.len() {
                if std::future::poll_fn(|cx| outgoing.poll_capacity(cx)).await.is_none() {
                    return Ok(());
                }
            }
            incoming.flow_control().release_capacity(piece.len())?;
            outgoing.send_data(piece, false)?;
        }
        outgoing.send_data(Bytes::new(), true)
    });
    let postern = gate(&upstream);
    let body: Vec<u8> = (0..5_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut raw = postern.raw();
    let mut writer = raw.socket().try_clone().unwrap();
    let head = request(Who::mA, "POST", "/api/v1/org/a/x", &[("Content-Length", &body.len().to_string())], "");
    raw.send(head);
    let sent = body.clone();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent).unwrap());
    // A reader that waits: nothing piles up behind it, and nothing is lost.
    std::thread::sleep(Duration::from_millis(500));
    let answer = raw.answer();
    sending.join().unwrap();
    assert_eq!((answer.status, answer.body == body), (200, true));
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, respond, state| async move {
        if request.uri().path() != "/me/endless" {
            return echo(request, respond, state).await;
        }
        let mut respond = respond;
        let mut outgoing = respond.send_response(Response::new(()), false)?;
        let piece = Bytes::from(vec![b'x'; 16 * 1024]);
        loop {
            outgoing.reserve_capacity(piece.len());
            let Some(room) = std::future::poll_fn(|cx| outgoing.poll_capacity(cx)).await else { return Ok(()) };
            if room? >= piece.len() {
                outgoing.send_data(piece.clone(), false)?;
            }
        }
    });
    let postern = gate(&upstream);
    // More of them than a window shared by all streams would stand.
    let mut stuck: Vec<_> = (0..20).map(|_| postern.raw()).collect();
    for client in &mut stuck {
        client.send(get(Who::uA, "/me/endless"));
        assert_eq!(client.answer_head().unwrap().0.status, 200);
    }
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..5 {
        assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn trailers_go_both_ways_as_far_as_they_may() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        state.read(request).await;
        let answer = Response::builder().header("trailer", "x-checksum, x-postern-user").body(()).unwrap();
        let mut outgoing = respond.send_response(answer, false)?;
        outgoing.send_data(Bytes::from_static(b"body"), false)?;
        outgoing.send_trailers(fields(&[("x-checksum", "42"), ("x-postern-user", "root"), ("set-cookie", "a=1")]))
    });
    let postern = gate(&upstream);
    let mut client = H2::plain(postern.data);
    let mut ask = Ask::post("/me/x", b"data");
    ask.trailers = vec![
        ("x-checksum", "7"),
        ("x-postern-user", "root"),
        ("x_forwarded_for", "1.2.3.4"),
        ("authorization", "Bearer x"),
        ("content_length", "9"),
        // The policy finds organizations there.
        ("x-org", "b"),
        ("if-match", "x"),
    ];
    let (answer, trailers) = client.try_ask(Who::uA, &ask).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert_eq!(trailers, fields(&[("x-checksum", "42")]));
    let seen = upstream.last();
    assert_eq!((seen.body.as_slice(), seen.trailers), (&b"data"[..], fields(&[("x-checksum", "7")])));
    // A client of HTTP/1.1 sends them behind its chunks, and gets those that were announced, if it takes them.
    for (te, expected) in [("TE: trailers\r\nConnection: TE\r\n", "x-checksum: 42\r\n"), ("", "")] {
        let mut raw = postern.raw();
        let head = String::from_utf8(request(Who::mA, "POST", "/api/v1/org/a/x", &[], "")).unwrap();
        let head = head.trim_end().to_owned() + "\r\n" + te + "Transfer-Encoding: chunked\r\n\r\n";
        raw.send(head + "4\r\ndata\r\n0\r\nX-Checksum: 8\r\nX-Postern-User: root\r\nX-Org: b\r\n\r\n");
        let (answer, _) = raw.answer_head().unwrap();
        assert_eq!(answer.status, 200);
        raw.socket().shutdown(std::net::Shutdown::Write).unwrap();
        let rest = String::from_utf8(raw.rest()).unwrap();
        assert_eq!(rest, format!("4\r\nbody\r\n0\r\n{expected}\r\n"));
        assert_eq!(upstream.last().trailers, fields(&[("x-checksum", "8")]));
    }
}

#[test]
fn trailers_of_http_2_reach_an_upstream_of_http_1_1_behind_its_chunks() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange.answer("200 OK", &[], b"")
    });
    let gate = Gate::to(upstream);
    let mut client = H2::plain(gate.postern.data);
    let mut ask = Ask::post("/me/x", b"data");
    ask.trailers = vec![("x-checksum", "7"), ("x-postern-user", "root"), ("x-org", "b")];
    assert_eq!(client.ask(Who::uA, &ask).status, 200);
    let sent = gate.upstream.last();
    assert_eq!((sent.body.as_slice(), sent.complete), (&b"data"[..], true));
    assert_eq!(sent.trailers, ["x-checksum: 7\r\n"]);
}

#[test]
fn interim_answers_are_passed_over() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        for status in [100, 103] {
            respond.send_informational(Response::builder().status(status).body(()).unwrap())?;
        }
        echo(request, respond, state).await
    });
    let postern = gate(&upstream);
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
}

#[test]
fn what_the_client_gives_up_is_reset_and_the_connection_stays() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, mut respond, state| async move {
        if request.uri().path() == "/me/x" {
            return echo(request, respond, state).await;
        }
        let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await?;
        assert_eq!(reason, Reason::CANCEL);
        state.read(request).await;
        Ok(())
    });
    let postern = gate(&upstream);
    let mut peer = Peer::begin(Wire::plain(postern.data), &[]);
    let token = format!("Bearer {}", World::get().token(Who::uA).unwrap());
    let asked = frames::get("/me/gone", &[("authorization", token.as_bytes())]);
    for (stream, body) in [(1, false), (3, true)] {
        let flags = if body { END_HEADERS } else { END_HEADERS | END_STREAM };
        peer.send(HEADERS, flags, stream, &asked);
        if body {
            peer.send(DATA, 0, stream, b"half of it");
        }
        std::thread::sleep(Duration::from_millis(200));
        peer.send(RST_STREAM, 0, stream, &u32::from(Reason::CANCEL).to_be_bytes());
    }
    eventually("both were reset", || (upstream.seen().len() == 2).then_some(()));
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_upload_that_breaks_off_is_not_taken_for_a_whole_one() {
    let upstream = H2Upstream::echo();
    let postern = gate(&upstream);
    let mut raw = postern.raw();
    raw.send(request(Who::mA, "POST", "/api/v1/org/a/x", &[("Transfer-Encoding", "chunked")], ""));
    raw.send("5\r\nhello\r\n");
    std::thread::sleep(Duration::from_millis(200));
    drop(raw);
    let seen = eventually("the upstream is told", || upstream.seen().pop());
    assert!(seen.broken.is_some(), "{seen:?}");
    // Nor one whose framing is wrong.
    let mut raw = postern.raw();
    raw.send(request(Who::mA, "POST", "/api/v1/org/a/x", &[("Transfer-Encoding", "chunked")], ""));
    raw.send("5\r\nhello\r\nnothing\r\n");
    assert_eq!(raw.answer().status, 400);
    let seen = eventually("the upstream is told again", || upstream.seen().into_iter().nth(1));
    assert!(seen.broken.is_some(), "{seen:?}");
}

#[test]
fn an_https_upstream_is_spoken_to_as_the_handshake_says() {
    let authority = Authority::new();
    let upstream = H2Upstream::secure(&authority);
    let port = upstream.address().port();
    let postern = Postern::start(upstream.address(), &secure(&authority, port, "").set("workers", 1));
    let mut clients: Vec<_> = (0..5).map(|_| postern.raw()).collect();
    for client in &mut clients {
        client.send(get(Who::uA, "/me/x"));
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), "GET https://api.example.com/me/x 0\n");
    }
    assert_eq!(upstream.connections(), 1, "those who came at once waited for the first");
    // One that must speak HTTP/1.1 cannot.
    let postern = Postern::start(upstream.address(), &secure(&authority, port, ", protocol: http1"));
    let answer = postern.get(Who::uA, "/me/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
}

#[test]
fn one_that_must_speak_http_2_is_told_nothing_where_it_does_not() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority, &["http/1.1"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    let postern = Postern::start(address, &secure(&authority, address.port(), ", protocol: http2"));
    assert_eq!(postern.get(Who::uA, "/me/x").status, 502);
    runtime.shutdown_background();
}

#[test]
fn a_unix_socket_can_speak_it_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("upstream.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _guard = runtime.enter();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    body.send_data(Bytes::from_static(b"from a socket"), true).unwrap();
                }
            });
        }
    });
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut options = Options::policy(ROUTES);
    options.upstreams = Some(format!("{{ echo: {{ addresses: \"unix://{}\", protocol: http2 }} }}", path.display()));
    assert_eq!(Postern::start(nowhere, &options).get(Who::uA, "/me/x").text(), "from a socket");
    runtime.shutdown_background();
}

#[test]
fn addresses_share_checks_and_ejection_whatever_they_speak() {
    let (good, bad) = (
        H2Upstream::echo(),
        H2Upstream::with(h2::server::Builder::new(), |_, mut respond, _| async move {
            respond.send_response(Response::builder().status(503).body(()).unwrap(), true).map(drop)
        }),
    );
    let mut options = options(good.address());
    let (first, second) = (good.address(), bad.address());
    options.upstreams = Some(format!(
        "{{ echo: {{ addresses: [\"h2c://{first}\", \"h2c://{second}\"], health: {{ path: /ok, every: 100ms }} }} }}"
    ));
    let postern = Postern::start(first, &options);
    let unwell = format!("postern_upstream_healthy{{upstream=\"echo\",address=\"{second}\"}}");
    let well = format!("postern_upstream_healthy{{upstream=\"echo\",address=\"{first}\"}}");
    eventually("the bad one is found out", || (postern.metric(&unwell) == 0.0).then_some(()));
    assert_eq!(postern.metric(&well), 1.0);
    assert!(good.last().header("user-agent").unwrap().contains("health check"));
    for _ in 0..6 {
        assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    }
}

#[test]
fn a_reload_and_a_stop_cut_nothing() {
    let upstream = H2Upstream::with(h2::server::Builder::new(), |request, respond, state| async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        echo(request, respond, state).await
    });
    let mut postern = gate(&upstream);
    let mut raw = postern.raw();
    raw.send(get(Who::uA, "/me/x"));
    std::thread::sleep(Duration::from_millis(150));
    let policy = ROUTES.replace("/exact: public", "/other: public");
    std::fs::write(postern.home().join("routes.yaml"), policy).unwrap();
    postern.signal(Signal::Hup);
    assert_eq!(raw.answer().status, 200);
    assert_eq!(postern.get(Who::uA, "/me/x").status, 200);
    assert_eq!(upstream.connections(), 1, "the upstream is the same, and so are its connections");
    raw.send(get(Who::uA, "/me/x"));
    std::thread::sleep(Duration::from_millis(150));
    postern.signal(Signal::Term);
    assert_eq!(raw.answer().status, 200);
    assert_eq!(postern.wait().code(), Some(0));
}
