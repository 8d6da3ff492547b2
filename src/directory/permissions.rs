//! Permissions, which groups, roles and users are given.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, StoreError};
use super::list::{List, Rows, all};
use super::name::PermissionName;
use super::records::refused;
use super::resources::{NewPermission, PermissionEdit, PermissionRecord};
use super::sql::Param;
use super::tx::Tx;
use crate::id::PermissionId;

impl View {
    /// Makes permissions, all or none. Codenames are unique.
    pub async fn create_permissions(
        &self,
        permissions: Vec<NewPermission>,
    ) -> Result<Vec<PermissionRecord>, BatchError> {
        self.write_all(permissions, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    look permission(permission: &PermissionName) -> PermissionRecord = find;
    look permissions(list: &List) -> Rows<PermissionRecord> = all;
    /// The codenames of permissions, by their numbers.
    read permission_names(; permissions: Vec<i64>) -> Vec<(i64, String)> = names;
    /// Changes a permission; whoever had it has the new one.
    write edit_permission(permission: &PermissionName; new: PermissionEdit) -> PermissionRecord = edit;
    /// Deletes a permission, and takes it from whoever has it.
    write delete_permission(permission: &PermissionName) -> PermissionRecord = delete;
}

/// They count in every organization.
const WRITE: &str = "make or change permissions";

async fn create(tx: &Tx<'_>, new: NewPermission) -> Result<PermissionRecord, DirectoryError> {
    tx.viewer.must_be_superuser(WRITE)?;
    let mut permission = new.into_record(PermissionId(0));
    let sql = "INSERT INTO permissions (codename, name) VALUES ($1, $2) RETURNING id";
    let row = tx.row(sql, &[&permission.codename, &permission.name]).await;
    let row = row.map_err(|failure| refused(failure, &permission))?;
    permission.id = row.ok_or_else(|| StoreError::Broken("a new permission is not there".to_owned()))?.get("id")?;
    tx.created("permission.create", &permission);
    Ok(permission)
}

pub(super) async fn find(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    tx.find("p.codename = $1", &[&by.as_str()], by).await
}

async fn names(tx: &Tx<'_>, permissions: Vec<i64>) -> Result<Vec<(i64, String)>, DirectoryError> {
    let mut found = Vec::new();
    for some in permissions.chunks(500) {
        let places: Vec<String> = (1..=some.len()).map(|number| format!("${number}")).collect();
        let params: Vec<&dyn Param> = some.iter().map(|id| id as _).collect();
        let sql = format!("SELECT id, codename FROM permissions WHERE id IN ({})", places.join(", "));
        for row in tx.rows(&sql, &params).await? {
            found.push((row.get("id")?, row.get("codename")?));
        }
    }
    Ok(found)
}

async fn edit(tx: &Tx<'_>, by: &PermissionName, edit: PermissionEdit) -> Result<PermissionRecord, DirectoryError> {
    tx.viewer.must_be_superuser(WRITE)?;
    let id = find(tx, by).await?.id;
    // Two who change one do so one after the other.
    tx.session.lock("permissions", &id).await?;
    let before: PermissionRecord = tx.find("p.id = $1", &[&id], by).await?;
    let mut after = before.clone();
    edit.apply(&mut after);
    tx.update(&before, &after).await?;
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    tx.viewer.must_be_superuser(WRITE)?;
    let permission = find(tx, by).await?;
    tx.delete(&permission).await?;
    Ok(permission)
}
