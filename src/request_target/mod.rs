//! The canonical request target: judged and forwarded as one and the same bytes.
//!
//! Two readers of one path are how gateways are passed: one resolves `..`, merges `//`, decodes twice or cuts at `;`, the
//! other does not. So [`Target::parse`] rewrites nothing. It refuses every target that a lenient reader might see in another
//! way, and keeps the bytes of all others. Patterns are matched against [`Target::decoded`], percent-decoded exactly once.
//! A route may take some of what is refused ([`oddity`]): [`Target::read`] names it, and whoever reads must ask the route.
//! Beside it: [`query::single`] reads the one parameter that a decision rests on, and [`host`] the name of the host.

pub(crate) mod bytes;
mod error;
pub mod field;
pub mod hop;
pub mod host;
pub mod oddity;
pub mod query;
mod text;

#[cfg(test)]
mod tests;

pub use error::TargetError;
pub use text::is_ignorable;

use oddity::{Oddities, Oddity};
use std::borrow::Cow;
use std::fmt;

/// Stands for an encoded slash in [`Target::decoded`], where each `/` was a raw one. No path has it otherwise, since control
/// characters are refused.
const ENCODED_SLASH: char = '\0';

/// A request target in origin form (RFC 9112, 3.2.1) that has one meaning only.
#[derive(Clone, PartialEq, Eq)]
pub struct Target<'a> {
    raw: Cow<'a, str>,
    /// The length of the path.
    path: usize,
    /// Its path percent-decoded, where that is another text.
    decoded: Option<String>,
    oddities: Oddities,
}

impl<'a> Target<'a> {
    /// Accepts `raw`, which is `path[?query]` exactly as on the wire, or refuses it; allocates only to decode a `%`.
    ///
    /// # Errors
    /// The target could be read in two ways: see [`TargetError`].
    pub fn parse(raw: &'a str) -> Result<Self, TargetError> {
        let target = Self::read(raw)?;
        target.oddities.are_among(Oddities::NONE)?;
        Ok(target)
    }

    /// The same, but for what a route may take: that is named by [`Target::oddities`], and the route must be asked.
    ///
    /// # Errors
    /// No route takes it: see [`TargetError`].
    pub fn read(raw: &'a str) -> Result<Self, TargetError> {
        let (path, query) = match memchr::memchr(b'?', raw.as_bytes()).and_then(|at| raw.split_at_checked(at)) {
            Some((path, rest)) => (path, rest.strip_prefix('?')),
            None => (raw, None),
        };
        if !path.starts_with('/') {
            return Err(TargetError::NotOrigin);
        }
        let (seen, mut oddities) = path_classes(path)?;
        if let Some(query) = query {
            check_query(query)?;
        }
        let decoded = if seen & bytes::PERCENT == 0 { None } else { Some(text::decode(path, &mut oddities)?) };
        if seen & (bytes::DOT | bytes::PERCENT) != 0 {
            text::check_segments(decoded.as_deref().unwrap_or(path))?;
        }
        Ok(Self { raw: Cow::Borrowed(raw), path: path.len(), decoded, oddities })
    }

    /// The same, free of the text that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Target<'static> {
        Target { raw: Cow::Owned(self.raw.into_owned()), ..self }
    }

    /// What of it is refused unless the route takes it.
    #[must_use]
    pub const fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// The whole target as it came, to be forwarded.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The path as it came, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.raw.get(..self.path).unwrap_or_default()
    }

    /// The path percent-decoded once, to be matched. It begins with `/`, and each `/` in it was a raw one; an encoded slash is a
    /// NUL in it, which [`plain`] and [`shown`] know.
    #[must_use]
    pub fn decoded(&self) -> &str {
        self.decoded.as_deref().unwrap_or_else(|| self.path())
    }

    /// What follows the first `?`, as it came; `Some("")` for a bare `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.raw.get(self.path + 1..)
    }

    /// The decoded segments: `/` has one, empty; `/a/` has `a` and an empty one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.decoded().get(1..).unwrap_or_default().split('/')
    }
}

/// A piece of [`Target::decoded`] as the service reads it: an encoded slash is text of its segment.
#[must_use]
pub fn plain(piece: &str) -> Cow<'_, str> {
    if has_encoded_slash(piece) { Cow::Owned(piece.replace(ENCODED_SLASH, "/")) } else { Cow::Borrowed(piece) }
}

/// A whole decoded path for people and conditions: an encoded slash stays encoded, so that it is not taken for another one.
#[must_use]
pub fn shown(path: &str) -> Cow<'_, str> {
    if has_encoded_slash(path) { Cow::Owned(path.replace(ENCODED_SLASH, "%2F")) } else { Cow::Borrowed(path) }
}

fn has_encoded_slash(text: &str) -> bool {
    memchr::memchr(ENCODED_SLASH as u8, text.as_bytes()).is_some()
}

/// Shows the path alone: a query may carry a credential.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.path()).finish()
    }
}

/// Looks at each byte of the path once: which classes occur, or why one of them may not.
fn path_classes(path: &str) -> Result<(u8, Oddities), TargetError> {
    let mut seen = bytes::PLAIN;
    let mut previous = bytes::PLAIN;
    let mut doubled = false;
    for &b in path.as_bytes() {
        let class = bytes::path(b);
        doubled |= class & previous == bytes::SLASH;
        seen |= class;
        previous = class;
    }
    if seen & bytes::BAD != 0 {
        let bad = path.bytes().find(|&b| bytes::path(b) == bytes::BAD).unwrap_or_default();
        return Err(refusal_of(bad));
    }
    let mut oddities = Oddities::NONE;
    if doubled {
        oddities = oddities.with(Oddity::DoubleSlash);
    }
    if seen & bytes::SEMICOLON != 0 {
        oddities = oddities.with(Oddity::Semicolon);
    }
    Ok((seen, oddities))
}

/// Only what could split or end the target is refused in a query; everything else goes on as it came.
fn check_query(query: &str) -> Result<(), TargetError> {
    if bytes::every(query.as_bytes(), bytes::is_query) {
        return Ok(());
    }
    Err(refusal_of(query.bytes().find(|&b| !bytes::is_query(b)).unwrap_or_default()))
}

/// Names the reason why a raw byte may not stand where it does.
const fn refusal_of(b: u8) -> TargetError {
    match b {
        b' ' => TargetError::Blank,
        b'#' => TargetError::Fragment,
        b'\\' => TargetError::Backslash,
        _ if b.is_ascii_control() => TargetError::Control,
        _ if !b.is_ascii() => TargetError::NotAscii,
        _ => TargetError::NotAllowed,
    }
}

/// What the framing scanner asks of a raw target: that the parser above can carry it to [`Target::parse`] as it is.
///
/// Refuses nothing that [`Target::parse`] accepts; everything else that is wrong with a target can be told to a service.
pub(crate) fn check_carriable(target: &[u8]) -> Result<(), TargetError> {
    if target.first() != Some(&b'/') {
        return Err(TargetError::NotOrigin);
    }
    check_carriable_rest(target)
}

/// The same of what follows an authority: a path that may be empty, and a query.
pub(crate) fn check_carriable_rest(target: &[u8]) -> Result<(), TargetError> {
    let (path, query) = target.split_at(memchr::memchr(b'?', target).unwrap_or(target.len()));
    if bytes::every(path, bytes::is_carriable) && bytes::every(query, bytes::is_query) {
        return Ok(());
    }
    let bad = path.iter().find(|&&b| !bytes::is_carriable(b)).or_else(|| query.iter().find(|&&b| !bytes::is_query(b)));
    Err(refusal_of(bad.copied().unwrap_or_default()))
}
