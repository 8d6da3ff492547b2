//! The charsets in which a body may come, by the names that Python, and so the reference, has for them: WHATWG's (`encoding_rs`)
//! take Latin-1 and ASCII for Windows-1252, and UTF-16 without a mark for little-endian.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8 {
        /// Whether a byte order mark in front is dropped.
        mark: bool,
    },
    Ascii,
    Latin1,
    /// With the byte order that stands in front, or a known one.
    Utf16(Option<Order>),
}

/// The order of the bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Charset {
    pub(super) const UTF8: Self = Self::Utf8 { mark: false };

    /// By the names that Python knows.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name: String =
            name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        Some(match name.as_str() {
            "utf_8" | "utf8" | "u8" | "utf" | "cp65001" => Self::UTF8,
            "utf_8_sig" => Self::Utf8 { mark: true },
            "ascii" | "us_ascii" | "646" | "us" | "iso646_us" => Self::Ascii,
            "latin_1" | "latin1" | "latin" | "l1" | "iso_8859_1" | "iso8859_1" | "iso8859" | "8859" | "cp819" => {
                Self::Latin1
            }
            "utf_16" | "utf16" | "u16" => Self::Utf16(None),
            "utf_16_le" | "utf_16le" => Self::Utf16(Some(Order::Little)),
            "utf_16_be" | "utf_16be" => Self::Utf16(Some(Order::Big)),
            _ => return None,
        })
    }

    /// The text, where it is one.
    pub(super) fn strict(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 { mark } => {
                utf8(if mark { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes })
            }
            Self::Ascii => bytes.is_ascii().then(|| self.lossy(bytes)),
            Self::Latin1 => Some(self.lossy(bytes)),
            Self::Utf16(order) => {
                let (order, bytes) = match (order, bytes) {
                    (Some(order), bytes) => (order, bytes),
                    (None, [0xff, 0xfe, rest @ ..]) => (Order::Little, rest),
                    (None, [0xfe, 0xff, rest @ ..]) => (Order::Big, rest),
                    (None, _) => return None,
                };
                String::from_utf16(&units(order, bytes)).ok()
            }
        }
    }

    /// The text, with U+FFFD for whatever is none.
    pub(super) fn lossy(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 { .. } => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{FFFD}' }).collect(),
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
            Self::Utf16(order) => String::from_utf16_lossy(&units(order.unwrap_or(Order::Little), bytes)),
        }
    }
}

fn units(order: Order, bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| if order == Order::Little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) })
        .collect()
}

/// As Python's reader of streams: a character that breaks off at the end is waited for, and not missed.
fn utf8(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(error) if error.error_len().is_some() => None,
        Err(error) => bytes.get(..error.valid_up_to()).map(|whole| String::from_utf8_lossy(whole).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::Charset;

    /// As Python 3.11 reads it.
    #[test]
    fn a_body_is_read_in_its_charset_or_not_at_all() {
        for (name, bytes, text) in [
            ("utf-8", &b"a\xff"[..], None),
            ("UTF8", b"\xc3\"", None),
            ("u8", b"\xe2\x82\"", None),
            ("utf-8", b"a\xe2\x82", Some("a")),
            ("us-ascii", b"\xc3", None),
            ("ascii", b"a", Some("a")),
            ("ISO-8859-1", b"\xe9", Some("é")),
            ("utf-16", b"\xff\xfea\0", Some("a")),
            ("utf-16", b"a\0", None),
            ("utf_16_be", b"\0a", Some("a")),
            ("utf_16_be", b"\xd8\0", None),
            ("utf-8-sig", b"\xef\xbb\xbfa", Some("a")),
        ] {
            assert_eq!(Charset::named(name).unwrap().strict(bytes).as_deref(), text, "{name} {bytes:?}");
        }
        assert_eq!(Charset::named("ebcdic"), None);
    }
}
