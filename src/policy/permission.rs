//! What a rule asks beside the level: permissions by name, or those of a model by method, as Django writes them.
//!
//! Everything is spelt out when the policy is loaded, so that a request compares texts and writes none.

use crate::yaml::{Findings, Node, Span, Spanned};
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
    /// Nothing.
    Nothing,
    /// This permission.
    One(&'m str),
    /// Either of these.
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

/// Reads `permissions:`; `None` when it was reported, as in all readers here.
pub(super) fn permissions(node: &Node, findings: &mut Findings) -> Option<Spanned<Box<[Box<str>]>>> {
    let words = node.expect_words("a permission", findings)?;
    if words.is_empty() {
        findings.error("bad_permission", node.span, "`permissions` is an empty list").help("leave it out");
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
    let value = words.iter().map(|(word, _)| Box::from(*word)).collect();
    good.then_some(Spanned { value, span: node.span })
}

/// Reads `model:`.
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
