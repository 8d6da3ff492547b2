//! What users may do besides their levels: permissions, and what gives them.
//!
//! A *group* and a *super role* count everywhere, a *role* in its organization, for members of it.

use super::engine::operations;
use super::error::DirectoryError;
use super::name::{PermissionName, RightsName};
use super::resources::UserRecord;
use super::selector::UserSelector;
use super::sql::Row;
use super::tx::Tx;
use super::{lookup, permissions};
use crate::id::UserId;
use serde_json::json;

/// A permission that a user has, and how they came by it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GrantRecord {
    pub permission: String,
    /// The slug of the one organization where it counts; everywhere where absent.
    pub organization: Option<String>,
    /// How the user came by it.
    pub through: Through,
    /// The name of the group or role; empty for the user's own.
    pub name: String,
}

/// How a user came by a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// It was granted to the user.
    User,
    Group,
    /// By a role in an organization.
    Role,
    SuperRole,
}

impl Through {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::SuperRole => "super-role",
        }
    }
}

/// Permissions to give and to take; those to take go first. What is given twice is given, what was not there is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub grant: Vec<PermissionName>,
    pub revoke: Vec<PermissionName>,
}

/// What to change of a group or a role; what is empty or `None` stays. What is taken goes first.
#[derive(Clone, Debug, Default)]
pub struct BundleEdit {
    pub name: Option<RightsName>,
    /// Exactly these permissions from now on, before the grants.
    pub permissions: Option<Vec<PermissionName>>,
    /// Permissions to give and to take.
    pub grants: Grants,
    /// Users to give it to; whoever has it keeps it.
    pub add: Vec<UserSelector>,
    /// Users to take it from; who does not have it is passed over.
    pub remove: Vec<UserSelector>,
}

impl BundleEdit {
    /// Whether it changes the group or role itself, and not who holds it alone.
    pub(super) fn changes_holder(&self) -> bool {
        self.name.is_some() || self.permissions.is_some() || self.grants != Grants::default()
    }
}

operations! {
    /// What a user may do and how they came by it, by permission: of their own, by their groups and super roles, and by
    /// roles in active organizations. Says nothing of inactive users and superusers, who may nothing and everything.
    read user_permissions(user: &UserSelector) -> Vec<GrantRecord> = show;
    /// Grants permissions to a user, and revokes such grants; what the user has by a group or a role stays.
    write edit_user_permissions(user: &UserSelector; new: Grants) -> Vec<GrantRecord> = edit_user;
}

async fn show(tx: &Tx<'_>, by: &UserSelector) -> Result<Vec<GrantRecord>, DirectoryError> {
    let user = lookup::user(tx, by).await?;
    must_see_permissions(tx, &user)?;
    of_user(tx, user.id).await
}

/// Roles in other organizations are among them, so that managers do not see them.
fn must_see_permissions(tx: &Tx<'_>, user: &UserRecord) -> Result<(), DirectoryError> {
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(may, || "see what somebody else may do".to_owned())
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

async fn edit_user(tx: &Tx<'_>, by: &UserSelector, edit: Grants) -> Result<Vec<GrantRecord>, DirectoryError> {
    tx.viewer.must_be_superuser("give permissions to users")?;
    let user = lookup::user(tx, by).await?.id;
    let before = of_user(tx, user).await?;
    for permission in &edit.revoke {
        let sql = "DELETE FROM user_permissions WHERE user_id = $1 AND permission_id = $2";
        tx.execute(sql, &[&user, &permissions::find(tx, permission).await?.id]).await?;
    }
    for permission in &edit.grant {
        let sql = "INSERT INTO user_permissions (user_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&user, &permissions::find(tx, permission).await?.id]).await?;
    }
    let after = of_user(tx, user).await?;
    tx.changed_as("user.permissions", json!({ "user": by.to_string(), "id": user }), &before, &after);
    Ok(after)
}
