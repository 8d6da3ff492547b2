//! `postern import openwisp`: from dumps and from a live PostgreSQL, into either store, once and again.

use crate::support::postgres::{Database, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn dump(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// Django's tables with the sample people, in a database of their own.
fn django() -> Database {
    let database = Server::shared().database();
    // Both products have tables of their own names; Django's live in `public` here, and nothing else does.
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let read = |name: &str| std::fs::read_to_string(dump(name)).unwrap();
    let schema: String =
        read("schema_core.sql").lines().filter(|line| !line.starts_with('\\')).map(|l| format!("{l}\n")).collect();
    database.server.sql(&database.name, &schema);
    // The dump begins with TRUNCATE of tables that only a whole installation has.
    let seed: String =
        read("seed_core_inserts.sql").lines().filter(|l| l.starts_with("INSERT")).map(|l| format!("{l}\n")).collect();
    database.server.sql(&database.name, &format!("BEGIN; {seed} COMMIT"));
    database
}

/// What an import says that it did.
fn import(home: &TempDir, store: &str, from: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
    command.args(["--database", store, "import", "openwisp", "--json"]).args(from);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dumps_and_a_live_database_bring_the_same_into_either_store_and_again() {
    let (home, django, postgres) = (TempDir::new().unwrap(), django(), Server::shared().database());
    let (schema, seed) = (dump("schema_core.sql"), dump("seed_core_inserts.sql"));
    let dumps = ["--sql", schema.to_str().unwrap(), seed.to_str().unwrap()];
    let url = django.url();
    let live = ["--from", url.as_str()];
    let first = import(&home, "sqlite:one.db", &dumps);
    assert_eq!((&first["kept"]["user"], &first["kept"]["token"]), (&38.into(), &38.into()));
    assert_eq!(first["left_out"], Value::Array(Vec::new()));
    let into_postgres = postgres.url();
    for (store, from) in [
        ("sqlite:one.db", &dumps[..]),
        ("sqlite:two.db", &live[..]),
        (&into_postgres, &live[..]),
        (&into_postgres, &dumps[..]),
    ] {
        assert_eq!(import(&home, store, from), first, "{store} {from:?}");
    }
    let owners = "SELECT count(*)::text FROM owners o JOIN memberships m USING (user_id, organization_id)";
    assert_eq!(postgres.server.text(&postgres.name, owners), first["kept"]["owner"].to_string());
}

#[test]
fn what_is_no_such_installation_is_refused_in_words() {
    let home = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).args(["import", "openwisp"]).args(args);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(home.path().join("other.sql"), "CREATE TABLE t (a int);").unwrap();
    std::fs::write(home.path().join("broken.sql"), "\nINSERT INTO auth_group VALUES ('open").unwrap();
    let empty = Server::shared().database();
    for (args, part) in [
        (vec!["--sql", "other.sql"], "no table `openwisp_users_organization`"),
        (vec!["--sql", "broken.sql"], "line 2"),
        (vec!["--sql", "none.sql"], "none.sql"),
        (vec!["--from", &empty.url()], "openwisp_users_user"),
        (vec!["--from", "postgres://u:hunter2@127.0.0.1:1/d"], "127.0.0.1:1"),
        (vec!["--from", &empty.url(), "--app", "x; DROP TABLE users"], "letters, digits"),
    ] {
        let told = run(&args);
        assert!(told.contains(part) && !told.contains("hunter2"), "{args:?}: {told}");
    }
}
