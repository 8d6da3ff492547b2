//! Roles and super roles in SQLite: two kinds of tables, so that a super role is never made by leaving something out.

use super::bundle::{Bundle, bundle, contents, permissions_of};
use super::error::violates;
use super::{memberships, organizations, users as people};
use crate::directory::name::RightsName;
use crate::directory::{
    BundleEdit, DirectoryError, Grants, NewRole, Noun, OrgSelector, Page, RoleFilter, RoleOrganization, RoleRecord,
    RoleSelector, Scope, Unique, UserRecord,
};
use crate::id::{OrgId, RoleId};
use rusqlite::{Params, Row, Transaction};

const ROLE: Bundle = bundle!(
    "role",
    "INSERT INTO role_users (role_id, user_id, organization_id) SELECT id, ?2, organization_id FROM roles WHERE id = ?1
     ON CONFLICT DO NOTHING"
);
const SUPER_ROLE: Bundle = bundle!("super_role");

/// The columns of [`record`], of roles.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT b.id, b.name, b.organization_id, o.slug, ",
            contents!("role"),
            "FROM roles b JOIN organizations o ON o.id = b.organization_id ",
            $rest
        )
    };
}

/// The same of super roles.
macro_rules! select_super {
    ($rest:literal) => {
        concat!(
            "SELECT b.id, b.name, NULL AS organization_id, NULL AS slug, ",
            contents!("super_role"),
            "FROM super_roles b ",
            $rest
        )
    };
}

pub(super) fn create(tx: &Transaction<'_>, new: NewRole) -> Result<RoleRecord, DirectoryError> {
    let id = RoleId::generate();
    let (scope, saved) = match &new.scope {
        Scope::Organization(by) => {
            let organization = organizations::find(tx, by)?;
            let sql = "INSERT INTO roles (id, organization_id, name) VALUES (?1, ?2, ?3)";
            let saved = tx.prepare_cached(sql)?.execute((id, organization.id, new.name.as_str()));
            let scope = RoleOrganization { id: organization.id, slug: organization.slug };
            (Scope::Organization(scope), saved)
        }
        Scope::Everywhere => {
            let sql = "INSERT INTO super_roles (id, name) VALUES (?1, ?2)";
            (Scope::Everywhere, tx.prepare_cached(sql)?.execute((id, new.name.as_str())))
        }
    };
    taken(saved, &new.name)?;
    let role = RoleRecord { id, scope, name: new.name.to_string(), permissions: Vec::new(), users: 0 };
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    apply(tx, role, &BundleEdit { grants, add: new.users, ..BundleEdit::default() })
}

/// The one role that a selector means.
pub(super) fn find(tx: &Transaction<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    const ANY: &str = select!("WHERE b.id = ?1 OR b.name = ?2 LIMIT 2");
    const IN_ORGANIZATION: &str = select!("WHERE b.organization_id = ?3 AND (b.id = ?1 OR b.name = ?2) LIMIT 2");
    const SUPER: &str = select_super!("WHERE b.id = ?1 OR b.name = ?2 LIMIT 2");
    let (id, name) = (RoleId::parse(&by.text).ok(), &by.text);
    let mut found = match &by.scope {
        Some(Scope::Organization(organization)) => {
            let organization = organizations::find(tx, organization)?.id;
            query(tx, IN_ORGANIZATION, (id, name, organization))?
        }
        Some(Scope::Everywhere) => query(tx, SUPER, (id, name))?,
        None => {
            let mut found = query(tx, SUPER, (id, name))?;
            found.extend(query(tx, ANY, (id, name))?);
            found
        }
    };
    let reference = by.text.clone();
    match (found.pop(), found.is_empty()) {
        (Some(role), true) => Ok(role),
        (Some(_), false) => Err(DirectoryError::Ambiguous { noun: Noun::Role, reference }),
        (None, _) => Err(DirectoryError::NotFound { noun: Noun::Role, reference }),
    }
}

pub(super) fn list(tx: &Transaction<'_>, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
    // NULL comes first, hence super roles.
    const SQL: &str = concat!(
        "SELECT * FROM (",
        select!(""),
        "UNION ALL ",
        select_super!(""),
        ") WHERE (?3 IS NULL OR organization_id = ?3) AND (?4 = 0 OR organization_id IS NULL) AND (?5 IS NULL
             OR id IN (SELECT role_id FROM role_users WHERE user_id = ?5
                       UNION ALL SELECT super_role_id FROM super_role_users WHERE user_id = ?5))
         ORDER BY slug, name LIMIT ?1 OFFSET ?2"
    );
    let organization = match &filter.scope {
        Some(Scope::Organization(by)) => Some(organizations::find(tx, by)?.id),
        _ => None,
    };
    let user = filter.user.as_ref().map(|by| people::find(tx, by)).transpose()?.map(|user| user.id);
    let everywhere = filter.scope == Some(Scope::Everywhere);
    Ok(query(tx, SQL, (super::limit(page), page.offset, organization, everywhere, user))?)
}

pub(super) fn users(tx: &Transaction<'_>, by: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    let role = find(tx, by)?;
    people::among(tx, bundle(&role).users, role.id, page)
}

pub(super) fn edit(tx: &Transaction<'_>, by: &RoleSelector, edit: &BundleEdit) -> Result<RoleRecord, DirectoryError> {
    let role = find(tx, by)?;
    if let Some(name) = &edit.name {
        let sql = match role.scope {
            Scope::Organization(_) => "UPDATE roles SET name = ?2 WHERE id = ?1",
            Scope::Everywhere => "UPDATE super_roles SET name = ?2 WHERE id = ?1",
        };
        taken(tx.prepare_cached(sql)?.execute((role.id, name.as_str())), name)?;
    }
    apply(tx, role, edit)
}

pub(super) fn delete(tx: &Transaction<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    let role = find(tx, by)?;
    let sql = match role.scope {
        Scope::Organization(_) => "DELETE FROM roles WHERE id = ?1",
        Scope::Everywhere => "DELETE FROM super_roles WHERE id = ?1",
    };
    tx.prepare_cached(sql)?.execute([role.id])?;
    Ok(role)
}

const fn bundle(role: &RoleRecord) -> &'static Bundle {
    match role.scope {
        Scope::Organization(_) => &ROLE,
        Scope::Everywhere => &SUPER_ROLE,
    }
}

/// Applies all of an edit but the name; an organization's role is for members of it.
fn apply(tx: &Transaction<'_>, role: RoleRecord, edit: &BundleEdit) -> Result<RoleRecord, DirectoryError> {
    let organization = match &role.scope {
        Scope::Organization(organization) => Some(organizations::find(tx, &organization.id.into())?),
        Scope::Everywhere => None,
    };
    bundle(&role).apply(tx, role.id, edit, |user| match &organization {
        Some(organization) => memberships::find(tx, organization, user).map(drop),
        None => Ok(()),
    })?;
    let scope = match role.scope {
        Scope::Organization(organization) => Scope::Organization(OrgSelector::Id(organization.id)),
        Scope::Everywhere => Scope::Everywhere,
    };
    find(tx, &RoleSelector { text: role.id.to_string(), scope: Some(scope) })
}

fn taken(saved: rusqlite::Result<usize>, name: &RightsName) -> Result<(), DirectoryError> {
    let taken = |unique| Err(DirectoryError::Taken { unique, value: name.to_string() });
    match saved {
        Ok(_) => Ok(()),
        Err(e) if violates(&e, "roles.organization_id, roles.name") => taken(Unique::RoleName),
        Err(e) if violates(&e, "super_roles.name") => taken(Unique::SuperRoleName),
        Err(e) => Err(e.into()),
    }
}

fn query(tx: &Transaction<'_>, sql: &str, params: impl Params) -> rusqlite::Result<Vec<RoleRecord>> {
    tx.prepare_cached(sql)?.query_map(params, record)?.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<RoleRecord> {
    let organization: Option<OrgId> = row.get("organization_id")?;
    Ok(RoleRecord {
        id: row.get("id")?,
        scope: match organization {
            Some(id) => Scope::Organization(RoleOrganization { id, slug: row.get("slug")? }),
            None => Scope::Everywhere,
        },
        name: row.get("name")?,
        permissions: permissions_of(row)?,
        users: row.get("users")?,
    })
}
