//! `fields:` — what fields of a body point at must belong to the organization of the request, or to one of the caller's.
//!
//! `fields: { template: { lookup: template, shared: allow } }`: each value that stands there takes the place of the lookup's argument.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use super::org::{self, By};
use crate::policy::applicable::Needs;
use crate::policy::lookup::Lookup;
use crate::policy::pointer::Pointer;
use crate::yaml::{Entry, Findings, Keys, Node, Span, Spanned};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The fields of a body that point at objects.
#[derive(Clone, Debug)]
pub struct Fields(pub Box<[RelatedField]>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedField {
    pub place: Pointer,
    /// Whose the objects are: it has one argument.
    pub lookup: Arc<Lookup>,
    /// The column that names the organization, where it is not the first.
    pub column: Option<Box<str>>,
    pub by: By,
    /// Objects that belong to no organization may be pointed at by everybody whom the rule lets pass.
    pub shared: bool,
    /// It must point at something.
    pub required: bool,
    /// A new object may stand there, which is made with this one.
    pub nested: bool,
}

/// A field as it is written.
#[derive(Clone, Debug)]
pub(in crate::policy) struct RawField {
    place: Pointer,
    lookup: Box<str>,
    column: Option<Box<str>>,
    by: By,
    span: Span,
    shared: bool,
    required: bool,
    nested: bool,
}

const EXAMPLE: &str = "write `fields: { template: { lookup: template } }`";

impl PolicyOption for Fields {
    const ABOUT: &'static str = "Fields of the body that point at objects, which must belong to the same organization: `{ template: { lookup: template } }`.";
    type Raw = Vec<RawField>;

    fn schema() -> Json {
        json!({
            "type": "object", "minProperties": 1,
            "additionalProperties": {
                "type": "object", "additionalProperties": false, "required": ["lookup"],
                "properties": {
                    "lookup": { "type": "string", "description": "Whose the object is: `template`, `template.COLUMN as slug`." },
                    "shared": { "enum": ["allow", "deny"] },
                    "required": { "type": "boolean" },
                    "nested": { "enum": ["allow", "deny"], "description": "Whether a new object may stand there." },
                },
            },
        })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Vec<RawField>> {
        let map = node.expect_map_like("`fields`", EXAMPLE, findings)?;
        if map.entries.is_empty() {
            findings.error("wrong_value", node.span, "`fields` says nothing").help(EXAMPLE);
        }
        let read: Vec<_> = map.entries.iter().map(|entry| field(entry, findings)).collect();
        read.into_iter().collect()
    }

    /// Maps merge by key.
    fn over(own: &Vec<RawField>, above: &Vec<RawField>) -> Vec<RawField> {
        let is_above = |field: &&RawField| !own.iter().any(|own| own.place == field.place);
        own.iter().chain(above.iter().filter(is_above)).cloned().collect()
    }

    fn needs(raw: &Spanned<Vec<RawField>>) -> Vec<(Span, Needs)> {
        vec![(raw.span, Needs::Body), (raw.span, Needs::Somebody)]
    }
}

fn field(Entry { key, value }: &Entry, findings: &mut Findings) -> Option<RawField> {
    let Some(place) = Pointer::parse(&key.text) else {
        let message = format!("`{}` is no place in a body", key.text);
        let help = "a field, `template`, or a JSON pointer: `/config/templates`, `/*/template`";
        findings.error("bad_source", key.span, message).help(help);
        return None;
    };
    let map = value.expect_map_like(&format!("the field `{}`", key.text), EXAMPLE, findings)?;
    map.expect_keys("a field", Keys { known: &["lookup", "shared", "required", "nested"], not_yet: &[] }, findings);
    let words = [("allow", true), ("deny", false)];
    let shared = map.get("shared").map(|node| node.expect_one_of("`shared`", &words, findings));
    let nested = map.get("nested").map(|node| node.expect_one_of("`nested`", &words, findings));
    let required = map.get("required").map(|node| node.expect_bool("`required`", findings));
    let Some(node) = map.get("lookup") else {
        let message = format!("nothing says whose `{}` is", key.text);
        findings.error("missing_key", key.span, message).help(EXAMPLE);
        return None;
    };
    let text = node.expect_word("`lookup`", findings)?;
    let Some((lookup, column, by)) = org::object(text) else {
        let help = "the name of a lookup, of one of its columns where another than the first is meant, and how it names the organization: `template`, `template.tenant as slug`";
        findings.error("bad_source", node.span, format!("`{text}` is not understood here")).help(help);
        return None;
    };
    let (shared, required) = (shared.unwrap_or(Some(false))?, required.unwrap_or(Some(false))?);
    let nested = nested.unwrap_or(Some(false))?;
    Some(RawField { place, lookup, column, by, span: node.span, shared, required, nested })
}

impl Compiled<RuleContext<'_>> for Fields {
    const JUDGED: Judged = Judged::Fields;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, findings: &mut Findings) -> Option<Self> {
        let raw = said.merged().filter(|_| rule.place.has(Needs::Body) && rule.place.has(Needs::Somebody))?;
        let bound = raw.into_iter().filter_map(|raw| {
            let RawField { place, lookup, column, by, span, shared, required, nested } = raw;
            let (lookup, by) = rule.binder.of_value((&lookup, column.as_deref(), by), "a field", span, findings)?;
            Some(RelatedField { place, lookup, column, by, shared, required, nested })
        });
        Some(Self(bound.collect()))
    }

    fn words(&self) -> String {
        let words = |field: &RelatedField| {
            let RelatedField { place, lookup, column, by, shared, required, nested } = field;
            let column = column.iter().map(|column| format!(".{column}")).collect::<String>();
            let shared = if *shared { ", shared allow" } else { "" };
            let required = if *required { ", required" } else { "" };
            let nested = if *nested { ", nested allow" } else { "" };
            format!("{place} by {}{column}{}{shared}{required}{nested}", lookup.name, by.words())
        };
        self.0.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// More that must be somebody's own is narrower.
    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        let all = |fields: Option<&Self>| fields.map(|fields| fields.0.to_vec()).unwrap_or_default();
        let new = all(new);
        all(old).iter().all(|field| new.contains(field))
    }
}
