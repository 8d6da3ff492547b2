//! What people write around a number, and how it is taken away: libphonenumber's patterns, in its order.

use regex::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// What may stand between digits.
const PUNCTUATION: &str = "-x\u{2010}-\u{2015}\u{2212}\u{30FC}\u{FF0D}-\u{FF0F} \u{A0}\u{AD}\u{200B}\u{2060}\u{3000}()\
                           \u{FF08}\u{FF09}\u{FF3B}\u{FF3D}.\\[\\]/~\u{2053}\u{223C}\u{FF5E}";
const CONTEXT: &str = ";phone-context=";

/// `None` where the pattern is wrong, which the tests would have noticed.
fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).case_insensitive(true).build().ok()
}

/// An extension at the end.
fn extension() -> String {
    let (separators, after, end) = ("[ \u{A0}\\t,]*", "[:.\u{FF0E}]?[ \u{A0}\\t,-]*", "#?");
    let explicit =
        "(?:e?xt(?:ensi(?:o\u{301}?|\u{F3}))?n?|\u{FF45}?\u{FF58}\u{FF54}\u{FF4E}?|\u{434}\u{43E}\u{431}|anexo)";
    let ambiguous = "(?:[x\u{FF58}#\u{FF03}~\u{FF5E}]|int|\u{FF49}\u{FF4E}\u{FF54})";
    let auto = "[ \u{A0}\\t]*(?:,{2}|;)";
    let commas = "[ \u{A0}\\t]*,+";
    [
        r";ext=\d{1,20}".to_owned(),
        format!(r"{separators}{explicit}{after}\d{{1,20}}{end}"),
        format!(r"{separators}{ambiguous}{after}\d{{1,9}}{end}"),
        r"[- ]+\d{1,6}#".to_owned(),
        format!(r"{auto}{after}\d{{1,15}}{end}"),
        format!(r"{commas}{after}\d{{1,9}}{end}"),
    ]
    .join("|")
}

struct Patterns {
    viable: Regex,
    extension: Regex,
    context: Regex,
    domain: Regex,
    second: Regex,
    letters: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let extension = extension();
    let number = format!(r"\d{{2}}|[+\u{{FF0B}}]*(?:[{PUNCTUATION}*]*\d){{3,}}[{PUNCTUATION}*A-Za-z\d]*");
    Some(Patterns {
        viable: pattern(&format!("^(?:{number})(?:{extension})?$"))?,
        extension: pattern(&format!("(?:{extension})$"))?,
        context: pattern(r"^\+[-.()\d]*\d[-.()\d]*$")?,
        domain: pattern(r"^(?:[a-z0-9]+(?:-*[a-z0-9])*\.)*[a-z]+(?:-*[a-z0-9])*\.?$")?,
        second: pattern(r"[\\/] *x")?,
        letters: pattern(r"(?s)^(?:.*?[A-Za-z]){3}")?,
    })
});

/// The digits after the `+` of a number as somebody wrote it; `None` where there is no number, or it has no `+`.
pub(super) fn international(text: &str) -> Option<String> {
    let patterns = PATTERNS.as_ref()?;
    let number = isolated(text, patterns)?;
    if !patterns.viable.is_match(&number) || !number.starts_with(is_plus) {
        return None;
    }
    let bare = match patterns.extension.find(&number) {
        Some(found) if number.get(..found.start()).is_some_and(|before| patterns.viable.is_match(before)) => {
            number.get(..found.start())?
        }
        _ => &number,
    };
    let vanity = patterns.letters.is_match(bare);
    // Beside letters, digits of other scripts are none.
    let digit = |c: char| if vanity { Some(c).filter(char::is_ascii_digit).or_else(|| key(c)) } else { digit(c) };
    Some(bare.trim_start_matches(is_plus).chars().filter_map(digit).collect())
}

/// The part of a text that may be a number: that of a `tel:` URI (RFC 3966), or from the first digit or plus on.
fn isolated(text: &str, patterns: &Patterns) -> Option<String> {
    let mut number = if let Some((before, after)) = text.split_once(CONTEXT) {
        let context = after.split(';').next()?;
        if !patterns.context.is_match(context) && !patterns.domain.is_match(context) {
            return None;
        }
        let local = before.split_once("tel:").map_or(before, |(_, local)| local);
        if context.starts_with('+') { format!("{context}{local}") } else { local.to_owned() }
    } else {
        let begin = text.find(|c: char| is_plus(c) || c.is_numeric() && digit(c).is_some())?;
        let wanted = |c: char| digit(c).is_some() || c.is_ascii_alphabetic() || c == '#';
        let rest = text.get(begin..)?.trim_end_matches(|c| !wanted(c));
        let end = patterns.second.find(rest).map_or(rest.len(), |found| found.start());
        rest.get(..end)?.to_owned()
    };
    if let Some(at) = number.find(";isub=").filter(|at| *at > 0) {
        number.truncate(at);
    }
    Some(number)
}

fn is_plus(c: char) -> bool {
    c == '+' || c == '\u{FF0B}'
}

/// Where the decimal digits of other scripts begin (Unicode's category Nd).
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0,
    0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620,
    0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
    0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
    0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

/// The decimal digit that one of any script is.
#[must_use]
pub fn digit(c: char) -> Option<char> {
    let zero = ZEROS.iter().rev().find(|zero| **zero <= u32::from(c))?;
    char::from_digit(u32::from(c) - zero, 10)
}

/// The digit on whose key a letter is.
fn key(c: char) -> Option<char> {
    Some(match c.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        _ => return None,
    })
}
