//! Opening the embedded store: what can be in the way, and what the operator is told.

use super::{Backend, Sqlite, open, user};
use postern::directory::List;
use postern::directory::schema::Mismatch;
use postern::directory::sqlite::migrate::{MIGRATIONS, MigrateError};
use postern::directory::sqlite::{OpenError, OpenProblem, Options, SqliteStore, migrate, status};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const SOON: Duration = Duration::from_millis(50);

fn refused(path: &Path) -> OpenError {
    let error = SqliteStore::open(path, Options { busy: SOON, ..Options::default() }).err().expect("must be refused");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "names the file: {error}");
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn a_missing_directory_is_named_and_not_made() {
    let home = TempDir::new().unwrap();
    let error = refused(&home.path().join("none/postern.db"));
    assert!(matches!(error.problem, OpenProblem::DirectoryMissing));
    assert!(error.hint().contains("mkdir -p"));
    assert!(!home.path().join("none").exists());
}

#[test]
fn a_directory_in_its_place_is_refused() {
    let home = TempDir::new().unwrap();
    assert!(matches!(refused(home.path()).problem, OpenProblem::Unreadable(_)));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("postern.db");
    std::fs::write(&path, "routes:\n  /x: public\n".repeat(100)).unwrap();
    assert!(matches!(refused(&path).problem, OpenProblem::NotADatabase));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("routes:"));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("db.sqlite3");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE auth_user (id INTEGER)").unwrap();
    assert!(matches!(refused(&path).problem, OpenProblem::Schema(MigrateError::Foreign)));
}

#[test]
fn a_newer_schema_is_refused() {
    let on = Sqlite::new();
    on.sql("INSERT INTO schema_migrations VALUES (99, 'future', 'x', 0)").unwrap();
    let error = refused(&on.path());
    assert!(matches!(error.problem, OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Newer { found: 99, .. }))));
    assert!(error.hint().contains("newer postern"));
    assert!(status(&on.path(), SOON).is_err());
}

#[test]
fn a_locked_database_is_refused_after_the_time_out() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("postern.db");
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE t (x)").unwrap();
    assert!(matches!(refused(&path).problem, OpenProblem::Locked));
    holder.execute_batch("ROLLBACK").unwrap();
    drop(open(&path));
}

#[test]
fn a_lost_checksum_key_is_told() {
    let on = Sqlite::new();
    on.sql("DELETE FROM settings").unwrap();
    assert!(matches!(refused(&on.path()).problem, OpenProblem::KeyMissing));
}

#[tokio::test]
async fn another_s_open_write_does_not_keep_a_server_from_starting_and_reading() {
    let on = Sqlite::new();
    user(&on.store(), "ann").await;
    let holder = Connection::open(on.path()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE; UPDATE users SET first_name = 'x'").unwrap();
    let store = SqliteStore::open(&on.path(), Options { busy: SOON, ..Options::default() }).unwrap();
    let store = postern::directory::Directory::from(store).as_seen_by(postern::directory::Viewer::Operator);
    assert_eq!(store.users(&List::default()).await.unwrap().rows.len(), 1);
    let error = store.delete_user(&"ann".into()).await.unwrap_err();
    assert!(matches!(error, postern::directory::DirectoryError::Store(postern::directory::StoreError::Unavailable(_))));
    holder.execute_batch("COMMIT").unwrap();
    store.delete_user(&"ann".into()).await.unwrap();
}

#[test]
fn many_processes_may_make_the_database_at_once() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("postern.db");
    let keys: Vec<_> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..6).map(|_| scope.spawn(|| open(&path))).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    let token = postern::directory::token::Token::generate(keys[0].directory().checksum_key()).unwrap();
    for store in keys {
        let shape = postern::directory::token::parse(token.expose(), store.directory().checksum_key());
        assert!(matches!(shape, postern::directory::token::Shape::Ours(_)), "one key for all");
    }
}

#[test]
fn status_tells_what_migrate_would_do_and_changes_nothing() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("postern.db");
    assert!(status(&path, SOON).unwrap().iter().all(|s| s.applied.is_none()));
    assert!(!path.exists());
    assert_eq!(migrate(&path, SOON, 7).unwrap().len(), MIGRATIONS.len());
    assert!(migrate(&path, SOON, 8).unwrap().is_empty());
    assert!(status(&path, SOON).unwrap().iter().all(|s| s.applied == Some(7)));
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_new_database() {
    use std::os::unix::fs::PermissionsExt;
    let on = Sqlite::new();
    for file in std::fs::read_dir(on.path().parent().unwrap()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
