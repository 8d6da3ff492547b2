//! An answer's head, read as strictly as one of HTTP/1.1: it may go on to a client of either version.

use super::head::remove_unless;
use crate::net::framing::field_is_name;
use crate::request_target::hop::is_hop_by_hop;
use crate::upstream::answer::{Answer, FIELDS, length_of};
use crate::upstream::fault::Fault;
use http::header::{self, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{StatusCode, Version};

/// RFC 9113, 8.6.
const NO_SWITCH: Fault = Fault::Rule("101 is no status of HTTP/2");

/// A head, and what it says about what follows.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) answer: Answer,
    /// There is a body, or may be.
    pub(super) has_body: bool,
    /// How long it is; `None` where its end tells.
    pub(super) length: Option<u64>,
}

/// Reads a head. The parser has refused fields that speak of a connection, lengths that differ, and control characters.
///
/// `to_head`: it answers HEAD. `passes` says of a field's name, in lower case, whether it goes on.
///
/// # Errors
/// It breaks a rule.
pub(super) fn read(parts: Parts, to_head: bool, passes: fn(&str) -> bool) -> Result<Parsed, Fault> {
    let Parts { status, mut headers, version, .. } = parts;
    debug_assert_eq!(version, Version::HTTP_2);
    if status.is_informational() {
        return Err(NO_SWITCH);
    }
    check(&headers)?;
    let tells_only = to_head || status == StatusCode::NOT_MODIFIED;
    let length = length(&headers)?;
    // As over HTTP/1.1 it is said once, and only where no body says it.
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length.filter(|_| tells_only) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    remove_unless(&mut headers, |name| passes(name) && (name == "trailer" || !is_hop_by_hop(name)));
    let has_body = !tells_only && status != StatusCode::NO_CONTENT;
    Ok(Parsed { answer: Answer { status, headers }, has_body, length })
}

/// Reads an interim head; `None` where it does not go on: 100, as over HTTP/1.1, and what could not stand in a final one.
///
/// # Errors
/// It says that the protocol is switched.
pub(super) fn interim(parts: Parts, passes: fn(&str) -> bool) -> Result<Option<Answer>, Fault> {
    let Parts { status, mut headers, .. } = parts;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(NO_SWITCH);
    }
    if status == StatusCode::CONTINUE || check(&headers).is_err() {
        return Ok(None);
    }
    remove_unless(&mut headers, |name| passes(name) && !is_hop_by_hop(name));
    Ok(Some(Answer { status, headers }))
}

fn check(headers: &HeaderMap) -> Result<(), Fault> {
    if headers.len() > FIELDS {
        return Err(Fault::Rule("it is too large"));
    }
    if !headers.keys().all(|name| field_is_name(name.as_str())) {
        return Err(Fault::Rule("a name is no name"));
    }
    if headers.values().any(is_padded) {
        return Err(Fault::Rule("a value begins or ends with a blank"));
    }
    Ok(())
}

/// RFC 9113, 8.2.1.
fn is_padded(value: &HeaderValue) -> bool {
    let is_blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    length_of(value.as_bytes()).map(Some).ok_or(Fault::Rule("its length is not one number"))
}
