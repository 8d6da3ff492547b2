//! `model:`: the permissions of a Django model, which the method chooses.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use super::permissions::is_label;
use crate::policy::applicable::Needs;
use crate::policy::methods::Methods;
use crate::yaml::{Findings, Node};
use http::Method;
use serde_json::{Value as Json, json};

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

impl PolicyOption for Model {
    const ABOUT: &'static str =
        "A Django model: view or change for reading, add for POST, change for PUT and PATCH, delete for DELETE.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Self;

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[^.]+\\.[^.]+$" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
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
        Some(Self::new(app, model))
    }
}

impl Compiled<RuleContext<'_>> for Model {
    const JUDGED: Judged = Judged::Permission;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, findings: &mut Findings) -> Option<Self> {
        if let (Some(Methods::One(method)), Some(own)) = (rule.methods, said.own)
            && own.value.asks(method) == Asked::Refused
        {
            findings
                .error("bad_model", own.span, format!("a model has no permission for {method}: nobody would pass"))
                .help("say which one it takes: `permissions: [app.codename]`");
        }
        said.merged().filter(|_| rule.place.has(Needs::Somebody))
    }

    fn words(&self) -> String {
        self.name.to_string()
    }

    fn is_narrower(old: Option<&Self>, _: Option<&Self>) -> bool {
        old.is_none()
    }
}
