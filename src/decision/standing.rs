//! How somebody stands in an organization, for whoever asks about that alone and not about a request.
//!
//! The answers are those of a rule whose `org` is this one: with `level`, or with `permissions` and any level that knows the caller.

use super::{OrgKey, Reason};
use crate::facts::{Level, Organization, Snapshot};

/// What somebody is asked to have in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'q> {
    Level(Level),
    /// `app.codename`
    Permission(&'q str),
}

/// Whether somebody has it. `found` is the organization where it was looked up, and there is one.
///
/// # Errors
/// `Some`: the reason that a rule would give. `None`: nothing can be said before the organization is looked up.
pub fn standing(
    user: &Snapshot,
    key: &OrgKey<'_>,
    asked: Standing<'_>,
    found: Option<Option<&Organization>>,
) -> Result<(), Option<Reason>> {
    if !user.user.is_active {
        return Err(Some(Reason::UserInactive));
    }
    let membership = key.membership(user);
    // What holds everywhere holds in organizations that are somebody else's too.
    let may_be_foreign = match asked {
        Standing::Level(_) => user.is_superuser_somewhere(),
        Standing::Permission(permission) => user.is_superuser_somewhere() || user.has_permission_everywhere(permission),
    };
    let organization = match membership {
        Some(membership) => &*membership.organization,
        None if !may_be_foreign => return Err(Some(Reason::OrgForeign)),
        None => {
            let there = found.ok_or(None)?.filter(|found| found.is_active || user.is_superuser_in(found.id));
            there.ok_or(Some(Reason::OrgForeign))?
        }
    };
    match asked {
        Standing::Level(_) if user.is_superuser_in(organization.id) => Ok(()),
        Standing::Level(level) if membership.is_some_and(|membership| membership.level() >= level) => Ok(()),
        Standing::Level(_) => Err(Some(Reason::OrgLevelMissing)),
        Standing::Permission(permission) if user.has_permission(permission, Some(organization.id)) => Ok(()),
        Standing::Permission(_) => Err(Some(Reason::PermissionMissing)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, standing};
    use crate::decision::{OrgKey, Reason};
    use crate::facts::{Level, Membership, Organization, Permissions, Snapshot, User, Value};
    use crate::id::{OrgId, UserId};
    use std::sync::Arc;

    fn organization(slug: &str, is_active: bool) -> Arc<Organization> {
        let (slug, name) = (Value::new(slug), Value::new(slug));
        Arc::new(Organization { id: OrgId::generate(), slug, name, external_id: None, is_active })
    }

    #[test]
    fn superusers_pass_where_there_is_an_organization_and_others_where_they_belong_or_hold_it_everywhere() {
        let (acme, bolt, gone) = (organization("acme", true), organization("bolt", true), organization("gone", false));
        let somebody = |is_superuser, is_active| {
            let user = User {
                id: UserId::generate(),
                username: Some(Value::new("ann")),
                issuer: None,
                email: None,
                external_id: None,
                home: None,
                fields: None,
                is_active,
                is_staff: false,
                is_superuser,
            };
            let manager = Membership { organization: Arc::clone(&acme), is_admin: true, is_owner: false };
            let in_acme = (acme.id, vec!["app.here".into()]);
            Snapshot::new(user, vec![manager]).with_permissions(Permissions::new(vec!["app.all".into()], vec![in_acme]))
        };
        let ask = |user: &Snapshot, slug: &str, asked| {
            let key = OrgKey::Slug(slug.into());
            let found = [&acme, &bolt, &gone].into_iter().find(|one| one.slug.as_str() == slug).map(|one| &**one);
            match standing(user, &key, asked, None) {
                Err(None) => standing(user, &key, asked, Some(found)),
                known => known,
            }
        };
        let (ann, su, off) = (somebody(false, true), somebody(true, true), somebody(true, false));
        let level = Standing::Level;
        assert_eq!(ask(&ann, "acme", level(Level::Manager)), Ok(()));
        assert_eq!(ask(&ann, "acme", level(Level::Owner)), Err(Some(Reason::OrgLevelMissing)));
        for elsewhere in ["bolt", "gone", "none"] {
            assert_eq!(ask(&ann, elsewhere, level(Level::Member)), Err(Some(Reason::OrgForeign)), "{elsewhere}");
            assert_eq!(ask(&ann, elsewhere, Standing::Permission("app.here")), Err(Some(Reason::OrgForeign)));
        }
        assert_eq!(ask(&ann, "acme", Standing::Permission("app.here")), Ok(()));
        assert_eq!(ask(&ann, "acme", Standing::Permission("app.none")), Err(Some(Reason::PermissionMissing)));
        assert_eq!(ask(&ann, "bolt", Standing::Permission("app.all")), Ok(()));
        assert_eq!(ask(&ann, "gone", Standing::Permission("app.all")), Err(Some(Reason::OrgForeign)));
        for there in ["acme", "bolt", "gone"] {
            assert_eq!(ask(&su, there, level(Level::Owner)), Ok(()), "{there}");
        }
        assert_eq!(ask(&su, "none", level(Level::Member)), Err(Some(Reason::OrgForeign)));
        assert_eq!(ask(&off, "acme", level(Level::Member)), Err(Some(Reason::UserInactive)));
        assert_eq!(standing(&su, &OrgKey::Slug("bolt".into()), level(Level::Member), None), Err(None));
    }
}
