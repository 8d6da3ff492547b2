//! `mode:`: whether a refusal is enforced, or only recorded (`shadow`).

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

/// What would be refused goes on, as it came and in nobody's name, and the refusal is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Shadow;

impl PolicyOption for Shadow {
    const ABOUT: &'static str =
        "`shadow` lets through what would be refused, without identity, and records it. [enforce]";
    const NEEDS: Option<Needs> = Some(Needs::Passage);
    type Raw = bool;

    fn schema() -> Json {
        json!({ "enum": ["enforce", "shadow"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<bool> {
        node.expect_one_of("`mode`", &[("enforce", false), ("shadow", true)], findings)
    }
}

impl Compiled<RuleContext<'_>> for Shadow {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        (said.merged()? && rule.place.has(Needs::Passage)).then_some(Self)
    }

    fn words(&self) -> String {
        "shadow".to_owned()
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_none()
    }
}
