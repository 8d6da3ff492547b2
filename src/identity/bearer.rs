//! Reads the `Authorization` header.

use http::header::{AUTHORIZATION, HeaderMap};

/// What the client presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Nothing.
    None,
    /// An opaque token (never shown: it has no `Debug`).
    Bearer(&'a str),
    /// A scheme that is not enabled, or something that is no credential.
    Refused,
    /// Several at once.
    Ambiguous,
}

/// Reads the credential of a request.
///
/// The scheme's case does not matter; between scheme and token stand blanks; a token is one word of visible ASCII.
#[must_use]
pub fn read(headers: &HeaderMap) -> Credential<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Credential::None };
    if values.next().is_some() {
        return Credential::Ambiguous;
    }
    let Ok(text) = value.to_str() else { return Credential::Refused };
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("bearer") => Credential::Bearer(token),
        _ => Credential::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::{Credential, read};
    use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    #[test]
    fn the_scheme_decides_and_nothing_falls_through() {
        let one = |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        for value in ["Bearer t0ken", "bearer t0ken", "BEARER  \t t0ken", " Bearer t0ken "] {
            assert!(read(&one(value)) == Credential::Bearer("t0ken"), "{value}");
        }
        for value in ["", "Bearer", "Bearer ", "Bearer a b", "Token x", "Basic YTpi", "Bearert0ken", "sesame x"] {
            assert!(read(&one(value)) == Credential::Refused, "{value}");
        }
        let bytes = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap())]);
        assert!(read(&bytes) == Credential::Refused);
        assert!(read(&HeaderMap::new()) == Credential::None);
        let mut two = one("Bearer a");
        two.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(read(&two) == Credential::Ambiguous);
    }
}
