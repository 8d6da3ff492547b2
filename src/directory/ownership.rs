//! Whose an organization is.

use super::engine::operations;
use super::error::DirectoryError;
use super::organizations::locked;
use super::resources::OrganizationRecord;
use super::selector::{OrgSelector, UserSelector};
use super::tx::Tx;
use super::{lookup, memberships};

operations! {
    /// Makes a member the owner; only the owner and superusers may. The old owner keeps their membership.
    write transfer_ownership(organization: &OrgSelector, to: &UserSelector) -> OrganizationRecord = transfer;
}

async fn transfer(tx: &Tx<'_>, by: &OrgSelector, to: &UserSelector) -> Result<OrganizationRecord, DirectoryError> {
    let organization = locked(tx, by).await?;
    if !tx.viewer.is_unbounded() && organization.owner != tx.viewer.user() {
        return Err(DirectoryError::NotOwner { organization: organization.slug });
    }
    let user = lookup::user(tx, to).await?;
    // The owner is a member: this fails where they are not.
    memberships::find(tx, &organization, &user).await?;
    if organization.owner != Some(user.id) {
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3)
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = $2, created = $3";
        tx.execute(sql, &[&organization.id, &user.id, &tx.now]).await?;
    }
    let after =
        OrganizationRecord { owner: Some(user.id), owner_username: Some(user.username), ..organization.clone() };
    tx.changed("organization.transfer", &organization, &after);
    Ok(after)
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
