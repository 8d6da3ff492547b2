//! `rewrite:`: how the target is changed on the way.

use super::option::{Compiled, PolicyOption, RouteContext, Said};
use crate::request_target::Target;
use crate::yaml::{Entry, Findings, Keys, Node, Spanned};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// A change of the target: whole segments off the front, whole segments on.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// So many segments are taken off; the pattern has them as literals.
    pub strip: usize,
    /// Their text: empty, or begins with `/` and does not end with one.
    pub stripped: Box<str>,
    /// Put before what is left: empty, or begins with `/` and does not end with one.
    pub add: Box<str>,
    /// A target that no route of the upstream matches once it is rewritten is forwarded all the same.
    pub allows_unmatched: bool,
    /// The paths that answers tell are changed back.
    pub maps_answers: bool,
}

/// `rewrite:` as written; prefixes begin with `/` and do not end with one.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct RawRewrite {
    strip: Option<Spanned<Box<str>>>,
    add: Option<Box<str>>,
    allows_unmatched: bool,
    maps_answers: bool,
}

impl PolicyOption for Rewrite {
    const ABOUT: &'static str = "How the target is changed on the way; the result is judged again.";
    type Raw = RawRewrite;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false, "minProperties": 1,
            "properties": {
                "strip_prefix": { "description": "Taken off the front; literals of the pattern.", "type": "string", "pattern": "^/" },
                "add_prefix": { "description": "Put before what is left.", "type": "string", "pattern": "^/" },
                "answers": {
                    "description": "Whether `Location` and the paths of cookies are changed back in answers. [false]",
                    "type": "boolean",
                },
                "unmatched": {
                    "description": "What becomes of a target that no route of the upstream matches once it is rewritten. [refuse]",
                    "enum": ["refuse", "allow"],
                },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawRewrite> {
        let help = "write `rewrite: { strip_prefix: /api }` to take it off, `{ add_prefix: /v1 }` to put it before what is left";
        let map = node.expect_map_like("`rewrite`", help, findings)?;
        map.expect_keys(
            "`rewrite`",
            Keys { known: &["strip_prefix", "add_prefix", "unmatched", "answers"], not_yet: &[] },
            findings,
        );
        let strip = map.get("strip_prefix").map(|n| prefix(n, "`strip_prefix`", findings));
        let add = map.get("add_prefix").map(|n| prefix(n, "`add_prefix`", findings));
        let unmatched = map
            .get("unmatched")
            .and_then(|n| n.expect_one_of("`unmatched`", &[("refuse", false), ("allow", true)], findings));
        let answers = map.get("answers").and_then(|n| n.expect_bool("`answers`", findings));
        let is_option = |entry: &Entry| matches!(entry.key.text.as_str(), "unmatched" | "answers");
        if strip.is_none() && add.is_none() && map.entries.iter().all(is_option) {
            findings
                .error("bad_rewrite", node.span, "`rewrite` says nothing")
                .help("give it `strip_prefix` or `add_prefix`");
        }
        // What was reported is left out.
        Some(RawRewrite {
            strip: strip.flatten(),
            add: add.flatten().map(|a| a.value),
            allows_unmatched: unmatched.unwrap_or(false),
            maps_answers: answers.unwrap_or(false),
        })
    }
}

impl Compiled<RouteContext<'_>> for Rewrite {
    fn compile(said: &Said<'_, Self>, route: &RouteContext<'_>, findings: &mut Findings) -> Option<Self> {
        let raw = said.merged()?;
        let mut strip = 0;
        if let Some(Spanned { value, span }) = &raw.strip {
            let wanted: Vec<&str> = value.split('/').skip(1).collect();
            let pattern = route.pattern;
            if !pattern.value.prefix().take(wanted.len()).eq(wanted.iter().copied()) {
                findings
                    .error("bad_rewrite", *span, format!("`{}` does not begin with `{value}`", pattern.value.text))
                    .related(pattern.span, "this route")
                    .help("only literals at the beginning of the pattern can be stripped");
            }
            strip = wanted.len();
        }
        Some(Self {
            strip,
            stripped: raw.strip.map(|strip| strip.value).unwrap_or_default(),
            add: raw.add.unwrap_or_default(),
            allows_unmatched: raw.allows_unmatched,
            maps_answers: raw.maps_answers,
        })
    }

    /// `strip 1 segment, add /api`
    fn words(&self) -> String {
        let Self { strip, stripped: _, add, allows_unmatched, maps_answers } = self;
        let mut text = format!("strip {strip} segment{}", if *strip == 1 { "" } else { "s" });
        if !add.is_empty() {
            let _ = write!(text, ", add {add}");
        }
        if *allows_unmatched {
            text.push_str(", unmatched: allow");
        }
        if *maps_answers {
            text.push_str(", answers: true");
        }
        text
    }
}

/// A prefix of whole segments: it begins with `/`; one at the end is dropped, so `/` alone is no prefix.
fn prefix(node: &Node, what: &str, findings: &mut Findings) -> Option<Spanned<Box<str>>> {
    let text = node.expect_word(what, findings)?;
    let path = text.strip_suffix('/').unwrap_or(text);
    if !path.starts_with('/') || path.contains('?') || Target::parse(path).is_err() {
        findings
            .error("bad_rewrite", node.span, format!("{what} must be the beginning of a path, not `{text}`"))
            .help("for example `/api`");
        return None;
    }
    Some(Spanned { value: path.into(), span: node.span })
}
