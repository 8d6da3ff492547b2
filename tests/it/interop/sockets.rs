//! WebSockets to an upstream of HTTP/2 (RFC 8441): Hypercorn, in the clear and within TLS, for clients of either version.

use super::{Server, program, python};
use crate::gateway::websockets::open;
use crate::gateway::websockets_http2 as http2;
use crate::support::tls::Authority;
use crate::support::{Gate, Options, Signal, Upstream, Who, World, eventually, free_port, request};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const ROUTES: &str = r#"
version: 1
upstream: sockets
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /ws/org/{org:slug}: { org: path.org as slug, GET: { level: member, upgrade: [websocket] } }
  /ws/**: { GET: { level: authenticated, upgrade: [websocket] } }
  /plain: authenticated
"#;

/// Hypercorn, and a gate before it. `of` gives its URL as postern.yaml has it, by its port.
fn before_hypercorn(tls: &[String], of: impl FnOnce(u16) -> String) -> (Server, Gate) {
    let port = free_port();
    let (bind, app) = (format!("127.0.0.1:{port}"), format!("{}:app", program("sockets.py").display()));
    let mut arguments = vec!["-m", "hypercorn", "--workers", "0", "--bind", &bind];
    arguments.extend(tls.iter().map(String::as_str));
    arguments.push(&app);
    let server = Server::start(python().to_str().unwrap(), &arguments, "", port);
    let mut options = Options::policy(ROUTES).set("workers", 1);
    options.upstreams = Some(format!("{{ sockets: {} }}", of(port)));
    (server, Gate::before(Upstream::echo(), &options))
}

fn in_the_clear() -> (Server, Gate) {
    before_hypercorn(&[], |port| format!("\"h2c://127.0.0.1:{port}\""))
}

async fn says_all_back<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    for size in [0, 1, 125, 126, 70_000, 3 << 20] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}

async fn code<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> CloseCode {
    match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("closed in time") {
        Some(Ok(Message::Close(Some(frame)))) => frame.code,
        other => panic!("{other:?}"),
    }
}

/// Through all four bridges, beside plain requests on the same connection.
fn it_takes_websockets(gate: &Gate) {
    let is_open = |count: f64| {
        eventually("as many are open", || (gate.postern.metric("postern_websockets_open") == count).then_some(()))
    };
    Runtime::new().unwrap().block_on(async {
        let mut asked = format!("ws://{}/ws/x", gate.postern.data).into_client_request().unwrap();
        let token = format!("Bearer {}", World::get().token(Who::mA).unwrap());
        asked.headers_mut().insert("authorization", token.parse().unwrap());
        asked.headers_mut().insert("sec-websocket-protocol", "first, second".parse().unwrap());
        let (mut first, answer) = tokio_tungstenite::connect_async(asked).await.unwrap();
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let told = (header("x-spoken"), header("x-user"), header("sec-websocket-protocol"));
        assert_eq!((answer.status().as_u16(), told), (101, (Some("2"), Some("mA"), Some("second"))), "{answer:?}");
        let mut send = http2::connect(gate).await;
        let (headers, mut second) = http2::open(&mut send, Who::uA, "/ws/org/a").await;
        assert!(headers["x-spoken"] == "2" && !headers.contains_key("sec-websocket-accept"), "{headers:?}");
        says_all_back(&mut first).await;
        says_all_back(&mut second).await;
        is_open(2.0);
        assert_eq!(gate.get(Who::uA, "/plain").text(), "plain");
        // A client says Close, and is told so as soon as the upstream has; the other one stays.
        let _ = second.close(None).await;
        while second.next().await.is_some_and(|message| message.is_ok()) {}
        is_open(1.0);
        says_all_back(&mut first).await;
        assert_eq!(gate.postern.metric("postern_upstream_connections_total"), 1.0);
        // The upstream does. (Where the client answers that, Hypercorn 0.18 ends the connection.)
        first.send(Message::text("bye")).await.unwrap();
        assert_eq!(code(&mut first).await, CloseCode::Again);
        is_open(0.0);
    });
    let refused = gate.send(request(Who::uA, "GET", "/ws/refused", &http2::HANDSHAKE, ""));
    assert_eq!(refused.status, 403, "{refused:?}");
    let lines = eventually("their lines", || {
        let lines = gate.postern.access_lines_now();
        let statuses: Vec<_> = lines.iter().filter_map(|line| line["status"].as_u64()).collect();
        [101, 200, 403].iter().all(|status| statuses.contains(status)).then_some(lines)
    });
    assert!(lines.iter().any(|line| line["status"] == 101 && line["bytes"].as_u64() > Some(3 << 20)), "{lines:?}");
}

#[test]
fn hypercorn_takes_websockets_in_the_clear() {
    let (_server, gate) = in_the_clear();
    it_takes_websockets(&gate);
}

/// The handshake of TLS agrees on HTTP/2.
#[test]
fn hypercorn_takes_websockets_within_tls() {
    let authority = Authority::new();
    authority.sign("hypercorn", &["localhost"]);
    let file = |name| authority.file(name).display().to_string();
    let tls = ["--certfile".to_owned(), file("hypercorn.crt"), "--keyfile".to_owned(), file("hypercorn.key")];
    let ca = file("ca.pem");
    let (_server, gate) =
        before_hypercorn(&tls, |port| format!("{{ addresses: \"https://localhost:{port}\", tls: {{ ca: {ca} }} }}"));
    it_takes_websockets(&gate);
}

#[test]
fn one_over_http_2_ends_with_the_right_to_it_and_with_the_process() {
    let (_server, mut gate) = in_the_clear();
    Runtime::new().unwrap().block_on(async {
        let mut ending = open(&gate, Who::uA, "/ws/org/a", None).await.unwrap();
        let mut staying = open(&gate, Who::mA, "/ws/org/a", None).await.unwrap();
        let refused = open(&gate, Who::uB, "/ws/org/a", None).await;
        assert!(matches!(refused, Err(tokio_tungstenite::tungstenite::Error::Http(answer)) if answer.status() == 403));
        gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
        assert_eq!(code(&mut ending).await, CloseCode::Policy);
        says_all_back(&mut staying).await;
        gate.postern.signal(Signal::Term);
        assert_eq!(code(&mut staying).await, CloseCode::Away);
    });
    assert!(gate.postern.wait().success());
}
