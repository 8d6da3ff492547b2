//! A request's head in the bytes of HTTP/1.1.

use crate::upstream::fault::Fault;
use crate::upstream::head::{Fields, Framing, PutField};
use http::Method;
use http::header::{CONNECTION, HOST, HeaderName, TE};

/// Writes a head: its request line first, then fields. It has no `Debug`, since it holds credentials.
pub struct HeadWriter {
    bytes: Vec<u8>,
    to_head: bool,
}

/// A head that is complete.
pub struct Request {
    pub(super) bytes: Vec<u8>,
    /// The method is HEAD, which is answered without a body.
    pub(super) to_head: bool,
    pub(super) framing: Framing,
    /// It is no head of HTTP/1.1 but a packet of the uwsgi protocol.
    pub(super) over_uwsgi: bool,
}

impl PutField for HeadWriter {
    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        debug_assert!(value.iter().all(|b| *b == b'\t' || !b.is_ascii_control()), "a field of one line");
        let name = name.as_str().as_bytes();
        self.bytes.reserve(name.len() + value.len() + 4);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

impl HeadWriter {
    /// Writes the request line over what `buffer` holds.
    #[must_use]
    pub fn new(mut buffer: Vec<u8>, method: &Method, target: &str) -> Self {
        buffer.clear();
        buffer.reserve(1024);
        for piece in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            buffer.extend_from_slice(piece.as_bytes());
        }
        Self { bytes: buffer, to_head: *method == Method::HEAD }
    }

    /// What is written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Says that the client takes trailers: over HTTP/1.1 that is a hop-by-hop field.
    pub fn tell_of_trailers(&mut self) {
        self.put(&TE, b"trailers");
        self.put(&CONNECTION, b"te");
    }

    /// Says how the body is framed, and ends the head. `title_case`: for services that compare names by the letter they are written
    /// `Like-This`, although names have no case (RFC 9110, 5.1).
    #[must_use]
    pub fn end(self, framing: Framing, title_case: bool) -> Request {
        let Self { mut bytes, to_head } = self;
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                bytes.extend_from_slice(b"content-length: ");
                bytes.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                bytes.extend_from_slice(b"\r\n");
            }
            Framing::Chunked => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        bytes.extend_from_slice(b"\r\n");
        if title_case {
            capitalize(&mut bytes);
        }
        Request { bytes, to_head, framing, over_uwsgi: false }
    }
}

impl Request {
    /// A packet of the uwsgi protocol, behind which its body follows as it is.
    pub(in crate::upstream) const fn of_packet(bytes: Vec<u8>, to_head: bool, length: u64) -> Self {
        Self { bytes, to_head, framing: Framing::Length(length), over_uwsgi: true }
    }

    /// Encodes a head that was kept.
    ///
    /// # Errors
    /// Not all of it can be said.
    pub fn encode(fields: Fields, buffer: Vec<u8>, title_case: bool) -> Result<Self, Fault> {
        let fields = fields.checked()?;
        let mut head = HeadWriter::new(buffer, &fields.method, fields.target.as_str());
        if let Some(host) = &fields.host {
            head.put(&HOST, host);
        }
        for (name, value) in &fields.headers {
            head.put(name, value.as_bytes());
        }
        if fields.takes_trailers {
            head.tell_of_trailers();
        }
        Ok(head.end(fields.framing, title_case))
    }

    /// The head as it is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn capitalize(head: &mut [u8]) {
    let (mut is_name, mut is_first) = (false, false);
    for b in head {
        if is_name && is_first {
            b.make_ascii_uppercase();
        }
        is_first = matches!(*b, b'\n' | b'-');
        is_name = *b == b'\n' || (is_name && *b != b':');
    }
}

#[cfg(test)]
mod tests {
    use super::HeadWriter;
    use crate::upstream::head::{Framing, PutField};
    use http::{HeaderName, Method};

    #[test]
    fn names_are_written_like_this_and_nothing_else_is() {
        let mut head = HeadWriter::new(Vec::new(), &Method::POST, "/a-b?c:d-e");
        for (name, value) in [("host", "a-b.example:80"), ("x-my_id", "x-y: z"), ("soapaction", "\"urn:a-b\"")] {
            head.put(&HeaderName::from_static(name), value.as_bytes());
        }
        let head = head.end(Framing::Length(3), true);
        assert_eq!(
            String::from_utf8(head.bytes).unwrap(),
            "POST /a-b?c:d-e HTTP/1.1\r\nHost: a-b.example:80\r\nX-My_id: x-y: z\r\nSoapaction: \"urn:a-b\"\r\nContent-Length: 3\r\n\r\n"
        );
    }
}
