//! The commands as a shell runs them.

use super::run;
use crate::support::{Gate, Options};
use std::process::Command;

const POLICY: &str = "version: 1\ndefaults: { inject: { X-User: user.username } }\n\
                      routes:\n  /o/{org:slug}: { org: path.org as slug, read: member, write: manager }\n";

#[test]
fn explain_reads_the_running_postern_s_database() {
    let gate = Gate::with(&Options::policy(POLICY));
    let explain = |args: &[&str]| run(gate.postern.home(), &[&["explain"], args].concat());
    let (code, out, err) = explain(&["GET", "/o/a", "--as", "uA"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("a, where uA is member") && out.contains("x-user: uA"), "{out}");
    // Where that was read, and how old it is.
    let step = out.split("-- facts").nth(1).and_then(|rest| rest.split("-- identity").next()).unwrap();
    for words in ["postern.db, read just now at position ", "user uA: last edited 20", "member of a: last edited 20"] {
        assert!(step.contains(words), "{out}");
    }
    assert!(step.contains(" ago\n") && step.contains("never more than 5s behind"), "{out}");
    let (_, out, _) = explain(&["GET", "/o/a", "--as", "uA", "--json"]);
    let facts = serde_json::from_str::<serde_json::Value>(&out).unwrap()["facts"].clone();
    assert_eq!((&facts["from"], &facts["max_staleness_seconds"]), (&"store".into(), &5.0.into()), "{facts}");
    let position: postern::directory::Position = facts["position"].as_str().unwrap().parse().unwrap();
    assert!(position.horizon() > 1 && facts["records"][1]["what"] == "member of a", "{facts}");
    assert!(facts["records"][0]["age_seconds"].as_u64().unwrap() < 86_400, "{facts}");
    // A change moves the position on.
    gate.postern.cli(&["user", "edit", "uB", "--email", "elsewhere@example.com"]);
    let (_, out, _) = explain(&["GET", "/o/a", "--as", "uA", "--json"]);
    let later = serde_json::from_str::<serde_json::Value>(&out).unwrap()["facts"]["position"].clone();
    assert!(later.as_str().unwrap().parse::<postern::directory::Position>().unwrap().horizon() > position.horizon());
    let (code, out, _) = explain(&["POST", "/o/a", "--as", "uA"]);
    assert!(code == 1 && out.contains("403 org_level_missing"), "{out}");
    let (code, out, _) = explain(&["GET", "/o/gone", "--as", "uA"]);
    assert!(code == 1 && out.contains("gone, which is disabled"), "{out}");
    let (code, out, _) = explain(&["GET", "/o/b", "--as", "su", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["by_superuser"], &json["organization"]["slug"]), (0, &true.into(), &"b".into()));
    let (code, out, _) = explain(&["GET", "/o/a", "--as", "anonymous"]);
    assert!(code == 1 && out.contains("401 credentials_missing"), "{out}");
    let (code, _, err) = explain(&["GET", "/o/a", "--as", "nobody"]);
    assert!(code == 2 && err.contains("there is no user `nobody`"), "{err}");
}

#[test]
fn explain_is_told_the_client_s_address() {
    let home = tempfile::tempdir().unwrap();
    let policy = "version: 1\nroutes: { /x: { level: public, when: 'client.within(\"10.0.0.0/8\")' } }\n";
    std::fs::write(home.path().join("routes.yaml"), policy).unwrap();
    std::fs::write(home.path().join("world.yaml"), "given: {}\n").unwrap();
    let explain = |more: &[&str]| {
        let args = ["explain", "GET", "/x", "--as", "anonymous", "--policy", "routes.yaml", "--world", "world.yaml"];
        let (code, out, err) = run(home.path(), &[&args, more].concat());
        (code, format!("{out}{err}").contains("condition_false"))
    };
    assert_eq!(explain(&["--client", "::ffff:10.1.2.3"]), (0, false));
    assert_eq!(explain(&["--client", "192.0.2.1"]), (1, true));
    assert_eq!(explain(&[]), (1, true));
    assert_eq!(explain(&["--client", "10.0.0.0/8"]), (2, false));
}

/// uA belongs to `a` alone; zoe is made a manager of `a` and a member of `b`.
#[test]
fn the_matrix_asks_real_people_in_their_organizations_and_elsewhere() {
    let routes = "  /me: authenticated\n  /o/{org:slug}: { org: path.org as slug, read: member, write: manager }\n";
    let gate = Gate::with(&Options::policy(format!("version: 1\nroutes:\n{routes}")));
    let matrix = |args: &[&str]| run(gate.postern.home(), &[&["matrix"], args].concat());
    gate.postern.cli(&["user", "create", "zoe", "--email", "zoe@example.com"]);
    gate.postern.cli(&["user", "create", "nowhere"]);
    gate.postern.cli(&["org", "create", "Cove", "--slug", "cove"]);
    for (org, more) in [("a", &["--manager"][..]), ("b", &[])] {
        gate.postern.cli(&[&["member", "create", "--org", org, "--user", "zoe"], more].concat());
    }
    let (code, out, err) = matrix(&["--as", "zoe@example.com", "uA", "nowhere", "su", "anonymous", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cells = |pattern: &str, methods: &str| -> std::collections::BTreeMap<String, String> {
        let rows = told["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["pattern"] == pattern && row["methods"] == methods).unwrap();
        let cells = row["cells"].as_array().unwrap().iter();
        let verdict = |cell: &serde_json::Value| cell["code"].as_str().unwrap_or("allow").to_owned();
        let seat = |cell: &serde_json::Value| {
            format!("{} {}", cell["who"].as_str().unwrap(), cell["whose"].as_str().unwrap()).trim().to_owned()
        };
        cells.map(|cell| (seat(cell), verdict(cell))).collect()
    };
    let (me, read, write) = (cells("/me", "any"), cells("/o/{org:slug}", "read"), cells("/o/{org:slug}", "write"));
    for (seat, expected) in [
        ("zoe a", ["allow", "allow", "allow"]),
        ("zoe b", ["allow", "allow", "org_level_missing"]),
        ("zoe elsewhere", ["", "org_foreign", "org_foreign"]),
        ("uA a", ["allow", "allow", "org_level_missing"]),
        ("uA elsewhere", ["", "org_foreign", "org_foreign"]),
        ("nowhere", ["allow", "org_foreign", "org_foreign"]),
        ("su", ["allow", "allow", "allow"]),
        ("anonymous", ["credentials_missing"; 3]),
    ] {
        let found = [&me, &read, &write].map(|cells| cells.get(seat).map_or("", |cell| cell));
        assert_eq!(found, expected, "{seat}: {told:#}");
    }
    let (code, out, _) = matrix(&["--as", "zoe"]);
    let heads = out.lines().next().unwrap();
    assert!(code == 0 && heads.contains("zoe in a  zoe in b  zoe elsewhere"), "{out}");
    assert!(out.contains("/me            any      allow     allow     -\n"), "{out}");
    for args in [&["--as", "zoe", "nobody-at-all"][..], &["--as", "nobody-at-all"]] {
        let (code, out, err) = matrix(args);
        assert!(code == 2 && out.is_empty() && err.contains("there is no user `nobody-at-all`"), "{code} {out} {err}");
    }
    let (code, _, err) = matrix(&["--world", "world.yaml"]);
    assert!(code == 2 && err.contains("--as"), "{err}");
}

#[test]
fn the_matrix_of_a_store_without_organizations() {
    let mut options = Options::policy("version: 1\nroutes:\n  /o/{org}: { org: path.org as slug, level: member }\n");
    options.world = false;
    let gate = Gate::with(&options);
    gate.postern.cli(&["user", "create", "ann"]);
    let (code, out, err) = run(gate.postern.home(), &["matrix", "--as", "ann"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "ROUTE     METHODS  ann\n/o/{org}  any      403\n");
}

#[test]
fn explain_makes_no_database_where_there_is_none() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("routes.yaml"), POLICY).unwrap();
    let (code, _, err) = run(home.path(), &["explain", "GET", "/o/a", "--as", "uA", "--policy", "routes.yaml"]);
    assert!(code == 1 && err.contains("there is no database at") && err.contains("--world"), "{err}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_policy_is_tested_compared_and_described() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("routes.yaml", POLICY);
    write("old.yaml", &POLICY.replace("write: manager", "write: owner"));
    let given = "given: { organizations: { acme: {} }, users: { bob: { acme: member } } }\n";
    write("routes_test.yaml", &format!("{given}tests:\n- {{ as: bob, GET: /o/acme, expect: allow }}\n"));
    write("wrong_test.yaml", &format!("{given}tests:\n- {{ as: bob, PUT: /o/acme, expect: allow }}\n"));
    assert_eq!(run(home.path(), &["test", "routes_test.yaml"]), (0, "ok: 1 passed, 0 failed\n".into(), String::new()));
    let (code, out, _) = run(home.path(), &["test", "routes_test.yaml", "wrong_test.yaml", "--junit", "out.xml"]);
    assert!(code == 1 && out.contains("wrong_test.yaml:3: FAILED bob PUT /o/acme"), "{out}");
    assert!(std::fs::read_to_string(home.path().join("out.xml")).unwrap().contains("tests=\"2\" failures=\"1\""));
    let compare = ["matrix", "--policy", "routes.yaml", "--against", "old.yaml"];
    let (code, out, _) = run(home.path(), &compare);
    assert!(code == 1 && out.contains("write: manager\n    403 org_level_missing -> allow"), "{out}");
    assert_eq!(run(home.path(), &[&compare[..], &["--allow-wider"]].concat()).0, 0);
    let (code, out, _) = run(
        home.path(),
        &["explain", "GET", "/o/acme", "--as", "bob", "--world", "routes_test.yaml", "--policy", "routes.yaml"],
    );
    assert!(code == 0 && out.ends_with("=> verdict       allow\n"), "{out}");
    assert!(out.contains("-- facts         the `given` of routes_test.yaml\n"), "{out}");
    let (code, out, _) = run(home.path(), &["schema", "policy"]);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &schema["title"]), (0, &"postern route policy".into()));
    for usage in [&["test"][..], &["matrix"], &["schema"], &["explain", "GET"], &["test", "none_test.yaml"]] {
        assert_eq!(run(home.path(), usage).0, 2, "{usage:?}");
    }
}

#[test]
fn a_slip_in_the_place_of_a_database_begins_no_new_one() {
    let home = tempfile::tempdir().unwrap();
    let there = || home.path().join("typo.db").exists();
    for command in [
        &["user", "list"][..],
        &["org", "show", "a"],
        &["member", "add", "--org", "a", "--user", "b"],
        &["token", "create", "--user", "b"],
        &["user", "delete", "b"],
    ] {
        let (code, out, err) = run(home.path(), &[&["--database", "sqlite:typo.db"], command].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{command:?}: {err}");
        assert!(err.contains("there is no database at ") && err.contains("\nhint: "), "{command:?}: {err}");
        assert!(!there(), "{command:?}");
    }
    // The first that is said to a new directory may make it.
    assert_eq!(run(home.path(), &["--database", "sqlite:typo.db", "user", "create", "bob"]).0, 0);
    assert!(there());
    let (code, _, err) = run(home.path(), &["--database", "sqlite://typo.db", "user", "list"]);
    assert!(code == 2 && err.contains("write `sqlite:///PATH`, or `sqlite:PATH`"), "{err}");
}

#[test]
fn check_refuses_what_serve_would() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("routes.yaml", POLICY);
    write("postern.yaml", "policy: [routes.yaml]\nupstreams: { a: \"http://a\" }\n");
    let check = |args: &[&str]| run(home.path(), &[&["check", "--config"], args].concat());
    let (code, out, err) = check(&["postern.yaml"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "ok: 1 route in 1 file\n", ""));
    write("wrong.yaml", "workers: many\n");
    assert_eq!(check(&["wrong.yaml"]).0, 1);
    write("jwt.yaml", "version: 1\nauthenticate: [jwt]\nroutes: { /a: authenticated }\n");
    write("secret.yaml", "version: 1\nroutes: { /a: { level: authenticated, inject: { X-Key: { secret: key } } } }\n");
    let upstream = "upstreams: { a: \"http://a\" }\n";
    let both = format!("policy: [routes.yaml]\n{upstream}");
    for (configuration, told) in [
        (upstream.to_owned(), "error[no_policy]: there is no policy"),
        ("policy: [routes.yaml]\n".to_owned(), "there is no upstream"),
        (format!("policy: [jwt.yaml]\n{upstream}"), "error[scheme_unserved]"),
        (format!("policy: [secret.yaml]\n{upstream}secrets: {{ key: {{ file: nowhere }} }}\n"), "nowhere"),
        (
            format!("policy: [secret.yaml]\n{upstream}secrets: {{ key: {{ env: NOT_THERE_AT_ALL }} }}\n"),
            "NOT_THERE_AT_ALL",
        ),
        (format!("{both}tls: {{ cert: none.pem, key: none.pem }}\n"), "none.pem"),
        (format!("{both}redis: {{ url: \"redis://a\", password: {{ file: none }} }}\n"), "none"),
        (format!("{both}identity: {{ sesame: {{ key: {{ env: NOT_THERE_AT_ALL }} }} }}\n"), "NOT_THERE_AT_ALL"),
        (format!("{both}identity: {{ jwt: [{{ issuer: a, audience: any, jwks: none.json }}] }}\n"), "none.json"),
        (format!("{both}database: {{ url: \"postgres://a@b/c\", password: {{ file: none }} }}\n"), "none"),
        (format!("{both}database: sqlite:none/postern.db\n"), "none"),
        (format!("{both}public_url: https://a\nmail: {{ server: a, from: a@b.example, ca: none.pem }}\n"), "none.pem"),
        (format!("{both}listen: 127.0.0.1:9090\n"), "would both listen on port 9090"),
        (format!("{both}listen: 0.0.0.0:9090\n"), "would both listen on port 9090"),
        (format!("{both}listen: \"[::]:9090\"\n"), "would both listen on port 9090"),
        (format!("{both}probes: 127.0.0.1:8080\n"), "would both listen on port 8080"),
    ] {
        write("postern.yaml", &configuration);
        let (code, out, err) = check(&["postern.yaml"]);
        assert!(code == 1 && (out.contains(told) || err.contains(told)), "{configuration}{code} {out}{err}");
        let json = check(&["postern.yaml", "--json"]).1;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        assert!(json["ok"] != true, "{configuration}");
    }
    // What is wrong with the configuration itself is told by every command, and where.
    write("postern.yaml", &format!("{both}listen: 127.0.0.1:80000\n"));
    for command in
        [&["check", "--config", "postern.yaml", "--json"][..], &["org", "list", "--config", "postern.yaml", "--json"]]
    {
        let (code, out, err) = run(home.path(), command);
        let told: serde_json::Value = serde_json::from_str(err.lines().last().unwrap_or_default()).unwrap();
        assert_eq!((code, out.as_str(), &told["error"]["code"]), (1, "", &"configuration".into()), "{command:?}");
        assert_eq!(told["error"]["findings"][0]["code"], "wrong_value", "{err}");
    }
    // As `serve --upstream` will say.
    write("postern.yaml", "policy: [routes.yaml]\n");
    assert_eq!(check(&["postern.yaml", "--upstream", "http://a"]).0, 0);
}

#[test]
fn strict_makes_warnings_failures() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("routes.yaml", "version: 1\nroutes: { '/y/{user}': { read: public } }\n");
    assert_eq!(run(home.path(), &["check", "routes.yaml"]).0, 0);
    let (code, out, _) = run(home.path(), &["check", "routes.yaml", "--strict"]);
    assert!(code == 1 && out.ends_with("failed: 1 warning in 1 file\n"), "{out}");
    // Warnings of the configuration too.
    write("routes.yaml", POLICY);
    write("postern.yaml", "policy: [routes.yaml]\nupstreams: { a: \"http://a\" }\nsecrets: { a: literal }\n");
    assert_eq!(run(home.path(), &["check"]).0, 0);
    assert_eq!(run(home.path(), &["check", "--strict"]).0, 1);
}

#[test]
fn what_cannot_be_looked_at_is_not_said_to_be_missing() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let (code, _, err) = run(home.path(), &["--database", "sqlite:file/postern.db", "user", "list"]);
    assert!(code == 1 && err.contains("Not a directory") && !err.contains("there is no database"), "{err}");
}

#[test]
fn the_configuration_in_force_is_shown_with_who_said_it() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("postern.yaml"), "limits: { body: 1MiB }\nsecrets: { a: hunter2 }\n").unwrap();
    let (code, out, _) = run(home.path(), &["config", "--database", "postgres://u:hunter2@db/d"]);
    assert!(code == 0 && out.contains("limits.body\t1MiB\tpostern.yaml:1\n"), "{out}");
    assert!(out.contains("database\tpostgres://u:(hidden)@db/d\t--database\n") && !out.contains("hunter2"), "{out}");
    assert!(out.contains("management\t127.0.0.1:9090\tdefault\n"), "{out}");
    let (_, out, _) = run(home.path(), &["config", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(
        json.as_array().unwrap().iter().any(|setting| setting["key"] == "limits.body" && setting["value"] == "1MiB")
    );
    assert_eq!(run(home.path(), &["config", "--database", "nonsense"]).0, 2);
}

#[test]
fn shells_complete_commands_and_flags() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(home.path(), &["completions", shell]);
        assert!(code == 0 && out.contains("matrix") && out.contains("any-authenticated"), "{shell}");
    }
    assert_eq!(run(home.path(), &["completions", "cmd"]).0, 2);
}

#[test]
fn a_reader_that_goes_away_changes_no_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let routes: String = (0..2000).map(|n| format!("  /r{n}: maneger\n")).collect();
    std::fs::write(home.path().join("bad.yaml"), format!("version: 1\nroutes:\n{routes}")).unwrap();
    std::fs::write(
        home.path().join("good.yaml"),
        format!("version: 1\nroutes:\n{}", routes.replace("maneger", "authenticated")),
    )
    .unwrap();
    let binary = env!("CARGO_BIN_EXE_postern");
    for (command, code) in [
        ("check bad.yaml", 1),
        ("matrix --policy good.yaml", 0),
        ("schema config", 0),
        ("config", 0),
        ("completions bash", 0),
        ("--help", 0),
    ] {
        let line = format!("{{ {binary} {command} 2>said; echo $? >code; }} | true; sleep 0.1; cat code said");
        let done = Command::new("sh").args(["-c", &line]).current_dir(home.path()).output().unwrap();
        let told = String::from_utf8(done.stdout).unwrap();
        assert!(told.starts_with(&format!("{code}\n")) && !told.contains("panicked"), "{command}: {told}");
    }
}

#[test]
fn a_value_that_is_none_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run(home.path(), &[&["--database", "sqlite:x.db"], args].concat());
    assert_eq!(run(&["user", "create", "ann"]).0, 0);
    for args in [
        &["user", "create", "bob", "--email", "no address"][..],
        &["org", "create", "Acme", "--slug", "Not A Slug"],
        &["permission", "create", "nodot"],
        &["user", "list", "--limit", "many"],
    ] {
        assert_eq!(run(args).0, 2, "{args:?}");
    }
    assert_eq!(run(&["user", "show", "nobody"]).0, 1, "a no is no wrong value");
}

#[test]
fn a_token_that_cannot_be_shown_is_told_of() {
    let gate = Gate::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["token", "create", "--user", "uA"]).current_dir(gate.postern.home());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (_, id) = said.split_once("end it: postern token revoke ").expect(&said);
    let id = id.split([':', '\n']).next().unwrap();
    gate.postern.cli(&["token", "revoke", id]);
}

#[test]
fn files_that_are_no_text_or_named_twice_are_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("routes.yaml"), POLICY).unwrap();
    std::fs::write(home.path().join("bytes.yaml"), b"version: 1\nroutes:\n  /\xff: public\n").unwrap();
    let (code, _, err) = run(home.path(), &["check", "routes.yaml", "routes.yaml"]);
    assert!(code == 2 && err.contains("routes.yaml is named twice"), "{err}");
    for command in
        [&["check", "bytes.yaml"][..], &["matrix", "--policy", "bytes.yaml"], &["serve", "--policy", "bytes.yaml"]]
    {
        let (code, _, err) = run(home.path(), command);
        assert!(code != 0 && err.contains("line 3 is not UTF-8"), "{command:?}: {err}");
    }
}

#[test]
fn causes_are_said_once() {
    let home = tempfile::tempdir().unwrap();
    let (code, _, err) = run(home.path(), &["serve", "--policy", "nope.yaml", "--upstream", "http://127.0.0.1:9"]);
    assert_eq!((code, err.matches("No such file").count()), (1, 1), "{err}");
    let (code, _, err) = run(home.path(), &["check", "--config", "nope.yaml"]);
    assert_eq!((code, err.matches("No such file").count()), (1, 1), "{err}");
}
