//! What a rule asks beside the level: permissions by name, or those of a model by method, as Django writes them.
//!
//! Everything is spelt out when the policy is loaded, so that a request compares texts and writes none.

use crate::yaml::{Findings, Keys, Node, Span, Spanned, Value};
use http::Method;

/// `model: app.model`: the permissions of a Django model, by method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// As it was written: `config.device`.
    pub name: Box<str>,
    view: Box<str>,
    add: Box<str>,
    change: Box<str>,
    delete: Box<str>,
}

/// What a model asks of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'m> {
    Nothing,
    One(&'m str),
    Either(&'m str, &'m str),
    /// No permission covers the method: nobody has it.
    Refused,
}

impl Model {
    fn new(app: &str, model: &str) -> Self {
        let permission = |action: &str| format!("{app}.{action}_{model}").into();
        Self {
            name: format!("{app}.{model}").into(),
            view: permission("view"),
            add: permission("add"),
            change: permission("change"),
            delete: permission("delete"),
        }
    }

    /// GET and HEAD: view or change; POST: add; PUT and PATCH: change; DELETE: delete; OPTIONS: nothing; others are refused.
    #[must_use]
    pub fn asks(&self, method: &Method) -> Asked<'_> {
        match *method {
            Method::GET | Method::HEAD => Asked::Either(&self.view, &self.change),
            Method::POST => Asked::One(&self.add),
            Method::PUT | Method::PATCH => Asked::One(&self.change),
            Method::DELETE => Asked::One(&self.delete),
            Method::OPTIONS => Asked::Nothing,
            _ => Asked::Refused,
        }
    }
}

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

    /// `app.a, app.b`, or `any of app.a, app.b`.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{}{}", if self.any { "any of " } else { "" }, self.list.join(", "))
    }
}

/// Reads `permissions:`: one, a list of which all are needed, or `{ any: […] }`. `None` when it was reported, as in all
/// readers here.
pub(super) fn permissions(node: &Node, findings: &mut Findings) -> Option<Spanned<Permissions>> {
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
    good.then_some(Spanned { value: Permissions { list, any }, span: node.span })
}

pub(super) fn model(node: &Node, findings: &mut Findings) -> Option<Spanned<Model>> {
    let word = node.expect_word("`model`", findings)?;
    let Some((app, model)) = word.split_once('.').filter(|(app, model)| is_label(app) && is_label(model)) else {
        let detail = findings.error("bad_model", node.span, format!("`{word}` is not the name of a model"));
        detail.help("write `app.model`: `config.device`");
        return None;
    };
    if model.bytes().any(|b| b.is_ascii_uppercase()) {
        // `add_Device` is a permission that nobody has: Django's code names are in lower case.
        findings
            .error("bad_model", node.span, "the names of models are written in lower case in permissions")
            .help(format!("write `{app}.{}`", model.to_ascii_lowercase()));
        return None;
    }
    Some(Spanned { value: Model::new(app, model), span: node.span })
}

/// Reports a model beside a method for which it has no permission.
pub(super) fn model_of_method(method: &Method, span: Span, model: &Model, findings: &mut Findings) {
    if model.asks(method) == Asked::Refused {
        findings
            .error("bad_model", span, format!("a model has no permission for {method}: nobody would pass"))
            .help("say which one it takes: `permissions: [app.codename]`");
    }
}

fn is_label(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
