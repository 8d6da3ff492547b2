//! `inspect_limit:`: bytes at most of what is held until it was judged: of a request's body, of an answer.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

/// Where nothing is said.
pub const INSPECT_LIMIT: u64 = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub struct InspectLimit(pub u64);

impl PolicyOption for InspectLimit {
    const ABOUT: &'static str = "The greatest body or answer that is judged: `64KiB`, `4MiB`. [1MiB]";
    const NEEDS: Option<Needs> = Some(Needs::Passage);
    type Raw = u64;

    fn schema() -> Json {
        json!({ "type": ["string", "integer"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<u64> {
        node.expect_size("`inspect_limit`", findings)
    }
}

impl Compiled<RuleContext<'_>> for InspectLimit {
    fn compile(said: &Said<'_, Self>, _: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().map(Self)
    }

    fn words(&self) -> String {
        format!("{} bytes", self.0)
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        let limit = |limit: Option<&Self>| limit.map_or(INSPECT_LIMIT, |limit| limit.0);
        limit(new) <= limit(old)
    }
}
