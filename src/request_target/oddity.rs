//! What some readers see in another way than others, and what a route may take nevertheless, because its service needs it.
//!
//! Each is judged as text of its segment and forwarded as it came. Whether the service reads it so, only its operator knows;
//! so nothing is taken that no rule names, and dots are refused beside any of them.

use super::TargetError;

/// One thing that is refused unless the route takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// `//`: an empty segment inside the path.
    DoubleSlash,
    /// `%2F`.
    EncodedSlash,
    /// `%5C`.
    EncodedBackslash,
    /// `;` or `%3B`: what some cut off as path parameters.
    Semicolon,
    /// `%2541`: decoded once, the path still holds an escape.
    DoubleEncoding,
}

impl Oddity {
    pub const ALL: [Self; 5] =
        [Self::DoubleSlash, Self::EncodedSlash, Self::EncodedBackslash, Self::Semicolon, Self::DoubleEncoding];

    /// The word of the policy language.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DoubleSlash => "double_slash",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedBackslash => "encoded_backslash",
            Self::Semicolon => "semicolon",
            Self::DoubleEncoding => "double_encoding",
        }
    }

    /// Why it is refused where it is not taken.
    #[must_use]
    pub const fn error(self) -> TargetError {
        match self {
            Self::DoubleSlash => TargetError::EmptySegment,
            Self::EncodedSlash => TargetError::EncodedSlash,
            Self::EncodedBackslash => TargetError::EncodedBackslash,
            Self::Semicolon => TargetError::Semicolon,
            Self::DoubleEncoding => TargetError::DoubleEncoding,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Oddities(u8);

impl Oddities {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self((1 << Oddity::ALL.len()) - 1);
    /// What is lost where a service is told the path decoded once, as CGI's `PATH_INFO` has it: an encoded slash becomes one that
    /// parts segments, and the path another one.
    pub const LOST_DECODED: Self = Self::NONE.with(Oddity::EncodedSlash);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, oddity: Oddity) -> Self {
        Self(self.0 | oddity.bit())
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set has it.
    #[must_use]
    pub const fn has(self, oddity: Oddity) -> bool {
        self.0 & oddity.bit() != 0
    }

    /// Whether the sets have one in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Oddity> {
        Oddity::ALL.into_iter().filter(move |oddity| self.has(*oddity))
    }

    /// Refuses the first that is not among `taken`.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn are_among(self, taken: Self) -> Result<(), TargetError> {
        let beyond = Self(self.0 & !taken.0);
        beyond.iter().next().map_or(Ok(()), |oddity| Err(oddity.error()))
    }
}
