//! `description:`: a text for people, of which nothing is kept.

use super::option::PolicyOption;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

pub(in crate::policy) struct Description;

impl PolicyOption for Description {
    const ABOUT: &'static str = "For people.";
    type Raw = ();

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<()> {
        node.expect_str("`description`", findings).map(|_| ())
    }
}
