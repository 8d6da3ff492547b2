//! `shared:`: who may touch objects that belong to no organization.
//!
//! A source that says null names no organization but *shared*, a value of its own. Such an object is judged by these two
//! levels and by no membership of the request's organization, since there is none.

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use crate::facts::Level;
use crate::policy::access::Access;
use crate::policy::applicable::Needs;
use crate::yaml::{Findings, Keys, Map, Node};
use http::Method;
use serde_json::{Value as Json, json};

/// The levels for shared objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// For GET, HEAD and OPTIONS.
    pub read: Access,
    pub write: Access,
}

/// Superusers do anything; managers and owners of any organization read; members see nothing.
impl Default for Shared {
    fn default() -> Self {
        Self { read: Access::In(Level::Manager), write: Access::Superuser }
    }
}

impl Shared {
    /// The level that a method asks.
    #[must_use]
    pub fn of(&self, method: &Method) -> Access {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) { self.read } else { self.write }
    }
}

/// `shared:` as written; what is not said comes from above.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::policy) struct RawShared {
    read: Option<Access>,
    write: Option<Access>,
}

impl PolicyOption for Shared {
    const ABOUT: &'static str = "Who may touch objects that belong to no organization.";
    const NEEDS: Option<Needs> = Some(Needs::Objects);
    type Raw = RawShared;

    fn schema() -> Json {
        let level = Access::schema();
        json!({ "type": "object", "additionalProperties": false, "properties": { "read": level, "write": level } })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawShared> {
        let map = node.expect_map_like("`shared`", "write `shared: { read: manager, write: superuser }`", findings)?;
        map.expect_keys("`shared`", Keys { known: &["read", "write"], not_yet: &[] }, findings);
        if map.entries.is_empty() {
            findings.error("wrong_value", node.span, "`shared` says nothing").help("give it `read` or `write`");
        }
        Some(RawShared { read: level(map, "read", findings), write: level(map, "write", findings) })
    }

    fn over(own: &RawShared, above: &RawShared) -> RawShared {
        RawShared { read: own.read.or(above.read), write: own.write.or(above.write) }
    }
}

impl Compiled<RuleContext<'_>> for Shared {
    const JUDGED: Judged = Judged::Level;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, _: &mut Findings) -> Option<Self> {
        let RawShared { read, write } = said.merged().filter(|_| rule.place.has(Needs::Objects))?;
        let usual = Self::default();
        Some(Self { read: read.unwrap_or(usual.read), write: write.unwrap_or(usual.write) })
    }

    fn words(&self) -> String {
        format!("read {}, write {}", self.read.as_str(), self.write.as_str())
    }
}

fn level(map: &Map, key: &str, findings: &mut Findings) -> Option<Access> {
    let node = map.get(key)?;
    let access = Access::read(node, findings)?;
    if access == Access::Permitted {
        findings
            .error("wrong_value", node.span, "nobody is `permitted` where there is no organization to be permitted in")
            .help("`shared` takes the other levels, from `authenticated` on");
        return None;
    }
    if matches!(access, Access::Public | Access::Optional) {
        findings
            .error("wrong_value", node.span, format!("`shared` asks who somebody is: `{}` does not", access.as_str()))
            .help("the least is `authenticated`");
        return None;
    }
    Some(access)
}
