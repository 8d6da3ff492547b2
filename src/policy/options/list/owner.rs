//! Whose an item of a list is: what it says itself, or what a lookup says of the object that it names.

use super::steps;
use crate::facts::Organization;
use crate::policy::lookup::Lookup;
use crate::policy::options::option::RuleContext;
use crate::policy::options::org::{self, By};
use crate::yaml::{Findings, Keys, Map, Node, Span, Value};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// How an item names its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemBy {
    Key(By),
    /// By its name, which organizations may share.
    Name,
}

pub(super) const BY: [(&str, ItemBy); 4] = [
    ("id", ItemBy::Key(By::Id)),
    ("slug", ItemBy::Key(By::Slug)),
    ("external", ItemBy::Key(By::External)),
    ("name", ItemBy::Name),
];

impl ItemBy {
    pub(super) fn as_str(self) -> &'static str {
        BY.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// What names an organization so; `None`: nothing does.
    #[must_use]
    pub fn of(self, organization: &Organization) -> Option<Box<str>> {
        match self {
            Self::Key(By::Id) => Some(organization.id.to_string().into()),
            Self::Key(By::Slug) => Some(organization.slug.as_str().into()),
            Self::Key(By::External) => organization.external_id.as_ref().map(|id| id.as_str().into()),
            Self::Name => Some(organization.name.as_str().into()),
        }
    }
}

/// The lookup that says whose an item is, which names only another object: its one argument.
#[derive(Debug, PartialEq, Eq)]
pub struct ItemLookup {
    pub lookup: Arc<Lookup>,
    /// The column that names the organization, where it is not the first.
    pub column: Option<Box<str>>,
    pub by: By,
}

impl ItemLookup {
    /// In the words of the language, but how it names the organization: `device.tenant`.
    pub(super) fn words(&self) -> String {
        let column = self.column.iter().map(|column| format!(".{column}")).collect::<String>();
        format!("{}{column}", self.lookup.name)
    }
}

/// Whose an item is, as it is written.
#[derive(Clone, Debug)]
pub(in crate::policy) enum RawOwner {
    Said(ItemBy),
    LookedUp { lookup: Box<str>, column: Option<Box<str>>, by: By, span: Span },
}

const EXAMPLE: &str = "write `org: { lookup: device, key: /device }`";

pub(super) fn schema() -> Json {
    json!({
        "description": "Where an item names its organization: `/organization`, `/organization/slug as slug`; or the object whose organization a lookup says: `{ lookup: device, key: /device }`.",
        "anyOf": [
            { "type": "string" },
            {
                "type": "object", "additionalProperties": false, "required": ["lookup", "key"],
                "properties": {
                    "lookup": { "type": "string", "description": "Whose the object is: `device`, `device.COLUMN as slug`." },
                    "key": { "type": "string", "description": "Where an item names the object: `/device`." },
                },
            },
        ],
    })
}

/// The place in an item that says whose it is, and how.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<(Box<[Box<str>]>, RawOwner)> {
    match &node.value {
        Value::Map(map) => looked_up(map, node, findings),
        _ => said(node, findings),
    }
}

/// `/organization`, `/organization/slug as slug`.
fn said(node: &Node, findings: &mut Findings) -> Option<(Box<[Box<str>]>, RawOwner)> {
    let text = node.expect_str("`org`", findings)?;
    let mut words = text.split_ascii_whitespace();
    let (pointer, word, by, rest) = (words.next().unwrap_or_default(), words.next(), words.next(), words.next());
    let found = by.and_then(|by| BY.iter().find(|(known, _)| *known == by));
    let by = match (word, by, rest) {
        (None, ..) => ItemBy::Key(By::Id),
        (Some("as"), Some(_), None) if found.is_some() => found?.1,
        _ => {
            findings
                .error("bad_source", node.span, format!("`{text}` is not understood here"))
                .help("write a JSON pointer, and how it names the organization: `/organization/slug as slug`, `as external`, `as name`");
            return None;
        }
    };
    Some((steps(pointer, node, "`org`", findings)?, RawOwner::Said(by)))
}

/// `{ lookup: device, key: /device }`
fn looked_up(map: &Map, node: &Node, findings: &mut Findings) -> Option<(Box<[Box<str>]>, RawOwner)> {
    map.expect_keys("`org`", Keys { known: &["lookup", "key"], not_yet: &[] }, findings);
    let (Some(lookup), Some(key)) = (map.get("lookup"), map.get("key")) else {
        let message = "`org` does not say which lookup says whose an item is, and where that names the object";
        findings.error("missing_key", node.span, message).help(EXAMPLE);
        return None;
    };
    let text = lookup.expect_word("`lookup`", findings);
    let place = key.expect_str("`key`", findings).and_then(|text| steps(text, key, "`key`", findings));
    let text = text?;
    let Some((name, column, by)) = org::object(text) else {
        let help = "the name of a lookup, of one of its columns where another than the first is meant, and how it names the organization: `device`, `device.tenant as slug`";
        findings.error("bad_source", lookup.span, format!("`{text}` is not understood here")).help(help);
        return None;
    };
    Some((place?, RawOwner::LookedUp { lookup: name, column, by, span: lookup.span }))
}

impl RawOwner {
    /// How the place names the organization, or the lookup does; `None` where it was reported.
    pub(super) fn compile(
        self,
        rule: &RuleContext<'_>,
        findings: &mut Findings,
    ) -> Option<(ItemBy, Option<Arc<ItemLookup>>)> {
        let (name, column, by, span) = match self {
            Self::Said(by) => return Some((by, None)),
            Self::LookedUp { lookup, column, by, span } => (lookup, column, by, span),
        };
        let (lookup, by) = rule.binder.of_value((&name, column.as_deref(), by), "an item", span, findings)?;
        Some((ItemBy::Key(by), Some(Arc::new(ItemLookup { lookup, column, by }))))
    }
}
