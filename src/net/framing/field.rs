//! One field line, of a head or of a trailer section: its syntax (RFC 9112, 5; RFC 9110, 5.5 and 5.6.2).

use super::Violation;
use crate::normalized_name::same_name;
use crate::request_target::bytes::every;
pub(super) use crate::request_target::bytes::trim;

/// A byte of a token that folding keeps: a letter, a digit, or `-` in its one spelling.
const PLAIN: u8 = 0b01;
/// A byte of a token that names rarely have, and that folding drops.
const ODD: u8 = 0b10;

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
static TOKEN: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0_u8;
    while b < 0x80 {
        table[b as usize] = match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => PLAIN,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => ODD,
            _ => 0,
        };
        b += 1;
    }
    table
};

/// The class of a byte; zero where it is of no token.
#[inline]
fn class(b: u8) -> u8 {
    TOKEN.get(usize::from(b)).copied().unwrap_or(0)
}

/// The length of the token (RFC 9110, 5.6.2) at the beginning of `bytes`, and whether one of its bytes is [`ODD`].
///
/// Nearly every token is plain, which the first loop is for.
#[inline]
fn token(bytes: &[u8]) -> (usize, bool) {
    let end_of = |bytes: &[u8], part: u8| bytes.iter().position(|&b| class(b) & part == 0).unwrap_or(bytes.len());
    let plain = end_of(bytes, PLAIN);
    match bytes.get(plain..) {
        Some(rest @ [b, ..]) if class(*b) == ODD => (plain + end_of(rest, PLAIN | ODD), true),
        _ => (plain, false),
    }
}

/// The length of the token at the beginning of `bytes`.
pub(super) fn token_len(bytes: &[u8]) -> usize {
    token(bytes).0
}

/// Whether `bytes` is a token: one `tchar` at least, and nothing else.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

/// Whether `bytes` may stand in a value: visible ASCII, blanks and tabs, and bytes of 0x80 or more, which are opaque
/// (RFC 9110, 5.5): browsers send cookies with them.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    every(bytes, |b| ((b >= b' ') & (b != 0x7f)) | (b == b'\t'))
}

/// A field line in its parts.
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    /// Without blanks around it.
    pub(super) value: &'a [u8],
    /// The name has bytes that folding drops, beside `-`.
    odd: bool,
}

impl<'a> Field<'a> {
    /// Takes a field line, which is not empty, apart.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Violation> {
        let (end, odd) = token(line);
        let (name, [b':', value @ ..]) = line.split_at_checked(end).unwrap_or_default() else {
            return Err(wrong_name(line));
        };
        if name.is_empty() {
            return Err(Violation::FieldName);
        }
        if is_value(value) { Ok(Self { name, value: trim(value), odd }) } else { Err(Violation::FieldValue) }
    }

    /// Whether it is one of the fields that frame or route a message.
    pub(super) fn is_framing(&self) -> bool {
        FRAMING.iter().any(|framing| self.name.eq_ignore_ascii_case(framing.as_bytes()))
    }

    /// Whether its name becomes a framing field's for software that folds names: `Content_Length` in CGI and WSGI.
    pub(super) fn is_disguised(&self) -> bool {
        self.odd && FRAMING.iter().any(|framing| same_name(self.name, *framing))
    }
}

/// The fields that frame or route a message.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// What is wrong with a line that is not a token and a colon.
fn wrong_name(line: &[u8]) -> Violation {
    match (line.first(), line.split(|&b| b == b':').next()) {
        (Some(b' ' | b'\t'), _) => Violation::FoldedField,
        (_, Some(name)) if name.len() == line.len() => Violation::NoColon,
        (_, Some([.., b' ' | b'\t'])) => Violation::BlankBeforeColon,
        _ => Violation::FieldName,
    }
}
