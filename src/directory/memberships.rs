//! Memberships, and the rule that makes the first manager an owner.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError};
use super::list::{List, Rows, all};
use super::lookup;
use super::resources::{MembershipRecord, NewMembership, OrganizationRecord, UserRecord};
use super::selector::{OrgSelector, UserSelector};
use super::tx::Tx;
use super::viewer::Action;
use crate::id::{OrgId, UserId};
use serde_json::json;
use uuid::Uuid;

impl View {
    /// Makes memberships, all or none. The first manager made in an organization without owner becomes its owner.
    pub async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        self.write_all(members, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    read membership(organization: &OrgSelector, user: &UserSelector) -> MembershipRecord = show;
    look membership_by_id(; membership: Uuid) -> MembershipRecord = show_by_id;
    /// Memberships by slug, then username.
    look memberships(list: &List) -> Rows<MembershipRecord> = all;
    /// Makes a member a manager, or a manager a plain member; an owner cannot be demoted.
    write edit_membership(organization: &OrgSelector, user: &UserSelector; is_admin: bool) -> MembershipRecord = edit;
    /// Removes a member; refused for the owner.
    write delete_membership(organization: &OrgSelector, user: &UserSelector) -> MembershipRecord = delete;
}

pub(super) async fn create(tx: &Tx<'_>, new: NewMembership) -> Result<MembershipRecord, DirectoryError> {
    tx.viewer.may::<MembershipRecord>(Action::Add)?;
    let user = lookup::user(tx, &new.user).await?;
    let organization = lookup::organization(tx, &new.organization).await?;
    insert(tx, &user, &organization, new.is_admin).await?;
    let membership = find(tx, &organization, &user).await?;
    tx.created("membership.create", &membership);
    Ok(membership)
}

/// The same of records that are at hand, whether the viewer sees the membership afterwards or not.
pub(super) async fn add(
    tx: &Tx<'_>,
    user: &UserRecord,
    organization: &OrganizationRecord,
    is_admin: bool,
) -> Result<(), DirectoryError> {
    insert(tx, user, organization, is_admin).await?;
    let (username, slug) = (&user.username, &organization.slug);
    let made = json!({
        "user": user.id, "username": username, "organization": organization.id, "slug": slug, "is_admin": is_admin
    });
    tx.created("membership.create", &made);
    Ok(())
}

/// Ties a user to an organization, which is theirs where they are its first manager.
pub(super) async fn insert(
    tx: &Tx<'_>,
    user: &UserRecord,
    organization: &OrganizationRecord,
    is_admin: bool,
) -> Result<(), DirectoryError> {
    let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
               VALUES ($1, $2, $3, $4, $5, $5)";
    let id = Uuid::now_v7();
    match tx.execute(sql, &[&id, &user.id, &organization.id, &is_admin, &tx.now]).await {
        Err(failure) if failure.violates("memberships_user_organization") => {
            let (user, organization) = (user.username.clone(), organization.slug.clone());
            return Err(DirectoryError::AlreadyMember { user, organization });
        }
        done => done?,
    };
    own(tx, user, organization, is_admin).await
}

/// Makes a manager of a user who became a member when they were made.
pub(super) async fn promote(
    tx: &Tx<'_>,
    user: &UserRecord,
    organization: &OrganizationRecord,
    is_admin: bool,
) -> Result<(), DirectoryError> {
    let sql = "UPDATE memberships SET is_admin = $3 WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&user.id, &organization.id, &is_admin]).await?;
    own(tx, user, organization, is_admin).await
}

/// An organization without an owner is its first manager's.
async fn own(
    tx: &Tx<'_>,
    user: &UserRecord,
    organization: &OrganizationRecord,
    is_admin: bool,
) -> Result<(), DirectoryError> {
    if is_admin && organization.owner.is_none() {
        // Of several first managers at once, one.
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&organization.id, &user.id, &tx.now]).await?;
    }
    Ok(())
}

pub(super) async fn find(
    tx: &Tx<'_>,
    organization: &OrganizationRecord,
    user: &UserRecord,
) -> Result<MembershipRecord, DirectoryError> {
    let found = tx.select("m.user_id = $1 AND m.organization_id = $2", &[&user.id, &organization.id], "").await?;
    let not_member =
        || DirectoryError::NotMember { user: user.username.clone(), organization: organization.slug.clone() };
    found.into_iter().next().ok_or_else(not_member)
}

/// The membership that two selectors mean.
async fn select(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    find(tx, &lookup::organization(tx, organization).await?, &lookup::user(tx, user).await?).await
}

/// The same, which nobody else changes before this transaction ends; nor does anybody move the user's name.
async fn locked(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    let found = select(tx, organization, user).await?;
    tx.session.lock("users", &found.user).await?;
    of(tx, found.organization, found.user).await
}

pub(super) async fn of(tx: &Tx<'_>, organization: OrgId, user: UserId) -> Result<MembershipRecord, DirectoryError> {
    tx.find("m.organization_id = $1 AND m.user_id = $2", &[&organization, &user], user).await
}

async fn show_by_id(tx: &Tx<'_>, id: Uuid) -> Result<MembershipRecord, DirectoryError> {
    tx.viewer.may::<MembershipRecord>(Action::View)?;
    tx.find("m.id = $1", &[&id], id).await
}

async fn show(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    tx.viewer.may::<MembershipRecord>(Action::View)?;
    select(tx, organization, user).await
}

pub(super) async fn edit(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
    is_admin: bool,
) -> Result<MembershipRecord, DirectoryError> {
    tx.viewer.may::<MembershipRecord>(Action::Change)?;
    let old = locked(tx, organization, user).await?;
    if old.is_owner && !is_admin {
        return Err(DirectoryError::OwnerDemoted { user: old.username, organization: old.slug });
    }
    let sql = "UPDATE memberships SET is_admin = $3, modified = $4 WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&old.user, &old.organization, &is_admin, &tx.now]).await?;
    let new = select(tx, &old.organization.into(), &old.user.into()).await?;
    tx.changed("membership.edit", &old, &new);
    Ok(new)
}

pub(super) async fn delete(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    tx.viewer.may::<MembershipRecord>(Action::Delete)?;
    let old = locked(tx, organization, user).await?;
    if old.is_owner {
        return Err(DirectoryError::OwnerRemoved { user: old.username, organization: old.slug });
    }
    let of_name = "SELECT 1 FROM users WHERE id = $1 AND organization_id = $2";
    if tx.row(of_name, &[&old.user, &old.organization]).await?.is_some() {
        return Err(DirectoryError::NameRemoved { user: old.username, organization: old.slug });
    }
    tx.delete(&old).await?;
    Ok(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::memory::Memory;

    /// `ann` owns it, `bob` is a plain member, `eve` is none.
    fn acme() -> Memory {
        let mut memory = Memory::new().users(&["ann", "bob", "eve"]).organization("Acme");
        memory.join("acme", "ann", true).unwrap();
        memory.join("acme", "bob", false).unwrap();
        memory
    }

    fn names() -> (String, String) {
        ("ann".to_owned(), "acme".to_owned())
    }

    #[test]
    fn first_manager_becomes_owner() {
        let mut memory = Memory::new().users(&["ann", "bob", "eve"]).organization("Acme");
        assert!(!memory.join("acme", "ann", false).unwrap().is_owner, "a plain member");
        assert!(memory.join("acme", "bob", true).unwrap().is_owner);
        assert!(!memory.join("acme", "eve", true).unwrap().is_owner, "the second manager");
        assert_eq!(memory.count("owners"), 1);
    }

    #[test]
    fn owner_is_not_demoted() {
        let mut memory = acme();
        let demoted = memory.write(|tx| Box::pin(async move { edit(tx, &"acme".into(), &"ann".into(), false).await }));
        let (user, organization) = names();
        assert_eq!(demoted, Err(DirectoryError::OwnerDemoted { user, organization }));
    }

    #[test]
    fn owner_is_not_removed() {
        let mut memory = acme();
        let removed = memory.write(|tx| Box::pin(async move { delete(tx, &"acme".into(), &"ann".into()).await }));
        let (user, organization) = names();
        assert_eq!(removed, Err(DirectoryError::OwnerRemoved { user, organization }));
        memory.write(|tx| Box::pin(async move { delete(tx, &"acme".into(), &"bob".into()).await })).unwrap();
        assert_eq!(memory.count("memberships"), 1);
    }

    #[test]
    fn duplicate_membership_is_refused() {
        let (user, organization) = names();
        assert_eq!(acme().join("acme", "ann", false), Err(DirectoryError::AlreadyMember { user, organization }));
    }
}
