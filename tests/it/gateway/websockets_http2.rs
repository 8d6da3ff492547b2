//! WebSockets over HTTP/2 (RFC 8441): a stream becomes one, under the same rules as a connection would.

use super::websockets::{ROUTES, echo, gate};
use crate::support::{Gate, Options, Signal, Upstream, Who, World, eventually};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub type Connection = SendRequest<Empty<Bytes>>;
type Answer = Response<hyper::body::Incoming>;

/// A connection whose settings have come.
pub async fn connect(gate: &Gate) -> Connection {
    let socket = tokio::net::TcpStream::connect(gate.postern.data).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
    let (mut send, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    assert_eq!(get(&mut send, "/nowhere").await, 404);
    send
}

async fn get(send: &mut Connection, path: &str) -> u16 {
    let request = Request::get(format!("http://a{path}")).body(Empty::new()).unwrap();
    send.send_request(request).await.unwrap().status().as_u16()
}

/// An extended CONNECT, or with no protocol a plain one.
async fn ask(send: &mut Connection, who: Who, path: &str, protocol: &'static str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(Method::CONNECT);
    request = if protocol.is_empty() { request.uri("a:80") } else { request.uri(format!("http://a{path}")) };
    if let Some(token) = World::get().token(who) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Empty::new()).unwrap();
    if !protocol.is_empty() {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    send.send_request(request).await.unwrap()
}

/// A handshake of HTTP/1.1.
pub const HANDSHAKE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

const USUAL: [(&str, &str); 1] = [("sec-websocket-version", "13")];

pub async fn open(send: &mut Connection, who: Who, path: &str) -> (HeaderMap, WebSocketStream<TokioIo<Upgraded>>) {
    let answer = ask(send, who, path, "websocket", &USUAL).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    let stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    (headers, WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

#[test]
fn messages_pass_both_ways_beside_other_streams() {
    let gate = gate(echo(), Options::policy(ROUTES));
    Runtime::new().unwrap().block_on(async {
        let mut send = connect(&gate).await;
        let (headers, mut first) = open(&mut send, Who::uA, "/ws/org/a").await;
        for name in ["connection", "upgrade", "sec-websocket-accept", "content-length"] {
            assert!(!headers.contains_key(name), "{headers:?}");
        }
        let (_, mut second) = open(&mut send, Who::uA, "/ws/me").await;
        for size in [0, 1, 125, 126, 70_000, 3 << 20] {
            for socket in [&mut first, &mut second] {
                let message = Message::binary(vec![7; size]);
                socket.send(message.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), message);
            }
            assert_eq!(get(&mut send, "/nowhere").await, 404);
        }
        eventually("they are counted", || (gate.postern.metric("postern_websockets_open") == 2.0).then_some(()));
        // The other side answers it and ends the stream, perhaps before the last flush of ours.
        let _ = first.close(None).await;
        while first.next().await.is_some_and(|message| message.is_ok()) {}
        // Gone without a word: the stream is reset.
        drop(second);
        eventually("counted down", || (gate.postern.metric("postern_websockets_open") == 0.0).then_some(()));
        assert_eq!(get(&mut send, "/nowhere").await, 404);
    });
    let line = eventually("its line", || {
        gate.postern.access_lines_now().into_iter().find(|line| line["route"] == "/ws/org/{org:slug}")
    });
    assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some("GET"), Some(200)), "{line}");
    assert!(line["bytes"].as_u64() > Some(3 << 20), "{line}");
}

#[test]
fn what_may_not_become_one_is_refused_and_the_connection_lives() {
    let gate = gate(echo(), Options::policy(ROUTES).set("identity.api", "token"));
    Runtime::new().unwrap().block_on(async {
        let mut send = connect(&gate).await;
        let origin = |origin| [USUAL[0], ("origin", origin)];
        for (who, path, protocol, fields, status) in [
            (Who::uB, "/ws/org/a", "websocket", &USUAL[..], 403),
            (Who::nobody, "/ws/me", "websocket", &USUAL, 401),
            (Who::uA, "/ws/org/a", "websocket", &origin("https://evil.example"), 403),
            (Who::uA, "/plain", "websocket", &USUAL, 405),
            (Who::uA, "/ws/me", "websocket", &[], 400),
            (Who::uA, "/ws/me", "websocket", &[USUAL[0], ("sec-websocket-key", "short")], 400),
            (Who::uA, "/ws/me", "connect-udp", &USUAL, 405),
            (Who::uA, "/api/v1/users/token/", "websocket", &USUAL, 405),
            (Who::uA, "/ws/me", "", &USUAL, 405),
        ] {
            let answer = ask(&mut send, who, path, protocol, fields).await;
            assert_eq!(answer.status().as_u16(), status, "{path} {protocol} {fields:?}");
        }
        let allowed = ask(&mut send, Who::uA, "/ws/org/a", "websocket", &origin("https://app.example.com")).await;
        assert_eq!(allowed.status(), StatusCode::OK);
        assert_eq!(get(&mut send, "/nowhere").await, 404);
    });
}

/// A success would tell the client that its stream is a WebSocket now.
#[test]
fn an_upstream_that_does_not_switch_is_502_and_its_refusal_passes() {
    for (answer, status) in [("HTTP/1.1 200 OK", 502), ("HTTP/1.1 426 Upgrade Required", 426)] {
        let upstream = Upstream::saying(format!("{answer}\r\nContent-Length: 5\r\n\r\nhello"));
        let gate = Gate::before(upstream, &Options::policy(ROUTES));
        Runtime::new().unwrap().block_on(async {
            let mut send = connect(&gate).await;
            assert_eq!(ask(&mut send, Who::uA, "/ws/me", "websocket", &USUAL).await.status().as_u16(), status);
        });
        let sent = gate.upstream.last();
        assert_eq!((sent.method.as_str(), sent.header("upgrade")), ("GET", Some("websocket")));
        assert_eq!(sent.folded("sec-websocket-key").len(), 1, "{:?}", sent.headers);
    }
}

/// Proxies that translate a client's handshake send its key, and give it the answer to that.
#[test]
fn the_key_of_a_client_behind_another_proxy_is_answered() {
    let gate = gate(echo(), Options::policy(ROUTES));
    Runtime::new().unwrap().block_on(async {
        let mut send = connect(&gate).await;
        let fields = [USUAL[0], ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
        let answer = ask(&mut send, Who::uA, "/ws/me", "websocket", &fields).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    });
}

#[test]
fn it_ends_with_the_right_to_it_and_with_the_process() {
    let mut gate = gate(echo(), Options::policy(ROUTES));
    let code = async |socket: &mut WebSocketStream<TokioIo<Upgraded>>| {
        let closed = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("closed in time");
        match closed {
            Some(Ok(Message::Close(Some(frame)))) => frame.code,
            other => panic!("{other:?}"),
        }
    };
    Runtime::new().unwrap().block_on(async {
        let mut send = connect(&gate).await;
        let (_, mut ending) = open(&mut send, Who::uA, "/ws/org/a").await;
        let (_, mut staying) = open(&mut send, Who::mA, "/ws/org/a").await;
        gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
        assert_eq!(code(&mut ending).await, CloseCode::Policy);
        staying.send(Message::text("me too")).await.unwrap();
        assert!(staying.next().await.unwrap().unwrap().is_text());
        gate.postern.signal(Signal::Term);
        assert_eq!(code(&mut staying).await, CloseCode::Away);
    });
    assert!(gate.postern.wait().success());
}
