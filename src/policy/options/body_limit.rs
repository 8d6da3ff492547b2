//! `body_limit:`: bytes of a request's body at most, where it is not as the configuration has it.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub u64);

impl PolicyOption for BodyLimit {
    const ABOUT: &'static str = "The greatest body: `64KiB`, `1MiB`.";
    const NEEDS: Option<Needs> = Some(Needs::Body);
    type Raw = u64;

    fn schema() -> Json {
        json!({ "type": ["string", "integer"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<u64> {
        node.expect_size("`body_limit`", findings)
    }
}

impl Compiled<RuleContext<'_>> for BodyLimit {
    fn compile(said: &Said<'_, Self>, _: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().map(Self)
    }

    fn words(&self) -> String {
        format!("{} bytes", self.0)
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        matches!((old, new), (Some(Self(was)), Some(Self(now))) if now <= was)
    }
}
