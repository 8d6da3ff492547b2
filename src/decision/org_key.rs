//! How an organization is named: by its id, its slug, or what a legacy system calls it.

use crate::facts::{Membership, Organization, Snapshot};
use crate::id::OrgId;
use std::borrow::Cow;

/// How a request names an organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrgKey<'r> {
    Id(OrgId),
    Slug(Cow<'r, str>),
    External(Cow<'r, str>),
}

impl OrgKey<'_> {
    /// The same key, free of the request.
    #[must_use]
    pub fn into_owned(self) -> OrgKey<'static> {
        match self {
            Self::Id(id) => OrgKey::Id(id),
            Self::Slug(text) => OrgKey::Slug(Cow::Owned(text.into_owned())),
            Self::External(text) => OrgKey::External(Cow::Owned(text.into_owned())),
        }
    }

    /// Whether it names this organization.
    #[must_use]
    pub fn names(&self, organization: &Organization) -> bool {
        match self {
            Self::Id(id) => organization.id == *id,
            Self::Slug(slug) => organization.slug.as_str() == slug,
            Self::External(key) => organization.external_id.as_ref().is_some_and(|e| e.as_str() == key),
        }
    }

    /// How somebody belongs to it, where they do.
    #[inline]
    pub(super) fn membership<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Membership> {
        match self {
            Self::Id(id) => snapshot.membership(*id),
            _ => snapshot.memberships().iter().find(|m| self.names(&m.organization)),
        }
    }
}
