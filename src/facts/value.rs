//! Values that are written into headers.

use http::HeaderValue;

/// A value that a policy may inject: its text, and the same as a header value.
///
/// The header value is percent-encoded where needed, so that no text can end the header or start another (RFC 9110, 5.5).
/// Nearly always both are the same bytes, which are then kept once: there is one of these for each user in memory.
#[derive(Clone)]
pub struct Value(Kept);

#[derive(Clone)]
enum Kept {
    /// The header value is the text.
    Plain(HeaderValue),
    /// The header value is an encoding of the text.
    Encoded(Box<(HeaderValue, Box<str>)>),
}

impl Value {
    /// Keeps `text` and encodes it for a header.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let header = header_value(text);
        let same = header.as_bytes() == text.as_bytes();
        Self(if same { Kept::Plain(header) } else { Kept::Encoded(Box::new((header, text.into()))) })
    }

    /// The text as the store has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // What was kept as plain is ASCII.
            Kept::Plain(header) => header.to_str().unwrap_or_default(),
            Kept::Encoded(both) => &both.1,
        }
    }

    /// The encoded header value; a clone shares its bytes.
    #[must_use]
    pub fn header(&self) -> &HeaderValue {
        match &self.0 {
            Kept::Plain(header) => header,
            Kept::Encoded(both) => &both.0,
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Encodes any text as a header value: visible ASCII and inner blanks stay, everything else is percent-encoded UTF-8.
///
/// `%` is always encoded, so that two texts never give one value, and so is the comma, so that a recipient that splits
/// lists sees one element.
#[must_use]
pub fn header_value(text: &str) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let edge_blank = text.starts_with(' ') || text.ends_with(' ');
    let plain = |b: u8| match b {
        b' ' => !edge_blank,
        b'%' | b',' => false,
        _ => b.is_ascii_graphic(),
    };
    let mut out = Vec::with_capacity(text.len());
    for b in text.bytes() {
        if plain(b) {
            out.push(b);
        } else {
            let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            out.extend([b'%', digit(b >> 4), digit(b & 15)]);
        }
    }
    // Only graphic ASCII and inner blanks are left, which every header value may hold.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).unwrap_or_else(|_| HeaderValue::from_static(""))
}
