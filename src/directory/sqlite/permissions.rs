//! Permissions in SQLite, and who has them.

use super::error::violates;
use super::users;
use crate::directory::name::PermissionName;
use crate::directory::{
    DirectoryError, GrantRecord, Grants, NewPermission, Noun, Page, PermissionEdit, PermissionRecord, Through, Unique,
    UserSelector,
};
use crate::id::{PermissionId, UserId};
use rusqlite::{OptionalExtension, Row, Transaction};

pub(super) fn create(tx: &Transaction<'_>, new: &NewPermission) -> Result<PermissionRecord, DirectoryError> {
    let sql = "INSERT INTO permissions (codename, name) VALUES (?1, ?2)";
    let made = tx.prepare_cached(sql)?.execute((new.codename.as_str(), new.name.as_str()));
    taken(made, &new.codename)?;
    let id = PermissionId(tx.last_insert_rowid());
    Ok(PermissionRecord { id, codename: new.codename.to_string(), name: new.name.to_string() })
}

pub(super) fn find(tx: &Transaction<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    tx.prepare_cached("SELECT id, codename, name FROM permissions WHERE codename = ?1")?
        .query_row([by.as_str()], record)
        .optional()?
        .ok_or_else(|| DirectoryError::NotFound { noun: Noun::Permission, reference: by.to_string() })
}

pub(super) fn list(tx: &Transaction<'_>, page: Page) -> Result<Vec<PermissionRecord>, DirectoryError> {
    let sql = "SELECT id, codename, name FROM permissions ORDER BY codename LIMIT ?1 OFFSET ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map((super::limit(page), page.offset), record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn edit(
    tx: &Transaction<'_>,
    by: &PermissionName,
    edit: PermissionEdit,
) -> Result<PermissionRecord, DirectoryError> {
    let old = find(tx, by)?;
    let codename = edit.codename.unwrap_or_else(|| by.clone());
    let name = edit.name.map_or(old.name, |name| name.to_string());
    let sql = "UPDATE permissions SET codename = ?2, name = ?3 WHERE id = ?1";
    taken(tx.prepare_cached(sql)?.execute((old.id, codename.as_str(), &name)), &codename)?;
    Ok(PermissionRecord { id: old.id, codename: codename.to_string(), name })
}

pub(super) fn delete(tx: &Transaction<'_>, by: &PermissionName) -> Result<PermissionRecord, DirectoryError> {
    let permission = find(tx, by)?;
    tx.prepare_cached("DELETE FROM permissions WHERE id = ?1")?.execute([permission.id])?;
    Ok(permission)
}

pub(super) fn of_user(tx: &Transaction<'_>, user: UserId) -> Result<Vec<GrantRecord>, DirectoryError> {
    const SQL: &str = "
        SELECT p.codename, NULL AS slug, 'user' AS through, '' AS name
        FROM user_permissions u JOIN permissions p ON p.id = u.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT p.codename, NULL, 'group', g.name
        FROM group_users u JOIN groups g ON g.id = u.group_id JOIN group_permissions x ON x.group_id = g.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT p.codename, NULL, 'super-role', r.name
        FROM super_role_users u JOIN super_roles r ON r.id = u.super_role_id
        JOIN super_role_permissions x ON x.super_role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT p.codename, o.slug, 'role', r.name
        FROM role_users u JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
        JOIN memberships m ON m.user_id = u.user_id AND m.organization_id = u.organization_id
        JOIN organizations o ON o.id = u.organization_id
        JOIN role_permissions x ON x.role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1 AND o.is_active = 1
        ORDER BY 1, 2, 3, 4";
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map([user], |row| {
        Ok(GrantRecord {
            permission: row.get("codename")?,
            organization: row.get("slug")?,
            through: match row.get_ref("through")?.as_str()? {
                "user" => Through::User,
                "group" => Through::Group,
                "role" => Through::Role,
                _ => Through::SuperRole,
            },
            name: row.get("name")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn edit_user(
    tx: &Transaction<'_>,
    by: &UserSelector,
    edit: &Grants,
) -> Result<Vec<GrantRecord>, DirectoryError> {
    let user = users::find(tx, by)?.id;
    for permission in &edit.revoke {
        let sql = "DELETE FROM user_permissions WHERE user_id = ?1 AND permission_id = ?2";
        tx.prepare_cached(sql)?.execute((user, find(tx, permission)?.id))?;
    }
    for permission in &edit.grant {
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.prepare_cached(sql)?.execute((user, find(tx, permission)?.id))?;
    }
    of_user(tx, user)
}

fn taken(saved: rusqlite::Result<usize>, codename: &PermissionName) -> Result<(), DirectoryError> {
    match saved {
        Ok(_) => Ok(()),
        Err(e) if violates(&e, "permissions.codename") => {
            Err(DirectoryError::Taken { unique: Unique::Permission, value: codename.to_string() })
        }
        Err(e) => Err(e.into()),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<PermissionRecord> {
    Ok(PermissionRecord { id: row.get("id")?, codename: row.get("codename")?, name: row.get("name")? })
}
