//! What it costs to be asked, all included: a process's worth of postern in this one, asked over sockets by as little of a client as can
//! be. It writes bytes that were made before, and reads until the answer has ended.

use super::{Counted, TIMES, Work};
use postern::config::{Config, Sources};
use postern::directory::name::Text;
use postern::directory::sqlite::{Options, SqliteStore};
use postern::directory::token::Token;
use postern::directory::{Directory, NewScope, NewToken, NewUser, Viewer};
use postern::ext_authz::frame::framed;
use postern::ext_authz::wire::Writer;
use postern::policy::load;
use postern::server::{Listeners, Server};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Name, instructions at most, how often, how many that is, what to run.
pub(crate) const BENCHES: [Counted; 2] = [
    ("a Check of Envoy's over gRPC, 13 headers", 95_000, TIMES, TIMES as u64, check),
    ("a question of nginx's over HTTP/1.1", 52_000, TIMES, TIMES as u64, forward_auth),
];

const POLICY: &str = "version: 1\nupstream: x\nroutes: { /api/**: { level: authenticated, inject: { X-Postern-User: user.username, \
                      X-Postern-Id: user.id, X-Postern-Organizations: orgs.member } } }\n";

/// A postern that is asked; it goes down with this.
struct Asked {
    server: Option<Server>,
    runtime: Runtime,
    token: String,
    home: tempfile::TempDir,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.drain());
        }
    }
}

fn asked() -> Asked {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("postern.yaml");
    let text = "listen: unix:data.sock\nmanagement: 127.0.0.1:0\nworkers: 1\nlog: { access: false }\ndatabase: sqlite:postern.db\n\
                upstreams: { x: \"http://127.0.0.1:1\" }\ntrusted_proxies: [127.0.0.1]\ncache: { max_staleness: 10s }\n\
                ext_authz: { listen: unix:grpc.sock }\nforward_auth: { listen: unix:http.sock, front: nginx }\n";
    std::fs::write(&file, text).expect("written");
    let sources = Sources { file: Some(file), ..Sources::default() };
    let config = Config::load(&sources).unwrap_or_else(|error| panic!("{error}")).0;
    let policy = load(&[("routes.yaml", POLICY)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (server, token) = runtime.block_on(async {
        let store = SqliteStore::open(&home.path().join("postern.db"), Options::default()).expect("a store");
        let store = Arc::new(Directory::from(store));
        let operator = store.as_seen_by(Viewer::Operator);
        operator.create_users(vec![NewUser::named("ann").expect("a name")]).await.expect("ann");
        let token = Token::generate(store.checksum_key()).expect("a token");
        let (user, digest, scope) = ("ann".into(), token.digest(), NewScope::default());
        let new = NewToken { user, digest, name: Text::empty(), expires_at: None, scope };
        operator.create_tokens(vec![new]).await.expect("kept");
        let listeners = Listeners::bind(&config).expect("listening");
        let server = Server::start(config, listeners, policy, store, runtime.handle()).await.expect("started");
        (server, token.expose().to_owned())
    });
    Asked { server: Some(server), runtime, token, home }
}

fn connect(home: &Path, socket: &str) -> UnixStream {
    UnixStream::connect(home.join(socket)).expect("connected")
}

/// A `CheckRequest` of 13 headers, as gRPC sends it.
fn question(token: &str) -> Vec<u8> {
    let target = "/api/v1/devices/9531985d/config?page=2";
    let authorization = format!("Bearer {token}");
    let headers = [
        (":authority", "api.example.com"),
        (":path", target),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("accept", "application/json"),
        ("authorization", &authorization),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"),
        ("cookie", "theme=dark"),
    ];
    let value = |message: &mut Writer, (name, value): (&str, &str)| {
        message.bytes(1, name.as_bytes());
        message.bytes(3, value.as_bytes());
    };
    let bytes = framed(|request| {
        request.message(1, |attributes| {
            attributes.message(1, |peer| {
                peer.message(1, |address| address.message(1, |socket| socket.bytes(2, b"192.0.2.7")));
            });
            attributes.message(4, |request| {
                request.message(2, |http| {
                    http.bytes(2, b"GET");
                    http.bytes(4, target.as_bytes());
                    http.bytes(5, b"api.example.com");
                    http.bytes(6, b"http");
                    http.bytes(10, b"HTTP/1.1");
                    http.message(13, |map| headers.iter().for_each(|header| map.message(1, |one| value(one, *header))));
                });
            });
        });
    });
    bytes.to_vec()
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The head of the first call, by which the others are put together: `:path`, `:authority`, `content-type`, `te` are kept (RFC 7541).
fn first_head() -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    let mut put = |name: &[u8], value: &str| {
        head.extend(name);
        head.push(u8::try_from(value.len()).expect("a short text"));
        head.extend(value.as_bytes());
    };
    put(&[0x44], "/envoy.service.auth.v3.Authorization/Check");
    put(&[0x41], "postern");
    put(&[0x5f], "application/grpc");
    put(&[0x40, 2, b't', b'e'], "trailers");
    head
}

const NEXT_HEAD: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

/// What a connection brings, until a stream has ended.
struct Frames {
    /// What is read into: made once, since to make it costs more than to use it.
    piece: Box<[u8; 4096]>,
    socket: UnixStream,
    read: Vec<u8>,
    used: usize,
}

impl Frames {
    /// Reads until the stream has ended, and says how many bytes of messages it had.
    fn end_of(&mut self, stream: u32) -> usize {
        let mut data = 0;
        loop {
            while let Some([a, b, c, kind, flags, of @ ..]) = self.read.get(self.used..self.used + 9) {
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                if self.read.len() < self.used + 9 + length {
                    break;
                }
                let is_ours = *of == stream.to_be_bytes();
                let (kind, flags) = (*kind, *flags);
                self.used += 9 + length;
                if kind == DATA && is_ours {
                    data += length;
                }
                if is_ours && kind <= HEADERS && flags & END_STREAM != 0 {
                    return data;
                }
                assert!(!is_ours || kind <= HEADERS, "the stream was reset");
            }
            self.read.drain(..self.used);
            self.used = 0;
            let size = self.socket.read(&mut *self.piece).expect("an answer");
            assert!(size > 0, "the connection was closed");
            self.read.extend_from_slice(&self.piece[..size]);
        }
    }
}

fn check() -> Work {
    let asked = asked();
    let mut socket = connect(asked.home.path(), "grpc.sock");
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    begin.extend(frame(SETTINGS, 0, 0, &[]));
    begin.extend(frame(SETTINGS, ACK, 0, &[]));
    begin.extend(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    let question = question(&asked.token);
    let call = |stream: u32, head: &[u8]| {
        [frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, &question)].concat()
    };
    begin.extend(call(1, &first_head()));
    socket.write_all(&begin).expect("written");
    let mut frames = Frames { piece: Box::new([0; 4096]), socket, read: Vec::new(), used: 0 };
    let size = frames.end_of(1);
    assert!(size > 200, "a permission: {size} bytes");
    let calls: Vec<_> = (0..TIMES).map(|number| 3 + 2 * u32::try_from(number).expect("few")).collect();
    let mut calls: Vec<_> = calls.into_iter().rev().map(|stream| (stream, call(stream, &NEXT_HEAD))).collect();
    Box::new(move |_| {
        let _asked = &asked;
        let (stream, bytes) = calls.pop().expect("one for each time");
        frames.socket.write_all(&bytes).expect("written");
        assert_eq!(frames.end_of(stream), size);
    })
}

fn forward_auth() -> Work {
    let asked = asked();
    let mut socket = connect(asked.home.path(), "http.sock");
    let question = format!(
        "GET /verdict HTTP/1.1\r\nHost: api.example.com\r\nX-Original-Method: GET\r\nX-Original-URI: /api/v1/devices/9531985d/config?page=2\r\n\
         User-Agent: curl/8.14.1\r\nAccept: */*\r\nAuthorization: Bearer {}\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n\r\n",
        asked.token
    );
    let mut answer = Box::new([0; 4096]);
    let mut ask = move || {
        socket.write_all(question.as_bytes()).expect("written");
        let mut used = 0;
        while !answer[..used].ends_with(b"\r\n\r\n") {
            used += socket.read(&mut answer[used..]).expect("an answer");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    };
    // The first asks the store whose the token is.
    ask();
    Box::new(move |_| {
        let _asked = &asked;
        ask();
    })
}
