//! Which raw bytes may stand in a request target, by table: one look-up a byte, shared with the framing scanner.
//!
//! The path follows RFC 3986, 3.3 without `;`. The query is wider, since browsers send `[`, `|` and their like as they are;
//! what stays out of it is what no HTTP library of ours could carry on (`"`, `<`, `>`) and what ends or splits a line.

/// A path byte without meaning of its own.
pub(super) const PLAIN: u8 = 0b0000;
/// `/`.
pub(super) const SLASH: u8 = 0b0001;
/// `.`.
pub(super) const DOT: u8 = 0b0010;
/// `%`.
pub(super) const PERCENT: u8 = 0b0100;
/// Never in a path.
pub(super) const BAD: u8 = 0b1000;

const fn path_class(b: u8) -> u8 {
    match b {
        b'/' => SLASH,
        b'.' => DOT,
        b'%' => PERCENT,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => PLAIN,
        // sub-delims without `;`, then `:` and `@`
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => PLAIN,
        _ => BAD,
    }
}

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
static PATH: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut b = 0_u8;
    loop {
        table[b as usize] = path_class(b);
        if b == u8::MAX {
            break table;
        }
        b += 1;
    }
};

/// The class of a path byte.
#[inline]
pub(super) fn path(b: u8) -> u8 {
    PATH.get(usize::from(b)).copied().unwrap_or(BAD)
}

/// Whether a raw byte may stand in a query.
#[inline]
#[must_use]
pub(super) fn is_query(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'"' | b'#' | b'<' | b'>')
}

/// The value of a hexadecimal digit.
#[inline]
pub(super) fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}
