//! The gateway's reads, each one statement, hence one consistent look and one round; and the one write that it makes.

use super::Inner;
use super::error::Failure;
use super::session::{Session, within};
use super::statement::{Params, typed};
use crate::directory::token::{TokenDigest, scope_of};
use crate::directory::{OrgRef, StoreError, TokenSnapshot};
use crate::facts::{Home, Membership, Organization, Permissions, RoleName, Snapshot, User, UserFields, Value};
use crate::id::{OrgId, TokenId, UserId};
use ahash::AHashSet;
use deadpool_postgres::Object;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::{Error, Row};

/// All facts of the one user whom `who` has found, a row each; `kind` tells of what.
///
/// Everything is joined to the thing that gives it: a row that a careless hand left behind gives nothing.
macro_rules! facts {
    ($who:literal) => {
        concat!(
            "WITH who AS MATERIALIZED (",
            $who,
            ")
            SELECT 'user' AS kind, u.id AS id, u.username AS word, u.email AS name, u.external_id AS key,
                   u.is_active AS first, u.is_staff AS second, u.is_superuser AS third,
                   w.token, w.expires_at, w.revoked, w.scope, h.id AS home, h.slug AS home_slug, h.is_active AS home_is_active, u.fields
            FROM who w JOIN users u ON u.id = w.user_id LEFT JOIN organizations h ON h.id = u.organization_id
            UNION ALL
            SELECT 'membership', o.id, o.slug, o.name, o.external_id, m.is_admin, x.user_id IS NOT NULL, o.is_active,
                   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN memberships m ON m.user_id = w.user_id JOIN organizations o ON o.id = m.organization_id
            LEFT JOIN owners x ON x.organization_id = m.organization_id AND x.user_id = m.user_id
            WHERE o.is_active
            UNION ALL
            SELECT 'group', NULL, g.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN group_users u ON u.user_id = w.user_id JOIN groups g ON g.id = u.group_id
            UNION ALL
            SELECT 'permission', NULL, p.codename, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN user_permissions u ON u.user_id = w.user_id JOIN permissions p ON p.id = u.permission_id
            UNION ALL
            SELECT 'permission', NULL, p.codename, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN group_users u ON u.user_id = w.user_id JOIN groups g ON g.id = u.group_id
            JOIN group_permissions x ON x.group_id = g.id JOIN permissions p ON p.id = x.permission_id
            UNION ALL
            SELECT 'super role', NULL, p.codename, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN super_role_users u ON u.user_id = w.user_id JOIN super_roles r ON r.id = u.super_role_id
            JOIN super_role_permissions x ON x.super_role_id = r.id JOIN permissions p ON p.id = x.permission_id
            UNION ALL
            SELECT 'permission', r.organization_id, p.codename, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN role_users u ON u.user_id = w.user_id
            JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
            JOIN role_permissions x ON x.role_id = r.id JOIN permissions p ON p.id = x.permission_id
            UNION ALL
            SELECT 'role', NULL, r.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN super_role_users u ON u.user_id = w.user_id JOIN super_roles r ON r.id = u.super_role_id
            UNION ALL
            SELECT 'role', r.organization_id, r.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN role_users u ON u.user_id = w.user_id
            JOIN roles r ON r.id = u.role_id AND r.organization_id = u.organization_id
            UNION ALL
            SELECT 'second factor', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w JOIN second_factors f ON f.user_id = w.user_id WHERE f.confirmed
            UNION ALL
            SELECT 'second factor', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM who w WHERE EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = w.user_id)"
        )
    };
}

const BY_TOKEN: &str = facts!(
    "SELECT t.user_id, t.id AS token, t.expires_at, t.revoked_at IS NOT NULL AS revoked,
            CASE WHEN t.read_only THEN '1' ELSE '' END || '|' || t.organizations || '|' || t.permissions AS scope
     FROM tokens t WHERE t.digest = $1"
);
const BY_USER: &str = facts!(
    "SELECT $1::uuid AS user_id, NULL::uuid AS token, NULL::bigint AS expires_at, false AS revoked,
            NULL::text AS scope"
);

impl Inner {
    /// Asks once more where the connection turns out to have gone, as after a restart of the server.
    async fn ask(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        match self.ask_once(sql, params).await {
            Err(Failure::Postgres(error)) if error.as_db_error().is_none() => self.ask_once(sql, params).await,
            answer => answer,
        }
    }

    async fn ask_once(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let connection = self.connection().await?;
        let limit = self.options.answer;
        let answer = async {
            if self.direct {
                let statement = connection.prepare_cached(sql).await?;
                connection.query(&statement, params).await
            } else {
                connection.query_typed(sql, &typed(params)).await
            }
        };
        let answer = within(limit, answer).await;
        if answer.is_err() {
            drop(Object::take(connection));
        }
        answer
    }

    pub(super) async fn token_snapshot(&self, digest: TokenDigest) -> Result<Option<TokenSnapshot>, StoreError> {
        let digest: &[u8] = &digest.0;
        found(&self.ask(BY_TOKEN, &[&digest]).await?)
    }

    pub(super) async fn user_snapshot(&self, id: UserId) -> Result<Option<Snapshot>, StoreError> {
        Ok(of_user(&self.ask(BY_USER, &[&id]).await?)?)
    }

    pub(super) async fn find_organization(&self, by: &OrgRef) -> Result<Option<Organization>, StoreError> {
        const COLUMNS: &str =
            "SELECT id, slug AS word, name, external_id AS key, is_active AS third FROM organizations";
        let rows = match by {
            OrgRef::Id(id) => self.ask(&format!("{COLUMNS} WHERE id = $1"), &[id]).await?,
            OrgRef::Slug(slug) => self.ask(&format!("{COLUMNS} WHERE slug = $1"), &[slug]).await?,
            OrgRef::External(key) => self.ask(&format!("{COLUMNS} WHERE external_id = $1"), &[key]).await?,
        };
        Ok(rows.first().map(organization).transpose()?)
    }

    pub(super) async fn touch_tokens(&self, uses: &[(TokenId, i64)]) -> Result<(), StoreError> {
        // In one order, so that two replicas never wait for each other in a circle.
        const SQL: &str = "
            WITH used AS (SELECT id, max(at) AS at FROM unnest($1::uuid[], $2::bigint[]) AS u (id, at) GROUP BY id),
                 held AS (SELECT t.id, used.at FROM tokens t JOIN used USING (id)
                          WHERE t.last_used IS NULL OR t.last_used < used.at ORDER BY t.id FOR NO KEY UPDATE OF t)
            UPDATE tokens t SET last_used = held.at FROM held WHERE t.id = held.id";
        let (ids, times): (Vec<TokenId>, Vec<i64>) = uses.iter().copied().unzip();
        let sql = if self.bridged { "SELECT put_uses($1::uuid[], $2::bigint[])" } else { SQL };
        self.ask(sql, &[&ids, &times]).await?;
        Ok(())
    }
}

/// All facts of a user, within a look that has begun.
pub(super) async fn snapshot(tx: &Session<'_>, id: UserId) -> Result<Option<Snapshot>, StoreError> {
    Ok(of_user(&tx.query(BY_USER, &[&id]).await?)?)
}

fn of_user(rows: &[Row]) -> Result<Option<Snapshot>, Error> {
    let mut rest = Rest::default();
    let mut user = None;
    for row in rows {
        if !rest.take(row)? {
            user = Some(read_user(row)?);
        }
    }
    Ok(user.map(|user| rest.of(user)))
}

fn found(rows: &[Row]) -> Result<Option<TokenSnapshot>, StoreError> {
    let mut rest = Rest::default();
    let mut found = None;
    for row in rows {
        if !rest.take(row)? {
            let token = (row.try_get("token")?, row.try_get("expires_at")?, row.try_get("revoked")?);
            found = Some((token, row.try_get::<_, &str>("scope")?, read_user(row)?));
        }
    }
    let Some(((token, expires_at, revoked), scope, user)) = found else { return Ok(None) };
    let mut parts = scope.splitn(3, '|');
    let mut part = || parts.next().unwrap_or_default();
    let scope = scope_of(!part().is_empty(), part(), part())?;
    Ok(Some(TokenSnapshot { token, expires_at, revoked, snapshot: rest.of(user).narrowed(scope) }))
}

/// What belongs to a user, row by row.
#[derive(Default)]
struct Rest {
    memberships: Vec<Membership>,
    groups: Vec<Arc<str>>,
    roles: Vec<RoleName>,
    everywhere: Vec<Arc<str>>,
    super_roles: Vec<Arc<str>>,
    has_second_factor: bool,
    by_organization: BTreeMap<OrgId, Vec<Arc<str>>>,
    /// One text for the same word in a thousand organizations.
    words: AHashSet<Arc<str>>,
}

impl Rest {
    /// Takes a row in; not, where it is the user's own.
    fn take(&mut self, row: &Row) -> Result<bool, Error> {
        match row.try_get("kind")? {
            "membership" => self.memberships.push(Membership {
                organization: Arc::new(organization(row)?),
                is_admin: row.try_get("first")?,
                is_owner: row.try_get("second")?,
            }),
            "second factor" => self.has_second_factor = true,
            "group" => {
                let word = self.word(row)?;
                self.groups.push(word);
            }
            "super role" => {
                let word = self.word(row)?;
                self.super_roles.push(word);
            }
            "role" => {
                let word = self.word(row)?;
                self.roles.push((row.try_get("id")?, word));
            }
            "permission" => {
                let word = self.word(row)?;
                match row.try_get::<_, Option<OrgId>>("id")? {
                    Some(organization) => self.by_organization.entry(organization).or_default().push(word),
                    None => self.everywhere.push(word),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn word(&mut self, row: &Row) -> Result<Arc<str>, Error> {
        let text: &str = row.try_get("word")?;
        let word = self.words.get(text).cloned().unwrap_or_else(|| Arc::from(text));
        self.words.insert(Arc::clone(&word));
        Ok(word)
    }

    fn of(self, user: User) -> Snapshot {
        let permissions = Permissions::new(self.everywhere, self.by_organization.into_iter().collect());
        let permissions = permissions.with_super_roles(self.super_roles);
        let snapshot = Snapshot::new(user, self.memberships).with_permissions(permissions);
        snapshot.with_groups(self.groups).with_roles(self.roles).with_second_factor(self.has_second_factor)
    }
}

fn read_user(row: &Row) -> Result<User, Error> {
    let username: &str = row.try_get("word")?;
    let home = match row.try_get("home")? {
        Some(id) => Some(Box::new(Home::new(id, row.try_get("home_slug")?, row.try_get("home_is_active")?, username))),
        None => None,
    };
    Ok(User {
        id: row.try_get("id")?,
        username: Some(Value::new(username)),
        issuer: None,
        email: optional(row, "name")?,
        external_id: optional(row, "key")?,
        home,
        fields: row.try_get::<_, Option<&str>>("fields")?.and_then(UserFields::parse),
        is_active: row.try_get("first")?,
        is_staff: row.try_get("second")?,
        is_superuser: row.try_get("third")?,
    })
}

fn organization(row: &Row) -> Result<Organization, Error> {
    Ok(Organization {
        id: row.try_get("id")?,
        slug: text(row, "word")?,
        name: text(row, "name")?,
        external_id: optional(row, "key")?,
        is_active: row.try_get("third")?,
    })
}

fn text(row: &Row, column: &str) -> Result<Value, Error> {
    row.try_get::<_, &str>(column).map(Value::new)
}

fn optional(row: &Row, column: &str) -> Result<Option<Box<Value>>, Error> {
    Ok(row.try_get::<_, Option<&str>>(column)?.map(|text| Box::new(Value::new(text))))
}
