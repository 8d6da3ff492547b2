//! A request's head, written as it will be sent.

use http::{HeaderName, Method};

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none, and nothing is said of it.
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
}

/// A head being written: its request line, and fields so far. It has no `Debug`, since it holds credentials.
pub struct Head {
    bytes: Vec<u8>,
    to_head: bool,
}

/// A head that is complete.
pub struct Request {
    pub(super) bytes: Vec<u8>,
    /// The method is HEAD, which is answered without a body.
    pub(super) to_head: bool,
    pub(super) framing: Framing,
}

impl Request {
    /// Whether it has no body.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// The same with names `Like-This`, for services that compare them so, although names have no case (RFC 9110, 5.1).
    #[must_use]
    pub fn in_title_case(mut self) -> Self {
        let (mut is_name, mut is_first) = (false, false);
        for b in &mut self.bytes {
            if is_name && is_first {
                b.make_ascii_uppercase();
            }
            is_first = matches!(*b, b'\n' | b'-');
            is_name = *b == b'\n' || (is_name && *b != b':');
        }
        self
    }

    /// Its bytes, and whether its method is HEAD.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, bool) {
        (self.bytes, self.to_head)
    }
}

impl Head {
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

    /// Writes one field, whose value has no control characters but tabs (as in a [`http::HeaderValue`]).
    pub fn field(&mut self, name: &HeaderName, value: &[u8]) {
        debug_assert!(value.iter().all(|b| *b == b'\t' || !b.is_ascii_control()), "a field of one line");
        let name = name.as_str().as_bytes();
        self.bytes.reserve(name.len() + value.len() + 4);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// What is written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Says how the body is framed, and ends the head.
    #[must_use]
    pub fn end(self, framing: Framing) -> Request {
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
        Request { bytes, to_head, framing }
    }
}

#[cfg(test)]
mod tests {
    use super::{Framing, Head};
    use http::{HeaderName, Method};

    #[test]
    fn names_are_written_like_this_and_nothing_else_is() {
        let mut head = Head::new(Vec::new(), &Method::POST, "/a-b?c:d-e");
        for (name, value) in [("host", "a-b.example:80"), ("x-my_id", "x-y: z"), ("soapaction", "\"urn:a-b\"")] {
            head.field(&HeaderName::from_static(name), value.as_bytes());
        }
        let head = head.end(Framing::Length(3)).in_title_case();
        assert_eq!(
            String::from_utf8(head.bytes).unwrap(),
            "POST /a-b?c:d-e HTTP/1.1\r\nHost: a-b.example:80\r\nX-My_id: x-y: z\r\nSoapaction: \"urn:a-b\"\r\nContent-Length: 3\r\n\r\n"
        );
    }
}
