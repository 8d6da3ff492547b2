//! Organizations and their slugs.

use super::engine::Directory;
use super::name::Slug;
use super::sql::Row;
use super::tx::{Tx, limit, offset};
use super::{
    Actor, BatchError, DirectoryError, NewOrganization, Noun, OrgSelector, OrganizationEdit, OrganizationRecord, Page,
    Unique, UserSelector,
};
use super::{StoreError, memberships, users};
use crate::id::OrgId;

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT o.id, o.name, o.slug, o.external_id, o.is_active, o.description, o.email, o.url, ",
            "o.created, o.modified, u.id AS owner, u.username AS owner_username FROM organizations o ",
            "LEFT JOIN owners w ON w.organization_id = o.id LEFT JOIN users u ON u.id = w.user_id ",
            $rest
        )
    };
}

impl Directory {
    /// Makes organizations, all or none. A slug is unique and never reused; without one, it is made of the name.
    pub async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        self.write_all(organizations, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn organization_record(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.read(move |tx| Box::pin(async move { find(tx, &organization).await })).await
    }

    pub async fn organizations(&self, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(list(tx, page))).await
    }

    /// Changes an organization; its slug, only for a superuser.
    pub async fn edit_organization(
        &self,
        organization: &OrgSelector,
        new: OrganizationEdit,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx| Box::pin(async move { edit(tx, &organization, new, actor).await })).await
    }

    /// Makes a member the owner; only the owner and superusers may. The old owner keeps their membership.
    pub async fn transfer_ownership(
        &self,
        organization: &OrgSelector,
        to: &UserSelector,
        actor: Actor,
    ) -> Result<OrganizationRecord, DirectoryError> {
        let (organization, to) = (organization.clone(), to.clone());
        self.write(move |tx| Box::pin(async move { transfer(tx, &organization, &to, actor).await })).await
    }

    /// Deletes an organization with its memberships and ownership. Its slugs stay used.
    pub async fn delete_organization(&self, organization: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
        let organization = organization.clone();
        self.write(move |tx| Box::pin(async move { delete(tx, &organization).await })).await
    }
}

pub(super) async fn create(tx: &Tx<'_>, new: NewOrganization) -> Result<OrganizationRecord, DirectoryError> {
    let id = new.id.unwrap_or_else(OrgId::generate);
    let slug = match new.slug {
        Some(slug) => {
            slug_is_free(tx, &slug, id).await?;
            slug
        }
        None => slug_of_name(tx, new.name.as_str()).await?,
    };
    let organization = OrganizationRecord {
        id,
        name: new.name.to_string(),
        slug: slug.to_string(),
        external_id: new.external_id.map(|v| v.to_string()),
        is_active: new.is_active,
        description: new.description.to_string(),
        email: new.email.map(|v| v.to_string()).unwrap_or_default(),
        url: new.url.to_string(),
        owner: None,
        owner_username: None,
        created: tx.now,
        modified: tx.now,
    };
    let sql =
        "INSERT INTO organizations (id, name, slug, external_id, is_active, description, email, url, created, modified)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    save(tx, sql, &organization).await?;
    tx.created("organization.create", &organization);
    Ok(organization)
}

/// The one organization that a selector means.
pub(super) async fn find(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    const SQL: &str = select!("WHERE o.id = $1 OR o.slug = $2 LIMIT 2");
    let (id, slug) = match by {
        OrgSelector::Id(id) => (Some(*id), None),
        OrgSelector::Text(text) => (OrgId::parse(text).ok(), Some(text)),
    };
    match &*tx.rows(SQL, &[&id, &slug]).await? {
        [] => Err(DirectoryError::NotFound { noun: Noun::Organization, reference: by.to_string() }),
        [one] => Ok(record(one)?),
        _ => Err(DirectoryError::Ambiguous { noun: Noun::Organization, reference: by.to_string() }),
    }
}

async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY o.slug LIMIT $1 OFFSET $2");
    let rows = tx.rows(SQL, &[&limit(page), &offset(page)]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

/// The organization that a selector means, for nobody else to change before this transaction ends.
async fn locked(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let id = find(tx, by).await?.id;
    tx.lock("organizations", &id).await?;
    find(tx, &id.into()).await
}

async fn edit(
    tx: &Tx<'_>,
    by: &OrgSelector,
    edit: OrganizationEdit,
    actor: Actor,
) -> Result<OrganizationRecord, DirectoryError> {
    let before = locked(tx, by).await?;
    let old = before.clone();
    let slug = match edit.slug {
        Some(slug) if slug.as_str() != old.slug => {
            if actor != Actor::Superuser {
                return Err(DirectoryError::SlugImmutable);
            }
            slug_is_free(tx, &slug, old.id).await?;
            slug.to_string()
        }
        _ => old.slug,
    };
    let organization = OrganizationRecord {
        slug,
        name: edit.name.map_or(old.name, |v| v.to_string()),
        external_id: edit.external_id.map_or(old.external_id, |v| v.map(|v| v.to_string())),
        is_active: edit.is_active.unwrap_or(old.is_active),
        description: edit.description.map_or(old.description, |v| v.to_string()),
        email: edit.email.map_or(old.email, |v| v.map(|v| v.to_string()).unwrap_or_default()),
        url: edit.url.map_or(old.url, |v| v.to_string()),
        modified: tx.now,
        ..old
    };
    let sql = "UPDATE organizations SET name = $2, slug = $3, external_id = $4, is_active = $5,
                   description = $6, email = $7, url = $8, modified = $9
               WHERE id = $1";
    save(tx, sql, &organization).await?;
    tx.changed("organization.edit", &before, &organization);
    Ok(organization)
}

async fn transfer(
    tx: &Tx<'_>,
    by: &OrgSelector,
    to: &UserSelector,
    actor: Actor,
) -> Result<OrganizationRecord, DirectoryError> {
    let organization = locked(tx, by).await?;
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
    let after =
        OrganizationRecord { owner: Some(user.id), owner_username: Some(user.username), ..organization.clone() };
    tx.changed("organization.transfer", &organization, &after);
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let organization = find(tx, by).await?;
    tx.execute("DELETE FROM organizations WHERE id = $1", &[&organization.id]).await?;
    tx.deleted("organization.delete", &organization);
    Ok(organization)
}

/// Whose a slug is, or was.
async fn slug_holder(tx: &Tx<'_>, slug: &Slug) -> Result<Option<OrgId>, DirectoryError> {
    let row = tx.row("SELECT organization_id FROM slugs WHERE slug = $1", &[&slug.as_str()]).await?;
    Ok(row.map(|row| row.get("organization_id")).transpose()?)
}

/// An organization may take a slug that nobody ever had, or one that was its own.
async fn slug_is_free(tx: &Tx<'_>, slug: &Slug, id: OrgId) -> Result<(), DirectoryError> {
    match slug_holder(tx, slug).await? {
        Some(holder) if holder != id => {
            let used = tx.row("SELECT 1 FROM organizations WHERE slug = $1", &[&slug.as_str()]).await?;
            Err(if used.is_some() {
                DirectoryError::Taken { unique: Unique::Slug, value: slug.to_string() }
            } else {
                DirectoryError::SlugOnceUsed { slug: slug.to_string() }
            })
        }
        _ => Ok(()),
    }
}

/// The slug of a name, or the first free one of `acme-2`, `acme-3` …
async fn slug_of_name(tx: &Tx<'_>, name: &str) -> Result<Slug, DirectoryError> {
    let plain = Slug::from_name(name);
    // Whoever looks for a slug of this name waits, and then sees which was taken.
    tx.lock_name(&format!("slug:{plain}")).await?;
    if slug_holder(tx, &plain).await?.is_none() {
        return Ok(plain);
    }
    // Doubling, then halving: a thousand organizations of one name cost ten looks each, not a thousand. Where the numbers
    // have holes, the one found is free all the same, if perhaps not the first.
    let mut taken = 1;
    let mut free = 2;
    while slug_holder(tx, &plain.numbered(free)).await?.is_some() {
        taken = free;
        free *= 2;
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if slug_holder(tx, &plain.numbered(middle)).await?.is_some() {
            taken = middle;
        } else {
            free = middle;
        }
    }
    Ok(plain.numbered(free))
}

/// Runs an INSERT or UPDATE with the values of an organization, and says which unique value is taken.
async fn save(tx: &Tx<'_>, sql: &str, organization: &OrganizationRecord) -> Result<(), DirectoryError> {
    let saved = tx
        .execute(
            sql,
            &[
                &organization.id,
                &organization.name,
                &organization.slug,
                &organization.external_id,
                &organization.is_active,
                &organization.description,
                &organization.email,
                &organization.url,
                &organization.modified,
            ],
        )
        .await;
    let taken = |unique, value: String| Err(DirectoryError::Taken { unique, value });
    match saved {
        Ok(_) => Ok(()),
        Err(e) if e.violates("organizations_external_id") => {
            taken(Unique::OrganizationExternalId, organization.external_id.clone().unwrap_or_default())
        }
        Err(e) if e.violates("organizations_pkey") => taken(Unique::OrganizationId, organization.id.to_string()),
        // Somebody was faster.
        Err(e) if e.violates("organizations_slug") || e.violates("slug_is_not_reused") => {
            taken(Unique::Slug, organization.slug.clone())
        }
        Err(e) => Err(e.into()),
    }
}

fn record(row: &Row) -> Result<OrganizationRecord, StoreError> {
    Ok(OrganizationRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        slug: row.get("slug")?,
        external_id: row.get("external_id")?,
        is_active: row.get("is_active")?,
        description: row.get("description")?,
        email: row.get("email")?,
        url: row.get("url")?,
        owner: row.get("owner")?,
        owner_username: row.get("owner_username")?,
        created: row.get("created")?,
        modified: row.get("modified")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::memory::Memory;

    fn with_slug(memory: &mut Memory, slug: &str) -> Result<OrganizationRecord, DirectoryError> {
        let new = NewOrganization { slug: Some(Slug::new(slug).unwrap()), ..NewOrganization::named("Any").unwrap() };
        memory.write(|tx| Box::pin(create(tx, new)))
    }

    fn rename(memory: &mut Memory, slug: &'static str, to: &str, actor: Actor) -> Result<String, DirectoryError> {
        let new = OrganizationEdit { slug: Some(Slug::new(to).unwrap()), ..OrganizationEdit::default() };
        let edited = memory.write(|tx| Box::pin(async move { edit(tx, &slug.into(), new, actor).await }));
        edited.map(|organization| organization.slug)
    }

    #[test]
    fn slug_is_never_reused() {
        let mut memory = Memory::new().organization("Acme").organization("Bolt");
        let taken = DirectoryError::Taken { unique: Unique::Slug, value: "acme".to_owned() };
        assert_eq!(with_slug(&mut memory, "acme"), Err(taken));
        rename(&mut memory, "acme", "apex", Actor::Superuser).unwrap();
        memory.write(|tx| Box::pin(async move { delete(tx, &"bolt".into()).await })).unwrap();
        for slug in ["acme", "bolt"] {
            let refused = with_slug(&mut memory, slug);
            assert_eq!(refused, Err(DirectoryError::SlugOnceUsed { slug: slug.to_owned() }));
        }
        assert_eq!(rename(&mut memory, "apex", "acme", Actor::Superuser).as_deref(), Ok("acme"), "its own of before");
    }

    #[test]
    fn slug_is_changed_by_superusers_only() {
        let mut memory = Memory::new().organization("Acme");
        let manager = Actor::User(crate::id::UserId::generate());
        assert_eq!(rename(&mut memory, "acme", "apex", manager), Err(DirectoryError::SlugImmutable));
        assert_eq!(rename(&mut memory, "acme", "acme", manager).as_deref(), Ok("acme"), "no change");
    }

    #[test]
    fn slug_of_a_name_is_numbered_where_it_is_taken() {
        let mut memory = Memory::new().organization("Acme").organization("Acme").organization("Acme");
        for slug in ["acme", "acme-2", "acme-3"] {
            memory.write(|tx| Box::pin(async move { find(tx, &slug.into()).await })).unwrap();
        }
    }

    #[test]
    fn ownership_moves_to_members_by_the_owner_or_a_superuser() {
        let mut memory = Memory::new().users(&["ann", "bob", "eve"]).organization("Acme");
        let ann = memory.join("acme", "ann", true).unwrap().user;
        let bob = memory.join("acme", "bob", false).unwrap().user;
        let mut to = |user: &'static str, actor| {
            let moved =
                memory.write(|tx| Box::pin(async move { transfer(tx, &"acme".into(), &user.into(), actor).await }));
            moved.map(|organization| organization.owner)
        };
        let not_owner = DirectoryError::NotOwner { organization: "acme".to_owned() };
        assert_eq!(to("bob", Actor::User(bob)), Err(not_owner));
        let stranger = DirectoryError::NotMember { user: "eve".to_owned(), organization: "acme".to_owned() };
        assert_eq!(to("eve", Actor::Superuser), Err(stranger));
        assert_eq!(to("bob", Actor::User(ann)), Ok(Some(bob)));
        assert_eq!(to("ann", Actor::Superuser), Ok(Some(ann)));
    }
}
