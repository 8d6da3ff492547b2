//! Whose an organization is.

use super::engine::operations;
use super::error::{DirectoryError, Noun};
use super::organizations::locked;
use super::resources::OrganizationRecord;
use super::selector::{OrgSelector, UserSelector};
use super::sql::Param;
use super::tx::Tx;
use super::{lookup, memberships};
use crate::id::UserId;
use uuid::Uuid;

operations! {
    /// Makes a member the owner; only the owner and superusers may. The old owner keeps their membership.
    write transfer_ownership(organization: &OrgSelector, to: &UserSelector) -> OrganizationRecord = transfer;
}

async fn transfer(tx: &Tx<'_>, by: &OrgSelector, to: &UserSelector) -> Result<OrganizationRecord, DirectoryError> {
    let organization = locked(tx, by).await?;
    must_be_movable(tx, &organization)?;
    let user = lookup::user(tx, to).await?;
    // The owner is a member: this fails where they are not.
    let membership = memberships::find(tx, &organization, &user).await?;
    set_owner(tx, &organization, Some(membership.id)).await
}

/// Makes the member of a membership the owner of an organization that is locked, or leaves it without one.
pub(super) async fn set_owner(
    tx: &Tx<'_>,
    organization: &OrganizationRecord,
    membership: Option<Uuid>,
) -> Result<OrganizationRecord, DirectoryError> {
    must_be_movable(tx, organization)?;
    let owner = match membership {
        Some(id) => {
            let sql = "SELECT u.id, u.username,
                              (SELECT o.slug FROM organizations o WHERE o.id = u.organization_id) AS slug
                       FROM memberships m JOIN users u ON u.id = m.user_id
                       WHERE m.id = $1 AND m.organization_id = $2";
            let row = tx.row(sql, &[&id, &organization.id]).await?;
            let not_found = || DirectoryError::NotFound { noun: Noun::Membership, reference: id.to_string() };
            let row = row.ok_or_else(not_found)?;
            // Where their name is, only who sees all organizations is told.
            let slug = if tx.viewer.sees::<OrganizationRecord>().is_none() { row.get("slug")? } else { None };
            Some((row.get::<UserId>("id")?, (row.get::<String>("username")?, slug)))
        }
        None => None,
    };
    match &owner {
        Some((user, _)) if organization.owner == Some(*user) => 0,
        Some((user, _)) => {
            let params: [&dyn Param; 3] = [&organization.id, user, &tx.now];
            let moved = "UPDATE owners SET user_id = $2, created = $3 WHERE organization_id = $1";
            let first = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3)";
            match tx.execute(moved, &params).await? {
                0 => tx.execute(first, &params).await?,
                done => done,
            }
        }
        None => tx.execute("DELETE FROM owners WHERE organization_id = $1", &[&organization.id]).await?,
    };
    let (owner, named) = owner.unzip();
    let (owner_username, owner_org) = named.unzip();
    let owner_org: Option<String> = owner_org.flatten();
    let after =
        OrganizationRecord { owner, owner_username, owner_org, owner_membership: membership, ..organization.clone() };
    tx.changed("organization.transfer", organization, &after);
    Ok(after)
}

fn must_be_movable(tx: &Tx<'_>, organization: &OrganizationRecord) -> Result<(), DirectoryError> {
    if tx.viewer.is_unchecked() || organization.owner.is_some() && organization.owner == tx.viewer.user() {
        return Ok(());
    }
    Err(DirectoryError::NotOwner { organization: organization.slug.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::memory::Memory;

    #[test]
    fn ownership_moves_to_members_by_the_owner_or_a_superuser() {
        let mut memory = Memory::new().users(&["ann", "bob", "eve"]).organization("Acme");
        let ann = memory.join("acme", "ann", true).unwrap().user;
        let bob = memory.join("acme", "bob", false).unwrap().user;
        let mut to = |user: &'static str, by: Option<&str>| {
            match by {
                Some("bob") => memory.as_oneself("bob"),
                Some(by) => memory.as_manager(by, &[]),
                None => memory.as_operator(),
            }
            let moved = memory.write(|tx| Box::pin(async move { transfer(tx, &"acme".into(), &user.into()).await }));
            moved.map(|organization| organization.owner)
        };
        let not_owner = DirectoryError::NotOwner { organization: "acme".to_owned() };
        assert_eq!(to("bob", Some("bob")), Err(not_owner));
        let stranger = DirectoryError::NotMember { user: "eve".to_owned(), organization: "acme".to_owned() };
        assert_eq!(to("eve", None), Err(stranger));
        assert_eq!(to("bob", Some("ann")), Ok(Some(bob)));
        assert_eq!(to("ann", None), Ok(Some(ann)));
    }
}
