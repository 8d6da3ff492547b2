//! Roles and super roles: two kinds of tables, so that a super role is never made by leaving something out.

use super::permission_holder::{PermissionHolder, asked, bundle, contents, permissions_of, users_of};

use super::engine::Directory;
use super::name::RightsName;
use super::sql::{Failure, Params, Row};
use super::tx::{Tx, limit, offset};
use super::{BatchError, StoreError, organizations, users as people};
use super::{
    BundleEdit, DirectoryError, Grants, NewRole, Noun, OrgSelector, Page, RoleFilter, RoleOrganization, RoleRecord,
    RoleSelector, Scope, Unique, UserRecord,
};
use crate::id::{OrgId, RoleId};

const ROLE: PermissionHolder = bundle!(
    "role",
    "INSERT INTO role_users (role_id, user_id, organization_id) SELECT id, $2, organization_id FROM roles WHERE id = $1
     ON CONFLICT DO NOTHING"
);
const SUPER_ROLE: PermissionHolder = bundle!("super_role");

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
            "SELECT b.id, b.name, CAST(NULL AS uuid) AS organization_id, CAST(NULL AS text) AS slug, ",
            contents!("super_role"),
            "FROM super_roles b ",
            $rest
        )
    };
}

impl Directory {
    /// Makes roles with their permissions and users, all or none. Names are unique in an organization, and among the super
    /// roles. Only members of an organization hold a role in it; who leaves it loses it.
    pub async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError> {
        self.write_all(roles, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| Box::pin(async move { find(tx, &role).await })).await
    }

    /// Super roles, then roles by slug; both by name.
    pub async fn roles(&self, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
        let filter = filter.clone();
        self.read(move |tx| Box::pin(async move { list(tx, &filter, page).await })).await
    }

    /// The users who hold a role, by username.
    pub async fn role_users(&self, role: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let role = role.clone();
        self.read(move |tx| Box::pin(async move { users(tx, &role, page).await })).await
    }

    /// Changes a role, its permissions and who holds it.
    pub async fn edit_role(&self, role: &RoleSelector, new: BundleEdit) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx| Box::pin(async move { edit(tx, &role, &new).await })).await
    }

    /// Deletes a role; who held it loses what they had by it.
    pub async fn delete_role(&self, role: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
        let role = role.clone();
        self.write(move |tx| Box::pin(async move { delete(tx, &role).await })).await
    }
}

async fn create(tx: &Tx<'_>, new: NewRole) -> Result<RoleRecord, DirectoryError> {
    let id = RoleId::generate();
    let (scope, saved) = match &new.scope {
        Scope::Organization(by) => {
            let organization = organizations::find(tx, by).await?;
            let sql = "INSERT INTO roles (id, organization_id, name) VALUES ($1, $2, $3)";
            let saved = tx.execute(sql, &[&id, &organization.id, &new.name.as_str()]).await;
            let scope = RoleOrganization { id: organization.id, slug: organization.slug };
            (Scope::Organization(scope), saved)
        }
        Scope::Everywhere => {
            let sql = "INSERT INTO super_roles (id, name) VALUES ($1, $2)";
            (Scope::Everywhere, tx.execute(sql, &[&id, &new.name.as_str()]).await)
        }
    };
    saved.map_err(|failure| taken(failure, &new.name))?;
    let role = RoleRecord { id, scope, name: new.name.to_string(), permissions: Vec::new(), users: 0 };
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    let role = apply(tx, role, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }).await?;
    tx.created("role.create", &role);
    Ok(role)
}

/// The one role that a selector means.
async fn find(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    const ANY: &str = select!("WHERE b.id = $1 OR b.name = $2 LIMIT 2");
    const IN_ORGANIZATION: &str = select!("WHERE b.organization_id = $3 AND (b.id = $1 OR b.name = $2) LIMIT 2");
    const SUPER: &str = select_super!("WHERE b.id = $1 OR b.name = $2 LIMIT 2");
    let (id, name) = (RoleId::parse(&by.text).ok(), &by.text);
    let mut found = match &by.scope {
        Some(Scope::Organization(organization)) => {
            let organization = organizations::find(tx, organization).await?.id;
            query(tx, IN_ORGANIZATION, &[&id, name, &organization]).await?
        }
        Some(Scope::Everywhere) => query(tx, SUPER, &[&id, name]).await?,
        None => {
            let mut found = query(tx, SUPER, &[&id, name]).await?;
            found.extend(query(tx, ANY, &[&id, name]).await?);
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

async fn list(tx: &Tx<'_>, filter: &RoleFilter, page: Page) -> Result<Vec<RoleRecord>, DirectoryError> {
    const SQL: &str = concat!(
        "SELECT * FROM (",
        select!(""),
        "UNION ALL ",
        select_super!(""),
        ") AS b WHERE (CAST($3 AS uuid) IS NULL OR organization_id = $3) AND (NOT $4 OR organization_id IS NULL)
             AND (CAST($5 AS uuid) IS NULL
             OR id IN (SELECT role_id FROM role_users WHERE user_id = $5
                       UNION ALL SELECT super_role_id FROM super_role_users WHERE user_id = $5))
         ORDER BY slug NULLS FIRST, name LIMIT $1 OFFSET $2"
    );
    let organization = match &filter.scope {
        Some(Scope::Organization(by)) => Some(organizations::find(tx, by).await?.id),
        _ => None,
    };
    let user = match &filter.user {
        Some(by) => Some(people::find(tx, by).await?.id),
        None => None,
    };
    let everywhere = filter.scope == Some(Scope::Everywhere);
    query(tx, SQL, &[&limit(page), &offset(page), &organization, &everywhere, &user]).await
}

async fn users(tx: &Tx<'_>, by: &RoleSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    let role = find(tx, by).await?;
    people::among(tx, bundle(&role).users, &role.id, page).await
}

async fn edit(tx: &Tx<'_>, by: &RoleSelector, edit: &BundleEdit) -> Result<RoleRecord, DirectoryError> {
    let role = find(tx, by).await?;
    let before = role.clone();
    if let Some(name) = &edit.name {
        let sql = match role.scope {
            Scope::Organization(_) => "UPDATE roles SET name = $2 WHERE id = $1",
            Scope::Everywhere => "UPDATE super_roles SET name = $2 WHERE id = $1",
        };
        tx.execute(sql, &[&role.id, &name.as_str()]).await.map_err(|failure| taken(failure, name))?;
    }
    let after = apply(tx, role, edit).await?;
    tx.changed_as("role.edit", asked(edit), &before, &after);
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    let role = find(tx, by).await?;
    let sql = match role.scope {
        Scope::Organization(_) => "DELETE FROM roles WHERE id = $1",
        Scope::Everywhere => "DELETE FROM super_roles WHERE id = $1",
    };
    tx.execute(sql, &[&role.id]).await?;
    tx.deleted("role.delete", &role);
    Ok(role)
}

const fn bundle(role: &RoleRecord) -> &'static PermissionHolder {
    match role.scope {
        Scope::Organization(_) => &ROLE,
        Scope::Everywhere => &SUPER_ROLE,
    }
}

/// Applies all of an edit but the name; an organization's role is for members of it.
async fn apply(tx: &Tx<'_>, role: RoleRecord, edit: &BundleEdit) -> Result<RoleRecord, DirectoryError> {
    let organization = match &role.scope {
        Scope::Organization(organization) => Some(organizations::find(tx, &organization.id.into()).await?),
        Scope::Everywhere => None,
    };
    bundle(&role).apply(tx, &role.id, edit, organization.as_ref()).await?;
    let scope = match role.scope {
        Scope::Organization(organization) => Scope::Organization(OrgSelector::Id(organization.id)),
        Scope::Everywhere => Scope::Everywhere,
    };
    find(tx, &RoleSelector { text: role.id.to_string(), scope: Some(scope) }).await
}

fn taken(failure: Failure, name: &RightsName) -> DirectoryError {
    let taken = |unique| DirectoryError::Taken { unique, value: name.to_string() };
    match failure {
        e if e.violates("roles_organization_name") => taken(Unique::RoleName),
        e if e.violates("super_roles_name") => taken(Unique::SuperRoleName),
        e => e.into(),
    }
}

async fn query(tx: &Tx<'_>, sql: &str, params: Params<'_>) -> Result<Vec<RoleRecord>, DirectoryError> {
    Ok(tx.rows(sql, params).await?.iter().map(record).collect::<Result<_, _>>()?)
}

fn record(row: &Row) -> Result<RoleRecord, StoreError> {
    let organization: Option<OrgId> = row.get("organization_id")?;
    Ok(RoleRecord {
        id: row.get("id")?,
        scope: match organization {
            Some(id) => Scope::Organization(RoleOrganization { id, slug: row.get("slug")? }),
            None => Scope::Everywhere,
        },
        name: row.get("name")?,
        permissions: permissions_of(row)?,
        users: users_of(row)?,
    })
}
