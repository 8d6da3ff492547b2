//! The path as text: decoding it once, and what the decoded text must not hold.
//!
//! The checks are about what *another* reader could make of the text: one that decodes again, one that normalizes Unicode
//! (NFKC turns `U+FF0F` into a slash and `U+2024` into a dot), one that drops invisible characters or trims blanks.

use super::bytes::hex;
use super::oddity::{Oddities, Oddity};
use super::{ENCODED_SLASH, TargetError};

/// Percent-decodes `path` once and refuses what the decoded text must not hold, dot segments excepted. What a route may take is
/// noted; an encoded slash becomes [`ENCODED_SLASH`].
pub(super) fn decode(path: &str, oddities: &mut Oddities) -> Result<String, TargetError> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    let mut plain_percent = false;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (before, escape) = rest.split_at(at);
        let [_, high, low, after @ ..] = escape else { return Err(TargetError::BadEscape) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(TargetError::BadEscape) };
        let mut byte = high << 4 | low;
        match byte {
            b'/' => {
                *oddities = oddities.with(Oddity::EncodedSlash);
                byte = ENCODED_SLASH as u8;
            }
            b'\\' => *oddities = oddities.with(Oddity::EncodedBackslash),
            b';' => *oddities = oddities.with(Oddity::Semicolon),
            b'%' => plain_percent = true,
            _ if byte.is_ascii_control() => return Err(TargetError::Control),
            _ => {}
        }
        out.extend_from_slice(before);
        out.push(byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    let text = String::from_utf8(out).map_err(|_| TargetError::NotUtf8)?;
    if !text.is_ascii() {
        check_unicode(&text)?;
    }
    if plain_percent && holds_escape(text.as_bytes()) {
        *oddities = oddities.with(Oddity::DoubleEncoding);
        check_deeper(&text).map_err(|_| TargetError::DoubleEncoding)?;
    }
    Ok(text)
}

/// How often a reader may decode once more before we stop following it.
const DECODINGS: usize = 4;

/// Whoever decodes again must find neither dots nor control characters.
fn check_deeper(text: &str) -> Result<(), TargetError> {
    // The spelling of some servers alone.
    if text.as_bytes().windows(2).any(|pair| pair.eq_ignore_ascii_case(b"%u")) {
        return Err(TargetError::DoubleEncoding);
    }
    let mut text = text.to_owned();
    for _ in 0..DECODINGS {
        let deeper = unescape(text.as_bytes());
        if deeper.iter().any(|b| b.is_ascii_control() && char::from(*b) != ENCODED_SLASH) {
            return Err(TargetError::Control);
        }
        let deeper = String::from_utf8(deeper).map_err(|_| TargetError::NotUtf8)?;
        check_segments(&deeper)?;
        if deeper == text {
            return Ok(());
        }
        text = deeper;
    }
    Err(TargetError::DoubleEncoding)
}

/// Decodes what is an escape, and leaves the rest; a NUL becomes a control character that is not taken for an encoded slash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [b, after @ ..] = rest {
        rest = after;
        let escaped = match (b, after) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        match escaped {
            Some((byte, after)) => {
                out.push(if byte == 0 { 0x7f } else { byte });
                rest = after;
            }
            None => out.push(*b),
        }
    }
    out
}

/// Whether decoded text reads as encoded once more: `%` and two hexadecimal digits, or the `%uXXXX` of some servers.
///
/// A byte outside of ASCII counts as a digit, since normalization turns many characters into digits.
fn holds_escape(text: &[u8]) -> bool {
    let digit = |b: &u8| b.is_ascii_hexdigit() || !b.is_ascii();
    memchr::memchr_iter(b'%', text).any(|at| match text.get(at + 1..) {
        Some([b'u' | b'U', rest @ ..]) => rest.len() >= 4 && rest.iter().take(4).all(digit),
        Some([high, low, ..]) => digit(high) && digit(low),
        _ => false,
    })
}

/// Refuses characters that another reader turns into the delimiters which are refused in plain spelling.
fn check_unicode(text: &str) -> Result<(), TargetError> {
    text.chars().try_for_each(|c| match c {
        // NFKC gives a slash or a backslash; U+2100 and its like give it among letters (`a/c`).
        '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}' | '\u{2100}' | '\u{2101}' | '\u{2105}' | '\u{2106}' => {
            Err(TargetError::DisguisedSlash)
        }
        // Best-fit code pages give one: fraction slash, division slash, set minus, big and small solidus operators.
        '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' | '\u{29f9}' => Err(TargetError::DisguisedSlash),
        // NFKC gives `;` or `%`.
        '\u{37e}' | '\u{fe14}' | '\u{fe54}' | '\u{ff1b}' => Err(TargetError::Semicolon),
        '\u{fe6a}' | '\u{ff05}' => Err(TargetError::DoubleEncoding),
        _ if c.is_control() => Err(TargetError::Control),
        _ => Ok(()),
    })
}

/// Refuses a decoded path with a segment of dots, also between slashes and backslashes that are text of a segment.
pub(super) fn check_segments(path: &str) -> Result<(), TargetError> {
    path.split(['/', '\\', ENCODED_SLASH]).try_for_each(check_segment)
}

/// Refuses a decoded segment that some reader takes for `.`, `..` or nothing: dots or invisible characters alone, or with blanks.
///
/// A decoded `?`, `#` or `;` ends what such a reader would look at (`..;x` is `..` for some).
fn check_segment(segment: &str) -> Result<(), TargetError> {
    let (mut dots, mut invisible) = (false, false);
    for c in segment.chars() {
        match c {
            '?' | '#' | ';' => break,
            // The leaders U+2024 to U+2026, their vertical and small forms, the full-width stop, and the stops of IDNA.
            '.'
            | '\u{2024}'..='\u{2026}'
            | '\u{fe19}'
            | '\u{fe30}'
            | '\u{fe52}'
            | '\u{ff0e}'
            | '\u{3002}'
            | '\u{ff61}' => dots = true,
            _ if is_ignorable(c) => invisible = true,
            _ if c.is_whitespace() => {}
            _ => return Ok(()),
        }
    }
    match (dots, invisible) {
        (true, _) => Err(TargetError::DotSegment),
        (false, true) => Err(TargetError::EmptySegment),
        (false, false) => Ok(()),
    }
}

/// The Unicode property `Default_Ignorable_Code_Point`: characters that a reader may drop without a trace.
#[must_use]
pub const fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}
