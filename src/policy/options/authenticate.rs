//! `authenticate:` — which schemes of credentials a rule takes, and which headers hold tokens.

use super::inject::frames;
use super::option::PolicyOption;
use crate::normalized_name::{normalized, same_name};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Keys, Map, Node, Span, Value, suggest};
use http::HeaderName;
use serde_json::{Value as Json, json};
use std::fmt;
use std::sync::Arc;

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
    Session,
    /// `Authorization: Token TOKEN`, as Django REST framework's clients write an opaque token.
    Token,
}

impl Scheme {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 6] = [Self::Bearer, Self::Jwt, Self::Sesame, Self::Basic, Self::Session, Self::Token];

    /// The word of the language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Sesame => "sesame",
            Self::Basic => "basic",
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}

/// A set of them, and the headers that hold a token. Never empty: a rule that takes no credential is `public`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// A bit for each scheme.
    words: u8,
    headers: Option<Arc<Vec<HeaderName>>>,
}

/// Opaque tokens alone: what a policy means that says nothing.
impl Default for Schemes {
    fn default() -> Self {
        Self::NONE.with(Scheme::Bearer)
    }
}

impl Schemes {
    const NONE: Self = Self { words: 0, headers: None };

    /// The same and another one.
    #[must_use]
    pub fn with(self, scheme: Scheme) -> Self {
        Self { words: self.words | 1 << scheme as u8, ..self }
    }

    fn with_header(mut self, name: HeaderName) -> Self {
        let headers = Arc::make_mut(self.headers.get_or_insert_default());
        if !headers.contains(&name) {
            headers.push(name);
            headers.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        self
    }

    /// What both take; where a target is rewritten, two rules must agree.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let both = |name: &&HeaderName| other.headers().contains(name);
        let headers: Vec<HeaderName> = self.headers().iter().filter(both).cloned().collect();
        Self { words: self.words & other.words, headers: (!headers.is_empty()).then(|| Arc::new(headers)) }
    }

    /// Whether the scheme is taken.
    #[must_use]
    pub const fn has(&self, scheme: Scheme) -> bool {
        self.words & 1 << scheme as u8 != 0
    }

    /// The headers that hold a token.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        self.headers.as_ref().map_or(&[], |headers| headers)
    }
}

/// As it is written: `[bearer, jwt, { header: x-api-key }]`.
impl fmt::Display for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Scheme::ALL.into_iter().filter(|s| self.has(*s)).map(|scheme| scheme.as_str().to_owned());
        let headers = self.headers().iter().map(|name| format!("{{ header: {name} }}"));
        write!(f, "[{}]", words.chain(headers).collect::<Vec<_>>().join(", "))
    }
}

impl PolicyOption for Schemes {
    const ABOUT: &'static str = "The schemes of credentials that are taken.";
    const NEEDS: Option<Needs> = Some(Needs::Credential);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Self;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/authenticate" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let nodes = if let Value::Seq(nodes) = &node.value { nodes } else { std::slice::from_ref(node) };
        if nodes.is_empty() {
            let detail = findings.error("wrong_value", node.span, "`authenticate` is an empty list");
            detail.help("write `[bearer]`, or leave it out");
            return None;
        }
        let mut schemes = None::<Self>;
        for node in nodes {
            let known = schemes.clone().unwrap_or(Self::NONE);
            schemes = match &node.value {
                Value::Map(map) => header(map, node.span, findings).map(|name| known.with_header(name)).or(schemes),
                _ => word(node, findings).map(|scheme| known.with(scheme)).or(schemes),
            };
        }
        schemes
    }
}

fn word(node: &Node, findings: &mut Findings) -> Option<Scheme> {
    let word = node.expect_word("`authenticate`", findings)?;
    let found = Scheme::ALL.into_iter().find(|scheme| scheme.as_str() == word);
    if found.is_none() {
        let words = Scheme::ALL.map(Scheme::as_str);
        let help = suggest(word, words).map_or_else(
            || format!("the schemes are {}; a header with a token is `{{ header: X-Api-Key }}`", words.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        findings.error("unknown_scheme", node.span, format!("`{word}` is not a scheme of credentials")).help(help);
    }
    found
}

fn header(map: &Map, span: Span, findings: &mut Findings) -> Option<HeaderName> {
    map.expect_keys("a credential", Keys { known: &["header"], not_yet: &[] }, findings);
    let Some(node) = map.get("header") else {
        findings
            .error("missing_key", span, "the credential does not say in which header it stands")
            .help("for example `{ header: X-Api-Key }`");
        return None;
    };
    let text = node.expect_str("`header`", findings)?;
    let Ok(name) = HeaderName::try_from(text) else {
        findings
            .error("bad_header", node.span, format!("`{text}` is not the name of a header"))
            .help("letters, digits and `-`: `X-Api-Key`");
        return None;
    };
    let is_another_s = ["authorization", "cookie", "origin", "forwarded", "xrequestid", "traceparent", "tracestate"]
        .iter()
        .any(|other| same_name(text, other))
        || ["xforwarded", "xpostern", "proxy"].iter().any(|begin| normalized(text).take(begin.len()).eq(begin.bytes()));
    if is_another_s || frames(text) || normalized(text).next().is_none() {
        findings
            .error("bad_header", node.span, format!("`{text}` is there for something else, and holds no token"))
            .help("`Authorization` is read by `bearer`, `token` and `basic`, cookies by `session`; else name another header");
        return None;
    }
    Some(name)
}
