//! Upstreams that lie about where their answers end, answer what was not asked, or speak no HTTP.

use crate::support::{Gate, Options, ROUTES, Upstream, Who, get, request};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// RFC 9112 calls each of these an error (or lets a recipient do so): none is mended, none is passed on.
#[test]
fn an_answer_that_can_be_read_in_two_ways_is_502() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "220 smtp.example ESMTP\r\n",
        "\x16\x03\x01\x02",
        &many,
    ] {
        let gate = Gate::to(Upstream::saying(answer));
        let told = gate.get(Who::uA, "/me/x");
        assert_eq!((told.status, told.code().as_str()), (502, "upstream_invalid"), "{answer:?}");
    }
}

#[test]
fn what_several_fields_say_alike_is_said_once() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 005\r\n\r\nhello",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    ] {
        let gate = Gate::to(Upstream::saying(answer));
        let told = gate.get(Who::uA, "/me/x");
        assert_eq!(
            (told.status, told.text(), told.all("content-length")),
            (200, "hello".into(), vec!["5"]),
            "{answer:?}"
        );
    }
}

/// Whatever comes behind an answer was asked by nobody, and must not answer the next request.
#[test]
fn what_follows_an_answer_answers_nobody() {
    const STOLEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    for (method, answer, pause) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine", false),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine", true),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n", false),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n", true),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", false),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", false),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n", false),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
    ] {
        let upstream = Upstream::with(move |exchange| {
            exchange.body()?;
            if exchange.request.target == "/me/next" {
                return exchange.answer("200 OK", &[], b"next");
            }
            if pause {
                exchange.write(answer.as_bytes())?;
                std::thread::sleep(Duration::from_millis(50));
                return exchange.write(STOLEN);
            }
            exchange.write(&[answer.as_bytes(), STOLEN].concat())
        });
        let gate = Gate::before(upstream, &Options::policy(ROUTES).set("workers", 1));
        let mut raw = gate.raw();
        raw.send(request(Who::uA, method, "/me/first", &[], ""));
        if method == "HEAD" {
            assert_eq!(raw.answer_to_head().status, 200);
        } else {
            let first = raw.answer();
            assert!(matches!((first.status, &*first.body), (200, b"mine") | (204 | 304, b"")), "{answer:?}");
        }
        std::thread::sleep(Duration::from_millis(if pause { 150 } else { 0 }));
        raw.send(get(Who::uA, "/me/next"));
        assert_eq!(raw.answer().text(), "next", "behind {answer:?}");
        assert_eq!(gate.upstream.connections(), 2, "behind {answer:?}");
    }
}

#[test]
fn an_old_upstream_that_keeps_its_connection_is_taken_at_its_word() {
    for (answer, connections) in [
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", 1),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", 1),
    ] {
        let upstream = Upstream::with(move |exchange| {
            exchange.body()?;
            exchange.write(answer.as_bytes())
        });
        let gate = Gate::before(upstream, &Options::policy(ROUTES).set("workers", 1));
        let mut raw = gate.raw();
        for _ in 0..3 {
            raw.send(get(Who::uA, "/me/x"));
            let told = raw.answer();
            assert_eq!((told.status, told.text(), told.header("x-trailer")), (200, "ok".into(), None));
        }
        assert_eq!(gate.upstream.connections(), connections, "{answer:?}");
    }
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    for answer in [
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
    ] {
        let upstream = Upstream::with(move |exchange| {
            exchange.body()?;
            for byte in answer.bytes() {
                exchange.write(&[byte])?;
                std::thread::sleep(Duration::from_micros(200));
            }
            Ok(())
        });
        let gate = Gate::to(upstream);
        let mut raw = gate.raw();
        for _ in 0..2 {
            raw.send(get(Who::uA, "/me/x"));
            let told = raw.answer();
            assert_eq!((told.status, told.text(), told.header("x-own")), (200, "hello".into(), Some("1")));
        }
    }
}

#[test]
fn interim_answers_without_end_are_502() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        while exchange.write(&b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100)).is_ok() {}
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let told = gate.get(Who::uA, "/me/x");
    assert_eq!((told.status, told.code().as_str()), (502, "upstream_invalid"));
}

/// An upstream that answers while it still reads, and a client that reads nothing before it has sent everything.
#[test]
fn an_upload_goes_on_behind_an_early_answer() {
    const PIECE: usize = 32 * 1024;
    const PIECES: usize = 64;
    let upstream = Upstream::with(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut size = 0;
        while let Some(piece) = exchange.piece()? {
            size += piece;
            exchange.write(b"1\r\n.\r\n")?;
        }
        let text = format!(" {size}");
        exchange.write(format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).as_bytes())?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::to(upstream);
    let mut raw = gate.raw();
    for framing in [format!("Content-Length: {}", PIECE * PIECES), "Transfer-Encoding: chunked".into()] {
        raw.send(format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        let chunked = framing.starts_with('T');
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..PIECES {
            let piece = vec![b'x'; PIECE];
            if chunked {
                raw.send(format!("{PIECE:x}\r\n"));
            }
            raw.try_send(piece).unwrap();
            if chunked {
                raw.send("\r\n");
            }
        }
        if chunked {
            raw.send("0\r\n\r\n");
        }
        let told = raw.answer();
        assert_eq!(told.text().trim_start_matches('.'), format!(" {}", PIECE * PIECES));
    }
}

/// Every connection of an upstream ends after its first answer, without a word: ends that are seen are not used.
#[test]
fn an_upstream_that_resets_idle_connections_is_asked_on_another() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(5) {
            let mut stream: TcpStream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
        }
    });
    let postern = crate::support::Postern::start(address, &Options::policy(ROUTES).set("workers", 1));
    let mut raw = postern.raw();
    for _ in 0..5 {
        raw.send(request(Who::mA, "POST", "/api/v1/org/a/x", &[], "body"));
        assert_eq!(raw.answer().text(), "ok");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Old servers write sizes of a fixed width.
#[test]
fn chunk_sizes_followed_by_blanks_are_read() {
    for answer in [
        "2   \r\nhe\r\n3 \t\r\nllo\r\n0     \r\n\r\n",
        "5 ;a=b \r\nhello\r\n0\t;c\t\r\n\r\n",
        "00000005                \r\nhello\r\n0 \r\nX-Sum: 1\r\n\r\n",
    ] {
        let gate = Gate::to(Upstream::with(move |exchange| {
            exchange.body()?;
            exchange.write(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{answer}").as_bytes())
        }));
        let mut raw = gate.raw();
        for _ in 0..2 {
            raw.send(get(Who::uA, "/me/x"));
            assert_eq!(raw.answer().text(), "hello", "{answer:?}");
        }
        assert_eq!(gate.upstream.connections(), 1, "it serves again");
    }
    for answer in [" 5\r\nhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "5 x\r\nhello\r\n0\r\n\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{answer}");
        let gate = Gate::to(Upstream::saying(answer.clone()));
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/me/x"));
        assert!(raw.try_answer().is_err(), "{answer:?}");
    }
    // Of a client they are an error, as before.
    Gate::new().refused(
        "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
        400,
        "bad_framing",
    );
}

/// Each line says what was wrong, and where.
#[test]
fn the_fault_of_each_502_is_in_its_access_line() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "upstream_invalid",
            "lengths differ",
        ),
        ("garbage\r\n\r\n", "upstream_invalid", "malformed"),
        ("HTTP/1.1 200", "upstream_unreachable", "closed before"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "upstream_invalid", "switched protocols unasked"),
    ];
    for (answer, code, fault) in cases {
        let gate = Gate::to(Upstream::saying(answer));
        for _ in 0..2 {
            let told = gate.get(Who::uA, "/me/x");
            assert_eq!((told.status, told.code().as_str()), (502, code), "{answer:?}");
            assert!(!told.text().contains("127.0.0.1"), "it is not for the caller: {told:?}");
        }
        for line in gate.postern.access_lines(2) {
            assert!(line["fault"].as_str().is_some_and(|told| told.contains(fault)), "{answer:?}: {line}");
        }
    }
    // An answer that breaks off has its fault too; one that does not, has none.
    let gate = Gate::to(Upstream::saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x"));
    assert!(raw.try_answer().is_err());
    let line = &gate.postern.access_lines(1)[0];
    assert!(line["fault"].as_str().is_some_and(|fault| fault.contains("closed before")), "{line}");
    let gate = Gate::new();
    gate.get(Who::uA, "/me/x");
    assert_eq!(gate.postern.access_lines(1)[0].get("fault"), None);
}

fn hinting(answer: &'static [&'static str]) -> Upstream {
    Upstream::with(move |exchange| {
        exchange.body()?;
        for piece in answer {
            exchange.write(piece.as_bytes())?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HINT: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Postern-User: spoof\r\nKeep-Alive: 5\r\n\r\n";

#[test]
fn early_hints_reach_the_client_before_the_answer() {
    const PIECES: &[&str] = &[HINT, "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", OK];
    let at_once: &'static [&'static str] = vec![&*PIECES.concat().leak()].leak();
    for pieces in [PIECES, at_once] {
        let gate = Gate::before(hinting(pieces), &Options::policy(ROUTES));
        let mut raw = gate.raw();
        for _ in 0..2 {
            raw.send(get(Who::uA, "/me/x"));
            let told = raw.answer();
            assert_eq!((told.status, told.text(), &*told.interim), (200, "ok".into(), &[103, 102][..]));
        }
        // As it was written: nothing that would not pass in an answer.
        raw.send(get(Who::uA, "/me/x"));
        let mut said = String::new();
        while !said.ends_with("ok") {
            said += &String::from_utf8(raw.bytes().unwrap()).unwrap();
        }
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n";
        assert!(said.starts_with(hint), "{said}");
    }
}

#[test]
fn early_hints_come_in_their_order_between_pipelined_answers() {
    let gate = Gate::before(hinting(&[HINT, OK]), &Options::policy(ROUTES));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/me/x").repeat(3));
    for _ in 0..3 {
        let told = raw.answer();
        assert_eq!((told.status, &*told.interim), (200, &[103][..]));
    }
}

/// RFC 9110, 15.2: never to HTTP/1.0; and over HTTP/2 there is no way for them.
#[test]
fn early_hints_stay_behind_where_they_would_not_be_understood() {
    let gate = Gate::before(hinting(&[HINT, OK]), &Options::policy(ROUTES));
    let mut raw = gate.raw();
    raw.send("GET /public/x HTTP/1.0\r\nHost: a\r\n\r\n");
    let told = raw.answer();
    assert_eq!((told.status, told.interim.len()), (200, 0));
    let mut client = crate::support::h2::H2::plain(gate.postern.data);
    assert_eq!(client.ask(Who::nobody, &crate::support::h2::Ask::get("/public/x")).status, 200);
}
