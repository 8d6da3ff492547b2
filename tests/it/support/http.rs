//! Messages as they were on the wire: what the upstream recorded, what the client was answered.

use std::io::{self, BufRead};

/// Header lines in the order of the wire, names as they were written.
pub type Headers = Vec<(String, String)>;

/// A request as it reached the upstream.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The bytes of the head, with its last empty line.
    pub head: Vec<u8>,
    /// The method.
    pub method: String,
    /// The target, byte for byte.
    pub target: String,
    /// All headers.
    pub headers: Headers,
    /// The body so far, without the framing of chunks.
    pub body: Vec<u8>,
    /// The body came to its end.
    pub complete: bool,
    /// The lines behind its last chunk.
    pub trailers: Vec<String>,
}

/// An answer as the client saw it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: Headers,
    /// The body, without the framing of chunks.
    pub body: Vec<u8>,
    /// The statuses of interim answers before it.
    pub interim: Vec<u16>,
}

fn one<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let all = all(headers, name);
    assert!(all.len() < 2, "{name} is there {} times: {headers:?}", all.len());
    all.first().copied()
}

fn all<'h>(headers: &'h Headers, name: &str) -> Vec<&'h str> {
    headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

impl Recorded {
    /// The one value of a header; more than one fails the test.
    pub fn header(&self, name: &str) -> Option<&str> {
        one(&self.headers, name)
    }

    /// Whether any header, folded as CGI and WSGI fold names, is this one.
    pub fn folded(&self, name: &str) -> Vec<&str> {
        let fold = |name: &str| {
            name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>()
        };
        let wanted = fold(name);
        self.headers.iter().filter(|(n, _)| fold(n) == wanted).map(|(_, value)| value.as_str()).collect()
    }
}

impl Answer {
    /// The one value of a header; more than one fails the test.
    pub fn header(&self, name: &str) -> Option<&str> {
        one(&self.headers, name)
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The stable code of a refusal; the rest of the problem is checked on the way (RFC 9457).
    /// Whether it is a refusal of this code.
    pub fn refuses(&self, code: &str) -> bool {
        self.status >= 400 && self.code() == code
    }

    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        for member in ["type", "title", "detail", "code"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// Reads a head up to its empty line; `None` at the end of the stream.
pub fn head(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let line = from.read_until(b'\n', &mut head)?;
        match line {
            0 if head.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if head.ends_with(b"\r\n\r\n") => return Ok(Some(head)),
            _ => assert!(head.len() < 1 << 20, "a head without end"),
        }
    }
}

/// The first line and the headers of a head.
pub fn parse(head: &[u8]) -> (String, Headers) {
    let text: String = head.iter().map(|&b| char::from(b)).collect();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_owned(), value.trim().to_owned())
    };
    (first, lines.map(header).collect())
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// The framing of a message with these headers; `otherwise` where they say nothing.
pub fn framing(headers: &Headers, otherwise: Framing) -> Framing {
    if let Some(coding) = one(headers, "transfer-encoding") {
        assert_eq!(coding, "chunked");
        return Framing::Chunked;
    }
    one(headers, "content-length").map_or(otherwise, |length| Framing::Length(length.parse().unwrap()))
}

/// Reads a piece of a body; `None` at its end.
pub struct BodyReader {
    framing: Framing,
    left: u64,
    ended: bool,
    /// The lines behind the last chunk.
    pub trailers: Vec<String>,
}

impl BodyReader {
    pub fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Self { framing, left, ended: framing == Framing::Length(0), trailers: Vec::new() }
    }

    pub fn next(&mut self, from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        if self.framing == Framing::Chunked && self.left == 0 {
            self.left = chunk_size(from, &mut self.trailers)?;
            if self.left == 0 {
                self.ended = true;
                return Ok(None);
            }
        }
        let most = if self.framing == Framing::Close { 64 * 1024 } else { self.left.min(64 * 1024) };
        let mut piece = vec![0; usize::try_from(most).unwrap()];
        let read = from.read(&mut piece)?;
        piece.truncate(read);
        match (read, self.framing) {
            (0, Framing::Close) => {
                self.ended = true;
                return Ok(None);
            }
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (_, Framing::Close) => {}
            _ => self.left -= read as u64,
        }
        match self.framing {
            Framing::Length(_) => self.ended = self.left == 0,
            Framing::Chunked if self.left == 0 => {
                let mut end = [0; 2];
                from.read_exact(&mut end)?;
                assert_eq!(&end, b"\r\n", "a chunk has another length than it says");
            }
            _ => {}
        }
        Ok(Some(piece))
    }

    /// Everything up to the end.
    pub fn rest(&mut self, from: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.next(from)? {
            body.extend(piece);
        }
        Ok(body)
    }
}

/// A chunk-size line, and after the last chunk the trailers too.
fn chunk_size(from: &mut impl BufRead, trailers: &mut Vec<String>) -> io::Result<u64> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let digits = line.trim_end().split(';').next().unwrap_or_default();
    let size = u64::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
    if size == 0 {
        line.clear();
        while from.read_line(&mut line)? != 0 && line != "\r\n" {
            trailers.push(std::mem::take(&mut line));
        }
    }
    Ok(size)
}
