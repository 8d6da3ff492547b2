//! What a token is narrowed to. Its right is its scope *and* its user's right: a snapshot is narrowed once, when it is read, and whoever
//! asks it afterwards is answered within the scope.

use super::permissions::among;
use super::{Grants, Membership, Permissions, Place, Rights, Snapshot};
use crate::id::OrgId;
use std::sync::Arc;

/// Organizations, or permissions, that a token names at most.
pub const MOST: usize = 100;

/// The narrowing of a token. What is empty narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Sorted.
    organizations: Box<[OrgId]>,
    /// Sorted.
    permissions: Box<[Arc<str>]>,
    read_only: bool,
    /// Its user is a superuser, and so is whoever has it, within it and nowhere else.
    superuser: bool,
    /// Its user belongs to organizations outside of it too.
    elsewhere: bool,
}

impl Scope {
    #[must_use]
    pub fn new(mut organizations: Vec<OrgId>, mut permissions: Vec<Arc<str>>, read_only: bool) -> Self {
        organizations.sort_unstable();
        organizations.dedup();
        permissions.sort_unstable();
        permissions.dedup();
        let (organizations, permissions) = (organizations.into(), permissions.into());
        Self { organizations, permissions, read_only, superuser: false, elsewhere: false }
    }

    /// The same of a superuser's token.
    #[must_use]
    pub fn of_superuser(self, is: bool) -> Self {
        Self { superuser: is, ..self }
    }

    /// The same of somebody who belongs to organizations outside of it too.
    #[must_use]
    pub fn of_one_elsewhere(self, is: bool) -> Self {
        Self { elsewhere: is, ..self }
    }

    #[must_use]
    pub fn organizations(&self) -> &[OrgId] {
        &self.organizations
    }

    #[must_use]
    pub fn permissions(&self) -> &[Arc<str>] {
        &self.permissions
    }

    /// Whether it is good for requests alone that change nothing.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether its user is a superuser, who is one within it.
    #[must_use]
    pub const fn is_of_superuser(&self) -> bool {
        self.superuser
    }

    /// Whether its user belongs to organizations outside of it too.
    #[must_use]
    pub const fn is_of_one_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// Whether it narrows what somebody is and has, and not only how they use it.
    #[must_use]
    pub const fn narrows_rights(&self) -> bool {
        !(self.organizations.is_empty() && self.permissions.is_empty())
    }

    /// Whether an organization lies within it.
    #[must_use]
    pub fn includes(&self, organization: OrgId) -> bool {
        self.organizations.is_empty() || self.organizations.binary_search(&organization).is_ok()
    }

    /// Whether a permission lies within it there.
    fn permits(&self, permission: &str, place: Place) -> bool {
        (self.permissions.is_empty() || among(&self.permissions, permission))
            && match place {
                Place::Anywhere | Place::Abroad => true,
                Place::In(organization) => self.includes(organization),
                Place::Everywhere => self.organizations.is_empty(),
            }
    }
}

impl Snapshot {
    /// The same, of a token with this scope. Somebody who is narrowed in what they are is a superuser, or staff, no more, but for
    /// [`Snapshot::is_superuser_in`]; and is in no group, since what a group may do elsewhere nobody here can tell. Of roles they have those
    /// of the organizations in it, and none where it names permissions.
    #[must_use]
    pub fn narrowed(mut self, scope: Scope) -> Self {
        if !scope.read_only && !scope.narrows_rights() {
            return self;
        }
        let mut scope = scope;
        if scope.narrows_rights() {
            scope.superuser |= self.user.is_superuser;
            (self.user.is_superuser, self.user.is_staff) = (false, false);
            let memberships = std::mem::take(&mut self.memberships).into_vec();
            let before = memberships.len();
            self.memberships = memberships.into_iter().filter(|m| scope.includes(m.organization.id)).collect();
            scope.elsewhere |= self.memberships.len() < before;
            if let Some(home) = &mut self.user.home {
                home.is_told &= scope.includes(home.id);
            }
            if let Some(rights) = &mut self.rights {
                rights.groups = Box::default();
                let roles = std::mem::take(&mut rights.roles).into_vec().into_iter();
                let is_within = |id: OrgId| scope.permissions.is_empty() && scope.includes(id);
                rights.roles = roles.filter(|(organization, _)| organization.is_some_and(is_within)).collect();
                rights.permissions.narrow(&scope);
            }
        }
        self.rights.get_or_insert_default().scope = Some(Box::new(scope));
        self
    }

    /// What its token is narrowed to, where it is.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.rights.as_ref()?.scope.as_deref()
    }

    /// The organization that they belong to, where it is the only one, within the scope and outside of it.
    #[must_use]
    pub fn only_membership(&self) -> Option<&Membership> {
        match &*self.memberships {
            [only] if !self.scope().is_some_and(|scope| scope.elsewhere) => Some(only),
            _ => None,
        }
    }

    /// Whether the token is good for an organization.
    #[must_use]
    pub fn is_good_in(&self, organization: OrgId) -> bool {
        self.scope().is_none_or(|scope| scope.includes(organization))
    }

    /// Whether they pass in an organization whatever they are there.
    #[must_use]
    pub fn is_superuser_in(&self, organization: OrgId) -> bool {
        self.user.is_superuser || self.scope().is_some_and(|scope| scope.superuser && scope.includes(organization))
    }

    /// Whether there may be an organization in which they pass so.
    #[must_use]
    pub fn is_superuser_somewhere(&self) -> bool {
        self.user.is_superuser || self.scope().is_some_and(|scope| scope.superuser)
    }

    /// Whether the user has a permission (`app.codename`): in an organization, or, where none is named, anywhere.
    #[must_use]
    pub fn has_permission(&self, permission: &str, organization: Option<OrgId>) -> bool {
        self.has(permission, organization.map_or(Place::Anywhere, Place::In), Grants::All)
    }

    /// Whether the user has a permission everywhere, and not by a role in some organization alone.
    #[must_use]
    pub fn has_permission_everywhere(&self, permission: &str) -> bool {
        self.has(permission, Place::Everywhere, Grants::All)
    }

    /// The order is the reference's: inactive, nothing; superuser, everything; what holds everywhere; then the roles in the
    /// organization, if the user belongs to it.
    #[must_use]
    pub fn has(&self, permission: &str, place: Place, grants: Grants) -> bool {
        let all = || self.is_superuser_somewhere() && self.is_within(permission, place);
        self.user.is_active && (all() || self.is_granted(permission, place, grants))
    }

    /// Whether these grants give the user a permission there, as far as the token is good for it, whoever they are otherwise.
    #[must_use]
    pub fn is_granted(&self, permission: &str, place: Place, grants: Grants) -> bool {
        let holds = |rights: &Rights| rights.permissions.hold(permission, place, grants);
        self.rights.as_deref().is_some_and(holds) && self.is_within(permission, place)
    }

    fn is_within(&self, permission: &str, place: Place) -> bool {
        self.scope().is_none_or(|scope| scope.permits(permission, place))
    }
}

impl Permissions {
    fn narrow(&mut self, scope: &Scope) {
        self.keep_organizations(|organization| scope.includes(organization));
        self.keep(|permission| scope.permits(permission, Place::Anywhere));
    }
}
