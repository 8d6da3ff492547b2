//! What an operator should know of a database that works: whether its role may do enough, and not too much, and how its outbox
//! is.

use super::Options;
use super::connect::Target;
use super::open::ready;
use super::openwisp::{self, Openwisp};
use super::problem::{OpenError, OpenProblem};
use super::statement::{Params, typed};
use std::time::Duration;

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
    /// Triggers that are missing or do not fire: changes of their tables are not told, or their rules not kept.
    pub silent: Vec<String>,
    /// Nothing tells of changes: all is looked over now and then, and nothing of Django's is written.
    pub looked_over: bool,
    /// Columns of Django's that must be given and that nobody here knows: new records of these tables are refused.
    pub unknown: Vec<String>,
    /// Connections are sessions of our own, which notifications come through; no pooler stands between.
    pub direct: bool,
    pub outbox: i64,
    /// How long the oldest transaction that holds the outbox's trimming back has been open.
    pub oldest: Duration,
    /// The role may see the transactions of other roles.
    pub sees_all: bool,
    /// Connections that are open at the server, and how many it takes.
    pub connections: (i64, i64),
}

/// The tables that every replica changes.
const TABLES: [&str; 22] = [
    "users",
    "organizations",
    "slugs",
    "memberships",
    "owners",
    "tokens",
    "permissions",
    "user_permissions",
    "groups",
    "group_permissions",
    "group_users",
    "super_roles",
    "super_role_permissions",
    "super_role_users",
    "roles",
    "role_permissions",
    "role_users",
    "email_addresses",
    "subjects",
    "sessions",
    "second_factors",
    "passkeys",
];

/// Those that every replica changes too, and that no fact is in.
const BOOKS: [&str; 2] = ["jobs", "notices"];

/// The tables that they rest on, and only read.
const KEPT: [&str; 5] = ["settings", "changes", "changes_kept", "schema_migrations", "totals"];

/// Of functions in our schema, those that the role may not call.
const NOT_EXECUTABLE: &str = "SELECT 'EXECUTE on ' || name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (
         SELECT 1 FROM pg_proc WHERE proname = name AND pronamespace = current_schema()::regnamespace
             AND has_function_privilege(oid, 'EXECUTE')) ORDER BY 1";

/// The triggers that every schema has, as `table.trigger`: some tell of changes, some keep rules.
fn triggers() -> Vec<String> {
    // Of those whose rows are nobody's fact by themselves, no row that comes or goes is told.
    let quiet = ["slugs", "permissions", "groups", "super_roles", "roles"];
    let renamed = ["permissions", "groups", "super_roles", "roles"];
    let of_tables = TABLES.into_iter().flat_map(|table| {
        let is_fact = !quiet.contains(&table);
        let endings = [
            ("told", is_fact),
            ("told_of_updates", is_fact && table != "passkeys" || renamed.contains(&table)),
            ("emptied", table != "slugs"),
        ];
        endings.into_iter().filter(|(_, there)| *there).map(move |(ending, _)| format!("{table}.{table}_{ending}"))
    });
    let others = [
        "changes.announced",
        "changes.changes_emptied",
        "changes.changes_gone",
        "memberships.owner_is_not_demoted",
        "memberships.owner_stays_member",
        "memberships.owner_stays_member_too",
        "memberships.primary_membership_stays",
        "memberships.primary_membership_stays_too",
        "memberships.roles_stay_behind",
        "organizations.organizations_counted",
        "organizations.organizations_counted_anew",
        "organizations.organizations_counted_gone",
        "organizations.slug_is_not_reused",
        "roles.role_stays_in_its_organization",
        "sessions.sessions_of_inactive_refused",
        "settings.usernames_changed",
        "users.deactivation_ends_sessions",
        "users.passwords_end_sessions",
        "users.primary_organization_is_joined",
        "users.primary_organization_is_theirs",
        "users.username_is_no_id",
        "users.users_counted",
        "users.users_counted_anew",
        "users.users_counted_gone",
        "users.users_told_of_fields",
    ];
    of_tables.chain(others.map(str::to_owned)).collect()
}

/// Looks, and changes nothing.
///
/// # Errors
/// [`OpenError`].
pub async fn inspect(target: &Target, options: &Options) -> Result<Inspection, OpenError> {
    let look = async {
        let direct = target.is_direct(options.connect).await?;
        let db = ready(target, options).await?;
        let missing = "SELECT wanted.privilege || ' on ' || wanted.tbl FROM (
                 SELECT unnest($1::text[]) AS tbl, privilege
                 FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
                 UNION ALL SELECT unnest($2::text[]), 'SELECT'
             ) AS wanted WHERE to_regclass(wanted.tbl) IS NULL OR NOT has_table_privilege(wanted.tbl, wanted.privilege)
             ORDER BY 1";
        let surplus = "SELECT privilege || ' on ' || tbl
             FROM unnest($1::text[]) AS tbl, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege
             WHERE has_table_privilege(tbl, privilege) ORDER BY 1";
        // Those for replicas alone (`R`) are silent too.
        let silent = "SELECT wanted FROM unnest($1::text[]) AS wanted WHERE NOT EXISTS (
                 SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(split_part(wanted, '.', 1))
                     AND tgname = split_part(wanted, '.', 2) AND tgenabled IN ('O', 'A')) ORDER BY 1";
        let facts = "SELECT current_setting('server_version') AS version, current_user::text AS role,
                            (SELECT count(*) FROM changes) AS outbox,
                            pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'users'::regclass), 'USAGE') AS owner,
                            coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
                                      WHERE backend_xid IS NOT NULL), 0)::float8 AS oldest,
                            pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
                            (SELECT sum(numbackends) FROM pg_stat_database)::bigint AS used,
                            current_setting('max_connections')::bigint AS most";
        let texts = async |sql: &str, params: Params<'_>| -> Result<Vec<String>, OpenProblem> {
            let rows = db.query_typed(sql, &typed(params)).await.map_err(OpenProblem::of)?;
            rows.iter().map(|row| row.try_get(0).map_err(OpenProblem::of)).collect()
        };
        let (tables, kept) = ([&TABLES[..], &BOOKS].concat(), KEPT.to_vec());
        // Views are read with the rights of who asks.
        let behind = target.openwisp().map(Openwisp::read).unwrap_or_default();
        let read: Vec<&str> = kept.iter().copied().chain(behind.iter().map(String::as_str)).collect();
        let mut missing = texts(missing, &[&tables, &read]).await?;
        if target.openwisp().is_some() {
            missing.extend(texts(NOT_EXECUTABLE, &[&openwisp::CALLED.to_vec()]).await?);
        }
        let surplus = texts(surplus, &[&kept]).await?;
        let (looked_over, unknown) = match target.openwisp() {
            Some(openwisp) => (
                openwisp.is_looked_over(&db).await.map_err(OpenProblem::of)?,
                openwisp.unknown(&db).await.map_err(OpenProblem::of)?,
            ),
            None => (false, Vec::new()),
        };
        let silent = match target.openwisp() {
            Some(openwisp) => openwisp.unwatched(&db).await.map_err(OpenProblem::of)?,
            None => texts(silent, &[&triggers()]).await?,
        };
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
                looked_over,
                unknown,
                direct,
                outbox: row.try_get("outbox")?,
                oldest: Duration::try_from_secs_f64(oldest.max(0.0)).unwrap_or_default(),
                sees_all: row.try_get("sees_all")?,
                connections: (row.try_get("used")?, row.try_get("most")?),
            })
        };
        read().map_err(OpenProblem::of)
    };
    look.await.map_err(|problem| target.refused(problem))
}
