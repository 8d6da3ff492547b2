//! `authenticate:` — which schemes of credentials a rule takes.

use crate::yaml::{Findings, Node, Spanned, suggest};
use std::fmt;

/// A scheme of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `Authorization: Bearer TOKEN`, an opaque token of the directory.
    Bearer,
    /// `Authorization: Bearer A.B.C`, a JWT of a configured issuer.
    Jwt,
    /// `Authorization: sesame TOKEN`, or the query parameter that the configuration names.
    Sesame,
    /// `Authorization: Basic …` with a token in the place of the password.
    Basic,
    /// The session cookie.
    Session,
}

impl Scheme {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 5] = [Self::Bearer, Self::Jwt, Self::Sesame, Self::Basic, Self::Session];

    /// The word of the language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Sesame => "sesame",
            Self::Basic => "basic",
            Self::Session => "session",
        }
    }
}

/// A set of them. Never empty: a rule that takes no credential is `public`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes(u8);

/// Opaque tokens alone: what a policy means that says nothing.
impl Default for Schemes {
    fn default() -> Self {
        Self::of(Scheme::Bearer)
    }
}

impl Schemes {
    /// One scheme alone.
    #[must_use]
    pub const fn of(scheme: Scheme) -> Self {
        Self(1 << scheme as u8)
    }

    /// The same and another one.
    #[must_use]
    pub const fn with(self, scheme: Scheme) -> Self {
        Self(self.0 | 1 << scheme as u8)
    }

    /// What both take; where a target is rewritten, two rules must agree.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the scheme is taken.
    #[must_use]
    pub const fn has(self, scheme: Scheme) -> bool {
        self.0 & 1 << scheme as u8 != 0
    }
}

/// As it is written: `[bearer, jwt]`.
impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = Scheme::ALL.into_iter().filter(|s| self.has(*s)).map(Scheme::as_str).collect();
        write!(f, "[{}]", words.join(", "))
    }
}

/// Reads `authenticate:`; `None` when it was reported.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Spanned<Schemes>> {
    let texts = node.expect_words("`authenticate`", findings)?;
    if texts.is_empty() {
        let detail = findings.error("wrong_value", node.span, "`authenticate` is an empty list");
        detail.help("write `[bearer]`, or leave it out");
        return None;
    }
    let mut schemes = None::<Schemes>;
    for (word, span) in texts {
        let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.as_str() == word) else {
            let words = Scheme::ALL.map(Scheme::as_str);
            let help = suggest(word, words)
                .map_or_else(|| format!("the schemes are {}", words.join(", ")), |w| format!("did you mean `{w}`?"));
            findings.error("unknown_scheme", span, format!("`{word}` is not a scheme of credentials")).help(help);
            continue;
        };
        schemes = Some(schemes.map_or_else(|| Schemes::of(scheme), |schemes| schemes.with(scheme)));
    }
    schemes.map(|value| Spanned { value, span: node.span })
}
