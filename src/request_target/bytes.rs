//! Which raw bytes may stand in a request target, by table: one look-up a byte.
//!
//! The path follows RFC 3986, 3.3, and besides has `[`, `]`, `|` and `^`, which the URL standard leaves as they are and no two readers see
//! differently. The query is wider, since browsers send nearly everything in it as it is; what stays out of it is what no HTTP library of ours could carry on (`"`, `<`, `>`) and what ends or splits a line.

/// A path byte without meaning of its own.
pub(super) const PLAIN: u8 = 0b0000;
pub(super) const SLASH: u8 = 0b0001;
pub(super) const DOT: u8 = 0b0010;
pub(super) const PERCENT: u8 = 0b0100;
/// Never in a path.
pub(super) const BAD: u8 = 0b1000;
pub(super) const SEMICOLON: u8 = 0b1_0000;

const fn path_class(b: u8) -> u8 {
    match b {
        b'/' => SLASH,
        b'.' => DOT,
        b'%' => PERCENT,
        b';' => SEMICOLON,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => PLAIN,
        // sub-delims without `;`, then `:` and `@`
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => PLAIN,
        b'[' | b']' | b'|' | b'^' => PLAIN,
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
pub(super) fn is_query(b: u8) -> bool {
    (b > b' ') & (b < 0x7f) & (b != b'"') & (b != b'#') & (b != b'<') & (b != b'>')
}

/// Whether the HTTP library carries a raw path byte as it is: `#` it cuts, the others it refuses in words of its own.
#[inline]
pub(super) fn is_carriable(b: u8) -> bool {
    (b > b' ') & (b < 0x7f) & (b != b'#') & (b != b'<') & (b != b'>') & (b != b'`')
}

/// Whether every byte is good. Many at a time without a branch, and sixteen fit a register; the last ones overlap.
#[inline]
pub(crate) fn every(bytes: &[u8], good: impl Fn(u8) -> bool + Copy) -> bool {
    fn chunk<const N: usize>(chunk: &[u8; N], good: impl Fn(u8) -> bool) -> bool {
        chunk.iter().fold(0, |bad, &b| bad | u8::from(!good(b))) == 0
    }
    if let Some(last) = bytes.last_chunk::<16>() {
        let (long, rest) = bytes.as_chunks::<64>();
        let rest = || rest.as_chunks::<16>().0.iter().all(|sixteen| chunk(sixteen, good));
        long.iter().all(|many| chunk(many, good)) && rest() && chunk(last, good)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        chunk(first, good) && chunk(last, good)
    } else {
        bytes.iter().all(|&b| good(b))
    }
}

/// Cuts blanks and tabs off both ends.
#[inline]
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
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

#[cfg(test)]
mod tests {
    use super::every;

    #[test]
    fn one_bad_byte_is_found_wherever_it_stands() {
        for length in 0..200 {
            let mut bytes = vec![b'a'; length];
            assert!(every(&bytes, |b| b == b'a'), "{length}");
            for at in 0..length {
                bytes[at] = b'b';
                assert!(!every(&bytes, |b| b == b'a'), "{at} of {length}");
                bytes[at] = b'a';
            }
        }
    }
}
