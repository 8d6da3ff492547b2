//! `foreign:`: whether somebody learns that an organization is not theirs, or nothing.

use super::option::PolicyOption;
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

/// The status of a foreign organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// 403: the organization may be known to exist.
    Forbidden,
    /// 404: as if there were nothing.
    NotFound,
}

impl PolicyOption for Foreign {
    const ABOUT: &'static str = "The status for an organization that is not the caller's: 403, or 404 to hide it.";
    const NEEDS: Option<Needs> = Some(Needs::Organization);
    type Raw = Self;

    fn schema() -> Json {
        json!({ "enum": [403, 404] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        node.expect_one_of("`foreign`", &[("403", Self::Forbidden), ("404", Self::NotFound)], findings)
    }
}
