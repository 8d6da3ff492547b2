//! Organizations, and their slugs, which are never reused.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, Unique};
use super::list::{List, Rows, all};
use super::name::Slug;
use super::resources::{NewOrganization, OrganizationEdit, OrganizationRecord};
use super::selector::OrgSelector;
use super::tx::Tx;
use super::viewer::Action;
use super::{lookup, ownership};
use crate::id::OrgId;
use uuid::Uuid;

impl View {
    /// Makes organizations, all or none. A slug is unique and never reused, whatever its case; without one, it is made of the name.
    pub async fn create_organizations(
        &self,
        organizations: Vec<NewOrganization>,
    ) -> Result<Vec<OrganizationRecord>, BatchError> {
        self.write_all(organizations, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    look organization_record(organization: &OrgSelector) -> OrganizationRecord = show;
    look organizations(list: &List) -> Rows<OrganizationRecord> = all;
    /// Changes an organization; its slug, only for a superuser.
    write edit_organization(organization: &OrgSelector; new: OrganizationEdit) -> OrganizationRecord = edit;
    /// The same, and whose it is where that is said: the member of a membership, or nobody.
    write edit_organization_and_owner(
        ; organization: OrgId, new: OrganizationEdit, owner: Option<Option<Uuid>>
    ) -> OrganizationRecord = edit_with_owner;
    /// Deletes an organization with its memberships and ownership. Its slugs stay used.
    write delete_organization(organization: &OrgSelector) -> OrganizationRecord = delete;
}

pub(super) async fn create(tx: &Tx<'_>, mut new: NewOrganization) -> Result<OrganizationRecord, DirectoryError> {
    tx.viewer.may::<OrganizationRecord>(Action::Add)?;
    let id = new.id.unwrap_or_else(OrgId::generate);
    match &new.slug.0 {
        Some(slug) => slug_is_free(tx, slug, id).await?,
        None => new.slug.0 = Some(slug_of_name(tx, new.name.as_str()).await?),
    }
    let organization = OrganizationRecord {
        created: tx.now,
        created_micros: tx.micros,
        modified: tx.now,
        modified_micros: tx.micros,
        ..new.into_record(id)
    };
    tx.insert(&organization).await?;
    Ok(organization)
}

pub(super) async fn show(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    tx.viewer.may::<OrganizationRecord>(Action::View)?;
    lookup::organization(tx, by).await
}

/// The organization that a selector means, for nobody else to change before this transaction ends.
pub(super) async fn locked(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let id = lookup::organization(tx, by).await?.id;
    tx.session.lock("organizations", &id).await?;
    lookup::organization(tx, &id.into()).await
}

pub(super) async fn edit(
    tx: &Tx<'_>,
    by: &OrgSelector,
    edit: OrganizationEdit,
) -> Result<OrganizationRecord, DirectoryError> {
    tx.viewer.may::<OrganizationRecord>(Action::Change)?;
    let before = locked(tx, by).await?;
    if let Some(slug) = &edit.slug {
        let slug = slug.0.as_ref().map_or_else(|| Slug::new(""), |slug| Ok(slug.clone()))?;
        if slug.as_str() != before.slug {
            if !tx.viewer.is_unchecked() {
                return Err(DirectoryError::SlugImmutable);
            }
            slug_is_free(tx, &slug, before.id).await?;
        }
    }
    let mut after = OrganizationRecord { modified: tx.now, modified_micros: tx.micros, ..before.clone() };
    edit.apply(&mut after);
    tx.update(&before, &after).await?;
    Ok(after)
}

async fn edit_with_owner(
    tx: &Tx<'_>,
    organization: OrgId,
    new: OrganizationEdit,
    owner: Option<Option<Uuid>>,
) -> Result<OrganizationRecord, DirectoryError> {
    let edited = edit(tx, &organization.into(), new).await?;
    match owner {
        Some(owner) if owner != edited.owner_membership => {
            // A manager who disables their organization does not see it any more.
            ownership::set_owner(tx, &edited, owner).await
        }
        _ => Ok(edited),
    }
}

async fn delete(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    tx.viewer.may::<OrganizationRecord>(Action::Delete)?;
    let organization = locked(tx, by).await?;
    let may = tx.viewer.is_unchecked() || organization.owner.is_none() || organization.owner == tx.viewer.user();
    tx.viewer.unless(may, || format!("delete `{}`, which somebody else owns", organization.slug))?;
    let row = tx.row("SELECT count(*) AS users FROM users WHERE organization_id = $1", &[&organization.id]).await?;
    let users = row.map_or(Ok(0), |row| row.get::<i64>("users"))?.unsigned_abs();
    if users > 0 {
        return Err(DirectoryError::PrimaryOfUsers { organization: organization.slug, users });
    }
    tx.delete(&organization).await?;
    Ok(organization)
}

/// An organization that has, or once had, this slug in any case, and is not `but`.
async fn slug_holder(tx: &Tx<'_>, slug: &Slug, but: Option<OrgId>) -> Result<Option<OrgId>, DirectoryError> {
    let sql = "SELECT organization_id FROM slugs
               WHERE lower(slug) = lower($1) AND (CAST($2 AS uuid) IS NULL OR organization_id <> $2) LIMIT 1";
    let row = tx.row(sql, &[&slug.as_str(), &but]).await?;
    Ok(row.map(|row| row.get("organization_id")).transpose()?)
}

/// An organization may take a slug that nobody ever had in any case, or one that was its own.
async fn slug_is_free(tx: &Tx<'_>, slug: &Slug, id: OrgId) -> Result<(), DirectoryError> {
    match slug_holder(tx, slug, Some(id)).await? {
        Some(_) => {
            let sql = "SELECT 1 FROM organizations WHERE lower(slug) = lower($1)";
            let used = tx.row(sql, &[&slug.as_str()]).await?;
            Err(if used.is_some() {
                DirectoryError::Taken { unique: Unique::Slug, value: slug.to_string() }
            } else {
                DirectoryError::SlugOnceUsed { slug: slug.to_string() }
            })
        }
        None => Ok(()),
    }
}

/// The slug of a name, or the first free one of `acme-2`, `acme-3` …
async fn slug_of_name(tx: &Tx<'_>, name: &str) -> Result<Slug, DirectoryError> {
    let plain = Slug::from_name(name);
    // Whoever looks for a slug of this name waits, and then sees which was taken.
    tx.session.lock_name(&format!("slug:{plain}")).await?;
    if slug_holder(tx, &plain, None).await?.is_none() {
        return Ok(plain);
    }
    // Doubling, then halving: a thousand organizations of one name cost ten looks each, not a thousand. Where the numbers
    // have holes, the one found is free all the same, if perhaps not the first.
    let mut taken = 1;
    let mut free = 2;
    while slug_holder(tx, &plain.numbered(free), None).await?.is_some() {
        taken = free;
        free *= 2;
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if slug_holder(tx, &plain.numbered(middle), None).await?.is_some() {
            taken = middle;
        } else {
            free = middle;
        }
    }
    Ok(plain.numbered(free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::memory::Memory;
    use crate::directory::resources::Blank;

    fn with_slug(memory: &mut Memory, slug: &str) -> Result<OrganizationRecord, DirectoryError> {
        let slug = Blank(Some(Slug::new(slug).unwrap()));
        let new = NewOrganization { slug, ..NewOrganization::named("Any").unwrap() };
        memory.write(|tx| Box::pin(create(tx, new)))
    }

    fn rename(memory: &mut Memory, slug: &'static str, to: &str) -> Result<String, DirectoryError> {
        let new = OrganizationEdit { slug: Some(Blank(Some(Slug::new(to).unwrap()))), ..OrganizationEdit::default() };
        let edited = memory.write(|tx| Box::pin(async move { edit(tx, &slug.into(), new).await }));
        edited.map(|organization| organization.slug)
    }

    #[test]
    fn slug_is_never_reused() {
        let mut memory = Memory::new().organization("Acme").organization("Bolt");
        for slug in ["acme", "aCMe"] {
            let taken = DirectoryError::Taken { unique: Unique::Slug, value: slug.to_owned() };
            assert_eq!(with_slug(&mut memory, slug), Err(taken));
        }
        rename(&mut memory, "acme", "apex").unwrap();
        memory.write(|tx| Box::pin(async move { delete(tx, &"bolt".into()).await })).unwrap();
        for slug in ["acme", "bolt", "ACME", "Bolt"] {
            let refused = with_slug(&mut memory, slug);
            assert_eq!(refused, Err(DirectoryError::SlugOnceUsed { slug: slug.to_owned() }));
        }
        assert_eq!(rename(&mut memory, "apex", "ACME").as_deref(), Ok("ACME"), "its own of before");
    }

    #[test]
    fn slug_is_changed_by_superusers_only() {
        let mut memory = Memory::new().users(&["ann"]).organization("Acme");
        memory.join("acme", "ann", true).unwrap();
        memory.as_manager("ann", &["openwisp_users.change_organization"]);
        assert_eq!(rename(&mut memory, "acme", "apex"), Err(DirectoryError::SlugImmutable));
        assert_eq!(rename(&mut memory, "acme", "acme").as_deref(), Ok("acme"), "no change");
    }

    #[test]
    fn slug_of_a_name_is_numbered_where_it_is_taken() {
        let mut memory = Memory::new().organization("Acme").organization("Acme").organization("Acme");
        for slug in ["acme", "acme-2", "acme-3"] {
            memory.write(|tx| Box::pin(async move { lookup::organization(tx, &slug.into()).await })).unwrap();
        }
    }
}
