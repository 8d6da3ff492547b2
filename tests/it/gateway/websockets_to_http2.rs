//! WebSockets to upstreams of HTTP/2, frame by frame: what is asked, and what those are told whose upstream takes none. Real servers are
//! in `interop`.

use super::http2_upstreams::{options, secure};
use super::websockets_http2::{self as http2, HANDSHAKE};
use crate::support::h2_upstream::{acceptor, echo};
use crate::support::tls::Authority;
use crate::support::{Gate, H2Upstream, Options, Postern, Upstream, Who, request};
use bytes::Bytes;
use futures_util::SinkExt;
use h2::ext::Protocol;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

const ROUTES: &str =
    "version: 1\nupstream: echo\nroutes:\n  /ws/**: { GET: { level: authenticated, upgrade: [websocket] } }\n";

fn with(mut options: Options) -> Options {
    options.policies = vec![("routes.yaml", ROUTES.to_owned())];
    options
}

fn gate(upstream: &H2Upstream) -> Gate {
    Gate::before(Upstream::echo(), &with(options(upstream.address())))
}

/// Takes extended CONNECT, and does as the path says.
fn upstream(asked: Sender<Request<()>>) -> H2Upstream {
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    let asked = Mutex::new(asked);
    H2Upstream::with(builder, move |request, mut respond, _| {
        let (parts, incoming): (_, RecvStream) = request.into_parts();
        let path = parts.uri.path().to_owned();
        asked.lock().unwrap().send(Request::from_parts(parts, ())).unwrap();
        async move {
            let answer = |status: u16| Response::builder().status(status).header("sec-websocket-accept", "none");
            match path.as_str() {
                "/ws/refused" => {
                    let mut body = respond.send_response(answer(426).body(()).unwrap(), false)?;
                    body.send_data(Bytes::from_static(b"no"), true)?;
                }
                "/ws/ended" => drop(respond.send_response(answer(200).body(()).unwrap(), true)?),
                "/ws/reset" => {
                    let mut stream = respond.send_response(answer(200).body(()).unwrap(), false)?;
                    stream.send_data(Bytes::from_static(b"\x81\x02hi"), false)?;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    stream.send_reset(Reason::CANCEL);
                }
                _ => {
                    let mut stream = respond.send_response(answer(204).body(()).unwrap(), false)?;
                    stream.send_data(Bytes::from_static(b"\x81\x05hello"), true)?;
                }
            }
            let mut incoming = incoming;
            while incoming.data().await.is_some_and(|piece| piece.is_ok()) {}
            Ok(())
        }
    })
}

#[test]
fn a_handshake_becomes_an_extended_connect_and_its_answer_is_computed() {
    let (tell, asked) = channel();
    let upstream = upstream(tell);
    let gate = gate(&upstream);
    let fields = [&HANDSHAKE[..], &[("Content-Length", "0"), ("Sec-WebSocket-Protocol", "chat")]].concat();
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "GET", "/ws/x?a=b%2Fc", &fields, ""));
    let (answer, _) = raw.answer_head().unwrap();
    assert_eq!((answer.status, answer.all("sec-websocket-accept")), (101, vec!["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]));
    assert_eq!((answer.header("upgrade"), answer.header("connection")), (Some("websocket"), Some("Upgrade")));
    assert_eq!(raw.bytes().unwrap(), b"\x81\x05hello");
    let seen = asked.recv().unwrap();
    assert_eq!(seen.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
    assert_eq!(
        (seen.method().as_str(), seen.uri().to_string().as_str()),
        ("CONNECT", "http://api.example.com/ws/x?a=b%2Fc")
    );
    for name in ["connection", "upgrade", "content-length", "authorization"] {
        assert!(!seen.headers().contains_key(name), "{name}: {seen:?}");
    }
    assert_eq!(
        (&seen.headers()["sec-websocket-version"], &seen.headers()["sec-websocket-protocol"]),
        (&"13".parse().unwrap(), &"chat".parse().unwrap())
    );
    // A client of HTTP/2 needs no key and gets no answer to one.
    Runtime::new().unwrap().block_on(async {
        let mut send = http2::connect(&gate).await;
        let (headers, _) = http2::open(&mut send, Who::uA, "/ws/x").await;
        assert!(!headers.contains_key("sec-websocket-accept"), "{headers:?}");
        let own = asked.recv().unwrap().headers()["sec-websocket-key"].clone();
        assert_eq!(own.len(), 24, "{own:?}");
    });
    let refused = gate.send(request(Who::uA, "GET", "/ws/refused", &HANDSHAKE, ""));
    assert_eq!((refused.status, refused.text().as_str()), (426, "no"));
    for (path, told) in [("/ws/ended", &b""[..]), ("/ws/reset", b"\x81\x02hi")] {
        let mut raw = gate.raw();
        raw.send(request(Who::uA, "GET", path, &HANDSHAKE, ""));
        assert_eq!(raw.answer_head().unwrap().0.status, 101, "{path}");
        let mut heard = Vec::new();
        while let Ok(bytes) = raw.bytes()
            && !bytes.is_empty()
        {
            heard.extend(bytes);
        }
        assert!(heard.starts_with(told), "{path}: {heard:?}");
    }
    assert_eq!(upstream.connections(), 1);
    crate::support::eventually("all have ended", || {
        (gate.postern.metric("postern_websockets_open") == 0.0).then_some(())
    });
}

#[test]
fn an_upstream_of_http_2_alone_that_takes_none_is_502() {
    let upstream = H2Upstream::echo();
    let gate = gate(&upstream);
    for _ in 0..2 {
        let refused = gate.send(request(Who::uA, "GET", "/ws/x", &HANDSHAKE, ""));
        assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_unreachable"), "{}", refused.text());
    }
    assert_eq!(gate.get(Who::uA, "/ws/x").status, 200, "others are served");
    let faults: Vec<_> = gate.postern.access_lines(3).iter().map(|line| line["fault"].to_string()).collect();
    assert!(faults[..2].iter().all(|fault| fault.contains("takes no WebSockets")), "{faults:?}");
    assert_eq!((upstream.seen().len(), upstream.connections()), (1, 1));
}

/// Within TLS: over HTTP/2 where the upstream takes them there, else on a connection on which nothing but HTTP/1.1 is offered.
#[test]
fn a_websocket_goes_over_http_1_1_where_both_are_spoken_and_http_2_takes_none() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority, &["h2", "http/1.1"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let agreed = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counts = Arc::clone(&agreed);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = acceptor.accept(stream).await.unwrap();
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                counts[0].fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(echo(request, respond, Arc::default()));
                    }
                });
            } else {
                counts[1].fetch_add(1, Ordering::SeqCst);
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                socket.send("hello".into()).await.unwrap();
            }
        }
    });
    let postern = Postern::start(address, &with(secure(&authority, address.port(), "").set("workers", 1)));
    for _ in 0..3 {
        let mut raw = postern.raw();
        raw.send(request(Who::uA, "GET", "/ws/x", &HANDSHAKE, ""));
        assert_eq!(raw.answer_head().unwrap().0.status, 101);
        assert_eq!(raw.bytes().unwrap(), b"\x81\x05hello");
    }
    let agreed: Vec<_> = agreed.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(agreed, [1, 3], "it is asked once whether HTTP/2 takes them");
    runtime.shutdown_background();
}
