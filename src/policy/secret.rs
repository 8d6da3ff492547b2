//! Secrets that a policy names and the configuration has. A policy never holds one by itself, and nothing shows one.

use super::Names;
use crate::yaml::{Findings, Node, Span, Spanned, suggest};
use http::HeaderValue;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What stands for a secret wherever one would be shown, and where its value is not known.
const HIDDEN: &str = "***";

/// A secret of the configuration, by its name.
pub struct Secret {
    name: Box<str>,
    value: OnceLock<HeaderValue>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

impl Secret {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it its value; once given, it stays.
    pub fn set(&self, mut value: HeaderValue) {
        value.set_sensitive(true);
        let _ = self.value.set(value);
    }

    /// Whether its value is known.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value.get().is_some()
    }

    /// Its value, marked sensitive; `***` where only tools look at the policy.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        self.value.get().cloned().unwrap_or_else(|| {
            let mut hidden = HeaderValue::from_static(HIDDEN);
            hidden.set_sensitive(true);
            hidden
        })
    }
}

/// The secrets that a policy names, each once.
pub(super) struct Secrets<'n> {
    pub(super) list: Vec<Arc<Secret>>,
    declared: Option<&'n Names>,
}

impl<'n> Secrets<'n> {
    pub(super) const fn new(declared: Option<&'n Names>) -> Self {
        Self { list: Vec::new(), declared }
    }

    /// The secret of that name; reports one that the configuration does not declare.
    pub(super) fn named(&mut self, name: &str, span: Span, findings: &mut Findings) -> Arc<Secret> {
        if let Some(known) = self.list.iter().find(|secret| *secret.name == *name) {
            return known.clone();
        }
        if let Some(names) = self.declared
            && !names.secrets().any(|declared| declared == name)
        {
            let near = suggest(name, names.secrets()).map(|near| format!("did you mean `{near}`?"));
            let help =
                near.unwrap_or_else(|| format!("declare it in postern.yaml: secrets: {{ {name}: {{ env: NAME }} }}"));
            findings.error("unknown_secret", span, format!("no secret is named `{name}`")).help(help);
        }
        let secret = Arc::new(Secret { name: name.into(), value: OnceLock::new() });
        self.list.push(Arc::clone(&secret));
        secret
    }
}

/// Whether a text can be the name of a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Reads the name in `{ secret: NAME }`; `None` when it was reported.
pub(super) fn name(node: &Node, findings: &mut Findings) -> Option<Spanned<Box<str>>> {
    let name = node.expect_str("`secret`", findings)?;
    if !is_secret_name(name) {
        findings
            .error("unknown_secret", node.span, format!("`{name}` is not the name of a secret"))
            .help("write the name under `secrets` of postern.yaml, never the secret itself");
        return None;
    }
    Some(Spanned { value: name.into(), span: node.span })
}
