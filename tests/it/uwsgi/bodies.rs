//! Bodies of any size, both ways; and those whose length nobody tells.

use super::{Recorder, Service, before, with};
use crate::support::h2::{Ask, H2};
use crate::support::{Options, Raw, Who, World, get, request};
use sha2::{Digest, Sha256};

const MIB: usize = 1 << 20;
const LARGE: usize = 10 * MIB;
/// What postern may grow by while it passes.
const SLACK: u64 = 6 * MIB as u64;

#[test]
fn bodies_of_any_size_reach_django_whole() {
    let service = Service::start();
    let postern = before(&service.url);
    assert_eq!(postern.get(Who::nobody, "/public/warm").status, 200);
    let before = postern.memory();
    for size in [0, 1, 64 * 1024, LARGE] {
        let body: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut raw = postern.raw();
        raw.send(format!("PUT /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
        raw.send(&body);
        let seen = raw.answer().json();
        let digest: String = Sha256::digest(&body).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!((seen["length"].as_u64(), seen["digest"].as_str()), (Some(size as u64), Some(&*digest)));
    }
    let grown = postern.memory().saturating_sub(before);
    assert!(grown < SLACK, "grew by {} KiB", grown / 1024);
}

#[test]
fn answers_of_any_size_reach_the_client_whole() {
    let service = Service::start();
    let postern = before(&service.url);
    assert_eq!(postern.get(Who::nobody, "/public/warm").status, 200);
    let before = postern.memory();
    for size in [0, 1, 64 * 1024, LARGE] {
        // With a length, and with none: then the end of the connection is the answer's.
        for (query, length) in [("?length", Some(size.to_string())), ("", None)] {
            let answer = postern.get(Who::nobody, &format!("/public/down/{size}{query}"));
            assert_eq!((answer.status, answer.body.len()), (200, size));
            assert!(answer.body.iter().all(|b| *b == b'x'));
            if size > 0 {
                assert_eq!(answer.header("content-length").map(str::to_owned), length);
            }
        }
    }
    let grown = postern.memory().saturating_sub(before);
    assert!(grown < SLACK, "grew by {} KiB", grown / 1024);
}

/// WSGI reads as much as it is told: a body without a length is held until its length is known.
#[test]
fn a_body_of_unknown_length_is_held_within_a_limit() {
    let service = Service::start();
    let policy = "version: 1\nroutes: { /public/**: public, /me/**: authenticated, /small/**: { level: public, inspect_limit: 1KiB }, /less/**: { level: public, body_limit: 10B } }\n";
    let postern = with(&Options::policy(policy), &format!("\"{}\"", service.url));
    let credential = format!("Authorization: Bearer {}\r\n", World::get().token(Who::uA).unwrap());
    let chunked = |target: &str, pieces: &[&str]| {
        let mut raw = postern.raw();
        raw.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{credential}Transfer-Encoding: chunked\r\n\r\n"));
        for piece in pieces {
            raw.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        raw.send("0\r\nX-Trailer: 1\r\n\r\n");
        raw.answer()
    };
    let long = "x".repeat(64 * 1024);
    for (pieces, length) in [(&["hello"][..], 5), (&[], 0), (&["he", "llo", "!"], 6), (&[&long, &long], 131_072)] {
        let answer = chunked("/me/x", pieces);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        assert_eq!(seen["length"], length);
        assert_eq!(seen["environ"]["CONTENT_LENGTH"], length.to_string());
        assert_eq!(seen["environ"].get("HTTP_TRANSFER_ENCODING"), None);
    }
    for target in ["/small/x", "/less/x"] {
        let answer = chunked(target, &["x".repeat(1025).as_str()]);
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"), "{target}");
    }
    assert_eq!(chunked("/small/x", &["x".repeat(1024).as_str()]).json()["length"], 1024);
    // Little is held of whoever is not known, and credentials count for nothing on a public route.
    assert_eq!(chunked("/public/x", &[&long]).status, 200);
    assert_eq!(chunked("/public/x", &[&long, "x"]).code(), "body_too_large");
    // One that tells its length is not held, whatever `inspect_limit` says.
    let answer = Raw::connect(postern.data).send(request(Who::nobody, "POST", "/small/x", &[], &long)).answer();
    assert_eq!((answer.status, answer.json()["length"].as_u64()), (200, Some(65_536)));
    // HTTP/2 needs no length.
    let answer = H2::plain(postern.data).ask(Who::nobody, &Ask::post("/public/x", long.as_bytes()));
    assert_eq!((answer.status, answer.json()["length"].as_u64()), (200, Some(65_536)));
}

#[test]
fn a_body_that_breaks_off_is_not_told_as_a_shorter_one() {
    let recorder = Recorder::new();
    let postern = before(&recorder.url());
    for head in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "Content-Length: 5\r\n\r\nhel"] {
        let mut raw = postern.raw();
        raw.send(format!("POST /public/x HTTP/1.1\r\nHost: a\r\n{head}"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        raw.finish();
        drop(raw);
    }
    assert_eq!(postern.get(Who::nobody, "/public/next").status, 200);
    assert_eq!(recorder.one().variables["PATH_INFO"], "/public/next");
    let whole = Raw::connect(postern.data).send(request(Who::nobody, "POST", "/public/x", &[], "hello")).answer();
    assert_eq!((whole.status, &*recorder.one().body), (200, &b"hello"[..]), "behind the packet, and nothing between");
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on() {
    let service = Service::start();
    let postern = before(&service.url);
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut raw = postern.raw();
        raw.send(format!("POST /public/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"));
        let said = String::from_utf8(raw.bytes().unwrap()).unwrap();
        assert!(said.starts_with("HTTP/1.1 100 Continue\r\n"), "{said}");
        raw.send(if framing.starts_with('C') { "hello" } else { "5\r\nhello\r\n0\r\n\r\n" });
        let answer = raw.answer();
        assert_eq!((answer.status, answer.json()["length"].as_u64()), (200, Some(5)));
        assert_eq!(answer.json()["environ"].get("HTTP_EXPECT"), None);
    }
    // One that is answered before its body was read.
    let mut raw = postern.raw();
    raw.send(request(Who::nobody, "POST", "/public/early", &[], &"x".repeat(100)));
    assert_eq!((raw.answer().status, postern.get(Who::nobody, "/public/x").status), (413, 200));
}

#[test]
fn answers_without_a_body_end_at_their_heads() {
    let service = Service::start();
    let postern = before(&service.url);
    let mut raw = postern.raw();
    for _ in 0..2 {
        raw.send(request(Who::nobody, "HEAD", "/public/down/1000?length", &[], ""));
        let answer = raw.answer_to_head();
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("1000")));
        raw.send(request(Who::nobody, "HEAD", "/public/down/1000", &[], ""));
        assert_eq!(raw.answer_to_head().status, 200);
        raw.send(request(Who::nobody, "GET", "/public/same", &[("If-None-Match", "\"a\"")], ""));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.header("etag"), answer.body.len()), (304, Some("\"a\""), 0));
        raw.send(get(Who::nobody, "/public/none"));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        raw.send(get(Who::nobody, "/public/x"));
        assert_eq!(raw.answer().json()["path"], "/public/x", "the client's connection goes on");
    }
}
