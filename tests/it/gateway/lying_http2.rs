//! Upstreams of HTTP/2 that lie, stall, refuse or go away in the middle: raw frames, by name.

use super::http2_upstreams::options;
use crate::support::frames::*;
use crate::support::tls::Wire;
use crate::support::{Answer, Postern, Who, eventually, get, request};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// Serves each connection, of which it is told the number from 0, in a thread of its own.
fn liar(settings: &'static [(u16, u32)], serve: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Liar {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (serve, counted) = (Arc::new(serve), Arc::clone(&connections));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, number) = (Arc::clone(&serve), counted.fetch_add(1, Ordering::SeqCst));
            std::thread::spawn(move || {
                let stream: TcpStream = stream.unwrap();
                let _ = stream.set_nodelay(true);
                if let Some(mut peer) = Peer::accept(Wire::Plain(stream), settings) {
                    serve(number, &mut peer);
                }
            });
        }
    });
    Liar { address, connections }
}

struct Liar {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Liar {
    fn gate(&self) -> Postern {
        Postern::start(self.address, &options(self.address))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn ok(stream: u32, peer: &mut Peer) {
    peer.send(HEADERS, END_HEADERS, stream, &block(&[(":status", b"200")])).send(DATA, END_STREAM, stream, b"ok");
}

fn reset(stream: u32, code: u32, peer: &mut Peer) {
    peer.send(RST_STREAM, 0, stream, &code.to_be_bytes());
}

fn go_away(last: u32, code: u32, peer: &mut Peer) {
    peer.send(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
}

/// Answers every request by `answer`, which is told the stream.
fn always(
    answer: impl Fn(u32, &mut Peer) + Send + Sync + 'static,
) -> impl Fn(usize, &mut Peer) + Send + Sync + 'static {
    move |_, peer| {
        while let Some(head) = peer.until(HEADERS) {
            answer(head.stream, peer);
        }
    }
}

fn is_502(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 502, "{what}: {answer:?}");
    assert!(["upstream_unreachable", "upstream_invalid"].contains(&answer.code().as_str()), "{what}: {answer:?}");
}

#[test]
fn an_answer_that_breaks_a_rule_is_502_and_harms_no_other() {
    type Lie = (&'static str, Vec<u8>);
    let head = |fields: &[(&str, &[u8])]| block(&[&[(":status", &b"200"[..])], fields].concat());
    let many: Vec<(&str, &[u8])> = vec![("x", b"y"); 200];
    let lies: Vec<Lie> = vec![
        ("no status", block(&[("x", b"y")])),
        ("two statuses", head(&[(":status", b"200")])),
        ("a status that is none", block(&[(":status", b"20")])),
        ("101", block(&[(":status", b"101")])),
        ("a pseudo-field behind a field", block(&[("x", b"y"), (":status", b"200")])),
        ("connection", head(&[("connection", b"close")])),
        ("transfer-encoding", head(&[("transfer-encoding", b"chunked")])),
        ("keep-alive", head(&[("keep-alive", b"timeout=5")])),
        ("upgrade", head(&[("upgrade", b"h2c")])),
        ("a name in capitals", head(&[("X-Name", b"y")])),
        ("a name with a blank", head(&[("x y", b"y")])),
        ("a name with a quote", head(&[("x\"y", b"y")])),
        ("a name with a colon", head(&[("x:y", b"y")])),
        ("a line feed in a value", head(&[("x", b"a\nset-cookie: b")])),
        ("a carriage return in a value", head(&[("x", b"a\rb")])),
        ("a zero in a value", head(&[("x", b"a\0b")])),
        ("a padded value", head(&[("x", b" a")])),
        ("a value padded behind", head(&[("x", b"a\t")])),
        ("lengths that differ", head(&[("content-length", b"2"), ("content-length", b"3")])),
        ("a length that is none", head(&[("content-length", b"+2")])),
        ("too many fields", head(&many)),
        ("a head that is too large", head(&[("x", &vec![b'y'; 70_000])])),
    ];
    let names: Vec<_> = lies.iter().map(|(name, _)| *name).collect();
    let told = Arc::new(AtomicUsize::new(0));
    let next = Arc::clone(&told);
    let upstream = liar(
        &[],
        always(move |stream, peer| {
            // After each lie the truth.
            let turn = next.fetch_add(1, Ordering::SeqCst);
            if turn % 2 == 1 {
                return ok(stream, peer);
            }
            let (_, lie) = &lies[turn / 2];
            let mut pieces = lie.chunks(16_000);
            let first = pieces.next().unwrap();
            let mut rest = pieces.peekable();
            peer.send(HEADERS, if rest.peek().is_none() { END_HEADERS } else { 0 }, stream, first);
            while let Some(piece) = rest.next() {
                peer.send(CONTINUATION, if rest.peek().is_none() { END_HEADERS } else { 0 }, stream, piece);
            }
            peer.send(DATA, END_STREAM, stream, b"ok");
        }),
    );
    let gate = upstream.gate();
    for name in names {
        let told = gate.get(Who::uA, "/me/x");
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_invalid"), "{name}");
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "after {name}");
    }
}

/// The library drops them: the answer is what it would be without them.
#[test]
fn an_answer_s_pseudo_fields_of_a_request_reach_nobody() {
    let upstream = liar(
        &[],
        always(|stream, peer| {
            let head: [(&str, &[u8]); 6] = [
                (":status", b"200"),
                (":method", b"DELETE"),
                (":scheme", b"ftp"),
                (":authority", b"evil.example"),
                (":path", b"/admin/x"),
                ("x-own", b"1"),
            ];
            let trailers: [(&str, &[u8]); 3] = [(":status", b"500"), (":path", b"/admin/y"), ("x-sum", b"2")];
            peer.send(HEADERS, END_HEADERS, stream, &block(&head)).send(DATA, 0, stream, b"ok");
            peer.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(&trailers));
        }),
    );
    let gate = upstream.gate();
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "GET", "/me/x", &[("Connection", "close")], ""));
    let told = String::from_utf8(raw.rest()).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("x-own: 1\r\n") && told.contains("ok"), "{told}");
    assert!(!["DELETE", "evil", "ftp", "admin"].iter().any(|what| told.contains(what)), "{told}");
    let line = &gate.access_lines(1)[0];
    assert_eq!((line["method"].as_str(), line["path"].as_str()), (Some("GET"), Some("/me/x")), "{line}");
}

#[test]
fn frames_that_break_the_connection_cost_their_own_requests_alone() {
    let cases: [(&str, Vec<u8>); 6] = [
        ("DATA on stream 0", frame(DATA, 0, 0, b"x")),
        ("SETTINGS of five bytes", frame(SETTINGS, 0, 0, b"12345")),
        ("a window of no bytes more", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[&2_u32.to_be_bytes()[..], &get_block()].concat())),
        ("a frame of 17 MB", vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]),
        ("no HTTP/2 at all", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ];
    for (name, bytes) in cases {
        let upstream = liar(&[], move |number, peer| {
            if number == 0 {
                peer.until(HEADERS);
                let _ = peer.try_send(&bytes);
                while peer.frame().is_some() {}
            } else {
                always(ok)(number, peer);
            }
        });
        let gate = upstream.gate();
        is_502(&gate.get(Who::uA, "/me/x"), name);
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200, "{name}: a new connection serves");
    }
}

fn get_block() -> Vec<u8> {
    crate::support::frames::get("/pushed", &[])
}

#[test]
fn what_was_refused_unseen_is_sent_again_whatever_its_method() {
    for (name, by_go_away) in [("REFUSED_STREAM", false), ("GOAWAY", true)] {
        let upstream = liar(&[], move |number, peer| {
            let mut refused = number > 0;
            let mut wait = 0;
            while let Some(head) = peer.until(HEADERS) {
                if refused {
                    let (mut body, mut flags) = (Vec::new(), head.flags);
                    while flags & END_STREAM == 0 {
                        let Some(data) = peer.until(DATA) else { return };
                        body.extend(&data.payload);
                        flags = data.flags;
                    }
                    peer.send(HEADERS, END_HEADERS, head.stream, &block(&[(":status", b"200")]));
                    peer.send(DATA, END_STREAM, head.stream, &body);
                } else if by_go_away {
                    go_away(0, 0, peer);
                } else {
                    reset(head.stream, REFUSED_STREAM, peer);
                    wait += 1;
                    refused = wait == 2;
                }
            }
        });
        let gate = upstream.gate();
        let mut raw = gate.raw();
        raw.send(request(Who::mA, "POST", "/api/v1/org/a/x", &[], "hello, once"));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello, once"), "{name}");
    }
    // But not for ever: least where the upstream refuses work, longer where it closes connections on which others wait too.
    type Refusal = fn(u32, &mut Peer);
    let refusals: [(&str, Refusal, usize); 2] = [
        ("always refused", |stream, peer| reset(stream, REFUSED_STREAM, peer), 3),
        ("always left", |_, peer| go_away(0, 0, peer), 16),
    ];
    for (name, refuse, times) in refusals {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let upstream = liar(
            &[],
            always(move |stream, peer| {
                counted.fetch_add(1, Ordering::SeqCst);
                refuse(stream, peer);
            }),
        );
        is_502(&upstream.gate().get(Who::uA, "/me/x"), name);
        assert_eq!(asked.load(Ordering::SeqCst), times, "{name}");
    }
}

#[test]
fn what_may_have_been_done_is_not_done_twice() {
    type Ending = fn(u32, &mut Peer);
    let endings: [(&str, Ending); 3] = [
        ("a reset", |stream, peer| reset(stream, CANCEL, peer)),
        ("GOAWAY behind it", |stream, peer| go_away(stream, PROTOCOL_ERROR, peer)),
        ("REFUSED_STREAM within an answer", |stream, peer| {
            peer.send(HEADERS, END_HEADERS, stream, &block(&[(":status", b"200"), ("content-length", b"9")]));
            peer.send(DATA, 0, stream, b"half");
            reset(stream, REFUSED_STREAM, peer);
        }),
    ];
    for (name, ending) in endings {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let upstream = liar(&[], move |_, peer| {
            while let Some(head) = peer.until(HEADERS) {
                counted.fetch_add(1, Ordering::SeqCst);
                ending(head.stream, peer);
                if name.starts_with("GOAWAY") {
                    return;
                }
            }
        });
        let gate = upstream.gate();
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        match raw.try_answer() {
            Ok(answer) => is_502(&answer, name),
            Err(error) => assert!(name.contains("within"), "{name}: {error}"),
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[test]
fn a_reset_in_an_answer_cuts_it_for_the_client_too() {
    let upstream = liar(
        &[],
        always(|stream, peer| {
            peer.send(HEADERS, END_HEADERS, stream, &block(&[(":status", b"200")])).send(DATA, 0, stream, b"half");
            std::thread::sleep(Duration::from_millis(100));
            reset(stream, CANCEL, peer);
        }),
    );
    let gate = upstream.gate();
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    assert!(raw.try_answer().is_err(), "an answer in chunks has no end then");
    // Over HTTP/2 for the same reason.
    let mut peer = Peer::begin(Wire::plain(gate.data), &[]);
    let token = format!("Bearer {}", crate::support::World::get().token(Who::uA).unwrap());
    let asked = crate::support::frames::get("/me/x", &[("authorization", token.as_bytes())]);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &asked);
    let end = peer.end_of(1).unwrap();
    assert_eq!((end.kind, end.code()), (RST_STREAM, CANCEL));
    peer.assert_alive();
    let line = gate.access_lines(2).pop().unwrap();
    assert_eq!((line["status"].as_u64(), line["aborted"].as_bool()), (Some(200), Some(true)));
}

/// Head, body and mistake come at once: whoever asked has what was good of it, and sees that it is not all.
#[test]
fn what_came_before_a_mistake_reaches_the_client() {
    type Mistake = fn(u32, &mut Peer);
    let mistakes: [(&str, Mistake); 5] = [
        ("a reset", |stream, peer| reset(stream, PROTOCOL_ERROR, peer)),
        ("trailers that speak of a connection", |stream, peer| {
            peer.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(&[("connection", b"close")]));
        }),
        ("trailers in capitals", |stream, peer| {
            peer.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(&[("X-Sum", b"1")]));
        }),
        ("trailers that do not end", |stream, peer| {
            peer.send(HEADERS, END_HEADERS, stream, &block(&[("x-sum", b"1")]));
        }),
        ("a connection that is broken", |_, peer| {
            peer.send(SETTINGS, 0, 0, b"12345");
        }),
    ];
    for (name, mistake) in mistakes {
        let upstream = liar(
            &[],
            always(move |stream, peer| {
                peer.send(HEADERS, END_HEADERS, stream, &block(&[(":status", b"200")])).send(DATA, 0, stream, b"half");
                mistake(stream, peer);
            }),
        );
        let gate = upstream.gate();
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        let told = String::from_utf8(raw.rest()).unwrap();
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("\r\n\r\n4\r\nhalf\r\n"), "{name}: {told}");
        let mut peer = Peer::begin(Wire::plain(gate.data), &[]);
        let token = format!("Bearer {}", crate::support::World::get().token(Who::uA).unwrap());
        let asked = crate::support::frames::get("/me/x", &[("authorization", token.as_bytes())]);
        peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &asked);
        assert_eq!(peer.until(DATA).map(|data| data.payload), Some(b"half".to_vec()), "{name}");
        assert_eq!(peer.end_of(1).map(|end| end.kind), Some(RST_STREAM), "{name}");
        peer.assert_alive();
    }
}

#[test]
fn more_or_less_than_was_said_is_never_taken_for_whole() {
    for (name, body) in [("more", &b"hello"[..]), ("less", b"h")] {
        let upstream = liar(
            &[],
            always(move |stream, peer| {
                let head = block(&[(":status", b"200"), ("content-length", b"3")]);
                peer.send(HEADERS, END_HEADERS, stream, &head).send(DATA, END_STREAM, stream, body);
            }),
        );
        let gate = upstream.gate();
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        let whole = raw.try_answer().is_ok_and(|answer| answer.status == 200 && answer.body.len() == 3);
        assert!(!whole || name == "more", "{name}");
    }
}

#[test]
fn one_that_never_answers_is_504_and_its_connection_is_looked_at() {
    // It answers no PING either, on its first connection.
    let upstream = liar(&[], |number, peer| {
        if number == 0 {
            loop {
                if peer.frame().is_none() {
                    return;
                }
            }
        }
        always(ok)(number, peer);
    });
    let mut options = options(upstream.address);
    options = options.set("timeouts.first_byte", "500ms");
    let gate = Postern::start(upstream.address, &options);
    let answer = gate.get(Who::uA, "/me/x");
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    // Nobody else waits on it.
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_late_upstream_that_is_there_keeps_its_connection() {
    let upstream = liar(&[], |_, peer| {
        let mut asked = 0;
        while let Some(frame) = peer.frame() {
            match frame.kind {
                PING if frame.flags & ACK == 0 => drop(peer.send(PING, ACK, 0, &frame.payload)),
                HEADERS => {
                    asked += 1;
                    if asked > 1 {
                        ok(frame.stream, peer);
                    }
                }
                _ => {}
            }
        }
    });
    let gate = Postern::start(upstream.address, &options(upstream.address).set("timeouts.first_byte", "500ms"));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 504);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_window_that_never_opens_is_504_and_a_stream_limit_of_none_too() {
    const INITIAL_WINDOW: u16 = 4;
    const MAX_STREAMS: u16 = 3;
    for settings in [&[(INITIAL_WINDOW, 0)][..], &[(MAX_STREAMS, 0)]] {
        let settings: &'static [(u16, u32)] = settings.to_vec().leak();
        let upstream = liar(settings, |_, peer| while peer.frame().is_some() {});
        let gate = Postern::start(upstream.address, &options(upstream.address).set("timeouts.first_byte", "500ms"));
        for _ in 0..2 {
            let mut raw = gate.raw();
            raw.send(request(Who::mA, "POST", "/api/v1/org/a/x", &[], "hello"));
            let answer = raw.answer();
            assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"), "{settings:?}");
        }
    }
}

#[test]
fn floods_end_the_connection_and_not_the_gate() {
    type Flood = fn(u32, u32, &mut Peer) -> std::io::Result<()>;
    let floods: [(&str, Flood); 4] = [
        ("interim answers", |stream, _, peer| {
            peer.try_send(&frame(HEADERS, END_HEADERS, stream, &block(&[(":status", b"103")])))
        }),
        ("SETTINGS", |_, at, peer| {
            peer.try_send(&frame(SETTINGS, 0, 0, &[&4_u16.to_be_bytes()[..], &at.to_be_bytes()].concat()))
        }),
        ("PING", |_, _, peer| peer.try_send(&frame(PING, 0, 0, b"12345678"))),
        ("CONTINUATION", |stream, at, peer| {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            peer.try_send(&frame(kind, 0, stream, &block(&[("x", &[b'y'; 900])])))
        }),
    ];
    for (name, flood) in floods {
        let upstream = liar(&[], move |_, peer| {
            let Some(head) = peer.until(HEADERS) else { return };
            for at in 0..200_000 {
                if flood(head.stream, at % 60_000, peer).is_err() {
                    return;
                }
            }
        });
        let gate = Postern::start(upstream.address, &options(upstream.address).set("timeouts.first_byte", "1s"));
        let answer = gate.get(Who::uA, "/me/x");
        assert!(matches!(answer.status, 502 | 504), "{name}: {}", answer.status);
        assert!(gate.memory() < 150 * 1024 * 1024, "{name}: {}", gate.memory());
    }
}

/// None of this is a lie: frames may be as small as they like, and empty.
#[test]
fn an_upstream_that_speaks_in_crumbs_keeps_its_connection() {
    const STALLED: u32 = 30;
    const INITIAL_WINDOW: u16 = 4;
    let upstream = liar(&[], |_, peer| {
        let mut stalled = Vec::new();
        while let Some(head) = peer.until(HEADERS) {
            peer.send(HEADERS, END_HEADERS, head.stream, &block(&[(":status", b"200")]));
            if u32::try_from(stalled.len()).unwrap() < STALLED {
                stalled.push(head.stream);
                continue;
            }
            let small = |stream: &u32| frame(DATA, 0, *stream, &[b'x'; 40]);
            if head.stream == 2 * STALLED + 1 {
                let round: Vec<u8> = stalled.iter().flat_map(small).collect();
                (0..1_500).for_each(|_| peer.try_send(&round).unwrap());
            }
            peer.send(DATA, 0, head.stream, b"ok").send(DATA, 0, head.stream, b"");
            peer.send(HEADERS, END_HEADERS | END_STREAM, head.stream, &block(&[("x-sum", b"1")]));
        }
    });
    // One worker, and so one connection.
    let gate = Postern::start(upstream.address, &options(upstream.address).set("workers", 1));
    let mut reader = Peer::begin(Wire::plain(gate.data), &[(INITIAL_WINDOW, 0)]);
    let token = format!("Bearer {}", crate::support::World::get().token(Who::uA).unwrap());
    let asked = crate::support::frames::get("/me/x", &[("authorization", token.as_bytes())]);
    for at in 0..STALLED {
        reader.send(HEADERS, END_HEADERS | END_STREAM, 2 * at + 1, &asked);
        reader.until(HEADERS).unwrap();
    }
    let mut raw = gate.raw();
    for at in 0..150 {
        raw.send(get(Who::uA, "/me/x"));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{at}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_ends_between_requests_is_replaced() {
    let upstream = liar(&[], |_, peer| {
        if let Some(head) = peer.until(HEADERS) {
            ok(head.stream, peer);
        }
    });
    let gate = upstream.gate();
    for _ in 0..3 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    eventually("each had its own", || (upstream.connections() == 3).then_some(()));
}
