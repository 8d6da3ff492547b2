//! What somebody may do besides their levels.

use crate::id::OrgId;
use std::sync::Arc;

/// What somebody may do besides their levels: `app.codename`, as Django writes permissions.
///
/// Those that hold everywhere (a user's own, their groups', their super roles') and those that hold in one organization
/// (their roles there). All lists are sorted.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    everywhere: Box<[Arc<str>]>,
    /// Those of them that super roles give.
    super_roles: Box<[Arc<str>]>,
    by_organization: Box<[Roles]>,
}

/// Where a permission must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In any organization, or everywhere.
    Anywhere,
    /// In this organization, or everywhere.
    In(OrgId),
    /// Everywhere, as far as the token is good for: in organizations that its user does not belong to.
    Abroad,
    /// Everywhere: by no role of one organization alone.
    Everywhere,
}

/// What gives permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grants {
    All,
    /// Roles and super roles alone: not what a user has been granted, nor what their groups give.
    Roles,
}

/// What somebody's roles in one organization permit.
type Roles = (OrgId, Box<[Arc<str>]>);

impl Permissions {
    /// Sorts what was read; each organization comes once.
    #[must_use]
    pub fn new(mut everywhere: Vec<Arc<str>>, by_organization: Vec<(OrgId, Vec<Arc<str>>)>) -> Self {
        let sorted = |list: &mut Vec<Arc<str>>| {
            list.sort_unstable();
            list.dedup();
        };
        sorted(&mut everywhere);
        let mut by_organization: Vec<_> = by_organization
            .into_iter()
            .map(|(organization, mut list)| {
                sorted(&mut list);
                (organization, list.into_boxed_slice())
            })
            .collect();
        by_organization.sort_unstable_by_key(|(organization, _)| *organization);
        Self {
            everywhere: everywhere.into_boxed_slice(),
            super_roles: Box::default(),
            by_organization: by_organization.into_boxed_slice(),
        }
    }

    /// The same with those that super roles give, which hold everywhere too.
    #[must_use]
    pub fn with_super_roles(self, mut super_roles: Vec<Arc<str>>) -> Self {
        if super_roles.is_empty() {
            return self;
        }
        super_roles.sort_unstable();
        super_roles.dedup();
        let mut everywhere = self.everywhere.into_vec();
        everywhere.extend(super_roles.iter().cloned());
        everywhere.sort_unstable();
        everywhere.dedup();
        Self { everywhere: everywhere.into_boxed_slice(), super_roles: super_roles.into_boxed_slice(), ..self }
    }

    /// Those that hold everywhere, sorted.
    #[must_use]
    pub fn all_everywhere(&self) -> &[Arc<str>] {
        &self.everywhere
    }

    /// Those of them that super roles give, sorted.
    #[must_use]
    pub fn all_of_super_roles(&self) -> &[Arc<str>] {
        &self.super_roles
    }

    /// Those that hold in one organization, by organization.
    pub fn all_by_organization(&self) -> impl ExactSizeIterator<Item = (OrgId, &[Arc<str>])> {
        self.by_organization.iter().map(|(organization, list)| (*organization, &**list))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.by_organization.is_empty()
    }

    /// Drops what roles give in other organizations than these.
    pub(super) fn keep_organizations(&mut self, is_one: impl Fn(OrgId) -> bool) {
        let roles = std::mem::take(&mut self.by_organization).into_vec();
        self.by_organization = roles.into_iter().filter(|(organization, _)| is_one(*organization)).collect();
    }

    /// Drops other permissions than these.
    pub(super) fn keep(&mut self, is_one: impl Fn(&str) -> bool) {
        let lists = [&mut self.everywhere, &mut self.super_roles].into_iter();
        for list in lists.chain(self.by_organization.iter_mut().map(|(_, list)| list)) {
            let all = std::mem::take(list).into_vec();
            *list = all.into_iter().filter(|one| is_one(one)).collect();
        }
    }

    pub(super) fn hold(&self, permission: &str, place: Place, grants: Grants) -> bool {
        let everywhere = if grants == Grants::All { &self.everywhere } else { &self.super_roles };
        if among(everywhere, permission) {
            return true;
        }
        let among = |list: &[Arc<str>]| among(list, permission);
        match place {
            Place::Abroad | Place::Everywhere => false,
            Place::In(id) => {
                let at = self.by_organization.binary_search_by_key(&id, |(organization, _)| *organization);
                at.ok().and_then(|at| self.by_organization.get(at)).is_some_and(|(_, list)| among(list))
            }
            Place::Anywhere => self.by_organization.iter().any(|(_, list)| among(list)),
        }
    }
}

pub(super) fn among(list: &[Arc<str>], permission: &str) -> bool {
    list.binary_search_by(|held| (**held).cmp(permission)).is_ok()
}
