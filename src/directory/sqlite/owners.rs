//! Who owns an organization, in SQLite.

use super::{memberships, organizations, users};
use crate::directory::{Actor, DirectoryError, OrgSelector, OrganizationRecord, UserSelector};
use rusqlite::Transaction;

/// Makes a member the owner.
pub(super) fn transfer(
    tx: &Transaction<'_>,
    by: &OrgSelector,
    to: &UserSelector,
    actor: Actor,
    now: i64,
) -> Result<OrganizationRecord, DirectoryError> {
    let organization = organizations::find(tx, by)?;
    if let Actor::User(asking) = actor
        && organization.owner != Some(asking)
    {
        return Err(DirectoryError::NotOwner { organization: organization.slug });
    }
    let user = users::find(tx, to)?;
    // The owner is a member: this fails where they are not.
    memberships::find(tx, &organization, &user)?;
    if organization.owner != Some(user.id) {
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES (?1, ?2, ?3)
                   ON CONFLICT (organization_id) DO UPDATE SET user_id = ?2, created = ?3";
        tx.prepare_cached(sql)?.execute((organization.id, user.id, now))?;
    }
    Ok(OrganizationRecord { owner: Some(user.id), owner_username: Some(user.username), ..organization })
}
