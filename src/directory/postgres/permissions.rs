//! Permissions in PostgreSQL, and who has them.

use super::error::{Failure, violates};
use super::transaction::Tx;
use super::{limit, offset, users};
use crate::directory::name::PermissionName;
use crate::directory::{
    DirectoryError, GrantRecord, Grants, NewPermission, Noun, Page, PermissionEdit, PermissionRecord, Through, Unique,
    UserSelector,
};
use crate::id::UserId;
use tokio_postgres::{Error, Row};

pub(super) async fn create(tx: &Tx<'_>, new: NewPermission) -> Result<PermissionRecord, DirectoryError> {
    let sql = "INSERT INTO permissions (codename, name) VALUES ($1, $2) RETURNING id, codename, name";
    let made = tx.rows(sql, &[&new.codename.as_str(), &new.name.as_str()]).await;
    match made.map_err(|failure| taken(failure, &new.codename))?.first() {
        Some(row) => Ok(record(row)?),
        None => find(tx, &new.codename).await,
    }
}

pub(super) async fn find(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    match tx.row("SELECT id, codename, name FROM permissions WHERE codename = $1", &[&by.as_str()]).await? {
        Some(row) => Ok(record(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Permission, reference: by.to_string() }),
    }
}

pub(super) async fn list(tx: &Tx<'_>, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
    let sql = "SELECT id, codename, name FROM permissions ORDER BY codename LIMIT $1 OFFSET $2";
    let rows = tx.rows(sql, &[&limit(page), &offset(page)]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

pub(super) async fn edit(
    tx: &Tx<'_>,
    by: &PermissionName,
    edit: PermissionEdit,
) -> Result<PermissionRecord, DirectoryError> {
    let old = find(tx, by).await?;
    let codename = edit.codename.unwrap_or_else(|| by.clone());
    let name = edit.name.map_or(old.name, |name| name.to_string());
    let sql = "UPDATE permissions SET codename = $2, name = $3 WHERE id = $1";
    let saved = tx.execute(sql, &[&old.id, &codename.as_str(), &name]).await;
    saved.map_err(|failure| taken(failure, &codename))?;
    Ok(PermissionRecord { id: old.id, codename: codename.to_string(), name })
}

pub(super) async fn delete(tx: &Tx<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    let permission = find(tx, by).await?;
    tx.execute("DELETE FROM permissions WHERE id = $1", &[&permission.id]).await?;
    Ok(permission)
}

pub(super) async fn of_user(tx: &Tx<'_>, user: UserId) -> Result<Vec<GrantRecord>, DirectoryError> {
    const SQL: &str = "
        SELECT p.codename, NULL::text COLLATE \"C\" AS slug, 'user' COLLATE \"C\" AS through, '' COLLATE \"C\" AS name
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
            permission: row.try_get("codename")?,
            organization: row.try_get("slug")?,
            through: match row.try_get("through")? {
                "user" => Through::User,
                "group" => Through::Group,
                "role" => Through::Role,
                _ => Through::SuperRole,
            },
            name: row.try_get("name")?,
        })
    };
    tx.rows(SQL, &[&user]).await?.iter().map(grant).collect()
}

pub(super) async fn edit_user(
    tx: &Tx<'_>,
    by: &UserSelector,
    edit: &Grants,
) -> Result<Vec<GrantRecord>, DirectoryError> {
    let user = users::find(tx, by).await?.id;
    for permission in &edit.revoke {
        let sql = "DELETE FROM user_permissions WHERE user_id = $1 AND permission_id = $2";
        tx.execute(sql, &[&user, &find(tx, permission).await?.id]).await?;
    }
    for permission in &edit.grant {
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&user, &find(tx, permission).await?.id]).await?;
    }
    of_user(tx, user).await
}

fn taken(failure: Failure, codename: &PermissionName) -> DirectoryError {
    if violates(&failure, "permissions_codename") {
        DirectoryError::Taken { unique: Unique::Permission, value: codename.to_string() }
    } else {
        failure.into()
    }
}

fn record(row: &Row) -> Result<PermissionRecord, Error> {
    Ok(PermissionRecord { id: row.try_get("id")?, codename: row.try_get("codename")?, name: row.try_get("name")? })
}
