//! `list:`: the answer is a list of everybody's objects, of which the caller gets their own.

mod owner;
mod push;
mod unfiltered;

pub use owner::{ItemBy, ItemLookup};
pub use push::Push;

use owner::{BY, RawOwner};

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::answers::Shape;
use crate::facts::Level;
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
    /// How an item names its organization, or the lookup does.
    pub by: ItemBy,
    /// What says whose an item is, where that only names another object.
    pub lookup: Option<Arc<ItemLookup>>,
    /// Items of organizations are kept in which the caller is at least this.
    pub keep: Level,
    /// Items that belong to no organization are kept for those whom `shared` lets read.
    pub shows_shared: bool,
    /// How its source is told to send no others.
    pub push: Option<Push>,
    /// Its source sends no others by itself.
    pub is_narrowed: bool,
    /// Media types of answers that go on as they come.
    pub unfiltered: Arc<[Box<str>]>,
}

/// A list as it is written.
#[derive(Clone, Debug)]
pub(in crate::policy) struct RawList {
    owner: RawOwner,
    /// All else, with an owner that says nothing yet.
    list: List,
}

const KEYS: [&str; 8] = ["items", "org", "keep", "shared", "envelope", "push", "narrowed", "unfiltered"];
const EXAMPLE: &str = "write `list: { items: /results, org: /organization }`";

impl PolicyOption for List {
    const ABOUT: &'static str = "The answer is a list, of which the caller gets the items of their own organizations.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    type Raw = RawList;

    fn schema() -> Json {
        json!({
            "type": "object", "additionalProperties": false, "required": ["items", "org"],
            "properties": {
                "items": { "type": "string", "description": "Where the items are: `/results`; `\"\"` where the answer itself is the list." },
                "org": owner::schema(),
                "keep": { "enum": ["member", "manager", "owner"] },
                "shared": { "enum": ["show", "hide"] },
                "envelope": { "type": "array", "items": { "type": "string" } },
                "push": {
                    "type": "string",
                    "description": "The query parameter that narrows the list at its source: `organization__in`, `organization as slug repeated`.",
                },
                "narrowed": {
                    "type": "boolean",
                    "description": "`true`: the service narrows the list by itself; totals and links hold while it sends nobody else's items.",
                },
                "unfiltered": {
                    "$ref": "#/definitions/texts",
                    "description": "Media types whose answers go on as they come, with everybody's items: `[text/csv]`.",
                },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawList> {
        let map = node.expect_map_like("`list`", EXAMPLE, findings)?;
        map.expect_keys("`list`", Keys { known: &KEYS, not_yet: &[] }, findings);
        for key in ["items", "org"] {
            if map.get(key).is_none() {
                findings.error("missing_key", node.span, format!("`list` has no `{key}`")).help(EXAMPLE);
            }
        }
        let items = map.get("items").and_then(|node| place(node, "`items`", findings));
        let org = map.get("org").and_then(|node| owner::read(node, findings));
        let level = |level: Level| (level.as_str(), level);
        let levels = [Level::Member, Level::Manager, Level::Owner].map(level);
        let keep = map.get("keep").map(|node| node.expect_one_of("`keep`", &levels, findings));
        let shown = [("show", true), ("hide", false)];
        let shared = map.get("shared").map(|node| node.expect_one_of("`shared`", &shown, findings));
        let envelope = envelope(map, findings);
        let push = map.get("push").map(|node| Push::read(node, findings));
        let narrowed = map.get("narrowed").map(|node| node.expect_bool("`narrowed`", findings));
        let unfiltered = map.get("unfiltered").map(|node| unfiltered::read(node, findings));
        let (org, owner) = org?;
        let shape = Shape { items: items?, org, envelope: envelope? };
        let (keep, shows_shared) = (keep.unwrap_or(Some(Level::Member))?, shared.unwrap_or(Some(true))?);
        let push = push.map_or(Some(None), |push| push.map(Some))?;
        let unfiltered = unfiltered.map_or(Some(Arc::default()), |types| types)?;
        let is_narrowed = narrowed.unwrap_or(Some(false))?;
        let (shape, by) = (Arc::new(shape), ItemBy::Name);
        let list = Self { shape, by, lookup: None, keep, shows_shared, push, is_narrowed, unfiltered };
        Some(RawList { owner, list })
    }
}

impl Compiled<RuleContext<'_>> for List {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, findings: &mut Findings) -> Option<Self> {
        let RawList { owner, list } = said.merged().filter(|_| rule.place.has(Needs::Somebody))?;
        let (by, lookup) = owner.compile(rule, findings)?;
        Some(Self { by, lookup, ..list })
    }

    fn words(&self) -> String {
        let Self { shape, by, lookup, keep, shows_shared, push, is_narrowed, unfiltered } = self;
        let pointer = |steps: &[Box<str>]| {
            steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect::<String>()
        };
        let asked = lookup.as_ref().map_or_else(String::new, |asked| format!(" in lookup.{}", asked.words()));
        let named = |what: &str, names: &[Box<str>]| match names {
            [] => String::new(),
            names => format!(", {what} {}", names.join(" ")),
        };
        format!(
            "{:?} by {}{asked} as {}, keep {}, shared {}{}{}{}{}",
            pointer(&shape.items),
            pointer(&shape.org),
            by.as_str(),
            keep.as_str(),
            if *shows_shared { "show" } else { "hide" },
            named("envelope", shape.envelope.get(HARMLESS.len()..).unwrap_or_default()),
            push.as_ref().map_or_else(String::new, |push| format!(", push {push}")),
            if *is_narrowed { ", narrowed" } else { "" },
            named("unfiltered", unfiltered),
        )
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        match (old, new) {
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                let rest = |list: &Self| (Arc::clone(&list.shape), list.by, list.lookup.clone(), list.push.clone());
                rest(old) == rest(new)
                    && new.keep >= old.keep
                    && new.shows_shared <= old.shows_shared
                    && new.is_narrowed <= old.is_narrowed
                    && new.unfiltered.iter().all(|media_type| old.unfiltered.contains(media_type))
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

/// What passes besides: what is harmless, and what is named.
fn envelope(map: &Map, findings: &mut Findings) -> Option<Box<[Box<str>]>> {
    let named = match map.get("envelope") {
        Some(node) => node.expect_strs("`envelope`", findings)?,
        None => Vec::new(),
    };
    let named = named.into_iter().map(|(name, _)| name);
    Some(HARMLESS.into_iter().chain(named).map(Box::from).collect())
}
