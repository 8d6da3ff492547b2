//! A peer that speaks HTTP/2 in frames of its own making, right ones and wrong ones (RFC 9113, 4 and 6).

use super::tls::Wire;
use std::io::{self, Read, Write};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM and GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block of literals that no table remembers (RFC 7541, 6.2.2), so that any bytes can stand in it.
pub fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value);
    }
    block
}

fn string(block: &mut Vec<u8>, bytes: &[u8]) {
    // RFC 7541, 5.1: seven bits, then the rest in groups of seven.
    if bytes.len() < 127 {
        block.push(u8::try_from(bytes.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = bytes.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend(bytes);
}

/// A usual GET's header block; `further` fields follow the pseudo-fields.
pub fn get(path: &str, further: &[(&str, &[u8])]) -> Vec<u8> {
    let mut fields: Vec<(&str, &[u8])> =
        vec![(":method", b"GET"), (":scheme", b"http"), (":authority", b"api.example.com"), (":path", path.as_bytes())];
    fields.extend(further);
    block(&fields)
}

/// A connection of such a peer.
pub struct Peer {
    wire: Wire,
}

impl Peer {
    /// Says the preface and its settings, and nothing else.
    pub fn begin(mut wire: Wire, settings: &[(u16, u32)]) -> Self {
        wire.write_all(PREFACE).unwrap();
        let mut peer = Self { wire };
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        peer.send(SETTINGS, 0, 0, &payload);
        peer
    }

    /// The server's side of a connection: reads the preface, and says these settings.
    pub fn accept(wire: Wire, settings: &[(u16, u32)]) -> Option<Self> {
        let (mut peer, mut preface) = (Self { wire }, [0; 24]);
        peer.wire.read_exact(&mut preface).ok()?;
        assert_eq!(preface, PREFACE);
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        peer.send(SETTINGS, 0, 0, &payload);
        Some(peer)
    }

    /// Sends a frame. A gate that has hung up already is no failure: what it said can still be read.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        let _ = self.try_send(&frame(kind, flags, stream, payload));
        self
    }

    /// Sends bytes.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// Reads the next frame; `None` at the end of the connection, however it ends.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        if let Err(error) = self.wire.read_exact(&mut header) {
            assert!(!matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "the gate is silent");
            return None;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize];
        self.wire.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        Some(Frame { kind: header[3], flags: header[4], stream, payload })
    }

    /// Reads up to a frame of this kind.
    pub fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            if frame.kind == kind && !(kind == SETTINGS && frame.flags & ACK != 0) {
                return Some(frame);
            }
        }
    }

    /// Reads up to what ends a stream, or the connection: RST_STREAM, GOAWAY with an error, an answer's end.
    pub fn end_of(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            let of_stream = frame.stream == stream
                && (frame.kind == RST_STREAM
                    || (matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0));
            if of_stream || (frame.kind == GOAWAY && frame.code() != 0) {
                return Some(frame);
            }
        }
    }

    /// Fails unless the connection works still.
    pub fn assert_alive(&mut self) {
        self.send(PING, 0, 0, b"alive???");
        loop {
            let frame = self.frame().expect("the connection is open");
            if frame.kind == PING && frame.flags & ACK != 0 && frame.payload == b"alive???" {
                return;
            }
        }
    }
}
