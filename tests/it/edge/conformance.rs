//! RFC 9113 by its sections: what a server must refuse, and how.

use crate::support::frames::*;
use crate::support::tls::Wire;
use crate::support::{Gate, Who};

/// Error codes of section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// What must come of it.
enum Must {
    /// The connection ends, with one of these codes where one is said at all.
    End(&'static [u32]),
    /// The stream ends, the connection does not; or the connection does, which a server may always choose (5.4.1).
    Reset(&'static [u32]),
    /// It is answered with an error status, and the connection lives.
    Refuse,
    /// It is fine.
    Live,
    /// Whether it is refused first or found malformed first is a matter of time; the upstream hears nothing.
    Either,
}

fn try_it(gate: &Gate, what: &str, must: &Must, send: impl Fn(&mut Peer)) {
    let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
    peer.until(SETTINGS).expect("settings");
    peer.send(SETTINGS, ACK, 0, &[]);
    send(&mut peer);
    let code = |frame: &Frame| matches!(frame.kind, GOAWAY | RST_STREAM).then(|| frame.code());
    match must {
        Must::Live => peer.assert_alive(),
        Must::Either => assert!(gate.get(Who::nobody, "/nowhere").status == 404, "{what}: others are served"),
        Must::End(codes) => {
            while let Some(frame) = peer.frame() {
                assert!(!matches!(frame.kind, HEADERS | DATA), "{what}: an answer: {frame:?}");
                if frame.kind == GOAWAY {
                    assert!(codes.contains(&frame.code()), "{what}: {frame:?}");
                }
            }
        }
        Must::Reset(codes) => match peer.end_of(1) {
            None => {}
            Some(frame) => {
                let code = code(&frame).unwrap_or_else(|| panic!("{what}: an answer: {frame:?}"));
                assert!(codes.contains(&code), "{what}: {frame:?}");
            }
        },
        Must::Refuse => {
            let frame = peer.until(HEADERS).unwrap_or_else(|| panic!("{what}: no answer"));
            // `:status: 400` in the static table, or spelt out: never 200 (RFC 7541, appendix A).
            assert_ne!(frame.payload.first(), Some(&0x88), "{what}");
            peer.assert_alive();
        }
    }
    gate.upstream.assert_untouched(what);
}

fn post(path: &str, further: &[(&str, &[u8])]) -> Vec<u8> {
    let mut fields: Vec<(&str, &[u8])> = vec![
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"api.example.com"),
        (":path", path.as_bytes()),
    ];
    fields.extend(further);
    block(&fields)
}

/// Section 3.4 and 4: the preface, sizes, header blocks.
#[test]
fn sections_3_and_4_the_frames() {
    let gate = Gate::new();
    for bytes in
        [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM"]
    {
        use std::io::{Read, Write};
        let mut wire = Wire::plain(gate.postern.data);
        wire.write_all(bytes).unwrap();
        wire.socket().shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = Vec::new();
        let _ = wire.read_to_end(&mut said);
        assert!(!said.starts_with(b"HTTP/1.1 2"), "{said:?}");
    }
    use Must::{End, Live};
    let closed = &[PROTOCOL_ERROR, FRAME_SIZE_ERROR];
    try_it(&gate, "4.1: an unknown frame is ignored", &Live, |peer| {
        peer.send(0x77, 0xff, 0, b"whatever");
    });
    try_it(&gate, "4.2: a frame larger than allowed", &End(closed), |peer| {
        peer.send(DATA, 0, 1, &[0; 16_385]);
    });
    try_it(&gate, "4.3: a header block that is no HPACK", &End(&[COMPRESSION_ERROR, PROTOCOL_ERROR]), |peer| {
        peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    });
    try_it(&gate, "4.3: another frame within a header block", &End(&[PROTOCOL_ERROR]), |peer| {
        peer.send(HEADERS, END_STREAM, 1, &get("/public/x", &[])).send(PING, 0, 0, &[0; 8]);
    });
    try_it(&gate, "4.3: a table larger than allowed", &End(&[COMPRESSION_ERROR, PROTOCOL_ERROR]), |peer| {
        let resized = [&[0x3f, 0xe1, 0xff, 0x7f][..], &get("/public/x", &[])].concat();
        peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &resized);
    });
}

/// Section 5.1: the states and numbers of streams.
#[test]
fn section_5_the_streams() {
    use Must::End;
    let gate = Gate::new();
    let closed = &[PROTOCOL_ERROR, STREAM_CLOSED];
    for (what, kind, payload) in [
        ("DATA on an idle stream", DATA, &b"x"[..]),
        ("RST_STREAM on an idle stream", RST_STREAM, &[0; 4]),
        ("WINDOW_UPDATE on an idle stream", WINDOW_UPDATE, &[0, 0, 0, 1]),
        ("CONTINUATION without a beginning", CONTINUATION, b""),
        ("PUSH_PROMISE of a client", PUSH_PROMISE, &[0; 8]),
    ] {
        try_it(&gate, what, &End(closed), |peer| {
            peer.send(kind, END_HEADERS, 1, payload);
        });
    }
    try_it(&gate, "5.1.1: an even number", &End(closed), |peer| {
        peer.send(HEADERS, END_HEADERS | END_STREAM, 2, &get("/public/x", &[]));
    });
    try_it(&gate, "5.1: DATA behind the end", &Must::Either, |peer| {
        peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &get("/nowhere", &[])).send(DATA, 0, 1, b"more");
        // The refusal may come first.
        let first = peer.end_of(1);
        if first.is_some_and(|frame| matches!(frame.kind, HEADERS | DATA)) {
            peer.send(DATA, 0, 1, b"and more");
        }
    });
    try_it(&gate, "5.3.1: a stream that depends on itself", &Must::Live, |peer| {
        // Priorities are obsolete and ignored (5.3.2).
        peer.send(PRIORITY, 0, 3, &[0, 0, 0, 5, 16]);
    });
}

/// Section 6: each frame's own rules.
#[test]
fn section_6_the_kinds_of_frames() {
    use Must::{End, Live};
    let gate = Gate::new();
    let bad = &[PROTOCOL_ERROR, FRAME_SIZE_ERROR, FLOW_CONTROL_ERROR];
    for (what, kind, flags, stream, payload) in [
        ("6.1: DATA on stream 0", DATA, 0, 0, &b"x"[..]),
        ("6.1: more padding than payload", DATA, 8, 1, &[200, 1]),
        ("6.2: HEADERS on stream 0", HEADERS, END_HEADERS, 0, b""),
        ("6.2: more padding than payload", HEADERS, END_HEADERS | 8, 1, &[200, 1]),
        ("6.3: PRIORITY on stream 0", PRIORITY, 0, 0, &[0; 5]),
        ("6.4: RST_STREAM on stream 0", RST_STREAM, 0, 0, &[0; 4]),
        ("6.4: RST_STREAM of another size", RST_STREAM, 0, 1, &[0; 3]),
        ("6.5: SETTINGS on a stream", SETTINGS, 0, 1, b""),
        ("6.5: SETTINGS of a broken size", SETTINGS, 0, 0, &[0; 5]),
        ("6.5: an acknowledgement with a payload", SETTINGS, ACK, 0, &[0; 6]),
        ("6.5.2: ENABLE_PUSH that is neither", SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]),
        ("6.5.2: a window that is too large", SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
        ("6.5.2: a frame size that is too small", SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]),
        ("6.7: PING on a stream", PING, 0, 1, &[0; 8]),
        ("6.7: PING of another size", PING, 0, 0, &[0; 7]),
        ("6.8: GOAWAY on a stream", GOAWAY, 0, 1, &[0; 8]),
        ("6.9: WINDOW_UPDATE of nothing", WINDOW_UPDATE, 0, 0, &[0; 4]),
        ("6.9: WINDOW_UPDATE of another size", WINDOW_UPDATE, 0, 0, &[0; 3]),
        ("6.9.1: a window that overflows", WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
    ] {
        try_it(&gate, what, &End(bad), |peer| {
            peer.send(kind, flags, stream, payload);
        });
    }
    try_it(&gate, "6.5.2: an unknown setting is ignored", &Live, |peer| {
        peer.send(SETTINGS, 0, 0, &[0x0a, 0x0a, 0, 0, 0, 1]);
    });
    try_it(&gate, "6.9: more than the window", &Must::Either, |peer| {
        peer.send(HEADERS, END_HEADERS, 1, &post("/nowhere/at/all", &[]));
        for _ in 0..80 {
            peer.send(DATA, 0, 1, &[0; 16_384]);
        }
        // A refusal has come meanwhile: it was for a route that there is not.
        let _ = peer.end_of(1);
    });
}

/// Section 8: what is malformed never reaches the upstream.
#[test]
fn section_8_malformed_requests() {
    use Must::{Refuse, Reset};
    let gate = Gate::new();
    let malformed = &[PROTOCOL_ERROR];
    let ask = |what: &str, must: Must, fields: &[(&str, &[u8])]| {
        try_it(&gate, what, &must, |peer| {
            peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
        });
    };
    type Field = (&'static str, &'static [u8]);
    const METHOD: Field = (":method", b"GET");
    const SCHEME: Field = (":scheme", b"http");
    const AUTHORITY: Field = (":authority", b"api.example.com");
    const PATH: Field = (":path", b"/public/x");
    let with = |field: Field| vec![METHOD, SCHEME, AUTHORITY, PATH, field];
    for (what, field) in [
        ("8.2: upper case", ("X-Upper", &b"1"[..])),
        ("8.2: a blank in a name", ("x y", b"1")),
        ("8.2: a colon in a name", ("x:y", b"1")),
        ("8.2: a line end in a name", ("x\r\ny", b"1")),
        ("8.2: an empty name", ("", b"1")),
        ("8.2: a line end in a value", ("x", b"1\r\nx-postern-user: root")),
        ("8.2: a NUL in a value", ("x", b"1\0")),
        ("8.2.2: connection", ("connection", b"close")),
        ("8.2.2: keep-alive", ("keep-alive", b"1")),
        ("8.2.2: proxy-connection", ("proxy-connection", b"close")),
        ("8.2.2: transfer-encoding", ("transfer-encoding", b"chunked")),
        ("8.2.2: upgrade", ("upgrade", b"h2c")),
        ("8.2.2: te that is not trailers", ("te", b"gzip")),
        ("8.3: a pseudo-field behind others", (":path", b"/admin/x")),
        ("8.3: an unknown pseudo-field", (":unknown", b"1")),
        ("8.3: a response's pseudo-field", (":status", b"200")),
        ("8.1.1: a length that is not the body's", ("content-length", b"5")),
        ("8.1.1: a length that is none", ("content-length", b"+0")),
    ] {
        ask(what, Reset(malformed), &with(field));
    }
    for (what, fields) in [
        ("8.3.1: no method", vec![SCHEME, AUTHORITY, PATH]),
        ("8.3.1: no scheme", vec![METHOD, AUTHORITY, PATH]),
        ("8.3.1: no path", vec![METHOD, SCHEME, AUTHORITY]),
        ("8.3.1: an empty path", vec![METHOD, SCHEME, AUTHORITY, (":path", b"")]),
        ("8.3.1: two paths", vec![METHOD, SCHEME, AUTHORITY, PATH, (":path", b"/admin/x")]),
        ("8.3.1: two methods", vec![METHOD, METHOD, SCHEME, AUTHORITY, PATH]),
        ("8.3: a field before the pseudo-fields", vec![("x", b"1"), METHOD, SCHEME, AUTHORITY, PATH]),
    ] {
        ask(what, Reset(malformed), &fields);
    }
    // What the parser lets pass is refused as over HTTP/1.1, and the connection serves on.
    for (what, field) in [
        ("Host beside another :authority", ("host", &b"other.example.com"[..])),
        ("a quote in a name", ("x\"y", b"1")),
        ("a disguised length", ("content_length", b"5")),
        ("a disguised host", ("h-ost", b"a")),
    ] {
        ask(what, Refuse, &with(field));
    }
    for (what, fields) in [
        ("a path that is a fragment alone", vec![METHOD, SCHEME, AUTHORITY, (":path", &b"#"[..])]),
        ("a path that is a fragment with a slash", vec![METHOD, SCHEME, AUTHORITY, (":path", &b"#/public/x"[..])]),
        ("a path that is a query alone", vec![METHOD, SCHEME, AUTHORITY, (":path", &b"?x=1"[..])]),
        ("a path without a slash", vec![METHOD, SCHEME, AUTHORITY, (":path", &b"admin/x"[..])]),
        ("neither host nor authority", vec![METHOD, SCHEME, PATH]),
        ("two hosts", vec![METHOD, SCHEME, PATH, ("host", b"a"), ("host", b"b")]),
        ("user information", vec![METHOD, SCHEME, (":authority", b"u:p@api.example.com"), PATH]),
        ("another scheme", vec![METHOD, (":scheme", b"ftp"), AUTHORITY, PATH]),
        ("OPTIONS *", vec![(":method", b"OPTIONS"), SCHEME, AUTHORITY, (":path", b"*")]),
        ("a method in lower case", vec![(":method", b"get"), SCHEME, AUTHORITY, PATH]),
        ("CONNECT", vec![(":method", b"CONNECT"), (":authority", b"host:443")]),
    ] {
        try_it(&gate, what, &Must::Live, |peer| {
            peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
            // Refused, or not even read: either way nothing but a refusal comes.
            if let Some(frame) = peer.end_of(1)
                && frame.kind == HEADERS
            {
                assert_ne!(frame.payload.first(), Some(&0x88), "{what}");
            }
        });
    }
}

/// The library cuts a fragment off: what is left is what is judged, and all that the upstream hears of.
#[test]
fn a_fragment_behind_a_path_is_judged_and_forwarded_without_it() {
    let gate = Gate::new();
    for (path, forwarded) in [
        ("/public/x#/../admin/x", Some("/public/x")),
        ("/public/x?y#z", Some("/public/x?y")),
        ("/admin/x#/public/x", None),
    ] {
        let mut peer = Peer::begin(Wire::plain(gate.postern.data), &[]);
        peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &get(path, &[]));
        let head = peer.until(HEADERS).expect("an answer");
        assert_eq!(head.payload.first() == Some(&0x88), forwarded.is_some(), "{path}");
        match forwarded {
            Some(target) => assert_eq!(gate.upstream.last().target, target),
            None => gate.upstream.assert_untouched(path),
        }
        gate.upstream.forget();
    }
}

/// Section 8.1: trailers of a request that say what they may not.
#[test]
fn section_8_1_trailers() {
    let gate = Gate::new();
    try_it(&gate, "a pseudo-field in trailers", &Must::Either, |peer| {
        let start = post("/nowhere", &[("content-length", b"9")]);
        peer.send(HEADERS, END_HEADERS, 1, &start).send(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &block(&[(":path", b"/x")]),
        );
        let first = peer.end_of(1);
        assert!(first.is_some(), "refused or reset");
        if first.is_some_and(|frame| matches!(frame.kind, HEADERS | DATA)) {
            peer.send(DATA, 0, 1, b"again");
        }
    });
}
