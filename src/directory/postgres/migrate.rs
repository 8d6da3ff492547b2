//! The schema of the database: numbered files, embedded, each applied once; twins of the embedded store's.
//!
//! The table `schema_migrations` keeps what was applied and the checksum of its text. All of it happens in one transaction
//! under an advisory lock, so that ten replicas may start at once. A database of a newer postern is refused: an older
//! program would not know the rules that it must keep. On OpenWISP's database the steps are others: see `openwisp`.

use super::error::describe;
use super::openwisp::{self, Openwisp};
use super::statement::typed;
use crate::directory::schema::{Applied, Migration, Mismatch, Status, compare, migrations, pending};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

/// All steps that this program knows, in order.
pub const MIGRATIONS: &[Migration] = migrations!("postgres");

/// The lock that whoever changes the schema holds: "postern" in bytes.
const LOCK: i64 = 0x0070_6f73_7465_726e;

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It is newer, or another.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The schema belongs to something else.
    #[error("it holds the tables of another program")]
    Foreign,
    /// Something is pending, and this role may not change the schema.
    #[error("{pending} steps of its schema are pending, and this role may not change it: {why}")]
    Forbidden { pending: usize, why: String },
    /// It was copied from another server, and this role may not say so in its outbox.
    #[error(
        "it was copied from another server, by whose numbers its outbox counts, and this role may not change that: {why}"
    )]
    Copied { why: String },
    /// Django's tables are not what they must be.
    #[error("{0}")]
    Openwisp(String),
    /// No randomness for the installation's key.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The server refused or failed.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
}

/// What is applied and what is pending. Changes nothing.
///
/// # Errors
/// As [`migrate`], without the writing.
pub async fn status(db: &impl GenericClient, of: Option<&Openwisp>) -> Result<Vec<Status>, MigrateError> {
    let Some(openwisp) = of else { return Ok(compare(MIGRATIONS, &applied(db, false).await?)?) };
    let mut applied = applied(db, true).await?;
    // The last step is made anew where Django's tables are others: it has no one text.
    let bridge = applied.iter().position(|step| step.version == openwisp::BRIDGE.version);
    let bridge = bridge.map(|at| applied.remove(at));
    let mut steps = compare(openwisp::MIGRATIONS, &applied)?;
    let at = match bridge {
        Some(step) if openwisp.is_current(db).await? => Some(step.at),
        _ => None,
    };
    steps.push(Status { migration: &openwisp::BRIDGE, applied: at });
    Ok(steps)
}

/// Applies what is pending and returns it; and begins the outbox anew in a copy of another server's database. Writes nothing, and
/// waits for nobody, where neither is.
///
/// # Errors
/// The database is newer, changed, foreign, or this role may not; nothing of it is kept then.
pub async fn migrate(
    db: &mut Client,
    of: Option<&Openwisp>,
    now: i64,
) -> Result<Vec<&'static Migration>, MigrateError> {
    let missing = pending(status(db, of).await?).len();
    let done = match missing {
        0 => Vec::new(),
        _ => apply(db, of, now).await.map_err(|error| match error {
            MigrateError::Postgres(e) if is_forbidden(&e) => {
                MigrateError::Forbidden { pending: missing, why: describe(&e) }
            }
            other => other,
        })?,
    };
    if is_copied(db).await? {
        adopt(db).await.map_err(|error| match error {
            MigrateError::Postgres(e) if is_forbidden(&e) => MigrateError::Copied { why: describe(&e) },
            other => other,
        })?;
    }
    Ok(done)
}

/// Takes all that is ours out of OpenWISP's database; whether there was anything.
///
/// # Errors
/// This role may not, or somebody holds a table of Django's for long.
pub async fn uninstall(db: &mut Client, openwisp: &Openwisp) -> Result<bool, MigrateError> {
    let tx = db.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let done = openwisp.uninstall(&tx).await?;
    tx.commit().await?;
    Ok(done)
}

fn is_forbidden(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
}

/// Whether the outbox knows transactions that this server has not come to: it came here in a dump of another server's.
async fn is_copied(db: &impl GenericClient) -> Result<bool, MigrateError> {
    let sql = "SELECT greatest(trimmed, emptied, next, (SELECT xid FROM changes ORDER BY xid DESC LIMIT 1))
                      >= pg_snapshot_xmax(pg_current_snapshot())
               FROM changes_kept";
    let row = db.query_typed_opt(sql, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

/// Drops what is not of this server, and tells whoever follows that anything may have changed.
async fn adopt(db: &mut Client) -> Result<(), MigrateError> {
    let tx = db.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    if is_copied(&tx).await? {
        tx.batch_execute(
            "DELETE FROM changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());
             UPDATE changes_kept
             SET trimmed = '0', emptied = pg_current_xact_id(), next = '0', marked = clock_timestamp()",
        )
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn apply(db: &mut Client, of: Option<&Openwisp>, now: i64) -> Result<Vec<&'static Migration>, MigrateError> {
    let tx = db.transaction().await?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    if let Some(openwisp) = of {
        openwisp.begin(&tx).await?;
    }
    // Another replica may have been first while we waited for the lock.
    let pending = pending(status(&tx, of).await?);
    // What functions keep as their search path: this schema, and temporary tables last.
    tx.batch_execute("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)").await?;
    tx.batch_execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version  integer PRIMARY KEY,
            name     text NOT NULL,
            checksum text NOT NULL,
            applied  bigint NOT NULL
        )",
    )
    .await?;
    for migration in &pending {
        match of.filter(|_| migration.version == openwisp::BRIDGE.version) {
            Some(openwisp) => openwisp.install(&tx).await?,
            None => tx.batch_execute(migration.sql).await?,
        }
        let version = i32::try_from(migration.version).unwrap_or(i32::MAX);
        let sql = "INSERT INTO schema_migrations (version, name, checksum, applied) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (version) DO UPDATE SET applied = $4";
        tx.execute(sql, &[&version, &migration.name, &migration.checksum(), &now]).await?;
    }
    let (mut key, mut epoch) = ([0_u8; 32], [0_u8; 16]);
    getrandom::fill(&mut key)?;
    getrandom::fill(&mut epoch)?;
    let sql =
        "INSERT INTO settings (name, value) VALUES ('token_checksum_key', $1), ('epoch', $2) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&key.as_slice(), &epoch.as_slice()]).await?;
    tx.commit().await?;
    Ok(pending)
}

/// What was applied to this schema. One that is to hold ours `alone` has no table of anybody else's; another may have some.
async fn applied(db: &impl GenericClient, alone: bool) -> Result<Vec<Applied>, MigrateError> {
    // Other programs keep theirs in a `schema_migrations` too.
    let sql = "SELECT count(*) FILTER (WHERE tablename = 'schema_migrations' AND EXISTS (
                          SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('schema_migrations') AND attname = 'checksum')) > 0 AS ours,
                      count(*) FILTER (WHERE $1 OR tablename IN ('users', 'organizations', 'django_migrations', 'auth_user')) > 0
                          AS used
               FROM pg_tables WHERE schemaname = current_schema()";
    let tables = db.query_typed_one(sql, &typed(&[&alone])).await?;
    if !tables.try_get::<_, bool>("ours")? {
        return if tables.try_get("used")? { Err(MigrateError::Foreign) } else { Ok(Vec::new()) };
    }
    let sql = "SELECT version, checksum, applied FROM schema_migrations ORDER BY version";
    let rows = db.query_typed(sql, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Applied {
            version: u32::try_from(row.try_get::<_, i32>("version")?).unwrap_or(u32::MAX),
            checksum: row.try_get("checksum")?,
            at: row.try_get("applied")?,
        })
    };
    rows.iter().map(read).collect()
}
