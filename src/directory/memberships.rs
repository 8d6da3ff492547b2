//! Memberships, and the rule that makes the first manager an owner.

use super::engine::Directory;
use super::sql::Row;
use super::tx::{Tx, limit, offset};
use super::{
    BatchError, DirectoryError, MembershipFilter, MembershipRecord, NewMembership, OrgSelector, OrganizationRecord,
    Page, UserRecord, UserSelector,
};
use super::{StoreError, organizations, users};

use uuid::Uuid;

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.user_id, u.username, m.organization_id, o.slug, m.is_admin, ",
            "w.user_id IS NOT NULL AS is_owner, m.created, m.modified FROM memberships m ",
            "JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.organization_id ",
            "LEFT JOIN owners w ON w.organization_id = m.organization_id AND w.user_id = m.user_id ",
            $rest
        )
    };
}

impl Directory {
    /// Makes memberships, all or none. The first manager made in an organization without owner becomes its owner.
    pub async fn create_memberships(&self, members: Vec<NewMembership>) -> Result<Vec<MembershipRecord>, BatchError> {
        self.write_all(members, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.read(move |tx| Box::pin(async move { select(tx, &organization, &user).await })).await
    }

    /// Memberships by slug, then username.
    pub async fn memberships(
        &self,
        filter: &MembershipFilter,
        page: Page,
    ) -> Result<Vec<MembershipRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| Box::pin(async move { list(tx, &filter, page).await })).await
    }

    /// Makes a member a manager, or a manager a plain member; an owner cannot be demoted.
    pub async fn edit_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
        is_admin: bool,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx| Box::pin(async move { edit(tx, &organization, &user, is_admin).await })).await
    }

    /// Removes a member; refused for the owner.
    pub async fn delete_membership(
        &self,
        organization: &OrgSelector,
        user: &UserSelector,
    ) -> Result<MembershipRecord, DirectoryError> {
        let (organization, user) = (organization.clone(), user.clone());
        self.write(move |tx| Box::pin(async move { delete(tx, &organization, &user).await })).await
    }
}

pub(super) async fn create(tx: &Tx<'_>, new: NewMembership) -> Result<MembershipRecord, DirectoryError> {
    let user = users::find(tx, &new.user).await?;
    let organization = organizations::find(tx, &new.organization).await?;
    let sql = "INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
               VALUES ($1, $2, $3, $4, $5, $5)";
    let id = Uuid::now_v7();
    match tx.execute(sql, &[&id, &user.id, &organization.id, &new.is_admin, &tx.now]).await {
        Err(failure) if failure.violates("memberships_user_organization") => {
            return Err(DirectoryError::AlreadyMember { user: user.username, organization: organization.slug });
        }
        done => done?,
    };
    let mut becomes_owner = new.is_admin && organization.owner.is_none();
    if becomes_owner {
        // Of several first managers at once, one.
        let sql = "INSERT INTO owners (organization_id, user_id, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        becomes_owner = tx.execute(sql, &[&organization.id, &user.id, &tx.now]).await? > 0;
    }
    let membership = MembershipRecord {
        user: user.id,
        username: user.username,
        organization: organization.id,
        slug: organization.slug,
        is_admin: new.is_admin,
        is_owner: becomes_owner,
        created: tx.now,
        modified: tx.now,
    };
    tx.created("membership.create", &membership);
    Ok(membership)
}

pub(super) async fn find(
    tx: &Tx<'_>,
    organization: &OrganizationRecord,
    user: &UserRecord,
) -> Result<MembershipRecord, DirectoryError> {
    const SQL: &str = select!("WHERE m.user_id = $1 AND m.organization_id = $2");
    match tx.row(SQL, &[&user.id, &organization.id]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotMember { user: user.username.clone(), organization: organization.slug.clone() }),
    }
}

/// The membership that two selectors mean.
async fn select(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    find(tx, &organizations::find(tx, organization).await?, &users::find(tx, user).await?).await
}

async fn list(tx: &Tx<'_>, filter: &MembershipFilter, page: Page) -> Result<Vec<MembershipRecord>, DirectoryError> {
    const ALL: &str = select!("ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_USER: &str = select!("WHERE m.user_id = $3 ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_ORGANIZATION: &str =
        select!("WHERE m.organization_id = $3 ORDER BY o.slug, u.username LIMIT $1 OFFSET $2");
    const OF_BOTH: &str = select!("WHERE m.user_id = $3 AND m.organization_id = $4 LIMIT $1 OFFSET $2");
    let user = match &filter.user {
        Some(by) => Some(users::find(tx, by).await?.id),
        None => None,
    };
    let organization = match &filter.organization {
        Some(by) => Some(organizations::find(tx, by).await?.id),
        None => None,
    };
    let (limit, offset) = (limit(page), offset(page));
    let rows = match (user, organization) {
        (None, None) => tx.rows(ALL, &[&limit, &offset]).await?,
        (Some(u), None) => tx.rows(OF_USER, &[&limit, &offset, &u]).await?,
        (None, Some(o)) => tx.rows(OF_ORGANIZATION, &[&limit, &offset, &o]).await?,
        (Some(u), Some(o)) => tx.rows(OF_BOTH, &[&limit, &offset, &u, &o]).await?,
    };
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

async fn edit(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
    is_admin: bool,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user).await?;
    if old.is_owner && !is_admin {
        return Err(DirectoryError::OwnerDemoted { user: old.username, organization: old.slug });
    }
    let sql = "UPDATE memberships SET is_admin = $3, modified = $4 WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&old.user, &old.organization, &is_admin, &tx.now]).await?;
    let new = MembershipRecord { is_admin, modified: tx.now, ..old.clone() };
    tx.changed("membership.edit", &old, &new);
    Ok(new)
}

async fn delete(
    tx: &Tx<'_>,
    organization: &OrgSelector,
    user: &UserSelector,
) -> Result<MembershipRecord, DirectoryError> {
    let old = select(tx, organization, user).await?;
    if old.is_owner {
        return Err(DirectoryError::OwnerRemoved { user: old.username, organization: old.slug });
    }
    // Whoever moves the name here at the same moment waits.
    tx.lock("users", &old.user).await?;
    let of_name = "SELECT 1 FROM users WHERE id = $1 AND organization_id = $2";
    if tx.row(of_name, &[&old.user, &old.organization]).await?.is_some() {
        return Err(DirectoryError::NameRemoved { user: old.username, organization: old.slug });
    }
    let sql = "DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2";
    tx.execute(sql, &[&old.user, &old.organization]).await?;
    tx.deleted("membership.delete", &old);
    Ok(old)
}

fn record(row: &Row) -> Result<MembershipRecord, StoreError> {
    Ok(MembershipRecord {
        user: row.get("user_id")?,
        username: row.get("username")?,
        organization: row.get("organization_id")?,
        slug: row.get("slug")?,
        is_admin: row.get("is_admin")?,
        is_owner: row.get("is_owner")?,
        created: row.get("created")?,
        modified: row.get("modified")?,
    })
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
