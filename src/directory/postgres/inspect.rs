//! What an operator should know of a database that works: whether its role may do enough, and not too much, and how its outbox
//! is.

use super::Options;
use super::connect::Target;
use super::open::ready;
use super::problem::{OpenError, OpenProblem};
use super::statement::typed;
use std::time::Duration;

/// What was found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The server's version, as it tells it.
    pub version: String,
    /// As whom we are there.
    pub role: String,
    /// The role may change the schema: it is the owner of the tables, or a superuser.
    pub may_migrate: bool,
    /// Rights that the role lacks, as `SELECT on users`.
    pub missing: Vec<String>,
    /// Rights that no replica needs, and that somebody who had its password could harm all with: `UPDATE on settings`. A role
    /// that may migrate has them all.
    pub surplus: Vec<String>,
    /// Triggers that do not fire: changes of their tables are not told.
    pub silent: Vec<String>,
    /// Rows in the outbox.
    pub outbox: i64,
    /// How long the oldest transaction that holds the outbox's trimming back has been open.
    pub oldest: Duration,
    /// Connections that are open at the server, and how many it takes.
    pub connections: (i64, i64),
}

/// The tables that every replica changes.
const TABLES: &str = "ARRAY['users', 'organizations', 'slugs', 'memberships', 'owners', 'tokens', 'permissions',
    'user_permissions', 'groups', 'group_permissions', 'group_users', 'super_roles', 'super_role_permissions',
    'super_role_users', 'roles', 'role_permissions', 'role_users']";

/// The tables that they rest on, and only read.
const KEPT: &str = "ARRAY['settings', 'changes', 'changes_kept', 'schema_migrations']";

/// Looks, and changes nothing.
///
/// # Errors
/// [`OpenError`].
pub async fn inspect(target: &Target, options: &Options) -> Result<Inspection, OpenError> {
    let look = async {
        let db = ready(target, options).await?;
        let missing = format!(
            "SELECT wanted.privilege || ' on ' || wanted.tbl FROM (
                 SELECT unnest({TABLES}) AS tbl, privilege
                 FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
                 UNION ALL SELECT unnest({KEPT}), 'SELECT'
             ) AS wanted WHERE to_regclass(wanted.tbl) IS NULL OR NOT has_table_privilege(wanted.tbl, wanted.privilege)
             ORDER BY 1"
        );
        let surplus = format!(
            "SELECT privilege || ' on ' || tbl FROM unnest({KEPT}) AS tbl, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege
             WHERE has_table_privilege(tbl, privilege) ORDER BY 1"
        );
        let silent = "SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger
                      WHERE NOT tgisinternal AND tgenabled = 'D' AND tgrelid::regclass::text = ANY ($1) ORDER BY 1";
        let facts = "SELECT current_setting('server_version') AS version, current_user::text AS role,
                            (SELECT count(*) FROM changes) AS outbox,
                            pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'users'::regclass), 'USAGE') AS owner,
                            coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
                                      WHERE backend_xid IS NOT NULL), 0)::float8 AS oldest,
                            (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
                            current_setting('max_connections')::bigint AS most";
        let texts = |rows: Vec<tokio_postgres::Row>| -> Result<Vec<String>, OpenProblem> {
            rows.iter().map(|row| row.try_get(0).map_err(OpenProblem::of)).collect()
        };
        let missing = texts(db.query_typed(&missing, &[]).await.map_err(OpenProblem::of)?)?;
        let surplus = texts(db.query_typed(&surplus, &[]).await.map_err(OpenProblem::of)?)?;
        let tables: Vec<&str> = TABLES.split('\'').skip(1).step_by(2).collect();
        let silent = texts(db.query_typed(silent, &typed(&[&tables])).await.map_err(OpenProblem::of)?)?;
        let row = db.query_typed_one(facts, &[]).await.map_err(OpenProblem::of)?;
        let read = || -> Result<Inspection, tokio_postgres::Error> {
            let oldest: f64 = row.try_get("oldest")?;
            Ok(Inspection {
                version: row.try_get("version")?,
                role: row.try_get("role")?,
                may_migrate: row.try_get("owner")?,
                missing,
                surplus,
                silent,
                outbox: row.try_get("outbox")?,
                oldest: Duration::try_from_secs_f64(oldest.max(0.0)).unwrap_or_default(),
                connections: (row.try_get("used")?, row.try_get("most")?),
            })
        };
        read().map_err(OpenProblem::of)
    };
    look.await.map_err(|problem| target.refused(problem))
}
