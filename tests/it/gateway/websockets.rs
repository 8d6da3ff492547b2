//! WebSockets: switched only when both sides agree, passed on both ways, and ended with the caller's right.

use crate::support::{Gate, Options, Signal, Upstream, Who, World, eventually};
use futures_util::{SinkExt, StreamExt};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const ROUTES: &str = r#"
version: 1
upstream: echo
routes:
  /ws/org/{org:slug}:
    org: path.org as slug
    GET: { level: member, upgrade: [websocket], origins: ["https://app.example.com"] }
  /ws/me: { GET: { level: authenticated, upgrade: [websocket] } }
  /plain: { GET: authenticated }
"#;

/// A real WebSocket server that says everything back; where it listens.
pub fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let Ok(mut socket) = tokio_tungstenite::tungstenite::accept(stream.unwrap()) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_close() || socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

pub fn gate(upstream: SocketAddr, options: Options) -> Gate {
    let mut options = options;
    options.upstreams = Some(format!("{{ echo: \"http://{upstream}\" }}"));
    Gate::before(Upstream::echo(), &options)
}

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

pub async fn open(gate: &Gate, who: Who, path: &str, origin: Option<&str>) -> Result<Socket, Error> {
    let mut request = format!("ws://{}{path}", gate.postern.data).into_client_request().unwrap();
    let headers = request.headers_mut();
    if let Some(token) = World::get().token(who) {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
}

fn refused(result: Result<Socket, Error>) -> u16 {
    match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn messages_pass_both_ways_however_large() {
    let gate = gate(echo(), Options::policy(ROUTES));
    Runtime::new().unwrap().block_on(async {
        let mut socket = open(&gate, Who::uA, "/ws/org/a", None).await.unwrap();
        for size in [0, 1, 125, 126, 70_000, 3 << 20] {
            let message = Message::binary(vec![7; size]);
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        eventually("it is counted", || (gate.postern.metric("postern_websockets_open") == 1.0).then_some(()));
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    });
    eventually("it is counted down", || (gate.postern.metric("postern_websockets_open") == 0.0).then_some(()));
    let line = &gate.postern.access_lines(1)[0];
    assert_eq!((line["status"].as_u64(), line["route"].as_str()), (Some(101), Some("/ws/org/{org:slug}")), "{line}");
    assert!(line["bytes"].as_u64() > Some(3 << 20), "{line}");
}

#[test]
fn only_who_may_and_only_pages_that_are_listed() {
    let gate = gate(echo(), Options::policy(ROUTES));
    Runtime::new().unwrap().block_on(async {
        assert_eq!(refused(open(&gate, Who::uB, "/ws/org/a", None).await), 403);
        assert_eq!(refused(open(&gate, Who::nobody, "/ws/me", None).await), 401);
        assert_eq!(refused(open(&gate, Who::uA, "/ws/org/a", Some("https://evil.example")).await), 403);
        assert_eq!(
            refused(open(&gate, Who::uA, "/ws/me", Some("https://app.example.com")).await),
            403,
            "none is listed"
        );
        assert!(open(&gate, Who::uA, "/ws/org/a", Some("https://app.example.com")).await.is_ok());
        assert!(open(&gate, Who::uA, "/ws/me", None).await.is_ok());
    });
}

pub const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub fn handshake(path: &str, fields: &str) -> String {
    let token = World::get().token(Who::uA).unwrap();
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{fields}\r\n")
}

#[test]
fn any_other_upgrade_is_a_request_like_others() {
    let gate = Gate::with(&Options::policy(ROUTES));
    let h2c = HANDSHAKE.replace("websocket", "h2c") + "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    for (path, fields) in [
        ("/plain", HANDSHAKE.to_owned()),
        ("/ws/me", h2c),
        ("/ws/me", HANDSHAKE.replace("websocket", "websocket, h2c")),
        ("/ws/me", HANDSHAKE.replace("Connection: Upgrade", "Connection: keep-alive")),
        ("/ws/me", HANDSHAKE.replace("==", "")),
    ] {
        let sent = gate.forwarded(handshake(path, &fields));
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(sent.header(name), None, "{path} {fields}");
        }
    }
}

/// Upgrade smuggling: what stands behind the handshake is nobody's request until the answer, and raw bytes after it.
#[test]
fn nothing_behind_the_handshake_passes_before_the_upstream_switches() {
    // A request, frames that no request begins with, one that might, and one behind a request.
    let behinds: [&[u8]; 4] = [
        b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x81\x85\x01\x02\x03\x04iggik\x89\x80\x01\x02\x03\x04",
        b"A\x85\x01\x02\x03\x04iggik",
        b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n\x81\x80\x01\x02\x03\x04",
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = gate(listener.local_addr().unwrap(), Options::policy(ROUTES));
    for behind in behinds {
        for fields in [HANDSHAKE.to_owned(), HANDSHAKE.replace("Connection: Upgrade", "Connection: Upgrade, close")] {
            passes_when_switched(&listener, &gate, &fields, behind);
        }
    }
}

fn passes_when_switched(listener: &TcpListener, gate: &Gate, fields: &str, behind: &[u8]) {
    let mut client = TcpStream::connect(gate.postern.data).unwrap();
    client.write_all(&[handshake("/ws/me", fields).as_bytes(), behind].concat()).unwrap();
    let (mut server, head) = accept(listener);
    assert!(head.ends_with("\r\n\r\n") && !head.contains("/plain"), "{head}");
    assert!(head.contains("connection: Upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    server.write_all((SWITCHED.to_owned() + "hello").as_bytes()).unwrap();
    let mut raw = vec![0; behind.len()];
    server.read_exact(&mut raw).unwrap();
    assert_eq!(raw, behind, "now it is the upstream's, as it was sent");
    let mut told = Vec::new();
    while !told.ends_with(b"hello") {
        let mut piece = [0; 1024];
        let read = client.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&piece[..read]);
    }
    let told = String::from_utf8_lossy(&told).to_ascii_lowercase();
    assert!(
        told.starts_with("http/1.1 101 ") && told.contains("upgrade: websocket\r\n") && !told.contains("spoof"),
        "{told}"
    );
}

/// The upstream's answer to [`HANDSHAKE`].
pub const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Postern-User: spoof\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The gate's connection to the upstream, and all that it says for a moment.
fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut server, _) = listener.accept().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut head = [0; 8192];
    let read = server.read(&mut head).unwrap();
    (server, String::from_utf8_lossy(&head[..read]).into_owned())
}

/// An upstream that has switched, for a client with the key of [`HANDSHAKE`].
pub fn switched(listener: &TcpListener) -> TcpStream {
    let (mut server, _) = accept(listener);
    server.write_all(SWITCHED.as_bytes()).unwrap();
    server
}

/// A WebSocket whose client and whose upstream are bare sockets.
pub fn bare(listener: &TcpListener, gate: &Gate) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(gate.postern.data).unwrap();
    client.write_all(handshake("/ws/me", HANDSHAKE).as_bytes()).unwrap();
    let server = switched(listener);
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        told.push(byte[0]);
    }
    (client, server)
}

/// Half a WebSocket is there for the other side's last words, and no longer.
#[test]
fn who_has_ended_hears_the_other_side_s_last_words() {
    const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xe8];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = gate(listener.local_addr().unwrap(), Options::policy(ROUTES));
    // A client says Close, ends, and is answered.
    let (mut client, mut server) = bare(&listener, &gate);
    client.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    std::thread::sleep(Duration::from_millis(200));
    server.write_all(CLOSE).unwrap();
    drop(server);
    heard.clear();
    client.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, CLOSE);
    // An upstream says much, Close, and ends, while the client still talks and has not read yet.
    let (mut client, mut server) = bare(&listener, &gate);
    let message = [&[0x82, 0x7f][..], &2_000_000_u64.to_be_bytes(), &vec![7; 2_000_000], CLOSE].concat();
    let all = message.len();
    let upstream = std::thread::spawn(move || {
        server.write_all(&message).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        std::io::copy(&mut server, &mut std::io::sink()).unwrap();
    });
    let mut talking = client.try_clone().unwrap();
    for _ in 0..100 {
        talking.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    heard.clear();
    client.read_to_end(&mut heard).unwrap();
    assert_eq!((heard.len(), heard.ends_with(CLOSE)), (all, true));
    drop((client, talking));
    upstream.join().unwrap();
    // Nobody is waited for who has none.
    let (mut client, server) = bare(&listener, &gate);
    client.shutdown(Shutdown::Write).unwrap();
    heard.clear();
    client.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0x88, 2, 0x03, 0xe9]);
    drop(server);
}

#[test]
fn an_upstream_that_switches_wrongly_is_502() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    ] {
        let upstream = Upstream::saying(answer);
        let gate = Gate::before(upstream, &Options::policy(ROUTES));
        for (path, fields) in [("/ws/me", HANDSHAKE), ("/plain", ""), ("/plain", HANDSHAKE)] {
            let refused = gate.send(handshake(path, fields));
            assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_invalid"), "{path} {answer}");
        }
    }
}

/// A server that refuses the handshake answers an ordinary request, and the connection goes on with HTTP.
#[test]
fn a_refused_handshake_leaves_the_connection_as_it_was() {
    let gate = Gate::with(&Options::policy(ROUTES));
    let mut raw = gate.raw();
    for _ in 0..3 {
        raw.send(handshake("/ws/me", HANDSHAKE));
        assert_eq!(raw.answer().status, 200);
    }
}

/// Revocation of an open WebSocket: closed within the stated time when the membership ends; the others stay.
#[test]
fn a_websocket_ends_with_the_right_to_it() {
    let gate = gate(echo(), Options::policy(ROUTES));
    Runtime::new().unwrap().block_on(async {
        let mut ending = open(&gate, Who::uA, "/ws/org/a", None).await.unwrap();
        let mut staying = open(&gate, Who::mA, "/ws/org/a", None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        ending.send(Message::text("still here")).await.unwrap();
        assert!(ending.next().await.unwrap().unwrap().is_text());
        gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
        let closed = tokio::time::timeout(Duration::from_secs(10), ending.next()).await.expect("closed in time");
        match closed {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Policy),
            other => panic!("{other:?}"),
        }
        staying.send(Message::text("me too")).await.unwrap();
        assert!(staying.next().await.unwrap().unwrap().is_text());
        eventually("it is counted", || (gate.postern.metric("postern_websockets_revoked_total") == 1.0).then_some(()));
    });
}

/// What is judged again is judged from where it came.
#[test]
fn a_websocket_ends_when_its_address_is_no_longer_let_in() {
    let policy = |network: &str| {
        format!(
            "version: 1\nupstream: echo\nroutes:\n  /ws: {{ GET: {{ level: public, upgrade: [websocket], when: 'client.within(\"{network}\")' }} }}\n"
        )
    };
    let gate = gate(echo(), Options::policy(policy("10.0.0.0/8")).set("trusted_proxies", "[127.0.0.0/8]"));
    Runtime::new().unwrap().block_on(async {
        let mut asked = format!("ws://{}/ws", gate.postern.data).into_client_request().unwrap();
        asked.headers_mut().insert("x-forwarded-for", "10.1.2.3".parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(asked).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        socket.send(Message::text("still here")).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_text());
        crate::support::reloads::reload(&gate, &policy("10.1.0.0/24"));
        match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("closed in time") {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Policy),
            other => panic!("{other:?}"),
        }
    });
}

/// Shutdown: the way down says good-bye, and does not wait for the drain limit.
#[test]
fn the_way_down_closes_websockets() {
    let mut gate = gate(echo(), Options::policy(ROUTES));
    let runtime = Runtime::new().unwrap();
    let mut socket = runtime.block_on(open(&gate, Who::uA, "/ws/me", None)).unwrap();
    gate.postern.signal(Signal::Term);
    runtime.block_on(async {
        match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("closed in time") {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
    });
    assert!(gate.postern.wait().success());
}
