//! A request in the uwsgi protocol, as nginx's `uwsgi_pass` speaks it: one packet of the variables of CGI (RFC 3875, 4.1; PEP 3333), and the
//! body behind it. What is answered is read by [`h1`]; the connection ends with it.
//!
//! A packet is four bytes, the second and third of which are its size, and the variables: each name and value behind its length, 16 bits
//! with the least significant byte first. Reference: <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>

use super::h1;
use super::head::{Fields, Framing};
use crate::normalized_name::is_plain;
use crate::request_target::Target;
use crate::request_target::host::{canonical_host, port};
use crate::request_target::oddity::Oddities;
use http::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use std::borrow::Cow;
use std::net::IpAddr;
use thiserror::Error;

/// What stands before the variables: a modifier that says WSGI, their size, and another modifier.
const HEADER: usize = 4;

/// Bytes of variables, at most.
const MOST: usize = u16::MAX as usize;

const CONTENT_LENGTH: &[u8] = b"CONTENT_LENGTH";

/// Bytes of the variable that tells the longest length: both sizes, the name, and twenty digits.
const LENGTH_ROOM: usize = 2 + CONTENT_LENGTH.len() + 2 + 20;

/// Why a request cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsayable {
    /// Its path decoded once is the path of another target.
    #[error("the path would be read as another one")]
    Path,
    /// Two fields have one variable, or one of them none.
    #[error("two headers would be one to the service")]
    Fields,
    /// Its variables are more than 65,535 bytes.
    #[error("the head is larger than the service can be told")]
    TooLarge,
}

/// What the service is told of the way of a request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub address: IpAddr,
    /// The client speaks TLS, to us or to a proxy that we trust.
    pub is_https: bool,
}

/// A request's head as a packet; its size is written at its end. It has no `Debug`, since it holds credentials.
pub struct Packet {
    bytes: Vec<u8>,
    to_head: bool,
    length: u64,
    is_too_large: bool,
}

impl Packet {
    /// Writes a packet over what `buffer` holds. Where the length of the body is not known, it is to be told by [`Packet::set_length`].
    ///
    /// # Errors
    /// See [`Unsayable`].
    pub fn new(fields: Fields, client: Client, mut buffer: Vec<u8>) -> Result<Self, Unsayable> {
        let fields = fields.checked().map_err(|_| Unsayable::Fields)?;
        buffer.clear();
        buffer.reserve(2048);
        buffer.extend_from_slice(&[0; HEADER]);
        let to_head = fields.method == Method::HEAD;
        let mut packet = Self { bytes: buffer, to_head, length: 0, is_too_large: false };
        let raw = fields.target.as_str();
        let target = Target::read(raw).map_err(|_| Unsayable::Path)?;
        if target.oddities().meets(Oddities::LOST_DECODED) {
            return Err(Unsayable::Path);
        }
        packet.put(b"REQUEST_METHOD", fields.method.as_str());
        packet.put(b"REQUEST_URI", raw);
        packet.put(b"PATH_INFO", target.decoded());
        packet.put(b"QUERY_STRING", target.query().unwrap_or_default());
        packet.put(b"SCRIPT_NAME", "");
        // As every upstream is asked: what the client speaks is known to nobody behind us.
        packet.put(b"SERVER_PROTOCOL", "HTTP/1.1");
        packet.origin(fields.host.as_deref().unwrap_or_default(), client);
        packet.headers(&fields.headers)?;
        match fields.framing {
            Framing::None => {}
            Framing::Length(length) => packet.set_length(length),
            Framing::Chunked => packet.is_too_large |= packet.bytes.len() + LENGTH_ROOM > HEADER + MOST,
        }
        packet.is_too_large |= packet.bytes.len() > HEADER + MOST;
        if packet.is_too_large { Err(Unsayable::TooLarge) } else { Ok(packet) }
    }

    /// Says how long the body is; once.
    pub fn set_length(&mut self, length: u64) {
        self.length = length;
        self.put(CONTENT_LENGTH, itoa::Buffer::new().format(length));
    }

    /// The packet, complete.
    #[must_use]
    pub fn end(mut self) -> h1::Request {
        // It fits: what is larger was refused.
        let size = u16::try_from(self.bytes.len().saturating_sub(HEADER)).unwrap_or_default();
        if let Some(place) = self.bytes.get_mut(1..3) {
            place.copy_from_slice(&size.to_le_bytes());
        }
        h1::Request::of_packet(self.bytes, self.to_head, self.length)
    }

    /// Where the request was sent to, and where it comes from.
    fn origin(&mut self, host: &[u8], client: Client) {
        let host = std::str::from_utf8(host).unwrap_or_default();
        let (scheme, usual) = if client.is_https { ("https", "443") } else { ("http", "80") };
        self.put(b"SERVER_NAME", &canonical_host(host).unwrap_or(Cow::Borrowed(host)));
        self.put(b"SERVER_PORT", Some(port(host)).filter(|port| !port.is_empty()).unwrap_or(usual));
        self.put(b"REMOTE_ADDR", &client.address.to_string());
        self.put(b"REQUEST_SCHEME", scheme);
        if client.is_https {
            self.put(b"HTTPS", "on");
        }
        self.put(b"HTTP_HOST", host);
    }

    /// One variable for all fields of a name (RFC 9110, 5.3; RFC 6265, 5.4).
    fn headers(&mut self, headers: &HeaderMap) -> Result<(), Unsayable> {
        for name in headers.keys() {
            let values = headers.get_all(name);
            if *name == CONTENT_TYPE {
                self.variable(|bytes| bytes.extend_from_slice(b"CONTENT_TYPE"), |bytes| join(bytes, values, b", "));
                continue;
            }
            let is_alone = || headers.keys().all(|other| other == name || !letters(other).eq(letters(name)));
            if !is_plain(name.as_str()) && !is_alone() {
                return Err(Unsayable::Fields);
            }
            let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
            let put_name = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(b"HTTP_");
                bytes.extend(letters(name));
            };
            self.variable(put_name, |bytes| join(bytes, values, separator));
        }
        Ok(())
    }

    fn put(&mut self, name: &[u8], value: &str) {
        self.variable(|bytes| bytes.extend_from_slice(name), |bytes| bytes.extend_from_slice(value.as_bytes()));
    }

    fn variable(&mut self, name: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        self.sized(name);
        self.sized(value);
    }

    /// Puts what `write` writes behind its length.
    fn sized(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.bytes.len() + 2;
        self.bytes.extend_from_slice(&[0; 2]);
        write(&mut self.bytes);
        let length = u16::try_from(self.bytes.len().saturating_sub(begin));
        self.is_too_large |= length.is_err();
        if let (Ok(length), Some(place)) = (length, self.bytes.get_mut(begin - 2..begin)) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// A name as its variable has it.
fn letters(name: &HeaderName) -> impl Iterator<Item = u8> {
    name.as_str().bytes().map(|b| if b == b'-' { b'_' } else { b.to_ascii_uppercase() })
}

fn join<'v>(bytes: &mut Vec<u8>, values: impl IntoIterator<Item = &'v HeaderValue>, separator: &[u8]) {
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            bytes.extend_from_slice(separator);
        }
        bytes.extend_from_slice(value.as_bytes());
    }
}
