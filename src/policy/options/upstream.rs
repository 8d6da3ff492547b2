//! `upstream:`: where requests go.

use super::option::PolicyOption;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

pub(in crate::policy) struct UpstreamName;

impl PolicyOption for UpstreamName {
    const ABOUT: &'static str = "Where requests go: a name of postern.yaml.";
    const SHOWN_BY_VALUE: bool = true;
    type Raw = String;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/name" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<String> {
        let name = node.expect_str("`upstream`", findings)?;
        if name.is_empty() {
            findings
                .error("unknown_upstream", node.span, "`upstream` is empty")
                .help("name one of `upstreams` of postern.yaml, or leave it out where there is only one");
            return None;
        }
        Some(name.to_owned())
    }
}
