//! A packet of the uwsgi protocol, read back by a decoder that shares nothing with its writer; and answers of CGI, as hyper reads the same in
//! HTTP/1.0. An oracle: the fuzz target uses it too.

use super::client::{self, answer_to};
use http::{HeaderName, HeaderValue, Method};
use postern::upstream::uwsgi::{Client, Packet};
use postern::upstream::{Framing, PutField};
use std::collections::BTreeMap;

/// Names and values.
pub type Vars = Vec<(String, Vec<u8>)>;

/// The variables of the packet that begins here, in their order, and what follows it; `None` where there is no whole one.
pub fn decode(bytes: &[u8]) -> Option<(Vars, &[u8])> {
    let [0, low, high, 0, rest @ ..] = bytes else { return None };
    let (mut packet, behind) = rest.split_at_checked(usize::from(*low) + 256 * usize::from(*high))?;
    let mut variables = Vec::new();
    while !packet.is_empty() {
        let [name, value] = [piece(&mut packet)?, piece(&mut packet)?];
        variables.push((String::from_utf8(name).ok()?, value));
    }
    Some((variables, behind))
}

fn piece(packet: &mut &[u8]) -> Option<Vec<u8>> {
    let [low, high, rest @ ..] = *packet else { return None };
    let (piece, rest) = rest.split_at_checked(usize::from(*low) + 256 * usize::from(*high))?;
    *packet = rest;
    Some(piece.to_vec())
}

/// Holds what may be an answer, or a request of lines (`METHOD TARGET LENGTH`, `HOST`, and fields), to the promise; whether it was taken.
pub fn check(bytes: &[u8]) -> bool {
    if is_cgi(bytes) || bytes.starts_with(b"HTTP/") { check_answer(bytes) } else { check_packet(bytes) }
}

fn is_cgi(stream: &[u8]) -> bool {
    stream.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case(b"status:"))
}

fn check_answer(stream: &[u8]) -> bool {
    let show = || stream.escape_ascii().to_string();
    let request = || {
        let mut packet = Packet::new(&Method::GET, "/", CLIENT, Vec::new()).unwrap_or_else(|_| panic!("a packet"));
        packet.put(&http::header::HOST, b"a");
        packet.framed(Framing::None).unwrap_or_else(|_| panic!("a packet")).end()
    };
    let whole = answer_to(stream, usize::MAX, request);
    match (&whole, &answer_to(stream, 3, request)) {
        (Ok((seen, _)), Ok((other, _))) => assert_eq!(seen, other, "{}", show()),
        (Err(_), Err(_)) => {}
        (whole, pieces) => panic!("{whole:?} or {pieces:?}: {}", show()),
    }
    let Ok((seen, again)) = whole else { return false };
    assert!(!again, "its connection serves once: {}", show());
    let said = match is_cgi(stream) {
        true => [b"HTTP/1.0 ", stream[7..].trim_ascii_start()].concat(),
        false => stream.to_vec(),
    };
    // An interim answer may stand before one of CGI; what follows a switch of protocols is not HTTP.
    if seen.status != 101 && !said.starts_with(b"HTTP/1.1 1") {
        assert_eq!(client::hypers(&said, &Method::GET), Ok(seen), "{}", show());
    }
    true
}

const CLIENT: Client = Client { address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), is_https: true };

fn check_packet(text: &[u8]) -> bool {
    let mut lines = text.split(|b| *b == b'\n');
    let first = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut first = first.split(' ');
    let (Some(method), Some(target)) = (first.next().and_then(|word| word.parse::<Method>().ok()), first.next()) else {
        return false;
    };
    // A fragment is cut off by the library that reads targets; none comes so far.
    if target.contains('#') {
        return false;
    }
    let length: Option<u64> = first.next().and_then(|word| word.parse().ok());
    let framing = length.map_or(Framing::None, Framing::Length);
    let Ok(mut packet) = Packet::new(&method, target, CLIENT, b"of another".to_vec()) else { return false };
    let host = lines.next().unwrap_or_default();
    if HeaderValue::from_bytes(host).is_err() {
        return false;
    }
    packet.put(&http::header::HOST, host);
    let mut expected: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut put = |name: &str, value: &[u8]| expected.insert(name.to_owned(), value.to_vec());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    put("REQUEST_METHOD", method.as_str().as_bytes());
    put("REQUEST_URI", target.as_bytes());
    put("PATH_INFO", &decoded(path.as_bytes()));
    put("QUERY_STRING", query.as_bytes());
    put("SCRIPT_NAME", b"");
    put("SERVER_PROTOCOL", b"HTTP/1.1");
    put("REMOTE_ADDR", b"192.0.2.7");
    put("REQUEST_SCHEME", b"https");
    put("HTTPS", b"on");
    put("HTTP_HOST", host);
    if let Some(length) = length {
        put("CONTENT_LENGTH", length.to_string().as_bytes());
    }
    let mut names = BTreeMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let name =
            HeaderName::from_bytes(&line[..colon]).ok().filter(|name| name != "host" && name != "content-length");
        let value = line[colon + 1..].trim_ascii();
        let (Some(name), Ok(_)) = (name, HeaderValue::from_bytes(value)) else { continue };
        packet.put(&name, value);
        let variable = match name.as_str() {
            "content-type" => "CONTENT_TYPE".to_owned(),
            text => format!("HTTP_{}", text.to_uppercase().replace('-', "_")),
        };
        match expected.get_mut(&variable) {
            None => {
                names.insert(variable.clone(), name);
                expected.insert(variable, value.to_vec());
            }
            Some(said) if names.get(&variable) == Some(&name) => {
                said.extend_from_slice(if name == "cookie" { b"; " } else { b", " });
                said.extend_from_slice(value);
            }
            // Two names of one variable: it must be refused.
            Some(_) => {
                assert!(packet.framed(framing).is_err(), "{}", text.escape_ascii());
                return false;
            }
        }
    }
    let Ok(packet) = packet.framed(framing) else { return false };
    let request = packet.end();
    let (variables, behind) = decode(request.as_bytes()).expect("a packet");
    assert_eq!(behind, b"");
    let count = variables.len();
    let mut told: BTreeMap<String, Vec<u8>> = variables.into_iter().collect();
    assert_eq!(told.len(), count, "each variable once: {}", text.escape_ascii());
    let (name, port) = (told.remove("SERVER_NAME").expect("a name"), told.remove("SERVER_PORT").expect("a port"));
    assert!(port.iter().all(u8::is_ascii_digit) && !port.is_empty(), "{}", text.escape_ascii());
    assert!(name.len() <= host.len() + 40);
    assert_eq!(told, expected, "{}", text.escape_ascii());
    // No segment more or less than was judged.
    let slashes = |text: &[u8]| text.iter().filter(|b| **b == b'/').count();
    assert_eq!(slashes(&told["PATH_INFO"]), slashes(path.as_bytes()), "{}", text.escape_ascii());
    true
}

/// Percent-decoded, once.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(b) = path.get(at) {
        let escaped =
            path.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let byte = if *b == b'%' { escaped } else { None };
        out.push(byte.unwrap_or(*b));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}
