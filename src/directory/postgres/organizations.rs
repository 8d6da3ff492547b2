//! Organizations and their slugs in PostgreSQL.

use super::error::violates;
use super::transaction::Tx;
use super::{limit, offset};
use crate::directory::name::Slug;
use crate::directory::{
    Actor, DirectoryError, NewOrganization, Noun, OrgSelector, OrganizationEdit, OrganizationRecord, Page, Unique,
};
use crate::id::OrgId;
use tokio_postgres::{Error, Row};

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

pub(super) async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY o.slug LIMIT $1 OFFSET $2");
    let rows = tx.rows(SQL, &[&limit(page), &offset(page)]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

/// The organization that a selector means, for nobody else to change before this transaction ends.
pub(super) async fn locked(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let id = find(tx, by).await?.id;
    tx.execute("SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE", &[&id]).await?;
    find(tx, &id.into()).await
}

pub(super) async fn edit(
    tx: &Tx<'_>,
    by: &OrgSelector,
    edit: OrganizationEdit,
    actor: Actor,
) -> Result<OrganizationRecord, DirectoryError> {
    let old = locked(tx, by).await?;
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
    Ok(organization)
}

pub(super) async fn delete(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let organization = find(tx, by).await?;
    tx.execute("DELETE FROM organizations WHERE id = $1", &[&organization.id]).await?;
    Ok(organization)
}

/// Whose a slug is, or was.
async fn slug_holder(tx: &Tx<'_>, slug: &Slug) -> Result<Option<OrgId>, DirectoryError> {
    let row = tx.row("SELECT organization_id FROM slugs WHERE slug = $1", &[&slug.as_str()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
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
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('slug:' || $1::text, 0))", &[&plain.as_str()]).await?;
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
        Err(e) if violates(&e, "organizations_external_id") => {
            taken(Unique::OrganizationExternalId, organization.external_id.clone().unwrap_or_default())
        }
        Err(e) if violates(&e, "organizations_pkey") => taken(Unique::OrganizationId, organization.id.to_string()),
        // Somebody was faster.
        Err(e) if violates(&e, "organizations_slug") || violates(&e, "slug_is_not_reused") => {
            taken(Unique::Slug, organization.slug.clone())
        }
        Err(e) => Err(e.into()),
    }
}

fn record(row: &Row) -> Result<OrganizationRecord, Error> {
    Ok(OrganizationRecord {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        slug: row.try_get("slug")?,
        external_id: row.try_get("external_id")?,
        is_active: row.try_get("is_active")?,
        description: row.try_get("description")?,
        email: row.try_get("email")?,
        url: row.try_get("url")?,
        owner: row.try_get("owner")?,
        owner_username: row.try_get("owner_username")?,
        created: row.try_get("created")?,
        modified: row.try_get("modified")?,
    })
}
