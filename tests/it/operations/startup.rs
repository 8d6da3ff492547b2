//! What is in the way of a start: named, with what to do about it, and with exit code 1 before anything is served.

use crate::support::{Options, Postern, ROUTES};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Starts, expects it to fail, and gives what was said.
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked") && !said.contains("\"serving\""), "{said}");
    assert!(output.stdout.is_empty(), "errors belong on standard error");
    said
}

fn fails_with(options: &Options, words: &[&str]) {
    let home = Postern::prepare(Some(([127, 0, 0, 1], 9).into()), options);
    let said = fails(&mut Postern::serve(home.path(), options));
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for key in ["listen", "management", "probes"] {
        let said = format!("{key}: {address} is already in use");
        fails_with(&Options::policy(ROUTES).set(key, address), &[&said, "choose another address"]);
    }
}

#[test]
fn an_address_of_another_machine_is_named() {
    fails_with(
        &Options::policy(ROUTES).set("listen", "192.0.2.1:8080"),
        &["192.0.2.1:8080 is not an address of this machine"],
    );
    fails_with(
        &Options::policy(ROUTES).set("listen", "localhost"),
        &["`listen` must be an address and a port", "127.0.0.1:8080"],
    );
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let home = Postern::prepare(None, &Options::policy(ROUTES));
    let serve = |config: &str| fails(Postern::serve(home.path(), &Options::policy(ROUTES)).args(["--config", config]));
    let said = serve("nothing.yaml");
    assert!(said.contains("nothing.yaml") && said.contains("hint:"), "{said}");
    assert!(serve(".").contains("cannot read the configuration"));
    std::fs::write(home.path().join("bytes.yaml"), b"listen: \xff\xfe").unwrap();
    assert!(serve("bytes.yaml").contains("bytes.yaml"));
}

#[test]
fn mistakes_in_the_configuration_are_told_all_at_once() {
    let mut options = Options::policy(ROUTES);
    options.config = "timeouts: { haed: 1s, idle: soon, total: 1s }\nlimits: { connections: 0 }\nlissten: 1\n".into();
    fails_with(
        &options,
        &[
            "haed",
            "did you mean `head`",
            "`idle`",
            "`connections`",
            "lissten",
            "did you mean `listen`",
            "total",
            "not yet",
            "postern.yaml:",
        ],
    );
    fails_with(&Options::policy(ROUTES).set("timeouts.haed", "1s"), &["haed", "POSTERN__TIMEOUTS__HAED"]);
}

#[test]
fn a_policy_that_cannot_be_read_is_named() {
    let options = Options::policy(ROUTES).set("policy", "[nothing.yaml]");
    fails_with(&options, &["cannot read the policy", "nothing.yaml", "hint:"]);
}

#[test]
fn mistakes_in_the_policy_are_told_all_at_once() {
    let policy = "version: 1\nroutes:\n  /a: memberr\n  /b/{x}: public\n  /c: { read: member, wirte: manager }\n";
    fails_with(&Options::policy(policy), &["routes.yaml:3:", "did you mean `member`", "routes.yaml:5:", "wirte"]);
    fails_with(&Options::policy("version: 1\nroutes: [\n"), &["routes.yaml"]);
    fails_with(&Options::policy(""), &["routes.yaml"]);
    let reserved = Options::policy("version: 1\nroutes:\n  /api/v1/users/**: public\n").set("identity.api", "token");
    fails_with(&reserved, &["postern's own identity API"]);
}

#[test]
fn an_upstream_that_nobody_names_is_told() {
    let mut options = Options::policy("version: 1\nroutes:\n  /x: { level: public, upstream: ecoh }\n");
    fails_with(&options, &["ecoh", "did you mean `echo`"]);
    options = Options::policy("version: 1\nroutes:\n  /x: public\n");
    options.upstreams = Some("{}".into());
    fails_with(&options, &["there is no upstream", "--upstream"]);
    options.upstreams = Some("{ echo: \"ftp://user:hunter2@x\" }".into());
    let home = Postern::prepare(None, &options);
    let said = fails(&mut Postern::serve(home.path(), &options));
    assert!(said.contains("not a URL") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let at = |path: &str| Options::policy(ROUTES).set("database", format!("sqlite:{path}"));
    fails_with(&at("/nowhere/postern.db"), &["/nowhere/postern.db", "mkdir -p"]);
    fails_with(&at("/proc/postern.db"), &["/proc/postern.db", "hint:"]);
    let directory = tempfile::TempDir::new().unwrap();
    fails_with(&at(directory.path().to_str().unwrap()), &[directory.path().to_str().unwrap(), "hint:"]);
    let file = directory.path().join("postern.db");
    std::fs::write(&file, "this is no database, and long enough to be looked at as one".repeat(100)).unwrap();
    fails_with(&at(file.to_str().unwrap()), &["postern.db", "hint:"]);
    for (url, word) in [
        ("mysql://u:hunter2@h/d", "sqlite"),
        ("postgres://u:hunter2@127.0.0.1:1/d", "127.0.0.1:1"),
        ("sqlite::memory:", "memory"),
    ] {
        let options = Options::policy(ROUTES).set("database", url);
        let home = Postern::prepare(None, &options);
        let said = fails(&mut Postern::serve(home.path(), &options));
        assert!(said.contains(word), "{url}: {said}");
    }
}

/// The same of a server: what is wrong, and what to do about it.
#[test]
fn a_postgresql_that_cannot_be_used_is_named() {
    let database = crate::support::postgres::Server::shared().database();
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    let fails = |url: &str, words: &[&str]| fails_with(&Options::policy(ROUTES).set("database", url), words);
    let (port, name) = (database.server.port(), &database.name);
    database.server.try_sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'right'").ok();
    fails(
        &format!("postgres://guest:wrong@127.0.0.1:{port}/{name}?sslmode=disable"),
        &["password authentication failed", "`database.password`", "pg_hba.conf", "role guest"],
    );
    let role = format!("few_{}", &name[2..10]);
    sql(&format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"));
    fails(
        &format!("postgres://{role}@127.0.0.1:{port}/{name}?sslmode=disable"),
        &["too many connections for role", "max_connections", "`database.connections`"],
    );
    sql(&format!("DROP ROLE {role}"));
    sql("INSERT INTO schema_migrations VALUES (99, 'future', 'x', 0)");
    fails(&database.url(), &["99", "newer postern"]);
}

/// A password in a URL is not repeated to whoever reads the log.
#[test]
fn a_start_that_fails_tells_no_password() {
    let options = Options::policy(ROUTES).set("database", "postgres://postern:hunter2@127.0.0.1:1/postern");
    let home = Postern::prepare(None, &options);
    let said = fails(&mut Postern::serve(home.path(), &options));
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn wrong_usage_is_2() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_postern")).args(args).current_dir(Path::new("/")).output().unwrap();
        (output.status.code(), output.stdout.is_empty(), output.stderr.is_empty())
    };
    for args in [
        &[][..],
        &["sreve"],
        &["serve", "--nonsense"],
        &["serve", "--workers", "many"],
        &["serve", "--workers", "0"],
        &["serve", "--listen", "8081"],
        &["serve", "--upstream", "127.0.0.1:8000"],
        &["token", "create"],
        &["--database", "sqlite:x.db", "demo"],
    ] {
        assert_eq!(run(args), (Some(2), true, false), "{args:?}");
    }
    assert_eq!(run(&["--help"]), (Some(0), false, true));
    assert_eq!(run(&["--version"]), (Some(0), false, true));
}

/// Nobody has said who may do what, so nobody may; what the smallest policy is stands in the refusal.
#[test]
fn without_a_policy_nothing_is_served() {
    let home = Postern::prepare(Some(([127, 0, 0, 1], 9).into()), &Options::policy(ROUTES));
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let refused = |arguments: &[&str]| {
        let said = fails(Postern::serve(home.path(), &Options::policy("")).args(arguments));
        assert!(said.contains("error: there is no policy"), "{arguments:?}: {said}");
        assert!(
            said.contains("version: 1\n  routes: { /**: authenticated }\n") && said.contains("--any-authenticated")
        );
    };
    for configuration in ["", "# nothing\n", "policy: []\n", "policy:\n", "upstreams: { a: \"http://127.0.0.1:9\" }\n"]
    {
        write("postern.yaml", configuration);
        if configuration == "policy:\n" {
            let said = fails(&mut Postern::serve(home.path(), &Options::policy("")));
            assert!(said.contains("`policy`"), "{said}");
            continue;
        }
        refused(&["--upstream", "http://127.0.0.1:9"]);
    }
    // The image's own configuration, and nothing mounted.
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postern.yaml");
    refused(&["--config", image.to_str().unwrap(), "--upstream", "http://127.0.0.1:9"]);
    // What was said in the policy's place is no policy either.
    write("empty.yaml", "");
    write("routeless.yaml", "version: 1\nroutes: {}\n");
    for file in ["empty.yaml", "routeless.yaml"] {
        let said = fails(Postern::serve(home.path(), &Options::policy("")).args(["--policy", file]));
        assert!(said.contains(file) && said.contains("error["), "{said}");
    }
    // It stands for a policy, and not beside one.
    for arguments in [&["--any-authenticated", "--policy", "routes.yaml"][..], &["--any-authenticated"]] {
        write("postern.yaml", "policy: [routes.yaml]\n");
        let output = Postern::serve(home.path(), &Options::policy("")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// With nothing configured but an upstream, it starts, and says what that means.
#[test]
fn an_upstream_and_a_word_are_enough() {
    let upstream = crate::support::Upstream::echo();
    let options = Options { policies: Vec::new(), ..Options::policy("") };
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::remove_file(home.path().join("postern.yaml")).unwrap();
    let mut command = Postern::serve(home.path(), &options.clone().set("log.format", "json"));
    command.args([
        "--upstream",
        &format!("http://{}", upstream.address()),
        "--listen",
        "127.0.0.1:0",
        "--management",
        "127.0.0.1:0",
    ]);
    let postern = Postern::run(home, &mut command);
    let said = postern.stderr().join("\n");
    assert!(said.contains("--any-authenticated") && said.contains("every active user may do everything"), "{said}");
    let gate = crate::support::Gate { postern, upstream };
    use crate::support::{Who, get};
    gate.refused(get(Who::nobody, "/anything"), 401, "credentials_missing");
    gate.forwarded(get(Who::uA, "/anything"));
}
