//! `mfa:` — how long ago at most whoever asks has shown a second factor. `decision::second_factor` looks at it.

use super::option::{Compiled, PolicyOption, RuleContext, Said};
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mfa(pub Duration);

impl PolicyOption for Mfa {
    const ABOUT: &'static str = "How long ago at most the caller has shown a second factor: `15m`.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    type Raw = Self;

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let within = node.expect_duration("`mfa`", findings)?;
        if within.is_zero() || within.subsec_nanos() != 0 {
            let message = "`mfa` counts whole seconds, of which there must be one at least";
            findings.error("wrong_value", node.span, message).help("write for example `15m`");
            return None;
        }
        Some(Self(within))
    }
}

impl Compiled<RuleContext<'_>> for Mfa {
    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().filter(|_| rule.place.has(Needs::Somebody))
    }

    fn words(&self) -> String {
        format!("a second factor, shown within {:?}", self.0)
    }

    fn is_narrower(old: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_some_and(|new| old.is_none_or(|old| new.0 <= old.0))
    }
}
