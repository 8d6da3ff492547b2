//! Permissions, and who has them.

use super::engine::Directory;
use super::name::PermissionName;
use super::sql::{Failure, Row};
use super::tx::{Tx, limit, offset};
use super::{
    BatchError, DirectoryError, GrantRecord, Grants, NewPermission, Noun, Page, PermissionEdit, PermissionRecord,
    Through, Unique, UserSelector,
};
use super::{StoreError, users};
use crate::id::UserId;
use serde_json::json;

impl Directory {
    /// Makes permissions, all or none. Codenames are unique.
    pub async fn create_permissions(
        &self,
        permissions: Vec<NewPermission>,
    ) -> Result<Vec<PermissionRecord>, BatchError> {
        self.write_all(permissions, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.read(move |tx| Box::pin(async move { find(tx, &permission).await })).await
    }

    pub async fn permissions(&self, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
        self.read(move |tx| Box::pin(list(tx, page))).await
    }

    /// Changes a permission; whoever had it has the new one.
    pub async fn edit_permission(
        &self,
        permission: &PermissionName,
        new: PermissionEdit,
    ) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx| Box::pin(async move { edit(tx, &permission, new).await })).await
    }

    /// Deletes a permission, and takes it from whoever has it.
    pub async fn delete_permission(&self, permission: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
        let permission = permission.clone();
        self.write(move |tx| Box::pin(async move { delete(tx, &permission).await })).await
    }

    /// What a user may do and how they came by it, by permission: of their own, by their groups and super roles, and by
    /// roles in active organizations. Says nothing of inactive users and superusers, who may nothing and everything.
    pub async fn user_permissions(&self, user: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { of_user(tx, users::find(tx, &user).await?.id).await })).await
    }

    /// Grants permissions to a user, and revokes such grants; what the user has by a group or a role stays.
    pub async fn edit_user_permissions(
        &self,
        user: &UserSelector,
        new: Grants,
    ) -> Result<Vec<GrantRecord>, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { edit_user(tx, &user, &new).await })).await
    }
}

async fn create(tx: &Tx<'_>, new: NewPermission) -> Result<PermissionRecord, DirectoryError> {
    let sql = "INSERT INTO permissions (codename, name) VALUES ($1, $2) RETURNING id, codename, name";
    let made = tx.row(sql, &[&new.codename.as_str(), &new.name.as_str()]).await;
    let permission = match made.map_err(|failure| taken(failure, &new.codename))? {
        Some(row) => record(&row)?,
        None => find(tx, &new.codename).await?,
    };
    tx.created("permission.create", &permission);
    Ok(permission)
}

pub(super) async fn find(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    match tx.row("SELECT id, codename, name FROM permissions WHERE codename = $1", &[&by.as_str()]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Permission, reference: by.to_string() }),
    }
}

async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
    let sql = "SELECT id, codename, name FROM permissions ORDER BY codename LIMIT $1 OFFSET $2";
    let rows = tx.rows(sql, &[&limit(page), &offset(page)]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

async fn edit(tx: &Tx<'_>, by: &PermissionName, edit: PermissionEdit) -> Result<PermissionRecord, DirectoryError> {
    let old = find(tx, by).await?;
    let codename = edit.codename.unwrap_or_else(|| by.clone());
    let name = edit.name.map_or_else(|| old.name.clone(), |name| name.to_string());
    let sql = "UPDATE permissions SET codename = $2, name = $3 WHERE id = $1";
    let saved = tx.execute(sql, &[&old.id, &codename.as_str(), &name]).await;
    saved.map_err(|failure| taken(failure, &codename))?;
    let new = PermissionRecord { id: old.id, codename: codename.to_string(), name };
    tx.changed("permission.edit", &old, &new);
    Ok(new)
}

async fn delete(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    let permission = find(tx, by).await?;
    tx.execute("DELETE FROM permissions WHERE id = $1", &[&permission.id]).await?;
    tx.deleted("permission.delete", &permission);
    Ok(permission)
}

async fn of_user(tx: &Tx<'_>, user: UserId) -> Result<Vec<GrantRecord>, DirectoryError> {
    const SQL: &str = "
        SELECT p.codename, CAST(NULL AS text) AS slug, 'user' AS through, '' AS name
        FROM user_permissions u JOIN permissions p ON p.id = u.permission_id WHERE u.user_id = $1
        UNION ALL
        SELECT p.codename, NULL, 'group', g.name
        FROM group_users u JOIN groups g ON g.id = u.group_id JOIN group_permissions x ON x.group_id = g.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = $1
        UNION ALL
        SELECT p.codename, NULL, 'super-role', r.name
        FROM super_role_users u JOIN super_roles r ON r.id = u.super_role_id
        JOIN super_role_permissions x ON x.super_role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = $1
        UNION ALL
        SELECT p.codename, o.slug, 'role', r.name
        FROM role_users u JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
        JOIN memberships m ON m.user_id = u.user_id AND m.organization_id = u.organization_id
        JOIN organizations o ON o.id = u.organization_id
        JOIN role_permissions x ON x.role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = $1 AND o.is_active
        ORDER BY 1, 2 NULLS FIRST, 3, 4";
    let grant = |row: &Row| {
        Ok(GrantRecord {
            permission: row.get("codename")?,
            organization: row.get("slug")?,
            through: match row.get::<String>("through")?.as_str() {
                "user" => Through::User,
                "group" => Through::Group,
                "role" => Through::Role,
                _ => Through::SuperRole,
            },
            name: row.get("name")?,
        })
    };
    tx.rows(SQL, &[&user]).await?.iter().map(grant).collect()
}

async fn edit_user(tx: &Tx<'_>, by: &UserSelector, edit: &Grants) -> Result<Vec<GrantRecord>, DirectoryError> {
    let user = users::find(tx, by).await?.id;
    let before = of_user(tx, user).await?;
    for permission in &edit.revoke {
        let sql = "DELETE FROM user_permissions WHERE user_id = $1 AND permission_id = $2";
        tx.execute(sql, &[&user, &find(tx, permission).await?.id]).await?;
    }
    for permission in &edit.grant {
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&user, &find(tx, permission).await?.id]).await?;
    }
    let after = of_user(tx, user).await?;
    tx.changed_as("user.permissions", json!({ "user": by.to_string() }), &before, &after);
    Ok(after)
}

fn taken(failure: Failure, codename: &PermissionName) -> DirectoryError {
    if failure.violates("permissions_codename") {
        DirectoryError::Taken { unique: Unique::Permission, value: codename.to_string() }
    } else {
        failure.into()
    }
}

fn record(row: &Row) -> Result<PermissionRecord, StoreError> {
    Ok(PermissionRecord { id: row.get("id")?, codename: row.get("codename")?, name: row.get("name")? })
}
