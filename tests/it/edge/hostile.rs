//! Peers that hold what they were given: one for each bound in the table of docs/operations.md. Each is ended, what it held is free
//! again, and others are served meanwhile.

use super::secure;
use crate::gateway::websockets;
use crate::support::frames::*;
use crate::support::tls::{Authority, Wire};
use crate::support::{
    Answer, Exchange, Gate, Options, PATIENCE, Postern, ROUTES, Raw, Upstream, Who, World, eventually, get, request,
};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const INITIAL_WINDOW: u16 = 4;

/// Exchanges that an upstream is busy with.
type Busy = Arc<AtomicUsize>;

/// An upstream with a large answer under `/public/large`, of so many bytes or without end, a short one elsewhere, and how many large ones
/// it is sending.
fn upstream(size: Option<usize>) -> (Upstream, Busy) {
    let busy = Busy::default();
    let counted = Arc::clone(&busy);
    let upstream = Upstream::with(move |exchange| {
        if exchange.request.target != "/public/large" {
            exchange.body()?;
            return exchange.answer("200 OK", &[], b"short");
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let sent = match size {
            Some(size) => exchange.answer("200 OK", &[], &vec![b'x'; size]),
            None => without_end(exchange),
        };
        counted.fetch_sub(1, Ordering::SeqCst);
        sent
    });
    (upstream, busy)
}

/// Returns when the gate has hung up.
fn without_end(exchange: &mut Exchange) -> std::io::Result<()> {
    let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        exchange.write(&chunk)?;
    }
}

fn impatient() -> Options {
    Options::policy(ROUTES).set("timeouts.stall", "500ms")
}

fn are_served(gate: &Gate) {
    assert_eq!(gate.get(Who::nobody, "/public/x").status, 200, "others are served");
}

fn nothing_is_held(busy: &Busy) {
    eventually("the upstream is let go", || (busy.load(Ordering::SeqCst) == 0).then_some(()));
}

fn ask(peer: &mut Peer, stream: u32, path: &str) {
    peer.send(HEADERS, END_HEADERS | END_STREAM, stream, &get_block(path));
}

fn get_block(path: &str) -> Vec<u8> {
    crate::support::frames::get(path, &[])
}

/// Reads until each of these streams was reset, or had its end.
fn ends(peer: &mut Peer, streams: u32) -> (u32, u32) {
    let (mut reset, mut whole) = (0, 0);
    while reset + whole < streams {
        let frame = peer.frame().expect("the connection is open");
        match frame.kind {
            RST_STREAM => reset += 1,
            HEADERS | DATA if frame.flags & END_STREAM != 0 => whole += 1,
            _ => {}
        }
    }
    (reset, whole)
}

#[test]
fn http2_answer_that_is_never_read_is_reset() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 0)]);
    for stream in 0..100 {
        ask(&mut peer, stream * 2 + 1, if stream % 2 == 0 { "/public/large" } else { "/public/small" });
    }
    are_served(&gate);
    assert_eq!(ends(&mut peer, 100), (100, 0));
    nothing_is_held(&busy);
    assert_eq!(gate.postern.metric("postern_http2_stalled_total"), 100.0);
    peer.assert_alive();
}

/// The windows that everybody begins with, for all streams together and for each, never opened again.
#[test]
fn http2_window_of_65535_that_is_never_opened_again_is_not_waited_for() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    for stream in 0..20 {
        ask(&mut peer, stream * 2 + 1, "/public/large");
    }
    assert_eq!(ends(&mut peer, 20), (20, 0));
    nothing_is_held(&busy);
    are_served(&gate);
}

/// Open streams, but no room for all of them together.
#[test]
fn http2_connection_window_that_is_never_opened_again_is_not_waited_for() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, (1 << 31) - 1)]);
    for stream in 0..20 {
        ask(&mut peer, stream * 2 + 1, "/public/large");
    }
    assert_eq!(ends(&mut peer, 20), (20, 0));
    nothing_is_held(&busy);
}

/// A byte now and then is no progress.
#[test]
fn http2_window_opened_by_single_bytes_is_not_waited_for() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 1)]);
    ask(&mut peer, 1, "/public/large");
    let start = postern::clock::monotonic();
    while start.elapsed() < PATIENCE && gate.postern.metric("postern_http2_stalled_total") == 0.0 {
        peer.send(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ends(&mut peer, 1), (1, 0));
    nothing_is_held(&busy);
    peer.assert_alive();
}

/// One stream that flows does not pay for those that stand still beside it.
#[test]
fn http2_stream_that_flows_keeps_no_other_alive() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 0)]);
    let streams = 10;
    for stream in 0..streams {
        ask(&mut peer, stream * 2 + 1, "/public/large");
    }
    let mut reset = Vec::new();
    while reset.len() < 9 {
        let room = 64 * 1024_u32;
        peer.send(WINDOW_UPDATE, 0, 0, &room.to_be_bytes()).send(WINDOW_UPDATE, 0, 1, &room.to_be_bytes());
        let mut came = 0;
        while came < room as usize && reset.len() < 9 {
            let frame = peer.frame().expect("the connection is open");
            match frame.kind {
                RST_STREAM => reset.push(frame.stream),
                DATA => came += frame.payload.len(),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!reset.contains(&1), "the one that flows is not among them: {reset:?}");
    assert_eq!(busy.load(Ordering::SeqCst), 1);
}

/// The last bytes of a short answer are the parser's already, and hold no upstream; the connection that does not take them ends.
#[test]
fn http2_end_of_a_short_answer_that_is_not_taken_ends_the_connection() {
    let gate = Gate::with(&impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 1)]);
    ask(&mut peer, 1, "/public/x");
    // Not idle: others are asked for all the while.
    let mut stream = 3;
    let start = postern::clock::monotonic();
    while peer.try_send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get_block("/public/x"))).is_ok() {
        stream += 2;
        assert!(start.elapsed() < PATIENCE, "it is never ended");
        std::thread::sleep(Duration::from_millis(100));
    }
    eventually("counted", || (gate.postern.metric("postern_http2_stalled_total") >= 1.0).then_some(()));
    eventually("closed", || (gate.postern.metric("postern_connections_open") == 0.0).then_some(()));
}

/// A large answer to a client that takes its time but takes it: whole, by its own end.
#[test]
fn http2_slow_reader_that_keeps_the_rate_has_all_of_it() {
    let size = 300 * 1024_usize;
    let (upstream, busy) = upstream(Some(size));
    let gate = Gate::before(upstream, &impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 0)]);
    ask(&mut peer, 1, "/public/large");
    let mut came = 0;
    while came < size {
        let room = u32::try_from((size - came).min(16 * 1024)).unwrap();
        peer.send(WINDOW_UPDATE, 0, 0, &room.to_be_bytes()).send(WINDOW_UPDATE, 0, 1, &room.to_be_bytes());
        let target = came + room as usize;
        while came < target {
            let frame = peer.frame().expect("the connection is open");
            assert_ne!(frame.kind, RST_STREAM, "behind {came} bytes");
            came += if frame.kind == DATA { frame.payload.len() } else { 0 };
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ends(&mut peer, 1), (0, 1));
    nothing_is_held(&busy);
}

/// A connection whose kernel holds as little as it can be made to.
fn narrow(gate: &Gate) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&gate.postern.data.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads a byte each 50 ms until it need no more.
fn sip(stream: &mut TcpStream, done: &AtomicBool) {
    let mut byte = [0];
    while !done.load(Ordering::SeqCst) && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn http1_client_that_reads_a_byte_now_and_then_is_given_up() {
    let (upstream, busy) = upstream(None);
    let gate = Gate::before(upstream, &impatient());
    let mut clients: Vec<_> = (0..5).map(|_| narrow(&gate)).collect();
    for client in &mut clients {
        client.write_all(&get(Who::nobody, "/public/large")).unwrap();
    }
    eventually("asked", || (busy.load(Ordering::SeqCst) == 5).then_some(()));
    are_served(&gate);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| sip(client, &done));
        }
        let start = postern::clock::monotonic();
        while busy.load(Ordering::SeqCst) > 0 && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
        done.store(true, Ordering::SeqCst);
    });
    nothing_is_held(&busy);
    let lines = gate.postern.access_lines(6);
    assert_eq!(lines.iter().filter(|line| line["aborted"] == true).count(), 5, "{lines:?}");
}

/// TLS has a last word, for which a client that does not read leaves no room.
#[test]
fn tls_client_that_does_not_take_the_end_is_given_up() {
    let authority = Authority::new();
    let (upstream, busy) = upstream(None);
    let options = secure(&authority).set("timeouts.stall", "500ms");
    let gate = Gate::before(upstream, &options);
    let client = authority.client(&["http/1.1"], None);
    let mut clients: Vec<_> =
        (0..3).map(|_| Wire::tls(gate.postern.data, &client, "api.example.com").unwrap()).collect();
    for client in &mut clients {
        let head = "GET /public/large HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
    }
    nothing_is_held(&busy);
    eventually("closed", || (gate.postern.metric("postern_connections_open") == 0.0).then_some(()));
}

/// Uploads a byte each 50 ms until the gate has an answer or hangs up.
fn drip(raw: &mut Raw, bytes: &[u8], most: Duration) -> Option<Answer> {
    let start = postern::clock::monotonic();
    while raw.try_send(bytes).is_ok() && !raw.anything_within(Duration::from_millis(50)) {
        assert!(start.elapsed() < most, "the gate waits");
    }
    raw.try_answer().ok()
}

#[test]
fn upload_below_the_least_rate_is_given_up_over_http1() {
    // 20 bytes a second, and 1,200: both are below the rate.
    for size in [1, 60] {
        let gate = Gate::with(&impatient());
        let mut raw = gate.raw();
        raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
        drip(&mut raw, &vec![b'x'; size], PATIENCE);
        let line = gate.postern.access_lines(1).remove(0);
        assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(400), Some("body_invalid")), "{line}");
        assert!(!gate.upstream.last().complete);
        are_served(&gate);
    }
}

#[test]
fn upload_above_the_least_rate_is_taken_however_long_it_takes() {
    let gate = Gate::with(&impatient().set("limits.min_rate", "512B"));
    let mut raw = gate.raw();
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n");
    for _ in 0..30 {
        raw.send([b'x'; 100]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(raw.answer().status, 200);
    assert_eq!(gate.upstream.last().body.len(), 3000);
}

#[test]
fn upload_below_the_least_rate_is_given_up_over_http2() {
    let gate = Gate::with(&impatient());
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let head = block(&[(":method", b"POST"), (":scheme", b"http"), (":authority", b"a"), (":path", b"/public/x")]);
    peer.send(HEADERS, END_HEADERS, 1, &head);
    let start = postern::clock::monotonic();
    while gate.postern.access_lines_now().is_empty() {
        peer.send(DATA, 0, 1, &[b'x'; 60]);
        std::thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < PATIENCE, "the gate waits");
    }
    peer.assert_alive();
}

/// The upstream takes a byte now and then of what the client would send at once.
#[test]
fn upload_that_the_upstream_does_not_take_is_504() {
    let upstream = Upstream::with(|exchange| {
        std::thread::sleep(PATIENCE);
        exchange.body().map(|_| ())
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("timeouts.first_byte", "500ms"));
    let mut raw = gate.raw();
    let body = vec![b'x'; 64 << 10];
    raw.send("POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &body, b"\r\n"].concat();
    raw.socket().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while raw.try_send(&chunk).is_ok() {}
    let answer = raw.answer();
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
}

/// An answer with a length comes at the least rate; one without may be a stream of events, which come when they come.
#[test]
fn upstream_that_drips_an_answer_with_a_length_is_given_up() {
    let upstream = Upstream::with(|exchange| {
        let events = exchange.request.target == "/public/events";
        let (head, piece) =
            if events { ("Transfer-Encoding: chunked", "1\r\nx\r\n") } else { ("Content-Length: 1000000", "x") };
        exchange.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes())?;
        for _ in 0..60 {
            exchange.write(piece.as_bytes())?;
            std::thread::sleep(Duration::from_millis(50));
        }
        exchange.write(b"0\r\n\r\n")
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("timeouts.upstream_idle", "800ms"));
    let mut raw = gate.raw();
    raw.send(get(Who::nobody, "/public/file"));
    assert_eq!(raw.try_answer().map_err(|error| error.kind()).unwrap_err(), ErrorKind::UnexpectedEof);
    let line = gate.postern.access_lines(1).remove(0);
    assert_eq!((line["status"].as_u64(), line["aborted"].as_bool()), (Some(200), Some(true)), "{line}");
    assert_eq!(gate.get(Who::nobody, "/public/events").body, [b'x'; 60]);
}

/// An upstream that speaks a head for ever.
#[test]
fn upstream_that_drips_its_head_is_504() {
    let upstream = Upstream::with(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")?;
        loop {
            exchange.write(b"x")?;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let gate = Gate::before(upstream, &Options::policy(ROUTES).set("timeouts.first_byte", "500ms"));
    assert_eq!(gate.get(Who::nobody, "/public/x").status, 504);
}

/// PINGs are no requests.
#[test]
fn http2_connection_of_pings_alone_ends() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.idle", "500ms"));
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let start = postern::clock::monotonic();
    while peer.try_send(&frame(PING, 0, 0, b"pingping")).is_ok() {
        std::thread::sleep(Duration::from_millis(100));
        assert!(start.elapsed() < PATIENCE, "it is never ended");
    }
    assert!(peer.until(GOAWAY).is_none_or(|goaway| goaway.code() == 0));
}

/// A WebSocket between these two ends, though nobody has said so.
fn websocket_ends(gate: &Gate, mut talk: impl FnMut() -> std::io::Result<()>) {
    eventually("open", || (gate.postern.metric("postern_websockets_open") == 1.0).then_some(()));
    let start = postern::clock::monotonic();
    while gate.postern.metric("postern_websockets_open") > 0.0 {
        let _ = talk();
        assert!(start.elapsed() < PATIENCE, "it is never ended");
    }
    assert_eq!(gate.postern.access_lines(1)[0]["aborted"], true);
}

#[test]
fn websocket_peer_that_never_reads_is_given_up() {
    let frames = [&[0x82, 126, 0x10, 0][..], &[7; 4096]].concat().repeat(64);
    for client_talks in [true, false] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options::policy(websockets::ROUTES).set("timeouts.stall", "1s");
        let gate = websockets::gate(listener.local_addr().unwrap(), options);
        let (client, upstream) = websockets::bare(&listener, &gate);
        let (mut talks, silent) = if client_talks { (client, upstream) } else { (upstream, client) };
        talks.set_nonblocking(true).unwrap();
        websocket_ends(&gate, || talks.write_all(&frames));
        drop(silent);
    }
}

/// Half a WebSocket is for last words, not for a byte now and then.
#[test]
fn half_a_websocket_that_drips_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options::policy(websockets::ROUTES).set("timeouts.stall", "1s");
    let gate = websockets::gate(listener.local_addr().unwrap(), options);
    let (client, mut upstream) = websockets::bare(&listener, &gate);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    websocket_ends(&gate, || {
        std::thread::sleep(Duration::from_millis(100));
        upstream.write_all(&[0x89, 0])
    });
}

#[test]
fn websocket_over_http2_whose_client_opens_no_window_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options::policy(websockets::ROUTES).set("timeouts.stall", "1s");
    let gate = websockets::gate(listener.local_addr().unwrap(), options);
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 0)]);
    let token = format!("Bearer {}", World::get().token(Who::uA).unwrap());
    let head = block(&[
        (":method", b"CONNECT"),
        (":protocol", b"websocket"),
        (":scheme", b"http"),
        (":authority", b"a"),
        (":path", b"/ws/me"),
        ("sec-websocket-version", b"13"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("authorization", token.as_bytes()),
    ]);
    peer.send(HEADERS, END_HEADERS, 1, &head);
    let mut upstream = websockets::switched(&listener);
    upstream.set_nonblocking(true).unwrap();
    let frames = [&[0x82, 126, 0x10, 0][..], &[7; 4096]].concat().repeat(64);
    websocket_ends(&gate, || upstream.write_all(&frames));
    // What was written last waits no longer either.
    assert_eq!(ends(&mut peer, 1), (1, 0));
    peer.assert_alive();
}

/// Starts postern with so many descriptors, in front of this upstream.
fn with_descriptors(count: usize, upstream: Upstream, options: &Options) -> Gate {
    let home = Postern::prepare(Some(upstream.address()), options);
    let serve = Postern::serve(home.path(), options);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {count} && exec \"$0\" serve")]).arg(serve.get_program());
    command.current_dir(home.path());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Gate { postern: Postern::run(home, &mut command), upstream }
}

/// One client of HTTP/2 can ask for a hundred upstream connections: neither probes nor the data port go without for that.
#[test]
fn twelve_connections_do_not_take_the_descriptors_of_probes_and_clients() {
    let (upstream, busy) = upstream(None);
    let gate = with_descriptors(1024, upstream, &Options::policy(ROUTES).set("timeouts.stall", "8s"));
    let warned = gate.postern.stderr().iter().any(|line| line.contains("RLIMIT_NOFILE"));
    assert!(warned, "limits.connections is more than that: {:?}", gate.postern.stderr());
    let mut peers: Vec<_> =
        (0..12).map(|_| Peer::begin(Wire::plain(gate.postern.data), &[(INITIAL_WINDOW, 0)])).collect();
    for peer in &mut peers {
        for stream in 0..100 {
            ask(peer, stream * 2 + 1, "/public/large");
        }
    }
    eventually("the upstreams' share is taken", || (busy.load(Ordering::SeqCst) >= 340).then_some(()));
    assert_eq!(gate.postern.admin("/readyz").status, 200);
    assert_eq!(gate.get(Who::nobody, "/me/x").status, 401, "the data port answers");
    let answer = gate.get(Who::nobody, "/public/x");
    assert!(matches!((answer.status, answer.header("retry-after")), (503, Some("1")) | (200, None)), "{answer:?}");
    nothing_is_held(&busy);
    eventually("served again", || (gate.get(Who::nobody, "/public/x").status == 200).then_some(()));
    assert_eq!(gate.postern.metric("postern_accept_failed_total"), 0.0);
}

/// The limit of a running process.
fn prlimit(gate: &Gate, soft: usize) {
    let limit = format!("--nofile={soft}:");
    let set = Command::new("prlimit").args(["--pid", &gate.postern.id().to_string(), &limit]).status().unwrap();
    assert!(set.success());
}

#[test]
fn accepting_goes_on_after_descriptors_have_run_out() {
    let gate = Gate::with(&Options::policy(ROUTES));
    are_served(&gate);
    let open = std::fs::read_dir(format!("/proc/{}/fd", gate.postern.id())).unwrap().count();
    prlimit(&gate, open.saturating_sub(2));
    let mut waiting = gate.raw();
    waiting.send(get(Who::nobody, "/public/x"));
    std::thread::sleep(Duration::from_millis(500));
    prlimit(&gate, 1024);
    assert_eq!(waiting.answer().status, 200);
    assert!(gate.postern.metric("postern_accept_failed_total") > 1.0);
    let said = gate.postern.stderr().iter().filter(|line| line.contains("cannot be accepted")).count();
    assert_eq!(said, 1, "once, not ten times a second");
}

#[test]
fn a_process_with_too_few_descriptors_says_so_and_does_not_start() {
    let options = Options::policy(ROUTES);
    let home = Postern::prepare(Some(Upstream::echo().address()), &options);
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 128 && exec \"$0\" serve"])
        .arg(env!("CARGO_BIN_EXE_postern"))
        .current_dir(home.path())
        .env("POSTERN_DATA_DIR", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("may open 128 files") && said.contains("ulimit -n"), "{said}");
}

/// A head that drips has the time of a head, in either version.
#[test]
fn head_that_drips_is_given_up() {
    let gate = Gate::with(&Options::policy(ROUTES).set("timeouts.head", "500ms"));
    let mut raw = gate.raw();
    raw.send("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Drip: ");
    drip(&mut raw, b"x", PATIENCE);
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &request_block());
    let start = postern::clock::monotonic();
    for byte in head {
        if peer.try_send(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < PATIENCE, "the gate waits");
    }
    eventually("both are closed", || (gate.postern.metric("postern_connections_open") == 0.0).then_some(()));
    gate.upstream.assert_untouched("neither head was whole");
}

fn request_block() -> Vec<u8> {
    crate::support::frames::get("/public/x", &[("x-long", &[b'x'; 100])])
}

/// The same request as others, so that what is compared is the waiting alone.
#[test]
fn slow_phones_are_not_cut() {
    let gate = Gate::with(&Options::policy(ROUTES));
    // As slow as a bad line of the second generation: 4 KiB a second, in bursts with gaps.
    let body = "x".repeat(6 * 1024);
    let whole = request(Who::nobody, "POST", "/public/x", &[], &body);
    let mut raw = gate.raw();
    for piece in whole.chunks(2 * 1024) {
        raw.send(piece);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(raw.answer().status, 200);
}
