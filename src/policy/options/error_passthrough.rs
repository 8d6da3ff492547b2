//! `error_passthrough:`: refusals and failures of the service go on as they come, though nobody has judged them.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug)]
pub struct ErrorPassthrough;

impl PolicyOption for ErrorPassthrough {
    const ABOUT: &'static str = "Let answers of other statuses than 2xx go on as they come, where answers are judged.";
    const NEEDS: Option<Needs> = Some(Needs::Answer);
    type Raw = bool;

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<bool> {
        node.expect_bool("`error_passthrough`", findings)
    }
}

impl Compiled<RuleContext<'_>> for ErrorPassthrough {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        (said.merged()? && rule.place.has(Needs::Answer)).then_some(Self)
    }

    fn words(&self) -> String {
        "true".to_owned()
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_none()
    }
}
