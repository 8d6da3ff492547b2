//! The charsets in which a body may come, and what Python says of one that is not what it says it is.

use std::fmt::Write;

/// A charset.
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

    /// The text, or what is wrong with it.
    pub(super) fn strict(self, bytes: &[u8]) -> Result<String, String> {
        match self {
            Self::Utf8 { mark } => {
                let bytes = if mark { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
                utf8(bytes)
            }
            Self::Ascii => match bytes.iter().position(|b| !b.is_ascii()) {
                None => Ok(Self::Latin1.lossy(bytes)),
                Some(at) => Err(cannot("ascii", bytes, at, 1, "ordinal not in range(128)")),
            },
            Self::Latin1 => Ok(self.lossy(bytes)),
            Self::Utf16(order) => {
                let (order, bytes) = match (order, bytes) {
                    (Some(order), bytes) => (order, bytes),
                    (None, [0xff, 0xfe, rest @ ..]) => (Order::Little, rest),
                    (None, [0xfe, 0xff, rest @ ..]) => (Order::Big, rest),
                    (None, _) => return Err("UTF-16 stream does not start with BOM".to_owned()),
                };
                String::from_utf16(&units(order, bytes)).map_err(|_| "illegal UTF-16 surrogate".to_owned())
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
fn utf8(bytes: &[u8]) -> Result<String, String> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text.to_owned()),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    let Some(length) = error.error_len() else {
        return Ok(String::from_utf8_lossy(bytes.get(..at).unwrap_or_default()).into_owned());
    };
    let begins = matches!(bytes.get(at), Some(0xc2..=0xf4));
    let problem = if begins { "invalid continuation byte" } else { "invalid start byte" };
    Err(cannot("utf-8", bytes, at, length, problem))
}

/// Python's words.
fn cannot(codec: &str, bytes: &[u8], at: usize, length: usize, problem: &str) -> String {
    let mut text = format!("'{codec}' codec can't decode ");
    let _ = match length {
        1 => write!(text, "byte 0x{:02x} in position {at}", bytes.get(at).copied().unwrap_or_default()),
        _ => write!(text, "bytes in position {at}-{}", at + length - 1),
    };
    text + ": " + problem
}

#[cfg(test)]
mod tests {
    use super::Charset;

    /// As Python 3.11 says it.
    #[test]
    fn what_is_no_text_is_said_as_python_says_it() {
        for (name, bytes, text) in [
            ("utf-8", &b"a\xff"[..], Err("'utf-8' codec can't decode byte 0xff in position 1: invalid start byte")),
            ("UTF8", b"\xc3\"", Err("'utf-8' codec can't decode byte 0xc3 in position 0: invalid continuation byte")),
            ("u8", b"\xe2\x82\"", Err("'utf-8' codec can't decode bytes in position 0-1: invalid continuation byte")),
            ("utf-8", b"a\xe2\x82", Ok("a")),
            ("us-ascii", b"\xc3", Err("'ascii' codec can't decode byte 0xc3 in position 0: ordinal not in range(128)")),
            ("ISO-8859-1", b"\xe9", Ok("é")),
            ("utf-16", b"\xff\xfea\0", Ok("a")),
            ("utf-16", b"a\0", Err("UTF-16 stream does not start with BOM")),
            ("utf_16_be", b"\0a", Ok("a")),
            ("utf-8-sig", b"\xef\xbb\xbfa", Ok("a")),
        ] {
            let got = Charset::named(name).unwrap().strict(bytes);
            assert_eq!(got.as_deref().map_err(String::as_str), text, "{name} {bytes:?}");
        }
        assert_eq!(Charset::named("ebcdic"), None);
    }
}
