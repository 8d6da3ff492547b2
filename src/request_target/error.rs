//! Why a target is refused: one variant for each class of attack, and a short text that repeats nothing of the target.

use thiserror::Error;

/// A request target that means two things to two readers, or none to any. The answer is 400 `bad_target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum TargetError {
    /// Not the origin form of RFC 9112, 3.2.1: a path that begins with `/`.
    NotOrigin,
    /// `//`, merged by some and kept by others; or a segment of invisible characters, which are dropped by some.
    EmptySegment,
    /// A segment of dots alone, or of dots and blanks, in any spelling.
    DotSegment,
    /// `%2F`: a separator for those who decode first.
    EncodedSlash,
    /// `%5C`: the same where backslashes separate.
    EncodedBackslash,
    /// A character that normalization turns into a slash or a backslash.
    DisguisedSlash,
    /// A backslash as it is.
    Backslash,
    /// `;` in any spelling: path parameters are cut by some and kept by others.
    Semicolon,
    /// A control character, raw or encoded, in the path; raw in the query.
    Control,
    Blank,
    /// A raw byte of 0x80 or more.
    NotAscii,
    /// A raw `#`: a fragment is never sent (RFC 9110, 7.1).
    Fragment,
    /// Another byte that RFC 3986 does not allow as it is.
    NotAllowed,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// Bytes that are not UTF-8 once decoded, overlong forms included.
    NotUtf8,
    /// Decoded once, the path still holds an escape.
    DoubleEncoding,
}

impl TargetError {
    /// The text of the refusal, for an answer or a log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotOrigin => "the target does not begin with a slash",
            Self::EmptySegment => "the path has an empty segment",
            Self::DotSegment => "the path has a segment of dots",
            Self::EncodedSlash => "the path has an encoded slash",
            Self::EncodedBackslash => "the path has an encoded backslash",
            Self::DisguisedSlash => "the path has a character that some read as a slash",
            Self::Backslash => "the path has a backslash",
            Self::Semicolon => "the path has a semicolon",
            Self::Control => "the target has a control character",
            Self::Blank => "the target has a blank",
            Self::NotAscii => "the target has a raw byte outside of ASCII",
            Self::Fragment => "the target has a fragment",
            Self::NotAllowed => "the target has a character that must be percent-encoded",
            Self::BadEscape => "the path has a malformed percent escape",
            Self::NotUtf8 => "the path does not decode to UTF-8",
            Self::DoubleEncoding => "the path is encoded twice",
        }
    }
}
