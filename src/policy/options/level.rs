//! `level:`: who passes.

use super::option::PolicyOption;
use crate::policy::access::Access;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

impl PolicyOption for Access {
    const ABOUT: &'static str = "Who may pass.";
    type Raw = Self;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/level" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        Self::read(node, findings)
    }
}
