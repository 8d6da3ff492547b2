//! Organizations and their slugs in SQLite.

use super::error::violates;
use crate::directory::name::Slug;
use crate::directory::{
    Actor, DirectoryError, NewOrganization, Noun, OrgSelector, OrganizationEdit, OrganizationRecord, Page, Unique,
};
use crate::id::OrgId;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

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

pub(super) fn create(
    tx: &Transaction<'_>,
    new: NewOrganization,
    now: i64,
) -> Result<OrganizationRecord, DirectoryError> {
    let id = new.id.unwrap_or_else(OrgId::generate);
    let slug = match new.slug {
        Some(slug) => {
            slug_is_free(tx, &slug, id)?;
            slug
        }
        None => slug_of_name(tx, new.name.as_str())?,
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
        created: now,
        modified: now,
    };
    let sql =
        "INSERT INTO organizations (id, name, slug, external_id, is_active, description, email, url, created, modified)
               VALUES (:id, :name, :slug, :external_id, :is_active, :description, :email, :url, :modified, :modified)";
    save(tx, sql, &organization)?;
    Ok(organization)
}

/// The one organization that a selector means.
pub(super) fn find(tx: &Transaction<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    const SQL: &str = select!("WHERE o.id = ?1 OR o.slug = ?2 LIMIT 2");
    let (id, slug) = match by {
        OrgSelector::Id(id) => (Some(*id), None),
        OrgSelector::Text(text) => (OrgId::parse(text).ok(), Some(text)),
    };
    let mut statement = tx.prepare_cached(SQL)?;
    let mut found = statement.query_map((id, slug), record)?;
    let first = found
        .next()
        .ok_or_else(|| DirectoryError::NotFound { noun: Noun::Organization, reference: by.to_string() })??;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(DirectoryError::Ambiguous { noun: Noun::Organization, reference: by.to_string() }),
    }
}

pub(super) fn list(tx: &Transaction<'_>, page: Page) -> Result<Vec<OrganizationRecord>, DirectoryError> {
    const SQL: &str = select!("ORDER BY o.slug LIMIT ?1 OFFSET ?2");
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map((super::limit(page), page.offset), record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn edit(
    tx: &Transaction<'_>,
    by: &OrgSelector,
    edit: OrganizationEdit,
    actor: Actor,
    now: i64,
) -> Result<OrganizationRecord, DirectoryError> {
    let old = find(tx, by)?;
    let slug = match edit.slug {
        Some(slug) if slug.as_str() != old.slug => {
            if actor != Actor::Superuser {
                return Err(DirectoryError::SlugImmutable);
            }
            slug_is_free(tx, &slug, old.id)?;
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
        modified: now,
        ..old
    };
    let sql = "UPDATE organizations SET name = :name, slug = :slug, external_id = :external_id, is_active = :is_active,
                   description = :description, email = :email, url = :url, modified = :modified
               WHERE id = :id";
    save(tx, sql, &organization)?;
    Ok(organization)
}

pub(super) fn delete(tx: &Transaction<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let organization = find(tx, by)?;
    tx.prepare_cached("DELETE FROM organizations WHERE id = ?1")?.execute([organization.id])?;
    Ok(organization)
}

/// Whose a slug is, or was.
fn slug_holder(tx: &Transaction<'_>, slug: &Slug) -> rusqlite::Result<Option<OrgId>> {
    tx.prepare_cached("SELECT organization_id FROM slugs WHERE slug = ?1")?
        .query_row([slug.as_str()], |row| row.get(0))
        .optional()
}

/// An organization may take a slug that nobody ever had, or one that was its own.
fn slug_is_free(tx: &Transaction<'_>, slug: &Slug, id: OrgId) -> Result<(), DirectoryError> {
    match slug_holder(tx, slug)? {
        Some(holder) if holder != id => {
            let mut statement = tx.prepare_cached("SELECT 1 FROM organizations WHERE slug = ?1")?;
            Err(if statement.exists([slug.as_str()])? {
                DirectoryError::Taken { unique: Unique::Slug, value: slug.to_string() }
            } else {
                DirectoryError::SlugOnceUsed { slug: slug.to_string() }
            })
        }
        _ => Ok(()),
    }
}

/// The slug of a name, or the first free one of `acme-2`, `acme-3` …
fn slug_of_name(tx: &Transaction<'_>, name: &str) -> Result<Slug, DirectoryError> {
    let plain = Slug::from_name(name);
    if slug_holder(tx, &plain)?.is_none() {
        return Ok(plain);
    }
    // Doubling, then halving: a thousand organizations of one name cost ten looks each, not a thousand. Where the numbers
    // have holes, the one found is free all the same, if perhaps not the first.
    let mut taken = 1;
    let mut free = 2;
    while slug_holder(tx, &plain.numbered(free))?.is_some() {
        taken = free;
        free *= 2;
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if slug_holder(tx, &plain.numbered(middle))?.is_some() {
            taken = middle;
        } else {
            free = middle;
        }
    }
    Ok(plain.numbered(free))
}

/// Runs an INSERT or UPDATE with the values of an organization, and says which unique value is taken.
fn save(tx: &Transaction<'_>, sql: &str, organization: &OrganizationRecord) -> Result<(), DirectoryError> {
    let saved = tx.prepare_cached(sql)?.execute(named_params! {
        ":id": organization.id,
        ":name": organization.name,
        ":slug": organization.slug,
        ":external_id": organization.external_id,
        ":is_active": organization.is_active,
        ":description": organization.description,
        ":email": organization.email,
        ":url": organization.url,
        ":modified": organization.modified,
    });
    match saved {
        Ok(_) => Ok(()),
        Err(e) if violates(&e, "organizations.external_id") => Err(DirectoryError::Taken {
            unique: Unique::OrganizationExternalId,
            value: organization.external_id.clone().unwrap_or_default(),
        }),
        Err(e) if violates(&e, "organizations.id") => {
            Err(DirectoryError::Taken { unique: Unique::OrganizationId, value: organization.id.to_string() })
        }
        Err(e) => Err(e.into()),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<OrganizationRecord> {
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
