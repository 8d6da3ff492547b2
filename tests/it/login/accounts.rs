//! Accounts of organizations, from the command line to a login: the directory says how usernames are unique, and the server agrees.

use crate::support::{Answer, Gate, Options, Postern, Upstream, command};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

const ROUTES: &str = "version: 1\nupstream: echo\nroutes:\n  /me: authenticated\n";

fn options() -> Options {
    let config = "identity:\n  api: token\n  passwords: { memory: 64KiB, passes: 1 }\n  token: { throttle: none }\n";
    let options = Options { config: config.to_owned(), world: false, ..Options::policy(ROUTES) };
    options.set("identity.login.usernames", "per_organization")
}

fn cli(home: &Path, args: &[&str]) -> String {
    command(home, args, "").unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

fn with_password(home: &Path, args: &[&str], password: &str) {
    let args = [args, &["--password-stdin"]].concat();
    command(home, &args, &format!("{password}\n")).unwrap_or_else(|error| panic!("{args:?}: {error}"));
}

/// Organizations one and two, each with a lena, and a superuser of none.
fn accounts() -> Gate {
    let (options, upstream) = (options(), Upstream::echo());
    let home = Postern::prepare(Some(upstream.address()), &options);
    let at = home.path();
    for name in ["one", "two"] {
        cli(at, &["org", "create", name]);
    }
    cli(at, &["usernames", "per_organization"]);
    with_password(at, &["user", "create", "lena", "--org", "one", "--email", "lena@one.example"], "s3cret-word");
    with_password(at, &["user", "create", "lena", "--org", "two"], "other-words");
    with_password(at, &["user", "create", "root", "--superuser"], "s3cret-word");
    let mut command = Postern::serve(home.path(), &options);
    Gate { postern: Postern::run(home, &mut command), upstream }
}

fn login(gate: &Gate, body: &Value) -> Answer {
    let body = body.to_string();
    gate.send(format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn a_login_by_name_says_of_which_organization() {
    let gate = accounts();
    let attempt = |username: &str, organization: Option<&str>, password: &str| {
        login(&gate, &json!({ "username": username, "password": password, "organization": organization }))
    };
    let wrong = attempt("nobody", Some("nowhere"), "x").text();
    for (username, organization, password, status) in [
        ("lena", Some("one"), "s3cret-word", 200),
        ("lena", Some("ONE"), "s3cret-word", 200),
        ("lena", Some("two"), "other-words", 200),
        ("lena", Some("two"), "s3cret-word", 400),
        ("lena", Some("three"), "s3cret-word", 400),
        ("lena", Some("o'ne"), "s3cret-word", 400),
        ("lena", None, "s3cret-word", 400),
        ("lena@one.example", None, "s3cret-word", 200),
        ("lena@one.example", Some(""), "s3cret-word", 200),
        ("lena@one.example", Some("One"), "s3cret-word", 200),
        ("lena@one.example", Some("two"), "s3cret-word", 400),
        ("lena@one.example", Some("three"), "s3cret-word", 400),
        ("root", None, "s3cret-word", 200),
        ("root", Some("one"), "s3cret-word", 400),
        ("root", Some("three"), "s3cret-word", 400),
    ] {
        let answer = attempt(username, organization, password);
        assert_eq!(answer.status, status, "{username} {organization:?} {password}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.text(), wrong, "{username} {organization:?}: one answer for everybody");
        }
    }
    gate.postern.cli(&["org", "edit", "one", "--active=false"]);
    assert_eq!(attempt("lena", Some("one"), "s3cret-word").text(), wrong, "a disabled one lets nobody in by name");
    assert_eq!(attempt("lena@one.example", None, "s3cret-word").status, 200);
}

/// Who guesses at the passwords of one organization keeps nobody of another out.
#[test]
fn guesses_at_a_name_of_one_organization_are_not_another_s() {
    let gate = accounts();
    let attempt = |organization: &str, password: &str| {
        login(&gate, &json!({ "username": "lena", "password": password, "organization": organization })).status
    };
    let guessed = std::iter::repeat_with(|| attempt("one", "guess")).take(200).find(|status| *status == 429);
    assert_eq!(guessed, Some(429));
    assert_eq!((attempt("one", "s3cret-word"), attempt("two", "other-words")), (429, 200));
}

#[test]
fn a_server_agrees_with_its_directory_or_does_not_start() {
    let (options, other) = (options(), Options { world: false, ..Options::policy(ROUTES) });
    let home = Postern::prepare(Some(([127, 0, 0, 1], 9).into()), &options);
    cli(home.path(), &["migrate"]);
    assert_eq!(cli(home.path(), &["usernames"]), "global\n");
    let refused = |options: &Options| {
        let output = Postern::serve(home.path(), options).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&options);
    assert!(said.contains("usernames are global in the directory") && said.contains("postern usernames"), "{said}");
    cli(home.path(), &["usernames", "per_organization"]);
    let said = refused(&other);
    assert!(said.contains("identity.login.usernames: per_organization"), "{said}");
    let doctor = |says: &str| {
        let config = std::fs::read_to_string(home.path().join("postern.yaml")).unwrap();
        let config = config.replace("identity:\n", &format!("identity:\n  login: {{ usernames: {says} }}\n"));
        std::fs::write(home.path().join("other.yaml"), config).unwrap();
        let found = command(home.path(), &["doctor", "--config", "other.yaml", "--json"], "");
        let found: Value = match &found {
            Ok(text) => serde_json::from_str(text).unwrap(),
            // What failed is among the findings.
            Err(_) => return "failed".to_owned(),
        };
        let of = |check: &str| found.as_array().unwrap().iter().find(|f| f["check"] == check).unwrap()["state"].clone();
        format!("{} {}", of("usernames"), of("feed"))
    };
    assert_eq!(doctor("per_organization"), "\"ok\" \"ok\"");
    assert_eq!(doctor("global"), "failed");
    assert_eq!(cli(home.path(), &["user", "list"]), "", "the doctor's are gone");
    assert_eq!(cli(home.path(), &["org", "list"]), "");
}

#[test]
fn usernames_are_changed_at_the_command_line() {
    let home = TempDir::new().unwrap();
    let at = home.path();
    for args in [
        &["org", "create", "Acme"] as &[&str],
        &["org", "create", "Bolt"],
        &["user", "create", "ann"],
        &["user", "create", "bob"],
        &["user", "create", "eve"],
        &["member", "create", "--org", "acme", "--user", "ann"],
        &["member", "create", "--org", "acme", "--user", "bob"],
        &["member", "create", "--org", "bolt", "--user", "bob"],
    ] {
        cli(at, args);
    }
    let told = command(at, &["usernames", "per_organization", "--dry-run"], "").unwrap_err();
    for words in ["1 user belong to no organization", "postern user organization USER --org ORG", "stay global"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    cli(at, &["user", "organization", "bob", "--org", "bolt"]);
    cli(at, &["user", "delete", "eve"]);
    let told: Value = serde_json::from_str(&cli(at, &["usernames", "per_organization", "--json"])).unwrap();
    assert_eq!((&told["done"], &told["placed"]["first"]), (&json!(true), &json!(["ann"])));
    // A line of a batch names it as the flag does.
    let batch = "{\"username\": \"ann\", \"org\": \"bolt\"}\n{\"username\": \"zoe\", \"org\": \"acme\"}\n";
    command(at, &["user", "create", "--batch", "-"], batch).unwrap();
    let missing = command(at, &["user", "create", "--batch", "-"], "{\"username\": \"nil\"}\n").unwrap_err();
    assert!(missing.contains("stdin:1") && missing.contains("no primary organization"), "{missing}");
    let ambiguous = command(at, &["user", "show", "ann"], "").unwrap_err();
    assert!(ambiguous.contains("acme/ann"), "{ambiguous}");
    let shown: Value = serde_json::from_str(&cli(at, &["user", "show", "bolt/ann", "--json"])).unwrap();
    assert_eq!(shown["org"], "bolt");
    cli(at, &["user", "create", "ann", "--org", "bolt", "--if-absent"]);
    let told = command(at, &["usernames", "global"], "").unwrap_err();
    assert!(told.contains("2 users have a name that others have too"), "{told}");
    cli(at, &["user", "edit", "bolt/ann", "--username", "anna"]);
    let refused = command(at, &["org", "delete", "acme", "--yes"], "").unwrap_err();
    assert!(refused.contains("`acme` is the primary organization of 2 users") && refused.contains("hint"), "{refused}");
    cli(at, &["usernames", "global"]);
    assert_eq!(cli(at, &["usernames"]), "global\n");
}
