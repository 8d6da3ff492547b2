//! `trailing_slash:`: whether `/x` and `/x/` are one path.

use super::option::PolicyOption;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum TrailingSlash {
    Exact,
    Either,
}

impl PolicyOption for TrailingSlash {
    const ABOUT: &'static str = "Whether `/x` and `/x/` are one path.";
    type Raw = Self;

    fn schema() -> Json {
        json!({ "enum": ["exact", "either"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        node.expect_one_of("`trailing_slash`", &[("exact", Self::Exact), ("either", Self::Either)], findings)
    }
}
