//! The gateway's reads, each within one read transaction, and the one write that it makes.

use crate::directory::token::{TokenDigest, scope_of};
use crate::directory::{MEMBERS_AT_MOST, OrgRef, StoreError, TokenSnapshot};
use crate::facts::{Home, Membership, Organization, Permissions, RoleName, Snapshot, User, UserFields, Value};
use crate::id::{OrgId, TokenId, UserId};
use crate::password::Kinds;
use ahash::AHashSet;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns of [`user`]; `u` is the table.
macro_rules! user_columns {
    () => {
        "u.id AS user_id, u.username, u.email, u.external_id, u.fields, u.is_active, u.is_staff, u.is_superuser,
         h.id AS home, h.slug AS home_slug, h.is_active AS home_is_active"
    };
}

/// The columns of [`organization`]; `o` is the table.
macro_rules! organization_columns {
    () => {
        "o.id, o.slug, o.name, o.external_id, o.is_active"
    };
}

pub(super) fn token_snapshot(tx: &Connection, digest: &TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
    const SQL: &str = concat!(
        "SELECT t.id, t.expires_at, t.revoked_at IS NOT NULL AS revoked, t.read_only, t.organizations, t.permissions, ",
        user_columns!(),
        " FROM tokens t JOIN users u ON u.id = t.user_id LEFT JOIN organizations h ON h.id = u.organization_id WHERE t.digest = ?1"
    );
    let found = tx
        .prepare_cached(SQL)?
        .query_row([digest.0], |row| {
            let token = (row.get("id")?, row.get("expires_at")?, row.get("revoked")?);
            let scope: (bool, String, String) =
                (row.get("read_only")?, row.get("organizations")?, row.get("permissions")?);
            Ok((token, scope, user(row)?))
        })
        .optional()?;
    let Some(((token, expires_at, revoked), (read_only, organizations, permissions), user)) = found else {
        return Ok(None);
    };
    let scope = scope_of(read_only, &organizations, &permissions)?;
    Ok(Some(TokenSnapshot { token, expires_at, revoked, snapshot: snapshot(tx, user)?.narrowed(scope) }))
}

pub(super) fn user_snapshot(tx: &Connection, id: UserId) -> Result<Option<Snapshot>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u LEFT JOIN organizations h ON h.id = u.organization_id WHERE u.id = ?1"
    );
    let Some(user) = tx.prepare_cached(SQL)?.query_row([id], user).optional()? else { return Ok(None) };
    Ok(Some(snapshot(tx, user)?))
}

pub(super) fn find_organization(tx: &Connection, by: &OrgRef) -> Result<Option<Organization>, StoreError> {
    const BY_ID: &str = concat!("SELECT ", organization_columns!(), " FROM organizations o WHERE o.id = ?1");
    const BY_SLUG: &str = concat!("SELECT ", organization_columns!(), " FROM organizations o WHERE o.slug = ?1");
    const BY_KEY: &str = concat!("SELECT ", organization_columns!(), " FROM organizations o WHERE o.external_id = ?1");
    let found = match by {
        OrgRef::Id(id) => tx.prepare_cached(BY_ID)?.query_row([id], organization).optional()?,
        OrgRef::Slug(slug) => tx.prepare_cached(BY_SLUG)?.query_row([slug], organization).optional()?,
        OrgRef::External(key) => tx.prepare_cached(BY_KEY)?.query_row([key], organization).optional()?,
    };
    Ok(found)
}

pub(super) fn members_of(tx: &Connection, organizations: &[OrgId]) -> Result<Vec<UserId>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT user_id FROM memberships WHERE organization_id = ?1")?;
    let mut members = Vec::new();
    for id in organizations {
        let rows = statement.query_map([id], |row| row.get(0))?;
        for member in rows.take(MEMBERS_AT_MOST.saturating_add(1).saturating_sub(members.len())) {
            members.push(member?);
        }
    }
    Ok(members)
}

/// One row at a time: a million of them are counted, not held.
pub(super) fn password_kinds(tx: &Connection) -> Result<Kinds, StoreError> {
    let mut kinds = Kinds::default();
    let mut statement = tx.prepare_cached("SELECT password FROM users WHERE password IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        kinds.add(row.get_ref(0)?.as_str().unwrap_or_default(), 1);
    }
    Ok(kinds)
}

pub(super) fn touch_tokens(tx: &Connection, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
    let sql = "UPDATE tokens SET last_used = ?2 WHERE id = ?1 AND (last_used IS NULL OR last_used < ?2)";
    let mut statement = tx.prepare_cached(sql)?;
    for (token, at) in uses {
        statement.execute((token, at))?;
    }
    Ok(())
}

/// A user with all that belongs to them: two statements, however much it is.
pub(super) fn snapshot(tx: &Connection, user: User) -> rusqlite::Result<Snapshot> {
    let memberships = memberships(tx, user.id)?;
    let Rights { permissions, groups, roles, has_second_factor } = rights(tx, user.id)?;
    let snapshot = Snapshot::new(user, memberships).with_permissions(permissions).with_groups(groups);
    Ok(snapshot.with_roles(roles).with_second_factor(has_second_factor))
}

struct Rights {
    permissions: Permissions,
    groups: Vec<Arc<str>>,
    roles: Vec<RoleName>,
    has_second_factor: bool,
}

/// What a user may do besides their levels, the names of their groups and roles, and whether they have a second factor.
///
/// Everything is joined to the thing that gives it: a row that a careless hand left behind gives nothing.
fn rights(tx: &Connection, user: UserId) -> rusqlite::Result<Rights> {
    const SQL: &str = "
        SELECT 'group' AS kind, NULL AS organization_id, g.name AS word
        FROM group_users u JOIN groups g ON g.id = u.group_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'permission', NULL, p.codename
        FROM user_permissions u JOIN permissions p ON p.id = u.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'permission', NULL, p.codename
        FROM group_users u JOIN groups g ON g.id = u.group_id JOIN group_permissions x ON x.group_id = g.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'super role', NULL, p.codename
        FROM super_role_users u JOIN super_roles r ON r.id = u.super_role_id
        JOIN super_role_permissions x ON x.super_role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'permission', r.organization_id, p.codename
        FROM role_users u JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
        JOIN role_permissions x ON x.role_id = r.id
        JOIN permissions p ON p.id = x.permission_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'role', NULL, r.name
        FROM super_role_users u JOIN super_roles r ON r.id = u.super_role_id WHERE u.user_id = ?1
        UNION ALL
        SELECT 'role', r.organization_id, r.name
        FROM role_users u JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
        WHERE u.user_id = ?1
        UNION ALL
        SELECT 'second factor', NULL, '' FROM second_factors WHERE user_id = ?1 AND confirmed
        UNION ALL
        SELECT 'second factor', NULL, '' WHERE EXISTS (SELECT 1 FROM passkeys WHERE user_id = ?1)";
    let mut statement = tx.prepare_cached(SQL)?;
    let mut rows = statement.query([user])?;
    // One text for the same word in a thousand organizations.
    let mut words: AHashSet<Arc<str>> = AHashSet::new();
    let (mut groups, mut roles, mut everywhere, mut super_roles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut by_organization: BTreeMap<OrgId, Vec<Arc<str>>> = BTreeMap::new();
    let mut has_second_factor = false;
    while let Some(row) = rows.next()? {
        let text = row.get_ref("word")?.as_str()?;
        let word = words.get(text).cloned().unwrap_or_else(|| Arc::from(text));
        words.insert(word.clone());
        let organization: Option<OrgId> = row.get("organization_id")?;
        match (row.get_ref("kind")?.as_str()?, organization) {
            ("second factor", _) => has_second_factor = true,
            ("group", _) => groups.push(word),
            ("super role", _) => super_roles.push(word),
            ("role", organization) => roles.push((organization, word)),
            (_, Some(organization)) => by_organization.entry(organization).or_default().push(word),
            (_, None) => everywhere.push(word),
        }
    }
    let permissions = Permissions::new(everywhere, by_organization.into_iter().collect());
    Ok(Rights { permissions: permissions.with_super_roles(super_roles), groups, roles, has_second_factor })
}

fn memberships(tx: &Connection, user: UserId) -> rusqlite::Result<Vec<Membership>> {
    const SQL: &str = concat!(
        "SELECT m.is_admin, w.user_id IS NOT NULL AS is_owner, ",
        organization_columns!(),
        " FROM memberships m JOIN organizations o ON o.id = m.organization_id
          LEFT JOIN owners w ON w.organization_id = m.organization_id AND w.user_id = m.user_id
          WHERE m.user_id = ?1 AND o.is_active = 1"
    );
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map([user], |row| {
        let organization = Arc::new(organization(row)?);
        Ok(Membership { organization, is_admin: row.get("is_admin")?, is_owner: row.get("is_owner")? })
    })?;
    rows.collect()
}

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let id: UserId = row.get("user_id")?;
    let username: Box<str> = row.get("username")?;
    let home = match row.get("home")? {
        Some(id) => {
            let slug: Box<str> = row.get("home_slug")?;
            Some(Box::new(Home::new(id, &slug, row.get("home_is_active")?, &username)))
        }
        None => None,
    };
    Ok(User {
        id,
        username: Some(Value::new(username)),
        issuer: None,
        email: optional(row, "email")?,
        external_id: optional(row, "external_id")?,
        home,
        fields: UserFields::parse(&row.get::<_, Box<str>>("fields")?),
        is_active: row.get("is_active")?,
        is_staff: row.get("is_staff")?,
        is_superuser: row.get("is_superuser")?,
    })
}

fn organization(row: &Row<'_>) -> rusqlite::Result<Organization> {
    let id: OrgId = row.get("id")?;
    Ok(Organization {
        id,
        slug: text(row, "slug")?,
        name: text(row, "name")?,
        external_id: optional(row, "external_id")?,
        is_active: row.get("is_active")?,
    })
}

fn text(row: &Row<'_>, column: &str) -> rusqlite::Result<Value> {
    row.get::<_, Box<str>>(column).map(Value::new)
}

fn optional(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Box<Value>>> {
    Ok(row.get::<_, Option<Box<str>>>(column)?.map(|text| Box::new(Value::new(text))))
}
