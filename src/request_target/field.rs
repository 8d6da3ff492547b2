//! Reading one header field for a decision.
//!
//! Headers are forwarded as they came, so whatever the upstream may take for the field must be what was judged: a repetition,
//! another spelling of its name (`X_Org`), a field that `Connection` takes away on the way, and bytes that readers decode
//! differently are refused. Other fields are none of our business: their values are opaque (RFC 9110, 5.5).

use super::hop::{Options, is_hop_by_hop};
use crate::normalized_name::same_name;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Why a field cannot be judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum FieldError {
    /// It is there more than once.
    Repeated,
    /// A field is there whose name differs only in case, punctuation or nothing but that.
    Spelling,
    /// `Connection` names it, so that it does not go on (RFC 9110, 7.6.1).
    Dropped,
    /// A byte of 0x80 or more, which readers take for Latin-1, UTF-8 or nothing.
    NotAscii,
}

impl FieldError {
    /// The text of the refusal, for an answer or a log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Repeated => "a header that decides is repeated",
            Self::Spelling => "a header that decides has another spelling of its name",
            Self::Dropped => "the Connection header takes away a header that decides",
            Self::NotAscii => "a header that decides has a byte outside of ASCII",
        }
    }
}

/// The one value of a field; `None` where it is absent.
///
/// # Errors
/// The upstream may read what we did not: see [`FieldError`].
pub fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, FieldError> {
    let mut found = None;
    for (key, value) in headers {
        if !same_name(key.as_str(), name.as_str()) {
            continue;
        }
        if key != name {
            return Err(FieldError::Spelling);
        }
        if found.is_some() {
            return Err(FieldError::Repeated);
        }
        found = Some(value);
    }
    let Some(value) = found else { return Ok(None) };
    if is_dropped(headers, name) { Err(FieldError::Dropped) } else { text(value).map(Some) }
}

/// Whether `Connection` takes a field away that would go on otherwise.
#[must_use]
pub fn is_dropped(headers: &HeaderMap, name: &HeaderName) -> bool {
    Options::of(headers).names(name.as_str()) && !is_hop_by_hop(name.as_str())
}

/// A value as text that all readers read alike.
///
/// # Errors
/// It has a byte outside of ASCII.
pub fn text(value: &HeaderValue) -> Result<&str, FieldError> {
    if !value.as_bytes().is_ascii() {
        return Err(FieldError::NotAscii);
    }
    std::str::from_utf8(value.as_bytes()).map_err(|_| FieldError::NotAscii)
}

#[cfg(test)]
mod tests {
    use super::FieldError::{Dropped, NotAscii, Repeated, Spelling};
    use super::{FieldError, single};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn read(fields: &[(&str, &[u8])]) -> Result<Option<String>, FieldError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        single(&headers, &HeaderName::from_static("x-org")).map(|value| value.map(str::to_owned))
    }

    #[test]
    fn one_field_in_its_one_spelling_is_read() {
        assert_eq!(read(&[("X-Org", b"acme"), ("connection", b"keep-alive, te")]), Ok(Some("acme".to_owned())));
        assert_eq!(read(&[("x-organization", b"acme")]), Ok(None));
        // What is not there cannot be taken away, and other fields may say what they like.
        assert_eq!(read(&[("connection", b"x-org"), ("x-name", b"\xfcber")]), Ok(None));
    }

    #[test]
    fn what_the_upstream_may_read_in_another_way_is_refused() {
        for (fields, error) in [
            (&[("x-org", &b"acme"[..]), ("x-org", b"acme")][..], Repeated),
            (&[("x_org", b"acme")], Spelling),
            (&[("x-org", b"acme"), ("xorg", b"bolt")], Spelling),
            (&[("x-org", b"acme"), ("connection", b"close, X-Org")], Dropped),
            (&[("x-org", b"acme"), ("connection", b"close"), ("connection", b"a,b,c,d,e,x-ORG")], Dropped),
            (&[("x-org", b"caf\xc3\xa9")], NotAscii),
            (&[("x-org", b"caf\xe9")], NotAscii),
        ] {
            assert_eq!(read(fields), Err(error), "{fields:?}");
        }
    }
}
