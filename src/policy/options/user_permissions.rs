//! `user_permissions: off`: permissions by roles and super roles alone. What a user has been granted, and what their groups give, does not count.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use crate::facts::Grants;
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Node};
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPermissions(Grants);

impl UserPermissions {
    /// What counts where a rule says this, or nothing of it.
    #[must_use]
    pub fn grants(said: Option<Self>) -> Grants {
        said.map_or(Grants::All, |said| said.0)
    }
}

impl PolicyOption for UserPermissions {
    const ABOUT: &'static str =
        "`off`: `permissions` and `model` go by roles and super roles alone, and not by users' and groups' own.";
    const NEEDS: Option<Needs> = Some(Needs::Somebody);
    type Raw = Self;

    fn schema() -> Json {
        json!({ "enum": ["on", "off"] })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.expect_word("`user_permissions`", findings)? {
            "on" => Some(Self(Grants::All)),
            "off" => Some(Self(Grants::Roles)),
            other => {
                let message = format!("`user_permissions` is `on` or `off`, not `{other}`");
                findings
                    .error("wrong_value", node.span, message)
                    .help("`off`: roles and super roles alone count; otherwise leave it out");
                None
            }
        }
    }
}

impl Compiled<RuleContext<'_>> for UserPermissions {
    const JUDGED: Judged = Judged::Permission;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        said.merged().filter(|said| said.0 == Grants::Roles && rule.place.has(Needs::Somebody))
    }

    fn words(&self) -> String {
        if self.0 == Grants::Roles { "off" } else { "on" }.to_owned()
    }

    fn is_narrower(_: Option<&Self>, new: Option<&Self>) -> bool {
        new.is_some()
    }
}
