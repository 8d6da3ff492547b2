//! `strict_source:`: a body must not name again what the query names. `decision::strict_source` reads the body.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug)]
pub struct StrictSource;

impl PolicyOption for StrictSource {
    const ABOUT: &'static str = "Refuse a body that names again what `org` reads from the query.";
    const NEEDS: Option<Needs> = Some(Needs::Query);
    type Raw = bool;

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<bool> {
        node.expect_bool("`strict_source`", findings)
    }
}

impl Compiled<RuleContext<'_>> for StrictSource {
    const JUDGED: Judged = Judged::StrictSource;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        (said.merged()? && rule.place.has(Needs::Query)).then_some(Self)
    }

    fn words(&self) -> String {
        "true".to_owned()
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_some()
    }
}
