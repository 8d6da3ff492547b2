//! The schema of the database: numbered files, embedded, each applied once.
//!
//! The table `schema_migrations` keeps what was applied and the checksum of its text. All of it happens in one
//! transaction that locks the database first, so that two processes never do it at once. A database of a newer postern is
//! refused: an older program would not know the rules that it must keep.

use crate::directory::schema::{Applied, Mismatch, compare, migrations, pending};
pub use crate::directory::schema::{Migration, Status};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// All steps that this program knows, in order.
pub const MIGRATIONS: &[Migration] = migrations!("sqlite");

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It is newer, or another.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The database belongs to something else.
    #[error("it is an SQLite database of another program")]
    Foreign,
    /// No randomness for the installation's key.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// What is applied and what is pending. Changes nothing.
///
/// # Errors
/// As [`migrate`], without the writing.
pub fn status(db: &Connection) -> Result<Vec<Status>, MigrateError> {
    Ok(compare(MIGRATIONS, &applied(db)?)?)
}

/// Applies what is pending and returns it. Writes nothing, and waits for nobody, where nothing is.
///
/// # Errors
/// The database is newer, changed, foreign, locked, full …; nothing of it is kept then.
pub fn migrate(db: &mut Connection, now: i64) -> Result<Vec<&'static Migration>, MigrateError> {
    if pending(status(db)?).is_empty() {
        return Ok(Vec::new());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first while we waited for the lock.
    let pending = pending(status(&tx)?);
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version  INTEGER PRIMARY KEY NOT NULL,
            name     TEXT NOT NULL,
            checksum TEXT NOT NULL,
            applied  INTEGER NOT NULL
        ) STRICT",
    )?;
    for migration in &pending {
        tx.execute_batch(migration.sql)?;
        tx.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied) VALUES (?1, ?2, ?3, ?4)",
            (migration.version, migration.name, migration.checksum(), now),
        )?;
    }
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key)?;
    tx.execute("INSERT OR IGNORE INTO settings (name, value) VALUES ('token_checksum_key', ?1)", [key])?;
    let mut epoch = [0_u8; 16];
    getrandom::fill(&mut epoch)?;
    tx.execute("INSERT OR IGNORE INTO settings (name, value) VALUES ('epoch', ?1)", [epoch])?;
    tx.commit()?;
    Ok(pending)
}

fn applied(db: &Connection) -> Result<Vec<Applied>, MigrateError> {
    let table = |name: &str| {
        db.query_row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND (?1 = '' OR name = ?1)", [name], |_| Ok(()))
            .optional()
            .map(|found| found.is_some())
    };
    if !table("schema_migrations")? {
        return if table("")? { Err(MigrateError::Foreign) } else { Ok(Vec::new()) };
    }
    let mut statement = db.prepare("SELECT version, checksum, applied FROM schema_migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| {
        Ok(Applied { version: row.get("version")?, checksum: row.get("checksum")?, at: row.get("applied")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_does_nothing_and_keeps_the_key() {
        let mut db = Connection::open_in_memory().unwrap();
        let key = |db: &Connection| {
            db.query_row("SELECT value FROM settings WHERE name = 'token_checksum_key'", [], |row| {
                row.get::<_, Vec<u8>>(0)
            })
            .unwrap()
        };
        assert_eq!(migrate(&mut db, 10).unwrap().len(), MIGRATIONS.len());
        let first = key(&db);
        assert!(migrate(&mut db, 20).unwrap().is_empty());
        assert_eq!(key(&db), first);
        assert!(status(&db).unwrap().iter().all(|s| s.applied == Some(10)));
    }

    #[test]
    fn a_step_that_changed_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, 0).unwrap();
        db.execute("UPDATE schema_migrations SET checksum = 'other'", []).unwrap();
        assert!(matches!(migrate(&mut db, 0), Err(MigrateError::Mismatch(Mismatch::Changed { version: 1 }))));
    }

    /// As it was before usernames had a setting.
    fn before_accounts(sql: &str) -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        let older = MIGRATIONS.iter().take_while(|step| step.name != "accounts");
        let tx = db.transaction().unwrap();
        tx.execute_batch(
            "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, checksum TEXT, applied INTEGER)",
        )
        .unwrap();
        for step in older {
            tx.execute_batch(step.sql).unwrap();
            let row = (step.version, step.name, step.checksum());
            tx.execute("INSERT INTO schema_migrations VALUES (?1, ?2, ?3, 0)", row).unwrap();
        }
        tx.execute_batch(sql).unwrap();
        tx.commit().unwrap();
        db
    }

    #[test]
    fn usernames_are_after_an_upgrade_what_they_were() {
        let user = |n: u32, name: &str, home: &str| {
            format!("INSERT INTO users (id, username, organization_id) VALUES ('{n:036}', '{name}', {home});")
        };
        let acme = format!("INSERT INTO organizations (id, name, slug) VALUES ('{:036}', 'Acme', 'acme');", 9);
        let home = format!("'{:036}'", 9);
        let usernames = |db: &mut Connection| {
            migrate(db, 0).unwrap();
            let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'usernames'";
            db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
        };
        let mut one = before_accounts(&[acme.as_str(), &user(1, "ann", &home), &user(2, "bob", "NULL")].concat());
        assert_eq!(usernames(&mut one), "global");
        // Nobody's name is of an organization that they do not belong to, unless it would be another's then.
        assert_eq!(one.query_row("SELECT count(organization_id) FROM users", [], |row| row.get::<_, i64>(0)), Ok(0));
        let mut two = before_accounts(&[acme.as_str(), &user(1, "ann", &home), &user(2, "ann", "NULL")].concat());
        assert_eq!(usernames(&mut two), "per_organization");
        assert_eq!(two.execute("UPDATE users SET first_name = 'Ann'", []), Ok(2), "they can still be edited");
    }

    #[test]
    fn slugs_that_differ_in_case_alone_are_in_the_way_of_an_upgrade() {
        let organization = |n: u32, slug: &str| {
            format!("INSERT INTO organizations (id, name, slug) VALUES ('{n:036}', 'x', '{slug}');")
        };
        let mut db = before_accounts(&[organization(1, "acme"), organization(2, "Acme")].concat());
        let refused = migrate(&mut db, 0).unwrap_err().to_string();
        assert!(refused.contains("organizations_slug_any_case"), "{refused}");
        assert!(db.execute("SELECT 1 FROM usernames_are_per_organization", []).is_err(), "nothing of it is kept");
        db.execute("UPDATE organizations SET slug = 'apex' WHERE slug = 'Acme'", []).unwrap();
        migrate(&mut db, 0).unwrap();
        // The slug of before is in the way of nobody who has one of their own, and of nobody's edit.
        assert_eq!(db.execute("UPDATE organizations SET slug = slug, name = 'y'", []), Ok(2));
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE django_migrations (id INTEGER)").unwrap();
        assert!(matches!(migrate(&mut db, 0), Err(MigrateError::Foreign)));
        assert!(db.execute("SELECT 1 FROM settings", []).is_err());
    }
}
