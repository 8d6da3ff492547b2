//! `postern export-users`: what the reference prints of the same people, byte by byte, from either store.

use super::import::{dump, import};
use crate::support::postgres::{Database, Server};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What happened in the reference between the dump and its export: an organization was made anew with other members, somebody was
/// made inactive, and two memberships changed.
const MEANWHILE: [&str; 7] = [
    "INSERT INTO organizations (id, slug, name, created, modified) VALUES ('8e19cb4d-eec9-4b98-b17e-d1c194401953', 'beta-2', 'Beta', 0, 0)",
    "DELETE FROM owners WHERE organization_id = '20000000-0000-4000-8000-000000000003'",
    "UPDATE memberships SET user_id = (SELECT id FROM users WHERE username = 'alpha_member'), is_admin = true
     WHERE organization_id = '20000000-0000-4000-8000-000000000003' AND user_id = (SELECT id FROM users WHERE username = 'beta_member')",
    "DELETE FROM memberships WHERE organization_id = '20000000-0000-4000-8000-000000000003'
     AND user_id NOT IN (SELECT id FROM users WHERE username IN ('beta_owner', 'dual', 'alpha_member'))",
    "UPDATE memberships SET organization_id = '8e19cb4d-eec9-4b98-b17e-d1c194401953'
     WHERE organization_id = '20000000-0000-4000-8000-000000000003'",
    "UPDATE users SET is_active = false WHERE username = 'alpha_member'",
    "UPDATE memberships SET is_admin = false WHERE user_id = (SELECT id FROM users WHERE username = 'alpha_manager')",
];

fn run(home: &TempDir, store: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
    command.args(["--database", store, "export-users"]).args(args).output().unwrap()
}

fn exported(home: &TempDir, store: &str, args: &[&str]) -> String {
    let output = run(home, store, &[args, &["--filename", "-"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The seed's people in either store.
fn people(home: &TempDir) -> (Database, [String; 2]) {
    let database = Server::shared().database();
    let (schema, seed) = (dump("schema_core.sql"), dump("seed_core_inserts.sql"));
    let stores = ["sqlite:postern.db".to_owned(), database.url()];
    for store in &stores {
        import(home, store, &["--sql", schema.to_str().unwrap(), seed.to_str().unwrap()]);
    }
    (database, stores)
}

#[test]
fn an_export_is_the_reference_s_of_the_same_people() {
    let home = TempDir::new().unwrap();
    let (database, stores) = people(&home);
    let embedded = rusqlite::Connection::open(home.path().join("postern.db")).unwrap();
    for sql in MEANWHILE {
        embedded.execute(sql, []).unwrap();
        database.server.sql(&database.name, sql);
    }
    let expected = std::fs::read_to_string(dump("export_example.csv")).unwrap();
    for store in &stores {
        assert!(run(&home, store, &[]).status.success());
        let path = home.path().join("openwisp_exported_users.csv");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "there are hashes in it");
        assert_eq!(exported(&home, store, &[]), expected);
    }
}

#[test]
fn columns_are_configured_and_left_out() {
    let home = TempDir::new().unwrap();
    let (_database, stores) = people(&home);
    let fields =
        "[username, last_login, {name: organizations, fields: [slug, is_owner]}, groups.name, organizations.name,
        {name: language, header: Sprache}, {name: groups, fields: [id], header_fields: [number]}]";
    std::fs::write(home.path().join("postern.yaml"), format!("export_users: {{ fields: {fields} }}\n")).unwrap();
    for store in &stores {
        let text = exported(&home, store, &["--exclude-fields", "last_login, language"]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "username,\"organizations (slug, is_owner)\",groups.name,organizations.name,groups (number)"
        );
        assert_eq!(lines[2], "alpha_owner,\"(alpha,True)\",Administrator,Alpha,2");
        assert_eq!(lines.len(), 40);
        let refused = run(&home, store, &["--exclude-fields", "nothing"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no column `nothing`"), "{refused:?}");
    }
    for (fields, told) in [("[nothing]", "there is no field `nothing`"), ("[{fields: [slug]}]", "no `name`")] {
        std::fs::write(home.path().join("postern.yaml"), format!("export_users: {{ fields: {fields} }}\n")).unwrap();
        let refused = run(&home, &stores[0], &[]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains(told), "{refused:?}");
    }
}

/// Of many thousands each is there once, though those of one second are more than are read at once.
#[test]
fn nobody_is_left_out_of_many() {
    let home = TempDir::new().unwrap();
    let (database, stores) = people(&home);
    let embedded = rusqlite::Connection::open(home.path().join("postern.db")).unwrap();
    let insert = |number: &str| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 4321)
             INSERT INTO users (id, username, created) SELECT {number}, 'u' || i, 1700000000 + i / 3000 FROM n"
        )
    };
    embedded.execute(&insert("printf('00000000-0000-4000-8000-%012d', i)"), []).unwrap();
    database.server.sql(&database.name, &insert("('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid"));
    for store in &stores {
        let text = exported(&home, store, &[]);
        let mut names: Vec<&str> = text.split("\r\n").skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        names.retain(|name| name.starts_with('u') && name[1..].bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(names.len(), 4321);
        assert!(names.iter().enumerate().all(|(at, name)| *name == format!("u{at}")), "in the order of their ids");
    }
}
