//! The paths of a pattern as a regular expression, for fronts that choose by one.
//!
//! It may take more than the pattern does, never less: what it takes goes to postern's proxy, which judges it like everything.

use crate::policy::{Pattern, Segment};

/// Segments in front, and what may follow.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// Literal text, or `None` for a variable; each behind a slash.
    segments: Vec<Option<String>>,
    rest: bool,
}

impl Paths {
    pub(super) fn of(pattern: &Pattern) -> Self {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(text.to_string()),
            Segment::Variable { .. } => None,
        };
        Self { segments: pattern.segments.iter().map(segment).collect(), rest: pattern.rest }
    }

    /// What a place of postern's own covers: what begins so where it ends in a slash.
    pub(super) fn below(place: &str) -> Self {
        let rest = place.ends_with('/');
        Self { segments: place.trim_matches('/').split('/').map(|text| Some(text.to_owned())).collect(), rest }
    }

    /// Of paths that the front has decoded.
    pub(super) fn decoded(&self) -> String {
        self.regex(|text| text.chars().fold(String::new(), |regex, c| regex + &escaped(c)))
    }

    /// Of paths as they come, in the spelling that clients use.
    pub(super) fn raw(&self) -> String {
        self.regex(|text| {
            text.bytes().fold(String::new(), |regex, byte| match byte {
                b if b.is_ascii_alphanumeric() => regex + &char::from(b).to_string(),
                b'-' | b'_' | b'~' => regex + &char::from(byte).to_string(),
                // As they are, or percent-encoded (RFC 3986, 3.3).
                b if b.is_ascii_graphic() => regex + &format!("(?:{}|%{b:02X}|%{b:02x})", escaped(char::from(b))),
                b => regex + &format!("(?:%{b:02X}|%{b:02x})"),
            })
        })
    }

    fn regex(&self, literal: impl Fn(&str) -> String) -> String {
        let mut regex = "^".to_owned();
        for segment in &self.segments {
            regex.push('/');
            regex += &segment.as_ref().map_or_else(|| "[^/]+".to_owned(), |text| literal(text));
        }
        regex + if self.rest { "(/.*)?$" } else { "/?$" }
    }
}

/// A character that stands for itself, without one that any of the configurations reads in its own way.
fn escaped(c: char) -> String {
    match c {
        '-' | '_' | '~' => c.to_string(),
        '.' => "[.]".to_owned(),
        c if c.is_ascii_alphanumeric() || !c.is_ascii() => c.to_string(),
        c => format!("[\\x{:02x}]", u32::from(c)),
    }
}
