//! A request head, line by line (RFC 9112, 2.2, 3 and 5): what its framing fields say, or which rule it breaks.

use super::Violation;
use super::field::{self, Field};
use crate::request_target::{self, TargetError, host};
use arrayvec::ArrayVec;

/// Longer than any method of the IANA registry.
const METHOD_BYTES: usize = 32;

/// A head that is being read. Small and `Copy`: a scanner holds one, and a connection allocates nothing for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Offset of the current line in the head.
    pub(super) line: usize,
    at: At,
    fields: usize,
    http11: bool,
    host: bool,
    chunked: bool,
    length: Option<u64>,
    /// A `Connection` field has said `close`.
    close: bool,
    /// A `Connection` field has said `keep-alive`.
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the request line; one empty line may come first.
    Start,
    RequestLine,
    Fields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
}

impl Head {
    /// Before the first byte.
    pub(super) const START: Self = Self {
        line: 0,
        at: At::Start,
        fields: 0,
        http11: false,
        host: false,
        chunked: false,
        length: None,
        close: false,
        keep_alive: false,
    };

    /// Refuses at once what cannot become a head, a TLS handshake for instance, which may never hold a line feed.
    pub(super) fn first_byte(&self, first: Option<u8>) -> Result<(), Violation> {
        match first {
            None | Some(b'\r') => Ok(()),
            Some(b'\n') => Err(Violation::BareLineFeed),
            Some(b) if field::is_token(&[b]) => Ok(()),
            Some(_) => Err(Violation::Method),
        }
    }

    /// Reads one line, given without its CRLF. At the empty line that ends the head: what follows it, and whether the
    /// connection ends with this message (RFC 9112, 9.3).
    pub(super) fn read(
        &mut self,
        line: &[u8],
        most_fields: usize,
        known: &mut KnownHost,
    ) -> Result<Option<(Body, bool)>, Violation> {
        match self.at {
            At::Start if line.is_empty() => self.at = At::RequestLine,
            At::RequestLine if line.is_empty() => return Err(Violation::EmptyLines),
            At::Start | At::RequestLine => {
                self.http11 = request_line(line)?;
                self.at = At::Fields;
            }
            At::Fields if line.is_empty() => return self.end().map(Some),
            At::Fields => {
                self.fields += 1;
                if self.fields > most_fields {
                    return Err(Violation::TooManyFields);
                }
                self.field(line, known)?;
            }
        }
        Ok(None)
    }

    fn field(&mut self, line: &[u8], known: &mut KnownHost) -> Result<(), Violation> {
        let field = Field::parse(line)?;
        let Field { name, value, .. } = field;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.host {
                    return Err(Violation::HostRepeated);
                }
                self.host = true;
                known.check(value).map_err(Violation::Host)
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&b| b == b',').map(field::trim) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Violation::LengthRepeated);
                }
                self.length = Some(length(value)?);
                Ok(())
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked {
                    return Err(Violation::CodingRepeated);
                }
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
                if self.chunked { Ok(()) } else { Err(Violation::Coding) }
            }
            _ if field.is_disguised() => Err(Violation::DisguisedField),
            _ => Ok(()),
        }
    }

    fn end(&self) -> Result<(Body, bool), Violation> {
        // HTTP/1.0 did not have it (RFC 9112, 3.2): old health checkers send none.
        if !self.host && self.http11 {
            return Err(Violation::HostMissing);
        }
        let body = match (self.chunked, self.length) {
            (true, Some(_)) => return Err(Violation::LengthAndCoding),
            (true, None) if !self.http11 => return Err(Violation::CodingInHttp10),
            (true, None) => Body::Chunked,
            (false, length) => Body::Length(length.unwrap_or(0)),
        };
        Ok((body, self.close || !(self.http11 || self.keep_alive)))
    }
}

/// The last host of a connection that was found valid: nearly always that of the next message too.
#[derive(Debug)]
pub(super) struct KnownHost(ArrayVec<u8, 64>);

impl KnownHost {
    pub(super) const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    fn check(&mut self, value: &[u8]) -> Result<(), host::HostError> {
        if !value.is_empty() && self.0.as_slice() == value {
            return Ok(());
        }
        host::check(value)?;
        self.0.clear();
        // A longer one is checked each time.
        let _ = self.0.try_extend_from_slice(value);
        Ok(())
    }
}

/// Checks a request line; whether its version is HTTP/1.1 (and not 1.0).
fn request_line(line: &[u8]) -> Result<bool, Violation> {
    if line == b"PRI * HTTP/2.0" {
        return Err(Violation::Http2Preface);
    }
    let first = memchr::memchr(b' ', line).ok_or(Violation::RequestLine)?;
    let last = memchr::memrchr(b' ', line).ok_or(Violation::RequestLine)?;
    let method = line.get(..first).unwrap_or_default();
    let target = line.get(first + 1..last).ok_or(Violation::RequestLine)?;
    let version = line.get(last + 1..).unwrap_or_default();
    if method.len() > METHOD_BYTES || !field::is_token(method) {
        return Err(Violation::Method);
    }
    if method == b"CONNECT" {
        return Err(Violation::Connect);
    }
    let http11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Violation::Version),
        _ => return Err(Violation::RequestLine),
    };
    if target.first() != Some(&b'/')
        && let Some(rest) = absolute_form(target)?
    {
        if rest.is_empty() && method == b"OPTIONS" {
            return Err(Violation::OptionsAsterisk);
        }
        return request_target::check_carriable_rest(rest).map(|()| http11).map_err(Violation::Target);
    }
    request_target::check_carriable(target).map(|()| http11).map_err(|error| match (error, target) {
        (TargetError::NotOrigin, b"*") if method == b"OPTIONS" => Violation::OptionsAsterisk,
        (TargetError::NotOrigin, _) if memchr::memmem::find(target, b"://").is_some() => Violation::AbsoluteForm,
        _ => Violation::Target(error),
    })
}

/// What follows the authority of a target in absolute form (RFC 9112, 3.2.2): every server must take it. Whether the authority is
/// the `Host` is looked at when both are known ([`super::to_origin_form`]).
fn absolute_form(target: &[u8]) -> Result<Option<&[u8]>, Violation> {
    let behind = |scheme: &[u8]| {
        let (begin, rest) = target.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = behind(b"http://").or_else(|| behind(b"https://")) else { return Ok(None) };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or_default();
    host::check(authority).map_err(Violation::Host)?;
    Ok(Some(rest))
}

/// A decimal number (RFC 9110, 8.6) of at most 19 digits, which always fits; no body is longer.
fn length(value: &[u8]) -> Result<u64, Violation> {
    if value.is_empty() || value.len() > 19 {
        return Err(Violation::Length);
    }
    value.iter().try_fold(0_u64, |sum, b| match b {
        b'0'..=b'9' => Ok(sum * 10 + u64::from(b - b'0')),
        _ => Err(Violation::Length),
    })
}
