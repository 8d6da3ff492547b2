//! The facts that a decision rests on: who somebody is and which organizations they belong to.
//!
//! A [`Snapshot`] is immutable and shared. `directory` reads it from a store, `membership` keeps it, `decision` judges with
//! it, `gateway` writes its header values. Values that go into headers are encoded once, when the snapshot is made, and not
//! once a request.

mod fields;
mod object;
mod permissions;
mod scope;
mod value;

pub use fields::{FieldValue, UserFields};
pub use object::{Column, Object};
pub use permissions::{Grants, Permissions, Place};
pub use scope::{MOST as MOST_IN_A_SCOPE, Scope};
pub use value::{Value, header_value};

use crate::id::{OrgId, UserId};
use std::borrow::Cow;
use std::sync::Arc;

/// How high somebody stands in an organization. The order is the power: `Member < Manager < Owner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Member,
    Manager,
    /// Owns it: one for each organization, always a manager too.
    Owner,
}

impl Level {
    /// The word of the policy language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Manager => "manager",
            Self::Owner => "owner",
        }
    }
}

/// An organization, as decisions and headers need it. Shared by all its members' snapshots where possible.
#[derive(Debug)]
pub struct Organization {
    pub id: OrgId,
    /// Unique, never reused.
    pub slug: Value,
    pub name: Value,
    /// The key under which a legacy system knows it, unique where present.
    pub external_id: Option<Box<Value>>,
    /// Nobody belongs to an inactive organization; superusers still pass.
    pub is_active: bool,
}

/// One tie of a user to an *active* organization.
#[derive(Clone, Debug)]
pub struct Membership {
    pub organization: Arc<Organization>,
    pub is_admin: bool,
    pub is_owner: bool,
}

impl Membership {
    /// The highest level that the membership gives.
    #[must_use]
    pub const fn level(&self) -> Level {
        match (self.is_owner, self.is_admin) {
            (true, _) => Level::Owner,
            (false, true) => Level::Manager,
            (false, false) => Level::Member,
        }
    }
}

/// A user, as decisions and headers need them. Revocation material (password hashes) is never here.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    /// Login name. Everybody in the directory has one; of somebody else, the issuer's where it is configured to name them.
    pub username: Option<Value>,
    /// Who vouches for somebody who is in no directory.
    pub issuer: Option<Box<Value>>,
    /// Primary e-mail address, where there is one.
    pub email: Option<Box<Value>>,
    /// The key under which a legacy system knows them.
    pub external_id: Option<Box<Value>>,
    /// The primary organization, where there is one.
    pub home: Option<Box<Home>>,
    /// What the installation knows of them besides, where that is anything.
    pub fields: Option<Box<UserFields>>,
    /// An inactive user has no rights at all.
    pub is_active: bool,
    /// May enter routes of level `staff`.
    pub is_staff: bool,
    pub is_superuser: bool,
}

/// A primary organization, and the name that its user has with it.
#[derive(Clone, Debug)]
pub struct Home {
    id: OrgId,
    slug: Value,
    is_active: bool,
    /// A narrowed token may not be good for it: then it is part of the name, and nothing else.
    is_told: bool,
    login: Value,
}

impl Home {
    #[must_use]
    pub fn new(id: OrgId, slug: &str, is_active: bool, username: &str) -> Self {
        Self {
            id,
            slug: Value::new(slug),
            is_active,
            is_told: is_active,
            login: Value::new(format!("{slug}/{username}")),
        }
    }

    /// The organization's id and slug, and whether it is active.
    #[must_use]
    pub fn organization(&self) -> (OrgId, &str, bool) {
        (self.id, self.slug.as_str(), self.is_active)
    }
}

impl User {
    /// What no other user is called: the login name, behind that of the primary organization where there is one, `acme/ann`.
    #[must_use]
    pub fn login(&self) -> Option<&Value> {
        self.home.as_deref().map(|home| &home.login).or(self.username.as_ref())
    }

    /// The slug of the primary organization, while that is active and the token good for it.
    #[must_use]
    pub fn organization(&self) -> Option<&Value> {
        self.home.as_deref().filter(|home| home.is_told).map(|home| &home.slug)
    }

    /// The name that people know them by: the login name, else the id and who vouches for it.
    #[must_use]
    pub fn known_as(&self) -> Cow<'_, str> {
        match (self.login(), &self.issuer) {
            (Some(login), _) => Cow::Borrowed(login.as_str()),
            (None, Some(issuer)) => Cow::Owned(format!("{} of {}", self.id, issuer.as_str())),
            (None, None) => Cow::Owned(self.id.to_string()),
        }
    }
}

/// Everything that is cached of a user: who they are and where they belong, read in one consistent look at the store.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub user: User,
    /// Memberships of active organizations, sorted by organization id (see [`Snapshot::membership`]).
    memberships: Box<[Membership]>,
    /// Most users have levels and nothing else.
    rights: Option<Box<Rights>>,
}

/// The name of a role, and the organization that it is of; none for a super role.
pub type RoleName = (Option<OrgId>, Arc<str>);

/// What a user has besides levels.
#[derive(Clone, Debug, Default)]
struct Rights {
    permissions: Permissions,
    groups: Box<[Arc<str>]>,
    /// Sorted: those of one organization are beside each other.
    roles: Box<[RoleName]>,
    /// They have a second factor.
    has_second_factor: bool,
    /// What the token is narrowed to that they were found by.
    scope: Option<Box<Scope>>,
}

impl Snapshot {
    /// Sorts the memberships and drops those of inactive organizations.
    #[must_use]
    pub fn new(user: User, mut memberships: Vec<Membership>) -> Self {
        memberships.retain(|m| m.organization.is_active);
        memberships.sort_by_key(|m| m.organization.id);
        Self { user, memberships: memberships.into_boxed_slice(), rights: None }
    }

    /// The same with permissions; roles count only in active organizations that the user belongs to.
    #[must_use]
    pub fn with_permissions(mut self, mut permissions: Permissions) -> Self {
        permissions.keep_organizations(|id| self.membership(id).is_some());
        if !permissions.is_empty() {
            self.rights.get_or_insert_default().permissions = permissions;
        }
        self
    }

    /// The same with the names of the user's groups.
    #[must_use]
    pub fn with_groups(mut self, mut groups: Vec<Arc<str>>) -> Self {
        if !groups.is_empty() {
            groups.sort_unstable();
            self.rights.get_or_insert_default().groups = groups.into_boxed_slice();
        }
        self
    }

    /// The names of the user's groups, sorted. What the groups permit is among the permissions already.
    #[must_use]
    pub fn groups(&self) -> &[Arc<str>] {
        self.rights.as_ref().map_or(&[], |rights| &rights.groups)
    }

    /// The same with the names of the user's roles, which count where their permissions do.
    #[must_use]
    pub fn with_roles(mut self, mut roles: Vec<RoleName>) -> Self {
        roles.retain(|(organization, _)| organization.is_none_or(|id| self.membership(id).is_some()));
        if !roles.is_empty() {
            roles.sort_unstable();
            self.rights.get_or_insert_default().roles = roles.into_boxed_slice();
        }
        self
    }

    /// The same, who has a second factor.
    #[must_use]
    pub fn with_second_factor(mut self, has_one: bool) -> Self {
        if has_one {
            self.rights.get_or_insert_default().has_second_factor = true;
        }
        self
    }

    /// Whether the user has set a second factor up.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.rights.as_ref().is_some_and(|rights| rights.has_second_factor)
    }

    /// The names of the user's roles and super roles, sorted by organization. What they permit is among the permissions already.
    #[must_use]
    pub fn roles(&self) -> &[RoleName] {
        self.rights.as_ref().map_or(&[], |rights| &rights.roles)
    }

    /// The names of the roles that count in an organization: those in it, and super roles.
    pub fn roles_in(&self, organization: OrgId) -> impl Iterator<Item = &str> {
        let counts = move |(of, _): &&RoleName| of.is_none_or(|id| id == organization);
        self.roles().iter().filter(counts).map(|(_, name)| &**name)
    }

    /// Everything that the user may do besides levels, where there is anything.
    #[must_use]
    pub fn permissions(&self) -> Option<&Permissions> {
        self.rights.as_ref().map(|rights| &rights.permissions)
    }

    /// Whether they may whatever somebody else may, as far as anything is known of either.
    #[must_use]
    pub fn may_all_of(&self, other: &Self) -> bool {
        let has_flags = !other.user.is_superuser && (self.user.is_staff || !other.user.is_staff);
        let has_ties = || {
            let of_own = |tie: &Membership| self.membership(tie.organization.id).map(Membership::level);
            other.memberships.iter().all(|tie| of_own(tie) >= Some(tie.level()))
        };
        // Policies may ask for the names of groups.
        let has_groups = || other.groups().iter().all(|group| self.groups().contains(group));
        // And services for those of roles, which they are told.
        let has_roles = || other.roles().iter().all(|role| self.roles().contains(role));
        let has_permissions = || {
            other.permissions().is_none_or(|of| {
                let everywhere = of.all_everywhere().iter().all(|name| self.has_permission_everywhere(name));
                // Where a rule counts roles alone, what they have by other ways is none.
                let by_role = |name: &Arc<str>, place| self.is_granted(name, place, Grants::Roles);
                let by_super_role = of.all_of_super_roles().iter().all(|name| by_role(name, Place::Everywhere));
                let there = |(id, names): (OrgId, &[Arc<str>])| names.iter().all(|name| by_role(name, Place::In(id)));
                everywhere && by_super_role && of.all_by_organization().all(there)
            })
        };
        let is_bounded = self.scope().is_some_and(Scope::narrows_rights);
        self.user.is_active
            && !is_bounded
            && (self.user.is_superuser || has_flags && has_ties() && has_groups() && has_roles() && has_permissions())
    }

    /// All memberships, sorted by organization id.
    #[must_use]
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// The membership of one organization; logarithmic in their number.
    #[must_use]
    pub fn membership(&self, id: OrgId) -> Option<&Membership> {
        let at = self.memberships.binary_search_by_key(&id, |m| m.organization.id).ok()?;
        self.memberships.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Grants, Membership, Organization, Permissions, Place, Scope, Snapshot, User, Value, header_value};
    use crate::id::{OrgId, UserId};
    use std::sync::Arc;

    #[test]
    fn permissions_hold_everywhere_or_in_one_s_own_organizations() {
        let organization = |is_active| {
            let id = OrgId::generate();
            let (slug, name) = (Value::new("acme"), Value::new("Acme"));
            Arc::new(Organization { id, slug, name, external_id: None, is_active })
        };
        let user = |is_active, is_superuser| {
            let id = UserId::generate();
            let username = Some(Value::new("ann"));
            User {
                id,
                username,
                issuer: None,
                email: None,
                external_id: None,
                home: None,
                fields: None,
                is_active,
                is_staff: false,
                is_superuser,
            }
        };
        let (own, gone, foreign) = (organization(true), organization(false), OrgId::generate());
        let snapshot = |is_active, is_superuser| {
            let member =
                |org: &Arc<Organization>| Membership { organization: org.clone(), is_admin: false, is_owner: false };
            let roles = [own.id, gone.id, foreign].map(|id| (id, vec!["app.role".into()]));
            Snapshot::new(user(is_active, is_superuser), vec![member(&own), member(&gone)])
                .with_permissions(Permissions::new(vec!["app.own".into()], roles.to_vec()))
        };
        let ann = snapshot(true, false);
        assert!(ann.has_permission("app.own", Some(foreign)) && ann.has_permission("app.own", None));
        assert!(ann.has_permission("app.role", Some(own.id)) && ann.has_permission("app.role", None));
        assert!(!ann.has_permission("app.role", Some(foreign)) && !ann.has_permission("app.role", Some(gone.id)));
        assert!(!ann.has_permission("app.other", None));
        assert!(ann.has_permission_everywhere("app.own") && !ann.has_permission_everywhere("app.role"));
        assert!(snapshot(true, true).has_permission("app.other", Some(foreign)));
        assert!(!snapshot(false, true).has_permission("app.own", None));
        let roles = |permission, place| ann.is_granted(permission, place, Grants::Roles);
        assert!(roles("app.role", Place::In(own.id)) && !roles("app.role", Place::Everywhere));
        assert!(!roles("app.own", Place::In(own.id)), "her own");
        let role = |of, name: &str| (of, Arc::from(name));
        let named =
            [role(Some(own.id), "keeper"), role(Some(foreign), "x"), role(None, "any"), role(Some(gone.id), "y")];
        let ann = ann.with_roles(named.to_vec());
        assert_eq!(ann.roles_in(own.id).collect::<Vec<_>>(), ["any", "keeper"]);
        assert_eq!(ann.roles_in(foreign).collect::<Vec<_>>(), ["any"]);
        let narrowed = |organizations, permissions| ann.clone().narrowed(Scope::new(organizations, permissions, false));
        assert_eq!(narrowed(vec![own.id], vec![]).roles_in(own.id).collect::<Vec<_>>(), ["keeper"]);
        assert!(narrowed(vec![foreign], vec![]).roles().is_empty());
        assert!(
            narrowed(vec![own.id], vec!["app.role".into()]).roles().is_empty(),
            "a name says more than one permission"
        );
        let groups = ann.with_groups(vec!["b".into(), "a".into()]);
        assert_eq!(groups.groups().iter().map(|group| &**group).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn no_text_makes_a_second_header_or_another_text_s_value() {
        for (text, value) in [
            ("ann", "ann"),
            ("Acme Inc", "Acme Inc"),
            ("a,b", "a%2Cb"),
            ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
            ("caf\u{e9}", "caf%C3%A9"),
            ("caf%C3%A9", "caf%25C3%25A9"),
            (" edge ", "%20edge%20"),
            ("", ""),
        ] {
            assert_eq!(header_value(text), value, "{text:?}");
        }
    }
}
