//! `csrf:` — what shows that a page of this origin made a request that a session's cookie came with. `decision::csrf` looks at it.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

/// What shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Csrf {
    /// What the browser says of the page, or the session's token.
    #[default]
    Origin,
    /// The session's token, in a header or in a field of the form.
    Token,
}

impl PolicyOption for Csrf {
    const ABOUT: &'static str =
        "What shows that a page of this origin sent a session's cookie: `origin` (the default) or `token`.";
    const NEEDS: Option<Needs> = Some(Needs::Change);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Self;

    fn schema() -> Json {
        json!({ "enum": ["origin", "token"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        node.expect_one_of("`csrf`", &[("origin", Self::Origin), ("token", Self::Token)], findings)
    }
}

impl Compiled<RuleContext<'_>> for Csrf {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().filter(|csrf| *csrf == Self::Token && rule.place.has(Needs::Change))
    }

    fn words(&self) -> String {
        if *self == Self::Origin { "origin" } else { "token" }.to_owned()
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_some()
    }
}
