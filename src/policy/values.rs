//! The small values of options: each a word, a number or a short map.

use super::source::Spanned;
use crate::target::Target;
use crate::yaml::{Findings, Keys, Node, Value, suggest};

/// The status of a foreign organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// 403: the organization may be known to exist.
    Forbidden,
    /// 404: as if there were nothing.
    NotFound,
}

/// `rewrite:` as written; prefixes begin with `/` and do not end with one.
#[derive(Clone, Debug, Default)]
pub(super) struct RawRewrite {
    pub(super) strip: Option<Spanned<Box<str>>>,
    pub(super) add: Option<Box<str>>,
}

/// Whether `/x` and `/x/` are one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrailingSlash {
    Exact,
    Either,
}

/// Reads `foreign:`; `None` when it was reported, as in all readers here.
pub(super) fn foreign(node: &Node, findings: &mut Findings) -> Option<Foreign> {
    match &node.value {
        Value::Scalar(scalar) if scalar.text == "403" => Some(Foreign::Forbidden),
        Value::Scalar(scalar) if scalar.text == "404" => Some(Foreign::NotFound),
        Value::Faulty => None,
        _ => {
            findings.error("wrong_value", node.span, "`foreign` is 403 or 404");
            None
        }
    }
}

/// Reads `upstream:`.
pub(super) fn upstream(node: &Node, findings: &mut Findings) -> Option<Spanned<String>> {
    let name = node.expect_str("`upstream`", findings)?;
    if name.is_empty() {
        findings.error("unknown_upstream", node.span, "`upstream` is empty");
        return None;
    }
    Some(Spanned { value: name.to_owned(), span: node.span })
}

/// Reads `trailing_slash:`.
pub(super) fn trailing_slash(node: &Node, findings: &mut Findings) -> Option<TrailingSlash> {
    match node.expect_str("`trailing_slash`", findings)? {
        "either" => Some(TrailingSlash::Either),
        "exact" => Some(TrailingSlash::Exact),
        word => {
            let near = suggest(word, ["either", "exact"]).unwrap_or("either");
            let detail = findings.error("wrong_value", node.span, "`trailing_slash` is `either` or `exact`");
            detail.help(format!("did you mean `{near}`?"));
            None
        }
    }
}

/// Reads `rewrite:`.
pub(super) fn rewrite(node: &Node, findings: &mut Findings) -> Option<RawRewrite> {
    let map = node.expect_map("`rewrite`", findings)?;
    map.expect_keys("`rewrite`", Keys { known: &["strip_prefix", "add_prefix"], not_yet: &[] }, findings);
    let strip = map.get("strip_prefix").map(|n| prefix(n, "`strip_prefix`", findings));
    let add = map.get("add_prefix").map(|n| prefix(n, "`add_prefix`", findings));
    if strip.is_none() && add.is_none() && map.entries.is_empty() {
        findings
            .error("bad_rewrite", node.span, "`rewrite` says nothing")
            .help("give it `strip_prefix` or `add_prefix`");
    }
    // What was reported is left out.
    Some(RawRewrite { strip: strip.flatten(), add: add.flatten().map(|a| a.value) })
}

/// A prefix of whole segments: it begins with `/`; one at the end is dropped, so `/` alone is no prefix.
fn prefix(node: &Node, what: &str, findings: &mut Findings) -> Option<Spanned<Box<str>>> {
    let text = node.expect_str(what, findings)?;
    let path = text.strip_suffix('/').unwrap_or(text);
    if !path.starts_with('/') || path.contains('?') || Target::parse(path).is_err() {
        findings
            .error("bad_rewrite", node.span, format!("{what} must be the beginning of a path, not `{text}`"))
            .help("for example `/api`");
        return None;
    }
    Some(Spanned { value: path.into(), span: node.span })
}
