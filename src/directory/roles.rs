//! Roles and super roles: two kinds of tables, so that a super role is never made by leaving something out.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, Unique};
use super::grants::{BundleEdit, Grants};
use super::list::{List, Rows, all, list};
use super::lookup;
use super::name::RightsName;
use super::permission_holder::{PermissionHolder, asked, bundle};
use super::resources::{NewRole, RoleRecord, UserRecord};
use super::selector::{RoleSelector, Scope};
use super::sql::{Failure, Param};
use super::tx::Tx;
use super::viewer::Action;
use crate::id::{OrgId, RoleId};

const ROLE: PermissionHolder = bundle!(
    "role",
    "INSERT INTO role_users (role_id, user_id, organization_id) SELECT id, $2, organization_id FROM roles WHERE id = $1
     ON CONFLICT DO NOTHING"
);
const SUPER_ROLE: PermissionHolder = bundle!("super_role");

impl View {
    /// Makes roles with their permissions and users, all or none. Names are unique in an organization, and among the super
    /// roles. Only members of an organization hold a role in it; who leaves it loses it.
    pub async fn create_roles(&self, roles: Vec<NewRole>) -> Result<Vec<RoleRecord>, BatchError> {
        self.write_all(roles, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    read role(role: &RoleSelector) -> RoleRecord = show;
    /// Super roles, then roles by slug; both by name.
    look roles(list: &List) -> Rows<RoleRecord> = all;
    /// The users who hold a role, by username.
    read role_users(role: &RoleSelector, list: &List) -> Rows<UserRecord> = users;
    /// Changes a role, its permissions and who holds it.
    write edit_role(role: &RoleSelector; new: BundleEdit) -> RoleRecord = edit;
    /// Deletes a role; who held it loses what they had by it.
    write delete_role(role: &RoleSelector) -> RoleRecord = delete;
}

async fn create(tx: &Tx<'_>, new: NewRole) -> Result<RoleRecord, DirectoryError> {
    tx.viewer.may::<RoleRecord>(Action::Add)?;
    let id = RoleId::generate();
    let (organization, saved) = match &new.scope {
        Scope::Organization(by) => {
            let organization = lookup::organization(tx, by).await?.id;
            let sql = "INSERT INTO roles (id, organization_id, name) VALUES ($1, $2, $3)";
            (Some(organization), tx.execute(sql, &[&id, &organization, &new.name.as_str()]).await)
        }
        Scope::Everywhere => {
            tx.viewer.must_be_superuser("make super roles")?;
            let sql = "INSERT INTO super_roles (id, name) VALUES ($1, $2)";
            (None, tx.execute(sql, &[&id, &new.name.as_str()]).await)
        }
    };
    saved.map_err(|failure| taken(failure, &new.name))?;
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    let role = apply(tx, id, organization, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }).await?;
    tx.created("role.create", &role);
    Ok(role)
}

/// The one role that a selector means.
pub(super) async fn find(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    let (id, name, reference) = (RoleId::parse(&by.text).ok(), &by.text, &by.text);
    match &by.scope {
        Some(Scope::Organization(organization)) => {
            let organization = lookup::organization(tx, organization).await?.id;
            let condition = "(b.id = $1 OR b.name = $2) AND b.organization_id = $3";
            tx.find(condition, &[&id, name, &organization], reference).await
        }
        Some(Scope::Everywhere) => {
            tx.find("(b.id = $1 OR b.name = $2) AND b.organization_id IS NULL", &[&id, name], reference).await
        }
        None => tx.find("b.id = $1 OR b.name = $2", &[&id, name], reference).await,
    }
}

pub(super) async fn show(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    tx.viewer.may::<RoleRecord>(Action::View)?;
    find(tx, by).await
}

async fn users(tx: &Tx<'_>, by: &RoleSelector, wanted: &List) -> Result<Rows<UserRecord>, DirectoryError> {
    let role = show(tx, by).await?;
    list(tx, wanted, Some((bundle(role.organization).users, role.id.value()))).await
}

async fn edit(tx: &Tx<'_>, by: &RoleSelector, edit: BundleEdit) -> Result<RoleRecord, DirectoryError> {
    tx.viewer.may::<RoleRecord>(Action::Change)?;
    let before = found_changeable(tx, by).await?;
    if let Some(name) = &edit.name {
        let sql = match before.organization {
            Some(_) => "UPDATE roles SET name = $2 WHERE id = $1",
            None => "UPDATE super_roles SET name = $2 WHERE id = $1",
        };
        tx.execute(sql, &[&before.id, &name.as_str()]).await.map_err(|failure| taken(failure, name))?;
    }
    let after = apply(tx, before.id, before.organization, &edit).await?;
    tx.changed_as("role.edit", asked(&edit), &before, &after);
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    tx.viewer.may::<RoleRecord>(Action::Delete)?;
    let role = found_changeable(tx, by).await?;
    let sql = match role.organization {
        Some(_) => "DELETE FROM roles WHERE id = $1",
        None => "DELETE FROM super_roles WHERE id = $1",
    };
    tx.execute(sql, &[&role.id]).await?;
    tx.deleted("role.delete", &role);
    Ok(role)
}

async fn found_changeable(tx: &Tx<'_>, by: &RoleSelector) -> Result<RoleRecord, DirectoryError> {
    let role = find(tx, by).await?;
    if role.organization.is_none() {
        tx.viewer.must_be_superuser("change super roles")?;
    }
    // Two who change one do so one after the other.
    tx.session.lock(if role.organization.is_some() { "roles" } else { "super_roles" }, &role.id).await?;
    tx.find("b.id = $1", &[&role.id], role.id).await
}

/// Where the role of a selector is kept that says whose it is.
pub(super) const fn table(by: &RoleSelector) -> &'static str {
    if matches!(by.scope, Some(Scope::Organization(_))) { "roles" } else { "super_roles" }
}

/// The statements on a role of an organization, or on a super role.
const fn bundle(organization: Option<OrgId>) -> &'static PermissionHolder {
    if organization.is_some() { &ROLE } else { &SUPER_ROLE }
}

/// Applies all of an edit but the name; an organization's role is for members of it.
async fn apply(tx: &Tx<'_>, id: RoleId, of: Option<OrgId>, edit: &BundleEdit) -> Result<RoleRecord, DirectoryError> {
    let organization = match of {
        Some(id) => Some(lookup::organization(tx, &id.into()).await?),
        None => None,
    };
    bundle(of).apply(tx, &id, edit, organization.as_ref()).await?;
    tx.find("b.id = $1", &[&id], id).await
}

fn taken(failure: Failure, name: &RightsName) -> DirectoryError {
    let taken = |unique| DirectoryError::Taken { unique, value: name.to_string() };
    match failure {
        e if e.violates("roles_organization_name") => taken(Unique::RoleName),
        e if e.violates("super_roles_name") => taken(Unique::SuperRoleName),
        e => e.into(),
    }
}
