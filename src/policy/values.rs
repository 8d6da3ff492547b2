//! The small values of options: each a word, a number or a short map.

use crate::request_target::Target;
use crate::request_target::oddity::{Oddities, Oddity};
use crate::yaml::{Entry, Findings, Keys, Node, Spanned};

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
    pub(super) allows_unmatched: bool,
    pub(super) maps_answers: bool,
}

/// Whether `/x` and `/x/` are one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrailingSlash {
    Exact,
    Either,
}

/// Reads `foreign:`; `None` when it was reported, as in all readers here.
pub(super) fn foreign(node: &Node, findings: &mut Findings) -> Option<Foreign> {
    node.expect_one_of("`foreign`", &[("403", Foreign::Forbidden), ("404", Foreign::NotFound)], findings)
}

pub(super) fn upstream(node: &Node, findings: &mut Findings) -> Option<Spanned<String>> {
    let name = node.expect_str("`upstream`", findings)?;
    if name.is_empty() {
        findings
            .error("unknown_upstream", node.span, "`upstream` is empty")
            .help("name one of `upstreams` of postern.yaml, or leave it out where there is only one");
        return None;
    }
    Some(Spanned { value: name.to_owned(), span: node.span })
}

pub(super) fn trailing_slash(node: &Node, findings: &mut Findings) -> Option<TrailingSlash> {
    const WORDS: [(&str, TrailingSlash); 2] = [("exact", TrailingSlash::Exact), ("either", TrailingSlash::Either)];
    node.expect_one_of("`trailing_slash`", &WORDS, findings)
}

/// `target:` as written: what of a target is taken or refused that is refused where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawTarget {
    taken: Oddities,
    said: Oddities,
}

impl RawTarget {
    /// These words, and those above where they say nothing.
    pub(super) fn over(self, above: Self) -> Self {
        let takes =
            |oddity: &Oddity| if self.said.has(*oddity) { self.taken.has(*oddity) } else { above.taken.has(*oddity) };
        let says = |oddity: &Oddity| self.said.has(*oddity) || above.said.has(*oddity);
        let of = |is: &dyn Fn(&Oddity) -> bool| Oddity::ALL.into_iter().filter(is).fold(Oddities::NONE, Oddities::with);
        Self { taken: of(&takes), said: of(&says) }
    }

    pub(super) const fn taken(self) -> Oddities {
        self.taken
    }
}

pub(super) fn target(node: &Node, findings: &mut Findings) -> RawTarget {
    let mut target = RawTarget::default();
    let help = "write what the service needs: `target: { encoded_slash: allow }`";
    let Some(map) = node.expect_map_like("`target`", help, findings) else { return target };
    let words = Oddity::ALL.map(Oddity::word);
    map.expect_keys("`target`", Keys { known: &words, not_yet: &[] }, findings);
    for oddity in Oddity::ALL {
        let Some(node) = map.get(oddity.word()) else { continue };
        let what = format!("`{}`", oddity.word());
        if let Some(is_taken) = node.expect_one_of(&what, &[("refuse", false), ("allow", true)], findings) {
            target.said = target.said.with(oddity);
            target.taken = if is_taken { target.taken.with(oddity) } else { target.taken };
        }
    }
    target
}

pub(super) fn rewrite(node: &Node, findings: &mut Findings) -> Option<RawRewrite> {
    let help =
        "write `rewrite: { strip_prefix: /api }` to take it off, `{ add_prefix: /v1 }` to put it before what is left";
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
