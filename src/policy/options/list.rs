//! `list:`: the answer is a list of everybody's objects, of which the caller gets their own.

mod push;

pub use push::Push;

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use super::org::By;
use crate::answers::Shape;
use crate::facts::{Level, Organization};
use crate::policy::applicable::Needs;
use crate::policy::pointer::Pointer;
use crate::yaml::{Findings, Keys, Map, Node};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Members of the objects around a list that say nothing of what is in it.
const HARMLESS: [&str; 12] = [
    "type",
    "page",
    "page_size",
    "per_page",
    "limit",
    "offset",
    "version",
    "protocol",
    "revision",
    "metric",
    "label",
    "crs",
];

/// Which items of an answer its caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Where the items are, where each names its organization, and what else of the answer passes.
    pub shape: Arc<Shape>,
    /// How an item names its organization.
    pub by: ItemBy,
    /// Items of organizations are kept in which the caller is at least this.
    pub keep: Level,
    /// Items that belong to no organization are kept for those whom `shared` lets read.
    pub shows_shared: bool,
    /// How its source is told to send no others.
    pub push: Option<Push>,
}

/// How an item names its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemBy {
    Key(By),
    /// By its name, which organizations may share.
    Name,
}

const BY: [(&str, ItemBy); 4] = [
    ("id", ItemBy::Key(By::Id)),
    ("slug", ItemBy::Key(By::Slug)),
    ("external", ItemBy::Key(By::External)),
    ("name", ItemBy::Name),
];

impl ItemBy {
    fn as_str(self) -> &'static str {
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

const KEYS: [&str; 6] = ["items", "org", "keep", "shared", "envelope", "push"];
const EXAMPLE: &str = "write `list: { items: /results, org: /organization }`";

impl PolicyOption for List {
    const ABOUT: &'static str = "The answer is a list, of which the caller gets the items of their own organizations.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    type Raw = Self;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false, "required": ["items", "org"],
            "properties": {
                "items": { "type": "string", "description": "Where the items are: `/results`; `\"\"` where the answer itself is the list." },
                "org": { "type": "string", "description": "Where an item names its organization: `/organization`, `/organization/slug as slug`." },
                "keep": { "enum": ["member", "manager", "owner"] },
                "shared": { "enum": ["show", "hide"] },
                "envelope": { "type": "array", "items": { "type": "string" } },
                "push": {
                    "type": "string",
                    "description": "The query parameter that narrows the list at its source: `organization__in`, `organization as slug repeated`.",
                },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let map = node.expect_map_like("`list`", EXAMPLE, findings)?;
        map.expect_keys("`list`", Keys { known: &KEYS, not_yet: &[] }, findings);
        for key in ["items", "org"] {
            if map.get(key).is_none() {
                findings.error("missing_key", node.span, format!("`list` has no `{key}`")).help(EXAMPLE);
            }
        }
        let items = map.get("items").and_then(|node| place(node, "`items`", findings));
        let org = map.get("org").and_then(|node| organization(node, findings));
        let level = |level: Level| (level.as_str(), level);
        let levels = [Level::Member, Level::Manager, Level::Owner].map(level);
        let keep = map.get("keep").map(|node| node.expect_one_of("`keep`", &levels, findings));
        let shown = [("show", true), ("hide", false)];
        let shared = map.get("shared").map(|node| node.expect_one_of("`shared`", &shown, findings));
        let envelope = envelope(map, findings);
        let push = map.get("push").map(|node| Push::read(node, findings));
        let (org, by) = org?;
        let shape = Shape { items: items?, org, envelope: envelope? };
        let (keep, shows_shared) = (keep.unwrap_or(Some(Level::Member))?, shared.unwrap_or(Some(true))?);
        let push = push.map_or(Some(None), |push| push.map(Some))?;
        Some(Self { shape: Arc::new(shape), by, keep, shows_shared, push })
    }
}

impl Compiled<RuleContext<'_>> for List {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().filter(|_| rule.place.has(Needs::Somebody))
    }

    fn words(&self) -> String {
        let Self { shape, by, keep, shows_shared, push } = self;
        let pointer = |steps: &[Box<str>]| {
            steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect::<String>()
        };
        let envelope: String = shape.envelope.iter().skip(HARMLESS.len()).map(|name| format!(" {name}")).collect();
        format!(
            "{:?} by {} as {}, keep {}, shared {}{}{envelope}{}",
            pointer(&shape.items),
            pointer(&shape.org),
            by.as_str(),
            keep.as_str(),
            if *shows_shared { "show" } else { "hide" },
            if envelope.is_empty() { "" } else { ", envelope" },
            push.as_ref().map_or_else(String::new, |push| format!(", push {push}")),
        )
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        match (old, new) {
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                let rest = |list: &Self| (Arc::clone(&list.shape), list.by, list.push.clone());
                rest(old) == rest(new) && new.keep >= old.keep && new.shows_shared <= old.shows_shared
            }
            (_, None) => false,
        }
    }
}

/// The steps of a pointer; none: the document itself.
fn place(node: &Node, what: &str, findings: &mut Findings) -> Option<Box<[Box<str>]>> {
    let text = node.expect_str(what, findings)?;
    steps(text, node, what, findings)
}

fn steps(text: &str, node: &Node, what: &str, findings: &mut Findings) -> Option<Box<[Box<str>]>> {
    if text.is_empty() {
        return Some(Box::default());
    }
    let pointer = Pointer::parse(text).filter(|_| text.starts_with('/'));
    let is_plain = |pointer: &Pointer| !pointer.steps().iter().any(|step| &**step == "*");
    let Some(pointer) = pointer.filter(is_plain) else {
        findings
            .error("bad_source", node.span, format!("{what} is no JSON pointer to one place: `{text}`"))
            .help("write `/results`, or `\"\"` for the whole");
        return None;
    };
    Some(pointer.steps().into())
}

/// `/organization`, `/organization/slug as slug`.
fn organization(node: &Node, findings: &mut Findings) -> Option<(Box<[Box<str>]>, ItemBy)> {
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
    Some((steps(pointer, node, "`org`", findings)?, by))
}

/// What passes besides: what is harmless, and what is named.
fn envelope(map: &Map, findings: &mut Findings) -> Option<Box<[Box<str>]>> {
    let named = match map.get("envelope") {
        Some(node) => node.expect_strs("`envelope`", findings)?,
        None => Vec::new(),
    };
    let named = named.into_iter().map(|(name, _)| name);
    Some(HARMLESS.into_iter().chain(named).map(Box::from).collect())
}
