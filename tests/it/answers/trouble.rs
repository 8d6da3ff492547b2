//! Services that answer otherwise than they should: nothing of it reaches anybody, in bounded memory and time, and no connection that is
//! out of step serves again.

use super::{POLICY, scripted};
use crate::support::{Gate, ORG_A, Options, Upstream, Who, eventually, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 2, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).unwrap();
    encoded
}

fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nETag: \"1\"\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.to_vec()].concat()
}

/// Each with the words for the operator.
fn refused(gate: &Gate, what: &str, fault: &str) {
    let answer = gate.get(Who::mA, "/device/17");
    assert_eq!((answer.status, answer.code().as_str()), (502, "answer_unreadable"), "{what}");
    assert!(!answer.text().contains("sesame") && answer.header("x-secret").is_none(), "{what}");
    let lines = gate.postern.access_lines_now();
    assert!(lines.is_empty() || !lines.iter().any(|line| line.to_string().contains("sesame")), "{what}");
    eventually("the line of it", || {
        let lines = gate.postern.access_lines_now();
        lines
            .iter()
            .rev()
            .take(3)
            .any(|line| line["fault"].as_str().is_some_and(|said| said.contains(fault)))
            .then_some(())
    });
}

#[test]
fn what_cannot_be_judged_is_refused_and_never_told() {
    let (gate, script) = scripted(POLICY, |options| options);
    let good = format!("{{\"organization\": \"{ORG_A}\", \"x\": \"sesame\"}}");
    for (headers, body, fault) in [
        ("", &*good, "application/json"),
        ("Content-Type: text/html\r\n", &good, "application/json"),
        ("Content-Type: text/plain\r\n", &good, "application/json"),
        ("Content-Type: application/x-ndjson\r\n", &good, "application/json"),
        ("Content-Type: application/json\r\nContent-Type: application/json\r\n", &good, "Content-Type"),
        ("Content-Type: application/json; charset=utf-16\r\n", &good, "charset"),
        ("Content-Type: application/json\r\nContent-Encoding: zstd\r\n", &good, "Content-Encoding"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &good, "Content-Encoding"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip, br\r\n", &good, "Content-Encoding"),
    ] {
        script.answer(headers, body);
        refused(&gate, headers, fault);
    }
    for (body, fault) in [
        ("", "one JSON document"),
        ("sesame", "one JSON document"),
        (&good[..good.len() - 1], "one JSON document"),
        (&format!("{good}{good}"), "one JSON document"),
        (&format!("{good}\n{{\"organization\": null}}"), "one JSON document"),
        ("{\"name\": \"sesame\"}", "nothing in the answer"),
        ("[\"sesame\"]", "nothing in the answer"),
        ("{\"organization\": \"sesame\"}", "no organization in the form"),
        ("{\"organization\": true}", "neither a text"),
        (&format!("{{\"organization\": \"{ORG_A}\", \"organization\": \"sesame\"}}"), "twice"),
        (&format!("{{\"organi\\u007aation\": \"sesame\", \"organization\": \"{ORG_A}\"}}"), "twice"),
        (&format!("{{\"Organization\": \"sesame\", \"organization\": \"{ORG_A}\"}}"), "twice"),
        (&format!("{{\"organization\": \"{ORG_A}\", \"x\": {}}}", "[".repeat(5000)), "one JSON document"),
    ] {
        script.json(body);
        refused(&gate, body, fault);
    }
    let invalid = [b"{\"organization\": \"", ORG_A.as_bytes(), b"\", \"x\": \"\xff\"}"].concat();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", invalid.len());
    script.say([head.into_bytes(), invalid].concat());
    refused(&gate, "invalid UTF-8", "UTF-8");
    for status in [
        "204 No Content",
        "205 Reset Content",
        "206 Partial Content",
        "226 IM Used",
        "304 Not Modified",
        "302 Found",
        "300 Some",
    ] {
        let length = if status.starts_with("204") || status.starts_with("304") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", good.len())
        };
        let body = if length.is_empty() { "" } else { &good };
        script.say(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Range: bytes 0-9/99\r\nLocation: /sesame\r\nX-Secret: sesame\r\n{length}\r\n{body}"
        ));
        refused(&gate, status, "no object");
    }
    // Numbers beyond what any reader holds are somebody else's to read.
    let large = format!("{{\"x\": 1e999, \"y\": 123456789012345678901234567890, \"organization\": \"{ORG_A}\"}}");
    script.json(&large);
    assert_eq!(gate.get(Who::mA, "/device/17").text(), large);
}

#[test]
fn what_is_encoded_all_the_same_is_decoded_within_the_limit() {
    let (gate, script) = scripted(POLICY, |options| options);
    let body = format!("{{\"organization\": \"{ORG_A}\", \"x\": \"{}\"}}", "x".repeat(100_000));
    for (coding, bytes) in [("gzip", gzip(body.as_bytes())), ("br", brotli(body.as_bytes()))] {
        script.say(encoded(coding, &bytes));
        let answer = gate.get(Who::uA, "/device/17");
        assert_eq!((answer.status, answer.text() == body), (200, true), "{coding}");
        assert_eq!((answer.header("content-encoding"), answer.header("etag")), (None, None), "{coding}");
        assert_eq!(gate.get(Who::uB, "/device/17").status, 404, "{coding}");
        script.say(encoded(coding, &bytes[..bytes.len() - 3]));
        refused(&gate, coding, "Content-Encoding");
        script.say(encoded(coding, &[&bytes[..], b"sesame"].concat()));
        refused(&gate, coding, "Content-Encoding");
    }
    // Many times the limit, in a few kilobytes.
    let before = gate.postern.memory();
    let bomb = vec![b' '; 32 << 20];
    for (coding, bytes) in [("gzip", gzip(&bomb)), ("br", brotli(&bomb))] {
        script.say(encoded(coding, &bytes));
        refused(&gate, coding, "inspect_limit");
    }
    let grown = gate.postern.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown}");
}

#[test]
fn an_answer_is_held_up_to_its_limit() {
    let (gate, script) = scripted(POLICY, |options| options);
    let of = |size: usize| {
        let bare = format!("{{\"organization\": \"{ORG_A}\", \"x\": \"\"}}").len();
        format!("{{\"organization\": \"{ORG_A}\", \"x\": \"{}\"}}", "x".repeat(size - bare))
    };
    for (target, limit) in [("/small/17", 1024), ("/device/17", 1 << 20)] {
        script.json(&of(limit));
        assert_eq!(gate.get(Who::uA, target).text().len(), limit);
        script.json(&of(limit + 1));
        let answer = gate.get(Who::uA, target);
        assert_eq!((answer.status, answer.code().as_str()), (502, "answer_unreadable"), "{target}");
        // The same without saying how long it is.
        let chunked = |body: &str| {
            let half = body.len() / 2;
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{half:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\nX-Late: sesame\r\n\r\n",
                &body[..half],
                body.len() - half,
                &body[half..]
            )
        };
        script.say(chunked(&of(limit)));
        assert_eq!(gate.get(Who::uA, target).text().len(), limit);
        script.say(chunked(&of(limit + 1)));
        assert_eq!(gate.get(Who::uA, target).code(), "answer_unreadable", "{target}");
    }
}

#[test]
fn an_answer_that_never_ends_stalls_or_is_cut_is_none() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let begin = format!("{{\"organization\": \"{ORG_A}\", \"x\": \"");
        match exchange.request.target.rsplit('/').next().unwrap() {
            "endless" => {
                exchange.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
                loop {
                    exchange.write(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes())?;
                }
            }
            "stalls" => {
                exchange.write(format!("{head}Content-Length: 500\r\n\r\n{begin}").as_bytes())?;
                std::thread::sleep(Duration::from_secs(3));
            }
            "cut" => exchange.write(format!("{head}Content-Length: 500\r\n\r\n{begin}").as_bytes())?,
            // Shorter than it says: what is behind it belongs to nobody.
            "longer" => exchange.write(
                format!(
                    "{head}Content-Length: {}\r\n\r\n{begin}\"}}HTTP/1.1 200 OK\r\nX: sesame\r\n\r\n",
                    begin.len() + 2
                )
                .as_bytes(),
            )?,
            "chunks" => exchange.write(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{begin}").as_bytes())?,
            "switch" => exchange.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nsesame",
            )?,
            "hints" => exchange.write(
                format!(
                    "HTTP/1.1 103 Early Hints\r\nLink: </sesame>\r\n\r\n{head}Content-Length: {}\r\n\r\n{begin}\"}}",
                    begin.len() + 2
                )
                .as_bytes(),
            )?,
            _ => {
                exchange.answer("200 OK", &[("Content-Type", "application/json")], format!("{begin}\"}}").as_bytes())?
            }
        }
        if exchange.request.target.contains("fine") || exchange.request.target.contains("longer") {
            Ok(())
        } else {
            Err(std::io::ErrorKind::Other.into())
        }
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY).set("timeouts.upstream_idle", "500ms"));
    for (what, status, code) in [
        ("endless", 502, "answer_unreadable"),
        ("stalls", 504, "upstream_timeout"),
        ("cut", 502, "answer_unreadable"),
        ("chunks", 502, "answer_unreadable"),
        ("switch", 502, "upstream_invalid"),
    ] {
        let answer = gate.get(Who::uA, &format!("/device/{what}"));
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}");
        assert!(!answer.text().contains("sesame"), "{what}");
        assert_eq!(gate.get(Who::uA, "/device/fine").status, 200, "{what}");
    }
    // Nothing is told of an answer before it was judged.
    for who in [Who::uA, Who::uB] {
        let mut raw = gate.raw();
        raw.send(get(who, "/device/hints"));
        let answer = raw.answer();
        assert_eq!(answer.status, if who == Who::uA { 200 } else { 404 });
        assert_eq!(answer.header("link"), None);
    }
    // What comes behind an answer is no answer to the next request.
    for _ in 0..3 {
        let before = gate.upstream.connections();
        assert_eq!(gate.get(Who::uA, "/device/longer").status, 200);
        assert_eq!(gate.get(Who::uA, "/device/fine").status, 200);
        assert!(gate.upstream.connections() > before);
    }
}
