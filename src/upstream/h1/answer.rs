//! An answer's head, read strictly: what RFC 9112 calls an error is one, and nothing is mended.
//!
//! Lines may end with a line feed alone (2.2 lets a recipient take it, and what goes on is written anew); obsolete folding,
//! blanks before a colon, `Content-Length` beside `Transfer-Encoding`, differing lengths, and any coding but `chunked` are
//! refused (5.1, 5.2, 6.1, 6.3). Hop-by-hop fields stay behind.

use super::known::Known;
use crate::request_target::hop::{Options, is_hop_by_hop};
use crate::upstream::answer::{Answer, FIELDS, HEAD_BYTES, length_of};
use crate::upstream::fault::Fault;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use std::mem::MaybeUninit;

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// After so many bytes; none where there is no body.
    Length(u64),
    Chunked,
    Close,
}

/// How an answer is read.
pub(super) struct Reading {
    /// It answers HEAD.
    pub(super) to_head: bool,
    /// It may be one of CGI.
    pub(super) over_uwsgi: bool,
    /// Says of a field's name, in lower case, whether it goes on.
    pub(super) passes: fn(&str) -> bool,
}

/// A head, and what it says about what follows.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) answer: Answer,
    pub(super) framing: BodyEnd,
    /// The connection may serve again behind it.
    pub(super) keep: bool,
    /// The bytes of the head.
    pub(super) size: usize,
}

impl Parsed {
    /// Whether another head follows (RFC 9110, 15.2). 101 is final: what follows it is another protocol.
    pub(super) fn is_interim(&self) -> bool {
        let status = self.answer.status;
        status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Interim answers to one request.
#[derive(Debug, Default)]
pub(super) struct Interim {
    bytes: usize,
    /// Those that go on and have not been taken yet.
    passing: Vec<Answer>,
}

impl Interim {
    /// Another one. 100 stays behind: whoever waits for it has it from us, when its body is wanted.
    pub(super) fn take(&mut self, parsed: Parsed) -> Result<(), Fault> {
        self.bytes += parsed.size;
        if self.bytes > HEAD_BYTES {
            return Err(Fault::Rule("there are too many interim answers"));
        }
        if parsed.answer.status != StatusCode::CONTINUE {
            self.passing.push(parsed.answer);
        }
        Ok(())
    }

    pub(super) fn drain(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.passing)
    }
}

/// Reads the head at the beginning of `bytes`; `None` when it is not complete.
///
/// # Errors
/// It breaks a rule.
pub(super) fn parse(bytes: &Bytes, reading: &Reading, known: &mut Known) -> Result<Option<Parsed>, Fault> {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS];
    let mut head = httparse::Response::new(&mut []);
    let read = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut room);
    let size = match read {
        Ok(httparse::Status::Complete(size)) if size <= HEAD_BYTES => size,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Fault::Rule("it is too large")),
        Err(error) => return Err(error.into()),
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Fault::Rule("there is no status"))?;
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let no_body = status.is_informational() || status == StatusCode::NO_CONTENT;
    let tells_only = reading.to_head || status == StatusCode::NOT_MODIFIED;
    let mut options = Options::default();
    for field in head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("connection")) {
        options.read(field.value);
    }
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 2);
    let (mut length, mut chunked) = (None, false);
    for (at, field) in head.headers.iter().enumerate() {
        let read = known.read(at, field.name.as_bytes(), field.value);
        let (name, value) = read.ok_or(Fault::Rule("a name is no name"))?;
        if name == header::CONTENT_LENGTH {
            let said = content_length(field.value)?;
            if length.is_some_and(|before| before != said) {
                return Err(Fault::Rule("its lengths differ"));
            }
            if length.is_none() && tells_only && !no_body {
                headers.append(name, HeaderValue::from(said));
            }
            length = Some(said);
            continue;
        }
        if name == header::TRANSFER_ENCODING {
            if chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Rule("its transfer coding is not `chunked`"));
            }
            chunked = true;
            continue;
        }
        let text = name.as_str();
        if is_hop_by_hop(text) || options.names(text) || !(reading.passes)(text) {
            continue;
        }
        let value = match value {
            Some(known) => known,
            None => HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
                .map_err(|_| Fault::Rule("a value has a control character"))?,
        };
        headers.append(name, value);
    }
    let http11 = version == Version::HTTP_11;
    let framing = match (chunked, length) {
        (true, Some(_)) => return Err(Fault::Rule("it has a length beside its transfer coding")),
        (true, None) if !http11 => return Err(Fault::Rule("HTTP/1.0 has no transfer codings")),
        _ if no_body || tells_only => BodyEnd::Length(0),
        (true, None) => BodyEnd::Chunked,
        (false, Some(length)) => BodyEnd::Length(length),
        (false, None) => BodyEnd::Close,
    };
    let keep = !options.close
        && (http11 || options.keep_alive)
        && framing != BodyEnd::Close
        && status != StatusCode::SWITCHING_PROTOCOLS;
    Ok(Some(Parsed { answer: Answer { status, headers }, framing, keep, size }))
}

/// One number, or the same one several times (RFC 9110, 8.6).
fn content_length(value: &[u8]) -> Result<u64, Fault> {
    let wrong = || Fault::Rule("its length is not one number");
    if let Some(length) = length_of(value) {
        return Ok(length);
    }
    let mut numbers = value.split(|b| *b == b',').map(|text| length_of(text.trim_ascii()));
    let first = numbers.next().flatten().ok_or_else(wrong)?;
    if numbers.all(|number| number == Some(first)) { Ok(first) } else { Err(wrong()) }
}
