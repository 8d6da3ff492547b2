//! `forward_authorization:`: whether the upstream sees the credential.

use super::option::PolicyOption;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

pub(in crate::policy) struct ForwardAuthorization;

impl PolicyOption for ForwardAuthorization {
    const ABOUT: &'static str = "Whether the credential goes on to the upstream; otherwise it is removed.";
    type Raw = bool;

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<bool> {
        node.expect_bool("`forward_authorization`", findings)
    }
}
