//! A request in the uwsgi protocol, as nginx's `uwsgi_pass` speaks it: one packet of the variables of CGI (RFC 3875, 4.1; PEP 3333), and the
//! body behind it. What is answered is read by [`h1`]; the connection ends with it.
//!
//! A packet is four bytes, the second and third of which are its size, and the variables: each name and value behind its length, 16 bits
//! with the least significant byte first. Reference: <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>

use super::h1;
use super::head::{Framing, PutField};
use crate::request_target::Target;
use crate::request_target::host::{canonical_host, port};
use crate::request_target::oddity::Oddities;
use http::Method;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName};
use std::borrow::Cow;
use std::net::IpAddr;
use thiserror::Error;

/// What stands before the variables: a modifier that says WSGI, their size, and another modifier.
const HEADER: usize = 4;

/// Bytes of variables, at most.
const MOST: usize = u16::MAX as usize;

const CONTENT_LENGTH: &[u8] = b"CONTENT_LENGTH";

/// Variables that are the same for all. As every upstream is asked in HTTP/1.1: what the client speaks is known to nobody behind us.
const SAME: &[u8] = b"\x0b\0SCRIPT_NAME\0\0\x0f\0SERVER_PROTOCOL\x08\0HTTP/1.1";

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
    client: Client,
    to_head: bool,
    length: u64,
    /// Where the variables of headers begin.
    headers: usize,
    /// The host was told.
    has_host: bool,
    /// Names that are not letters, digits and hyphens alone: each must be the only one of its variable. Nearly always there is none.
    odd: Vec<HeaderName>,
    is_ambiguous: bool,
    is_too_large: bool,
}

impl Packet {
    /// Begins a packet over what `buffer` holds; fields follow, `Host` the first of them, and [`Packet::framed`].
    ///
    /// # Errors
    /// [`Unsayable::Path`].
    pub fn new(method: &Method, target: &str, client: Client, mut buffer: Vec<u8>) -> Result<Self, Unsayable> {
        let read = Target::read(target).map_err(|_| Unsayable::Path)?;
        if read.oddities().meets(Oddities::LOST_DECODED) {
            return Err(Unsayable::Path);
        }
        buffer.clear();
        buffer.reserve(2048);
        buffer.extend_from_slice(&[0; HEADER]);
        let mut packet = Self {
            bytes: buffer,
            client,
            to_head: *method == Method::HEAD,
            length: 0,
            headers: 0,
            has_host: false,
            odd: Vec::new(),
            is_ambiguous: false,
            is_too_large: false,
        };
        packet.say(b"REQUEST_METHOD", method.as_str().as_bytes());
        packet.say(b"REQUEST_URI", target.as_bytes());
        packet.say(b"PATH_INFO", read.decoded().as_bytes());
        packet.say(b"QUERY_STRING", read.query().unwrap_or_default().as_bytes());
        packet.bytes.extend_from_slice(SAME);
        packet.headers = packet.bytes.len();
        Ok(packet)
    }

    /// The fields are there. Where the length of the body is not known, it is to be told by [`Packet::set_length`].
    ///
    /// # Errors
    /// See [`Unsayable`].
    pub fn framed(mut self, framing: Framing) -> Result<Self, Unsayable> {
        if !self.has_host {
            self.origin(b"");
        }
        match framing {
            Framing::None => {}
            Framing::Length(length) => self.set_length(length),
            Framing::Chunked => self.is_too_large |= self.bytes.len() + LENGTH_ROOM > HEADER + MOST,
        }
        self.is_too_large |= self.bytes.len() > HEADER + MOST;
        match (self.is_ambiguous, self.is_too_large) {
            (true, _) => Err(Unsayable::Fields),
            (false, true) => Err(Unsayable::TooLarge),
            (false, false) => Ok(self),
        }
    }

    /// Says how long the body is; once.
    pub fn set_length(&mut self, length: u64) {
        self.length = length;
        self.say(CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes());
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
    fn origin(&mut self, host: &[u8]) {
        self.has_host = true;
        let text = std::str::from_utf8(host).unwrap_or_default();
        let (scheme, usual) = if self.client.is_https { ("https", "443") } else { ("http", "80") };
        self.say(b"SERVER_NAME", canonical_host(text).unwrap_or(Cow::Borrowed(text)).as_bytes());
        self.say(b"SERVER_PORT", Some(port(text)).filter(|port| !port.is_empty()).unwrap_or(usual).as_bytes());
        let address = self.client.address;
        self.say_by(b"REMOTE_ADDR", |bytes| put_address(bytes, address));
        self.say(b"REQUEST_SCHEME", scheme.as_bytes());
        if self.client.is_https {
            self.say(b"HTTPS", b"on");
        }
        self.say(b"HTTP_HOST", text.as_bytes());
    }

    fn say(&mut self, name: &[u8], value: &[u8]) {
        self.sized(|bytes| bytes.extend_from_slice(name));
        self.sized(|bytes| bytes.extend_from_slice(value));
    }

    fn say_by(&mut self, name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        self.sized(|bytes| bytes.extend_from_slice(name));
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

    /// Where the value stands of the variable whose name was written from `begin` on, if it is there before that.
    fn before(&self, begin: usize) -> Option<usize> {
        // What is too large has sizes that are none, and is refused.
        let mut at = self.headers;
        let name = self.bytes.get(begin..)?;
        while at < begin && !self.is_too_large {
            let value = at + 2 + self.size(at)?;
            if self.bytes.get(at..value)? == name {
                return Some(value);
            }
            at = value + 2 + self.size(value)?;
        }
        None
    }

    fn size(&self, at: usize) -> Option<usize> {
        Some(usize::from(u16::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?)))
    }

    /// Another value of a variable that is there (RFC 9110, 5.3; RFC 6265, 5.4).
    fn join(&mut self, place: usize, separator: &[u8], value: &[u8]) {
        let Some(size) = self.size(place) else { return };
        let end = place + 2 + size;
        self.bytes.splice(end..end, separator.iter().chain(value).copied());
        match (u16::try_from(size + separator.len() + value.len()), self.bytes.get_mut(place..place + 2)) {
            (Ok(size), Some(place)) => place.copy_from_slice(&size.to_le_bytes()),
            _ => self.is_too_large = true,
        }
    }
}

impl PutField for Packet {
    /// Puts a header's variable: one for all fields of a name.
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        if *name == HOST {
            self.is_ambiguous |= self.has_host;
            return self.origin(value);
        }
        let begin = self.bytes.len();
        let mut is_plain = true;
        self.sized(|bytes| match *name {
            CONTENT_TYPE => bytes.extend_from_slice(b"CONTENT_TYPE"),
            _ => {
                bytes.extend_from_slice(b"HTTP_");
                bytes.extend(name.as_str().bytes().map(|b| {
                    is_plain &= b == b'-' || b.is_ascii_alphanumeric();
                    letter(b)
                }));
            }
        });
        let place = self.before(begin);
        // Two names of one variable are two headers to us, and one to the service.
        if !is_plain || !self.odd.is_empty() {
            let is_known = self.odd.contains(name);
            let is_other = |other: &HeaderName| other != name && letters(other).eq(letters(name));
            let is_type = !is_plain && letters(name).eq(letters(&CONTENT_TYPE));
            self.is_ambiguous |=
                self.odd.iter().any(is_other) || (!is_plain && !is_known && place.is_some()) || is_type;
            if !is_plain && !is_known {
                self.odd.push(name.clone());
            }
        }
        match place {
            Some(place) => {
                self.bytes.truncate(begin);
                self.join(place, if *name == COOKIE { b"; " } else { b", " }, value);
            }
            None => self.sized(|bytes| bytes.extend_from_slice(value)),
        }
    }
}

/// An address in its usual text, where it is of IPv4 without the machinery that formats anything.
fn put_address(bytes: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (at, part) in v4.octets().into_iter().enumerate() {
                if at > 0 {
                    bytes.push(b'.');
                }
                bytes.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
            }
        }
        IpAddr::V6(v6) => bytes.extend_from_slice(v6.to_string().as_bytes()),
    }
}

/// A name as its variable has it.
fn letters(name: &HeaderName) -> impl Iterator<Item = u8> {
    name.as_str().bytes().map(letter)
}

const fn letter(b: u8) -> u8 {
    if b == b'-' { b'_' } else { b.to_ascii_uppercase() }
}
