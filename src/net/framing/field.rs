//! One field line, of a head or of a trailer section: its syntax (RFC 9112, 5; RFC 9110, 5.5 and 5.6.2).

use super::Violation;
use crate::fold::fold_eq;

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0_u8;
    while b < 0x80 {
        table[b as usize] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        b += 1;
    }
    table
};

/// Whether `bytes` is a token: one `tchar` at least, and nothing else.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| TOKEN.get(usize::from(b)).copied().unwrap_or(false))
}

/// Whether `bytes` may stand in a value: visible ASCII, blanks and tabs. All bytes are looked at, so that it vectorizes.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &b| good & ((b' '..=b'~').contains(&b) | (b == b'\t')))
}

/// Cuts blanks and tabs off both ends.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Splits a field line, which is not empty, into name and trimmed value.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if let [b' ' | b'\t', ..] = line {
        return Err(Violation::FoldedField);
    }
    let colon = memchr::memchr(b':', line).ok_or(Violation::NoColon)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Violation::NoColon)?;
    if !is_token(name) {
        return Err(if let [.., b' ' | b'\t'] = name { Violation::BlankBeforeColon } else { Violation::FieldName });
    }
    let value = value.get(1..).unwrap_or_default();
    if is_value(value) { Ok((name, trim(value))) } else { Err(Violation::FieldValue) }
}

/// The fields that frame or route a message.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// Whether `name` is one of the fields that frame or route a message.
pub(super) fn is_framing(name: &[u8]) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

/// Whether `name`, which is not a framing field's, becomes one for software that folds names: `Content_Length` in CGI and WSGI.
pub(super) fn is_disguised(name: &[u8]) -> bool {
    let odd = |&b: &u8| !b.is_ascii_alphanumeric() && b != b'-';
    name.iter().any(odd) && FRAMING.iter().any(|framing| fold_eq(name, *framing))
}
