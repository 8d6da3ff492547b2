//! Fields of users that an installation declares: at the command line, in headers and conditions, and in exports.

use crate::support::postgres::Server;
use crate::support::{Gate, Options, eventually, get_with};
use std::process::Command;
use tempfile::TempDir;

const ROUTES: &str = r#"
version: 1
upstream: echo
authenticate: [bearer]
defaults: { inject: { X-Team: user.fields.team, X-Seats: user.fields.seats, X-Contractor: user.fields.contractor } }
routes:
  /me/**: authenticated
  /ops/**: { level: authenticated, when: 'has(user.fields.team) && user.fields.team == "ops" && user.fields.seats >= 3' }
"#;

fn gate() -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = "identity:\n  fields:\n    team: { choices: [ops, dev] }\n    seats: { type: number, min: 1, max: 9 }\n    \
                      contractor: { type: flag }\n    since: { type: date }\nexport_users: { fields: [username, fields.team, fields.contractor] }\n"
        .to_owned();
    Gate::with(&options)
}

#[test]
fn a_declared_field_is_kept_and_told_to_services_and_conditions() {
    let gate = gate();
    let cli = |args: &[&str]| gate.postern.cli(args);
    cli(&["user", "create", "lena", "--field", "team=ops", "--field", "seats=2", "--field", "since=2026-01-31"]);
    let token = cli(&["token", "create", "--user", "lena"]).trim().to_owned();
    let ask = |path: &str| {
        let answer = gate.send(get_with(&token, path));
        let seen = gate
            .upstream
            .recorded()
            .last()
            .map(|seen| ["x-team", "x-seats", "x-contractor"].map(|name| seen.header(name).map(str::to_owned)));
        (answer.status, seen)
    };
    let told = |values: [Option<&str>; 3]| Some(values.map(|value| value.map(str::to_owned)));
    assert_eq!(ask("/me/x"), (200, told([Some("ops"), Some("2"), None])));
    assert_eq!(ask("/ops/x").0, 403);
    // What is not named stays; a change counts at once.
    cli(&["user", "edit", "lena", "--field", "seats=3", "--field", "contractor=true"]);
    eventually("the new number counts", || (ask("/ops/x").0 == 200).then_some(()));
    assert_eq!(ask("/me/x").1, told([Some("ops"), Some("3"), Some("true")]));
    cli(&["user", "edit", "lena", "--field", "team="]);
    eventually("the field is gone", || (ask("/ops/x").0 == 403).then_some(()));
    let shown: serde_json::Value = serde_json::from_str(&cli(&["user", "show", "lena", "--json"])).unwrap();
    assert_eq!(shown["fields"].to_string(), r#"{"contractor":true,"seats":3,"since":"2026-01-31"}"#);
    let batch = gate.postern.home().join("people.jsonl");
    std::fs::write(&batch, r#"{"username": "bob", "fields": {"team": "dev", "seats": 7}}"#).unwrap();
    cli(&["user", "create", "--batch", batch.to_str().unwrap()]);
    let exported = cli(&["export-users", "--filename", "-"]);
    assert!(exported.starts_with("username,fields.team,fields.contractor\r\n"), "{exported}");
    assert!(exported.contains("\r\nlena,,True\r\n") && exported.contains("\r\nbob,dev,\r\n"), "{exported}");
}

#[test]
fn what_is_not_declared_or_not_of_its_type_is_refused() {
    let gate = gate();
    for (field, told) in [
        ("colour=red", "colour: it is not declared in the configuration: contractor, seats, since, team are"),
        ("team=sales", "team: it is one of ops, dev"),
        ("seats=many", "seats: it is a whole number"),
        ("seats=10", "seats: it is 9 at most"),
        ("contractor=yes", "contractor: it is true or false"),
        ("since=yesterday", "since: it is a date"),
    ] {
        let refused = gate.postern.try_cli(&["user", "create", "lena", "--field", field]).unwrap_err();
        assert!(refused.contains(told), "{field}: {refused}");
    }
    assert!(gate.postern.try_cli(&["user", "show", "lena"]).is_err(), "nobody was made");
}

#[test]
fn policies_are_tested_with_fields_of_their_own_people() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("routes.yaml"), ROUTES).unwrap();
    let tests = "
given:
  users:
    ann: { fields: { team: ops, seats: 5 } }
    bob: { fields: { team: dev, seats: 5 } }
tests:
  - { as: ann, GET: /ops/x, expect: allow, inject: { X-Team: ops, X-Seats: \"5\" } }
  - { as: bob, GET: /ops/x, expect: 403 condition_false }
";
    std::fs::write(home.path().join("routes_test.yaml"), tests).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.current_dir(home.path()).args(["test", "routes_test.yaml"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A directory of either kind, with a configuration that declares these fields.
fn store(home: &TempDir, database: &str, fields: &str) -> impl Fn(&[&str]) -> Result<String, String> {
    let config = home.path().join("postern.yaml");
    let (home, database) = (home.path().to_owned(), database.to_owned());
    let text = format!("identity:\n  fields: {fields}\n");
    move |args| {
        std::fs::write(&config, &text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(&home).env("POSTERN_DATA_DIR", &home).args(["--config", config.to_str().unwrap()]);
        let output = command.args(["--database", &database]).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

#[test]
fn a_replica_with_another_declaration_loses_no_values_of_either_store() {
    let home = TempDir::new().unwrap();
    let database = Server::shared().database();
    for url in ["sqlite:postern.db".to_owned(), database.url()] {
        let new = store(&home, &url, "{ team: {}, seats: { type: number }, contractor: { type: flag } }");
        let old = store(&home, &url, "{ team: {} }");
        new(&[
            "user",
            "create",
            "ann",
            "--field",
            "team=o'ps \"x\"",
            "--field",
            "seats=3",
            "--field",
            "contractor=true",
        ])
        .unwrap();
        new(&["user", "create", "bob", "--field", "team=dev", "--field", "seats=31"]).unwrap();
        // What only the other one knows stays, whatever is changed, and can be taken away but not given.
        old(&["user", "edit", "ann", "--field", "team=dev", "--first-name", "Ann"]).unwrap();
        let refused = old(&["user", "edit", "ann", "--field", "seats=4"]).unwrap_err();
        assert!(refused.contains("seats: it is not declared in the configuration: team are"), "{refused}");
        let shown: serde_json::Value = serde_json::from_str(&old(&["user", "show", "ann", "--json"]).unwrap()).unwrap();
        assert_eq!(shown["fields"].to_string(), r#"{"contractor":true,"seats":3,"team":"dev"}"#);
        let found = |filters: &[&str]| {
            let args: Vec<_> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
            let found = new(&[&["user", "list", "--json"], args.as_slice()].concat()).unwrap();
            let found: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
            found.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["fields.team=dev"]), ["ann", "bob"]);
        assert_eq!(found(&["fields.team=dev", "fields.seats=3"]), ["ann"], "31 is another number");
        assert_eq!(found(&["fields.contractor=true"]), ["ann"]);
        assert_eq!(found(&["fields.contractor="]), ["bob"]);
        assert_eq!(found(&["fields.team=DEV"]), [""; 0]);
        for (filter, why) in [
            ("fields.colour=red", "not declared"),
            ("fields.seats=many", "a whole number"),
            ("fields=x", "fields.NAME"),
            ("fields.team' OR '1'='1", "not declared"),
        ] {
            let refused = new(&["user", "list", "--filter", filter]).unwrap_err();
            assert!(refused.contains(why), "{filter}: {refused}");
        }
        old(&["user", "edit", "ann", "--field", "seats="]).unwrap();
        assert_eq!(found(&["fields.seats="]), ["ann"]);
    }
}
