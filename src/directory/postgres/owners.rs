//! Who owns an organization, in PostgreSQL.

use super::transaction::Tx;
use super::{memberships, organizations, users};
use crate::directory::{Actor, DirectoryError, OrgSelector, OrganizationRecord, UserSelector};

/// Makes a member the owner.
pub(super) async fn transfer(
    tx: &Tx<'_>,
    by: &OrgSelector,
    to: &UserSelector,
    actor: Actor,
) -> Result<OrganizationRecord, DirectoryError> {
    let organization = organizations::locked(tx, by).await?;
    if let Actor::User(asking) = actor
        && organization.owner != Some(asking)
    {
        return Err(DirectoryError::NotOwner { organization: organization.slug });
    }
    let user = users::find(tx, to).await?;
    // The owner is a member: this fails where they are not.
    memberships::find(tx, &organization, &user).await?;
    if organization.owner != Some(user.id) {
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3)
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = $2, created = $3";
        tx.execute(sql, &[&organization.id, &user.id, &tx.now]).await?;
    }
    Ok(OrganizationRecord { owner: Some(user.id), owner_username: Some(user.username), ..organization })
}
