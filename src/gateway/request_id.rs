//! The id of a request, which its access line, its answer and its upstream share.

use super::entropy::{Entropy, hex};
use http::header::{HeaderMap, HeaderName, HeaderValue};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Debug)]
pub enum RequestId {
    /// Made by us: 32 hexadecimal digits, the number of the trace too.
    Ours([u8; 32]),
    /// Given by a trusted proxy: a short word of visible ASCII.
    Given(HeaderValue),
}

impl RequestId {
    /// A trusted proxy's id for a request, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap, trusted: bool, entropy: &Entropy) -> Self {
        let given = if trusted { headers.get(&X_REQUEST_ID) } else { None };
        given.filter(|id| is_plain(id)).map_or_else(|| Self::Ours(new_id(entropy)), |id| Self::Given(id.clone()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ours(digits) => std::str::from_utf8(digits).unwrap_or_default(),
            Self::Given(value) => value.to_str().unwrap_or_default(),
        }
    }

    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        match self {
            Self::Ours(digits) => HeaderValue::from_bytes(digits).unwrap_or(HeaderValue::from_static("0")),
            Self::Given(value) => value.clone(),
        }
    }
}

/// A new number of 128 bits, as hexadecimal digits.
pub(super) fn new_id(entropy: &Entropy) -> [u8; 32] {
    let mut id = [0; 32];
    for (half, number) in id.chunks_exact_mut(16).zip([entropy.next(), entropy.next()]) {
        half.copy_from_slice(&hex(number));
    }
    id
}

/// A short word of visible ASCII.
fn is_plain(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}
