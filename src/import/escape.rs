//! Backslashes: in `E'…'`, in lines of `COPY`, in SQLite's `unistr`.

/// A backslash, `U` and eight digits.
pub(super) const LONGEST: usize = 10;

/// What is meant by an escape.
enum Meant {
    Byte(u8),
    Character(char),
}

/// Writes what a backslash and the bytes behind it stand for in a text of SQL, and says how many of those bytes count.
pub(super) fn in_text(rest: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    let (first, digits) = rest.split_first()?;
    let (meant, length) = match first {
        b'u' => (Meant::Character(code(digits.get(..4)?, 16)?), 5),
        b'U' => (Meant::Character(code(digits.get(..8)?, 16)?), 9),
        // `\v` is a `v` here.
        b'v' => (Meant::Byte(b'v'), 1),
        _ => byte(rest)?,
    };
    match meant {
        Meant::Byte(byte) => text.push(byte),
        Meant::Character(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
    Some(length)
}

/// A field of a line of `COPY`, without its escapes.
pub(super) fn in_field(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        text.extend_from_slice(plain);
        let escape = escape.get(1..).unwrap_or_default();
        let length = match byte(escape) {
            Some((Meant::Byte(byte), length)) => {
                text.push(byte);
                length
            }
            // A backslash at the end.
            _ => {
                text.push(b'\\');
                0
            }
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text
}

/// The escapes that both know: letters, octal and hexadecimal bytes; any other character stands for itself.
fn byte(rest: &[u8]) -> Option<(Meant, usize)> {
    let digits = |rest: &[u8], radix: u32, most: usize| {
        rest.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count()
    };
    let value = |digits: &[u8], radix: u32| {
        let value =
            digits.iter().try_fold(0_u32, |value, digit| Some(value * radix + char::from(*digit).to_digit(radix)?));
        // As PostgreSQL does: of `\777` the last eight bits count.
        value.map(|value| Meant::Byte(value.to_le_bytes()[0]))
    };
    let (first, behind) = rest.split_first()?;
    let meant = match first {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'x' if digits(behind, 16, 2) > 0 => {
            let length = digits(behind, 16, 2);
            return Some((value(behind.get(..length)?, 16)?, 1 + length));
        }
        b'0'..=b'7' => {
            let length = digits(rest, 8, 3);
            return Some((value(rest.get(..length)?, 8)?, length));
        }
        other => *other,
    };
    Some((Meant::Byte(meant), 1))
}

/// The character of a code in digits of a base.
pub(super) fn code(digits: &[u8], radix: u32) -> Option<char> {
    let is_code = digits.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| is_code)?;
    char::from_u32(u32::from_str_radix(text, radix).ok()?)
}
