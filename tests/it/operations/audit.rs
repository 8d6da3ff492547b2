//! The audit log: who changed what, before and after.

use crate::support::reloads::said;
use crate::support::{Gate, Options, ROUTES, eventually};
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_change_by_a_command_leaves_who_what_before_and_after() {
    let gate = Gate::new();
    let file = gate.postern.home().join("audit.jsonl");
    assert!(lines(&file).is_empty());
    gate.postern.cli(&["user", "create", "zoe", "--email", "zoe@example.com"]);
    gate.postern.cli(&["member", "create", "--org", "a", "--user", "zoe"]);
    gate.postern.cli(&["member", "edit", "--org", "a", "--user", "zoe", "--manager"]);
    let token = gate.postern.cli(&["token", "create", "--user", "zoe", "--name", "laptop"]);
    gate.postern.cli(&["user", "edit", "zoe", "--active=false"]);
    gate.postern.cli(&["user", "delete", "zoe"]);
    // What only looks leaves nothing.
    gate.postern.cli(&["user", "list"]);
    let lines = lines(&file);
    let what: Vec<_> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    let told = ["user.create", "membership.create", "membership.edit", "token.create", "user.edit", "user.delete"];
    assert_eq!(what, told);
    let uid = std::fs::metadata("/proc/self").unwrap().uid();
    for line in &lines {
        assert_eq!((&line["who"]["via"], &line["who"]["uid"]), (&json!("cli"), &json!(uid)), "{line}");
        assert!(line["ts"].as_f64().unwrap() > 1_700_000_000.0);
    }
    assert_eq!((&lines[0]["before"], &lines[0]["after"]["username"]), (&Value::Null, &json!("zoe")));
    assert_eq!(lines[2]["changed"], json!(["is_admin"]));
    assert_eq!((&lines[2]["before"]["is_admin"], &lines[2]["after"]["is_admin"]), (&json!(false), &json!(true)));
    assert_eq!(lines[4]["changed"], json!(["is_active"]));
    assert_eq!((&lines[5]["before"]["is_active"], &lines[5]["after"]), (&json!(false), &Value::Null));
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = token.split_whitespace().find(|word| word.len() > 30).expect("the token");
    assert!(!text.contains(secret), "the token itself is nowhere");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_change_of_rights_tells_who_gained_and_who_lost() {
    let gate = Gate::new();
    gate.postern.cli(&["group", "create", "auditors"]);
    gate.postern.cli(&["user", "create", "zoe"]);
    gate.postern.cli(&["group", "add", "auditors", "zoe"]);
    let lines = lines(&gate.postern.home().join("audit.jsonl"));
    let edit = lines.last().unwrap();
    assert_eq!((&edit["what"], &edit["asked"]["add"]), (&json!("group.edit"), &json!(["zoe"])));
    assert_eq!((&edit["before"]["users"], &edit["after"]["users"]), (&json!(0), &json!(1)));
}

#[test]
fn a_refused_change_leaves_no_line() {
    let gate = Gate::new();
    gate.postern.cli(&["user", "create", "zoe"]);
    gate.postern.try_cli(&["user", "create", "zoe"]).unwrap_err();
    gate.postern.try_cli(&["user", "delete", "nobody-of-this-name"]).unwrap_err();
    assert_eq!(lines(&gate.postern.home().join("audit.jsonl")).len(), 1);
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let options = Options { config: "audit: taken/audit.jsonl\n".into(), ..Options::policy(ROUTES) };
    let gate = Gate::with(&options);
    // It was made at the start.
    std::fs::remove_dir_all(gate.postern.home().join("taken")).unwrap();
    std::fs::write(gate.postern.home().join("taken"), "a file, where a directory should be").unwrap();
    let told = gate.postern.try_cli(&["user", "create", "zoe"]).unwrap_err();
    assert!(told.contains("the audit log") && told.contains("taken/audit.jsonl"), "{told}");
    assert!(told.contains("`stderr` or `off`"), "{told}");
    gate.postern.try_cli(&["user", "show", "zoe"]).unwrap_err();
    // Gone, the directory is made.
    std::fs::remove_file(gate.postern.home().join("taken")).unwrap();
    gate.postern.cli(&["user", "create", "zoe"]);
    assert_eq!(lines(&gate.postern.home().join("taken/audit.jsonl")).len(), 1);
}

#[test]
fn it_can_be_off() {
    let gate = Gate::with(&Options { config: "audit: off\n".into(), ..Options::policy(ROUTES) });
    gate.postern.cli(&["user", "create", "zoe"]);
    assert!(!gate.postern.home().join("audit.jsonl").exists());
    eventually("it serves", || (gate.postern.admin("/readyz").status == 200).then_some(()));
}

#[test]
fn whoever_starts_where_nothing_can_be_written_down_is_told() {
    let options = Options { config: "audit: .\n".into(), ..Options::policy(ROUTES) };
    let gate = Gate::with(&options);
    said(&gate, &["nobody can log in here", "cannot be written"]);
}

/// Whoever may write where the log is would choose what postern's lines are written to.
#[test]
fn the_audit_log_is_not_written_through_a_symlink() {
    let home = tempfile::tempdir().unwrap();
    let postern = |args: &[&str]| {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(args)
            .env("POSTERN__DATABASE", format!("sqlite://{}/postern.db", home.path().display()))
            .env("POSTERN__AUDIT", home.path().join("audit.jsonl"))
            .output()
            .unwrap();
        (run.status.success(), String::from_utf8(run.stderr).unwrap())
    };
    let (victim, log) = (home.path().join("victim"), home.path().join("audit.jsonl"));
    std::fs::write(&victim, "precious").unwrap();
    assert!(postern(&["migrate"]).0);
    for target in [victim.clone(), home.path().join("nowhere")] {
        let _ = std::fs::remove_file(&log);
        std::os::unix::fs::symlink(&target, &log).unwrap();
        let (done, said) = postern(&["user", "create", "zoe"]);
        assert!(!done && said.contains("is a symbolic link"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!home.path().join("nowhere").exists());
    std::fs::remove_file(&log).unwrap();
    let (done, said) = postern(&["user", "create", "zoe"]);
    assert!(done, "nothing was made before: {said}");
    // Nor is a new database made at the end of one.
    let database = home.path().join("other.db");
    std::os::unix::fs::symlink(home.path().join("elsewhere.db"), &database).unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
        .arg("migrate")
        .env("POSTERN__DATABASE", format!("sqlite://{}", database.display()))
        .output()
        .unwrap();
    assert!(!run.status.success() && !home.path().join("elsewhere.db").exists());
}

#[test]
fn no_command_repeats_a_token_that_was_given_in_the_place_of_a_name() {
    let gate = Gate::new();
    let token = gate.postern.cli(&["token", "create", "--user", "uA", "--name", "laptop"]);
    let token = token.split_whitespace().find(|word| word.starts_with("pst_")).expect("the token");
    for secret in
        [token, "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.MEUCIQDx"]
    {
        for args in [
            &["user", "show", secret][..],
            &["user", "edit", secret, "--active=false"],
            &["user", "delete", secret],
            &["user", "password", secret, "--unusable"],
            &["org", "show", secret],
            &["group", "show", secret],
            &["token", "show", secret],
            &["token", "revoke", secret],
            &["token", "delete", secret],
            &["token", "list", "--user", secret],
            &["token", "create", "--user", "uA", "--import", secret],
            &["member", "list", "--user", secret],
            &["sesame", "mint", "--user", secret],
            &["explain", "GET", "/me", "--as", secret],
        ] {
            let said = gate.postern.try_cli(args).expect_err("it names nobody");
            assert!(!said.contains(secret), "{args:?}: {said}");
        }
    }
}
