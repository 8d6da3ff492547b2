//! What is done over HTTP is done at the command line too: each operation of the records, and its command.

use super::{gate, get, id};
use crate::support::Who;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where an operation is, and the commands of its methods.
const TWINS: [(&str, &[(&str, &str)]); 32] = [
    ("organization/", &[("get", "org list"), ("post", "org create")]),
    (
        "organization/{id}/",
        &[("get", "org show"), ("put", "org edit"), ("patch", "org edit"), ("delete", "org delete")],
    ),
    ("organization/{id}/member/", &[("get", "member list"), ("post", "member create")]),
    (
        "organization/{id}/member/{user}/",
        &[("get", "member show"), ("put", "member edit"), ("patch", "member edit"), ("delete", "member delete")],
    ),
    ("organization/{id}/role/", &[("get", "role list"), ("post", "role create")]),
    (
        "organization/{id}/role/{role}/",
        &[("get", "role show"), ("put", "role edit"), ("patch", "role edit"), ("delete", "role delete")],
    ),
    ("super-role/", &[("get", "role list"), ("post", "role create")]),
    (
        "super-role/{role}/",
        &[("get", "role show"), ("put", "role edit"), ("patch", "role edit"), ("delete", "role delete")],
    ),
    ("permission/", &[("get", "permission list"), ("post", "permission create")]),
    (
        "permission/{number}/",
        &[
            ("get", "permission show"),
            ("put", "permission edit"),
            ("patch", "permission edit"),
            ("delete", "permission delete"),
        ],
    ),
    ("user/{id}/history/", &[("get", "user history")]),
    ("organization/{id}/history/", &[("get", "org history")]),
    ("group/{number}/history/", &[("get", "group history")]),
    ("organization/{id}/role/{role}/history/", &[("get", "role history")]),
    ("super-role/{role}/history/", &[("get", "role history")]),
    ("me/", &[("get", "me"), ("patch", "user edit")]),
    ("me/profile/", &[("get", "user show"), ("put", "user edit"), ("patch", "user edit")]),
    ("me/email/", &[("get", "email list"), ("post", "email create")]),
    (
        "me/email/{number}/",
        &[("get", "email show"), ("put", "email edit"), ("patch", "email edit"), ("delete", "email delete")],
    ),
    ("me/email/{number}/confirm/", &[("post", "user confirm-email")]),
    ("me/token/", &[("get", "token list"), ("post", "token create")]),
    (
        "me/token/{id}/",
        &[("get", "token show"), ("put", "token edit"), ("patch", "token edit"), ("delete", "token delete")],
    ),
    ("me/token/{id}/rotate/", &[("post", "token rotate")]),
    ("me/token/{id}/revoke/", &[("post", "token revoke")]),
    ("user/", &[("get", "user list"), ("post", "user create")]),
    ("user/{id}/", &[("get", "user show"), ("put", "user edit"), ("patch", "user edit"), ("delete", "user delete")]),
    ("user/{id}/password/", &[("put", "user password")]),
    ("user/{id}/magic-link/", &[("post", "sesame mint")]),
    ("user/{id}/email/", &[("get", "email list"), ("post", "email create")]),
    (
        "user/{id}/email/{number}/",
        &[("get", "email show"), ("put", "email edit"), ("patch", "email edit"), ("delete", "email delete")],
    ),
    ("group/", &[("get", "group list"), ("post", "group create")]),
    (
        "group/{number}/",
        &[("get", "group show"), ("put", "group edit"), ("patch", "group edit"), ("delete", "group delete")],
    ),
];

/// Other looks at what has commands of its own, and histories, which have none yet.
const LOOKS: [&str; 5] = ["/bulk/", "user/{id}/membership/", "user/{id}/token/", "user/{id}/session/", "}/user/"];

/// What is of logins and forms, and has no command.
const OTHERS: [&str; 2] = ["password", "pages"];

#[test]
fn each_operation_of_a_record_has_a_command() {
    let gate = gate();
    let mut twins: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for (path, methods) in TWINS {
        twins.extend(methods.iter().map(|(method, twin)| ((format!("/api/v1/users/{path}"), *method), *twin)));
    }
    let description: Value = serde_json::from_str(&gate.postern.cli(&["openapi"])).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        if LOOKS.iter().any(|look| path.contains(look)) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            if OTHERS.contains(&operation["tags"][0].as_str().unwrap()) {
                continue;
            }
            let twin = twins.remove(&(path.clone(), method.as_str()));
            let twin = twin.unwrap_or_else(|| panic!("{method} {path} has no command"));
            let words: Vec<&str> = twin.split(' ').chain(["--help"]).collect();
            let help = gate.postern.cli(&words);
            assert!(help.contains(&format!("postern {twin}")), "{twin}: {help}");
        }
    }
    assert!(twins.is_empty(), "nothing is there of {twins:?}");
}

#[test]
fn what_happened_is_told_at_the_command_line_as_over_the_api() {
    let gate = gate();
    let id = id(&gate, "uA");
    gate.postern.cli(&["user", "edit", "uA", "--first-name", "Ann"]);
    let over_api = get(&gate, Who::su, &format!("user/{id}/history/"))["results"].clone();
    let told: Value = serde_json::from_str(&gate.postern.cli(&["user", "history", "uA", "--json"])).unwrap();
    let first = |all: &Value| all[0].clone();
    for name in ["id", "what", "name", "by", "via", "changes"] {
        assert_eq!(first(&told)[name], first(&over_api)[name], "{name}: {told}");
    }
    assert_eq!(first(&told)["changes"], json!([{ "field": "first_name", "before": "", "after": "Ann" }]));
    let one = gate.postern.cli(&["user", "history", "uA", "--limit", "1"]);
    assert!(one.contains("user.edit\tuA\tfirst_name\t") && one.lines().count() == 1, "{one}");
    assert!(gate.postern.cli(&["org", "history", "a"]).contains("membership.create"));
}

#[test]
fn addresses_are_given_and_taken_at_the_command_line_as_over_the_api() {
    let gate = gate();
    let cli = |args: &[&str]| gate.postern.cli(&[&["email"], args].concat());
    cli(&["add", "--user", "uA", "other@a.example", "--primary"]);
    let over_api = || get(&gate, Who::su, &format!("user/{}/email/", id(&gate, "uA")))["results"].clone();
    let told: Value = serde_json::from_str(&cli(&["show", "--user", "uA", "Other@a.example", "--json"])).unwrap();
    let same = over_api().as_array().unwrap().iter().find(|one| one["email"] == "other@a.example").cloned().unwrap();
    for (name, value) in same.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}: {told}");
    }
    assert_eq!((&same["primary"], &same["verified"]), (&true.into(), &false.into()));
    cli(&["edit", "--user", "uA", "other@a.example", "--to", "third@a.example", "--verified", "--primary=false"]);
    let listed = cli(&["list", "--user", "uA"]);
    assert!(listed.contains("third@a.example") && !listed.contains("other@a.example"), "{listed}");
    cli(&["remove", "--user", "uA", "third@a.example"]);
    assert!(!over_api().to_string().contains("third@a.example"));
    let gone = gate.postern.try_cli_with(&["email", "show", "--user", "uA", "third@a.example"], "").unwrap_err();
    assert!(gone.contains("third@a.example"), "{gone}");
}
