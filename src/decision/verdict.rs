//! What a rule says when it says yes, and how the caller stands in the organization of the request.

use crate::facts::{Level, Membership, Organization};
use std::sync::Arc;

/// What a rule says when it says yes.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// The organization of the request and how the caller stands in it.
    pub(super) access: Option<OrgAccess>,
    /// A superuser passed where their membership would not have been enough.
    pub(super) by_superuser: bool,
}

/// How the caller stands in an organization.
#[derive(Clone, Debug)]
pub(super) struct OrgAccess {
    pub(super) organization: Arc<Organization>,
    /// `None`: they do not belong to it.
    pub(super) level: Option<Level>,
    /// Whom a permission lets in, and not that they are a superuser.
    pub(super) by_permission: bool,
}

impl OrgAccess {
    pub(super) fn of(membership: &Membership) -> Self {
        Self {
            organization: Arc::clone(&membership.organization),
            level: Some(membership.level()),
            by_permission: false,
        }
    }

    pub(super) fn level_text(&self) -> &'static str {
        match self.level {
            Some(level) => level.as_str(),
            None if self.by_permission => "permitted",
            None => "superuser",
        }
    }
}
