//! `permissions:`: what a rule asks beside the level: permissions by name, as Django writes them.
//!
//! Everything is spelt out when the policy is loaded, so that a request compares texts and writes none.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Keys, Node, Value};
use serde_json::{Value as Json, json};

/// Permissions that a rule names: all of them are needed, or any one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    list: Box<[Box<str>]>,
    any: bool,
}

impl Permissions {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether somebody who holds these has what is needed.
    #[must_use]
    pub fn are_met(&self, holds: impl Fn(&str) -> bool) -> bool {
        let mut held = self.list.iter().map(|permission| holds(permission));
        if self.any && !self.is_empty() { held.any(|is| is) } else { held.all(|is| is) }
    }

    /// Whether whoever has what is needed here has what is needed there, too.
    #[must_use]
    pub fn imply(&self, other: &Self) -> bool {
        match (self.any && self.list.len() > 1, other.any) {
            // Each of ours alone must be enough.
            (true, _) => self.list.iter().all(|one| other.are_met(|asked| *asked == **one)),
            (false, _) => other.are_met(|asked| self.list.iter().any(|one| **one == *asked)),
        }
    }
}

impl PolicyOption for Permissions {
    const ABOUT: &'static str =
        "Permissions that are needed, all of them: `app.codename`; or `{ any: [app.one, app.other] }`.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Self;

    fn schema() -> Json {
        json!({
            "anyOf": [
                { "$ref": "#/definitions/texts" },
                {
                    "type": "object", "additionalProperties": false, "required": ["any"],
                    "properties": { "any": { "$ref": "#/definitions/texts" } },
                },
            ],
        })
    }

    /// Reads one, a list of which all are needed, or `{ any: […] }`.
    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let (any, list) = match &node.value {
            Value::Map(map) => {
                map.expect_keys("`permissions`", Keys { known: &["any"], not_yet: &[] }, findings);
                let Some(list) = map.get("any") else {
                    if map.entries.is_empty() {
                        let message = "`permissions` is an empty map";
                        findings.error("bad_permission", node.span, message).help("write `{ any: [app.codename, …] }`");
                    }
                    return None;
                };
                (true, list)
            }
            _ => (false, node),
        };
        let words = list.expect_words("a permission", findings)?;
        if words.is_empty() {
            findings.error("bad_permission", list.span, "`permissions` is an empty list").help("leave it out");
            return None;
        }
        let mut good = true;
        for (word, span) in &words {
            if !word.split_once('.').is_some_and(|(app, codename)| is_label(app) && is_label(codename)) {
                findings
                    .error("bad_permission", *span, format!("`{word}` is not the name of a permission"))
                    .help("write `app.codename`: `config.add_device`");
                good = false;
            }
        }
        let list = words.iter().map(|(word, _)| Box::from(*word)).collect();
        good.then_some(Self { list, any })
    }
}

impl Compiled<RuleContext<'_>> for Permissions {
    const JUDGED: Judged = Judged::Permission;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().filter(|_| rule.place.has(Needs::Somebody))
    }

    /// `app.a, app.b`, or `any of app.a, app.b`.
    fn words(&self) -> String {
        format!("{}{}", if self.any { "any of " } else { "" }, self.list.join(", "))
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        old.is_none_or(|old| new.is_some_and(|new| new.imply(old)))
    }
}

/// Whether it may be a part of a permission's name.
pub(super) fn is_label(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
