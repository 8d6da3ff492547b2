//! Which items of a list its caller gets: decided by what is known of them when the answer begins, and the same to its end.

use super::org_references::key;
use super::rule::passes_shared;
use crate::answers::Said;
use crate::facts::{Membership, Snapshot};
use crate::policy::{Access, By, ItemBy, List, Rule};
use http::Method;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct KeptItems {
    caller: Arc<Snapshot>,
    keep: crate::facts::Level,
    by: ItemBy,
    keeps_shared: bool,
    /// Keys of the caller's organizations, sorted, where items do not name them by id.
    keys: Box<[Box<str>]>,
}

impl KeptItems {
    /// What of a list this caller gets; `None`: all of it, as superusers do.
    #[must_use]
    pub(super) fn of(list: &List, rule: &Rule, method: &Method, caller: &Arc<Snapshot>) -> Option<Self> {
        let keeps_shared = list.shows_shared && passes_shared(rule, method, caller);
        if caller.user.is_superuser && rule.shared().of(method) != Access::Deny && list.shows_shared {
            return None;
        }
        let keep = list.keep;
        let text = |membership: &Membership| {
            let organization = &membership.organization;
            match list.by {
                ItemBy::Key(By::Id) => None,
                ItemBy::Key(By::Slug) => Some(organization.slug.as_str().into()),
                ItemBy::Key(By::External) => organization.external_id.as_ref().map(|id| id.as_str().into()),
                ItemBy::Name => Some(organization.name.as_str().into()),
            }
        };
        let mut keys: Vec<Box<str>> =
            caller.memberships().iter().filter(|membership| membership.level() >= keep).filter_map(text).collect();
        keys.sort_unstable();
        Some(Self { caller: Arc::clone(caller), keep, by: list.by, keeps_shared, keys: keys.into() })
    }

    /// Whether the caller gets an item that says this of its organization. What cannot be read is nobody's.
    #[must_use]
    pub fn keeps(&self, said: &Said<'_>) -> bool {
        let text = match said {
            Said::Text(text) => text,
            Said::Null => return self.keeps_shared,
            Said::Nothing | Said::Other => return false,
        };
        let caller = &self.caller;
        match self.by {
            // Whoever passes everywhere has none of these keys; of a narrowed token only ids are known.
            _ if caller.user.is_superuser => true,
            ItemBy::Key(By::Id) => match key(text.as_ref().into(), By::Id) {
                Ok(super::OrgKey::Id(id)) => {
                    caller.is_superuser_in(id)
                        || caller.membership(id).is_some_and(|membership| membership.level() >= self.keep)
                }
                _ => false,
            },
            ItemBy::Key(_) | ItemBy::Name => self.keys.binary_search_by(|known| (**known).cmp(text)).is_ok(),
        }
    }
}
