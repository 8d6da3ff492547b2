//! Lookups that ask MariaDB: what they find, and above all what they do not.

use super::{MISSING, OF_A, OF_B, SHARED};
use crate::support::mariadb::MariaDb;
use crate::support::tls::Authority;
use crate::support::{Gate, ORG_A, ORG_B, Options, Who, eventually_within, get, request};
use std::time::Duration;

const POLICY: &str = r#"
version: 1
defaults:
  shared: { read: manager, write: superuser }
  inject: { X-Organization: org.slug }
lookups:
  device:
    sql: SELECT organization_id, name, is_deactivated, port FROM device WHERE id = UNHEX(REPLACE(?, '-', ''))
    args: [path.id]
  native: { sql: SELECT organization_id FROM native WHERE id = ?, args: [path.id] }
  build:
    sql: SELECT d.organization_id FROM build b JOIN device d ON d.id = b.device_id WHERE b.id = ?
    args: [path.number]
  slug: { sql: SELECT organization FROM named WHERE name = ?, args: [path.name] }
  pair: { sql: SELECT organization FROM named WHERE number = ? AND name = ?, args: [path.number, path.name] }
  latin: { sql: SELECT organization FROM latin WHERE name = ?, args: [path.name] }
routes:
  /device/{id}/:
    org: lookup.device
    inject: { X-Name: lookup.device.name, X-Port: lookup.device.port }
    read: { level: member, when: '!lookup.device.is_deactivated' }
  /native/{id}/: { org: lookup.native, level: member }
  /build/{number}/: { org: lookup.build, level: member }
  /name/{name}/: { org: lookup.slug as slug, level: member }
  /pair/{number}/{name}/: { org: lookup.pair as slug, level: member }
  /latin/{name}/: { org: lookup.latin as slug, level: member }
"#;

fn tables() -> String {
    let bytes = |id: &str| format!("UNHEX('{}')", id.replace('-', ""));
    let (a, b, shared) = (bytes(OF_A), bytes(OF_B), bytes(SHARED));
    format!(
        "CREATE TABLE device (id binary(16) PRIMARY KEY, organization_id char(36), name varchar(64), port int unsigned,
                              is_deactivated boolean NOT NULL DEFAULT false);
         INSERT INTO device VALUES ({a}, '{ORG_A}', 'Küche', 8080, false), ({b}, '{ORG_B}', 'hall', NULL, false),
                                   ({shared}, NULL, 'any', 1, false);
         CREATE TABLE native (id uuid PRIMARY KEY, organization_id binary(16));
         INSERT INTO native VALUES ('{OF_A}', {}), ('{OF_B}', {});
         CREATE TABLE build (id bigint PRIMARY KEY, device_id binary(16));
         INSERT INTO build VALUES (17, {a}), (10, {a}), (0, {a}), (18, {b}), (9007199254740993, {a}), (9007199254740992, {b});
         CREATE TABLE named (name varchar(64) PRIMARY KEY, number int, organization varchar(64));
         INSERT INTO named VALUES ('hall', 1, 'a'), ('017', 17, 'a'), ('1e1', 10, 'a'), ('Küche', 2, 'a');
         CREATE TABLE latin (name varchar(64) PRIMARY KEY, organization varchar(64)) CHARACTER SET latin1;
         INSERT INTO latin VALUES ('Küche', 'a')",
        bytes(ORG_A),
        bytes(ORG_B)
    )
}

fn gate(url: &str, policy: &str) -> Gate {
    let config = format!("databases: {{ legacy: {{ url: \"{url}\", timeout: 500ms, connections: 4 }} }}\n");
    Gate::with(&Options { config, ..Options::policy(policy) })
}

#[test]
fn mariadb_says_whose_an_object_is_and_kind_comparisons_find_nothing() {
    let server = MariaDb::start();
    server.sql(&tables());
    let gate = gate(&server.url("reader:reads%2C%20only"), POLICY);
    let sent = gate.forwarded(get(Who::uA, &format!("/device/{OF_A}/")));
    assert_eq!(sent.header("x-organization"), Some("a"));
    assert_eq!((sent.header("x-name"), sent.header("x-port")), (Some("K%C3%BCche"), Some("8080")));
    let sent = gate.forwarded(get(Who::uB, &format!("/device/{}/", OF_B.to_uppercase())));
    assert_eq!((sent.header("x-organization"), sent.header("x-port")), (Some("b"), None));
    gate.forwarded(get(Who::uA, &format!("/native/{OF_A}/")));
    gate.forwarded(get(Who::uA, "/build/17/"));
    gate.forwarded(get(Who::uA, "/build/0/"));
    // Beyond what a double tells apart.
    gate.forwarded(get(Who::uA, "/build/9007199254740993/"));
    gate.forwarded(get(Who::uB, "/build/9007199254740992/"));
    // Texts that are numbers too, where texts are compared.
    for name in ["hall", "017", "1e1", "K%C3%BCche", "HALL"] {
        gate.forwarded(get(Who::uA, &format!("/name/{name}/")));
    }
    gate.forwarded(get(Who::uA, "/pair/17/017/"));
    gate.forwarded(get(Who::uA, "/latin/K%C3%BCche/"));

    let told = gate.postern.cli(&["doctor"]);
    assert!(told.contains("organization_id, name, is_deactivated, port") && !told.contains("SELECT alone"), "{told}");

    // Null is shared.
    gate.forwarded(get(Who::mA, &format!("/device/{SHARED}/")));
    gate.refused(get(Who::uA, &format!("/device/{SHARED}/")), 403, "shared_denied");
    server.sql("UPDATE device SET is_deactivated = true WHERE name = 'Küche'");
    gate.refused(get(Who::uA, &format!("/device/{OF_A}/")), 403, "condition_false");

    let told = |target: &str| gate.refused(get(Who::mA, target), 404, "no_route").text();
    let missing = told(&format!("/device/{MISSING}/"));
    for id in [OF_B, "17", "x", "1%20OR%201=1", "%27%20OR%20%27%27=%27", "00000000"] {
        assert_eq!(told(&format!("/device/{id}/")), missing, "{id}");
        assert_eq!(told(&format!("/native/{id}/")), missing, "{id}");
    }
    for number in [
        "18",
        "99",
        "17abc",
        "x",
        "abc",
        "1e1",
        "1E1",
        "1e1x",
        "017",
        "+17",
        "%2017",
        "17%20",
        "17.0",
        "17.",
        "-0",
        "0x11",
        "17%20OR%20true",
        "1.7e1",
        "99999999999999999999",
        "9007199254740994",
        OF_A,
        "%20",
    ] {
        assert_eq!(told(&format!("/build/{number}/")), missing, "{number}");
    }
    for pair in ["1e1/1e1", "017/017", "17/hall", "10x/1e1"] {
        assert_eq!(told(&format!("/pair/{pair}/")), missing, "{pair}");
    }
    // What the column's character set cannot say, no row says.
    assert_eq!(told("/latin/%E6%97%A5%E6%9C%AC/"), missing);
    assert_eq!(told(&format!("/name/{}/", "n".repeat(2000))), missing);
}

const TROUBLE: &str = r#"
version: 1
defaults: { level: member }
lookups:
  two: { sql: "SELECT organization FROM named WHERE number < ?", args: [path.id] }
  slow: { sql: "SELECT organization, SLEEP(3) FROM named WHERE number = ?", args: [path.id] }
  writes: { sql: "SELECT writes(?)", args: [path.id] }
  counts: { sql: "SELECT organization, NEXTVAL(numbers) FROM named WHERE number = ?", args: [path.id] }
  table: { sql: "SELECT organization FROM nomed WHERE number = ?", args: [path.id] }
  time: { sql: "SELECT organization, NOW() FROM named WHERE number = ?", args: [path.id] }
  large: { sql: "SELECT organization, REPEAT('x', 5000000) FROM named WHERE number = ?", args: [path.id] }
  good: { sql: "WITH one AS (SELECT organization, number FROM named) SELECT organization FROM one WHERE number = ? -- it;", args: [path.id] }
routes:
  /two/{id}: { org: lookup.two as slug }
  /slow/{id}: { org: lookup.slow as slug }
  /writes/{id}: { org: lookup.writes as slug }
  /counts/{id}: { org: lookup.counts as slug }
  /table/{id}: { org: lookup.table as slug }
  /time/{id}: { org: lookup.time as slug }
  /large/{id}: { org: lookup.large as slug }
  /good/{id}: { org: lookup.good as slug }
  /me: { level: authenticated }
"#;

#[test]
fn objects_that_a_body_points_at_are_one_statement_of_mariadb() {
    let server = MariaDb::start();
    server.sql(&tables());
    let policy = "version: 1\nlookups:\n  build: { sql: \"SELECT d.organization_id FROM build b JOIN device d ON d.id = b.device_id WHERE b.id = ?\", args: [body.build] }\n\
                  routes:\n  /builds/: { POST: { level: member, org: body.organization, fields: { builds: { lookup: build } } } }\n";
    let gate = gate(&server.url("reader:reads%2C%20only"), policy);
    let statements = || {
        server.number(
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_STMT_EXECUTE'",
        )
    };
    let post = |builds: &str| {
        let body = format!(r#"{{"organization": "{ORG_A}", "builds": {builds}}}"#);
        request(Who::uA, "POST", "/builds/", &[("Content-Type", "application/json")], &body)
    };
    let before = statements();
    gate.forwarded(post("[17, 10, 0, 9007199254740993]"));
    assert_eq!(statements(), before + 1);
    for builds in ["[17, 18]", "[17, 19]", "[17, \"17abc\"]", "[\"1e1\", 17]"] {
        gate.refused(post(builds), 403, "field_foreign");
    }
}

#[test]
fn what_mariadb_cannot_tell_is_refused_as_our_own_fault() {
    let mut server = MariaDb::start();
    server.sql(&tables());
    server.sql(
        "CREATE TABLE written (id int) ENGINE = InnoDB; CREATE SEQUENCE numbers;
         CREATE FUNCTION writes(n int) RETURNS varchar(8) MODIFIES SQL DATA
         BEGIN INSERT INTO written VALUES (n); RETURN 'a'; END",
    );
    // As somebody who may write: sessions do not all the same.
    let gate = gate(&format!("mysql://root@/legacy?socket={}", server.socket().display()), TROUBLE);
    for lookup in ["two", "slow", "writes", "counts", "table", "time", "large"] {
        let begun = postern::clock::monotonic();
        gate.refused(get(Who::uA, &format!("/{lookup}/17")), 503, "lookup_failed");
        assert!(begun.elapsed() < Duration::from_secs(3), "{lookup}");
        gate.refused(get(Who::su, &format!("/{lookup}/17")), 503, "lookup_failed");
        gate.forwarded(get(Who::uA, "/good/17"));
    }
    assert_eq!(server.number("SELECT COUNT(*) FROM written"), 0);
    let log = gate.postern.stderr().join("\n");
    assert!(log.contains("nomed") && log.contains("two rows") && log.contains("READ ONLY"), "{log}");

    // More questions than there are connections wait no longer than one may take.
    std::thread::scope(|scope| {
        let asked = (0..8).map(|at| {
            let (gate, target) = (&gate, format!("/slow/{}", if at % 2 == 0 { 17 } else { 10 }));
            scope.spawn(move || gate.get(Who::uA, &target).status)
        });
        let asked: Vec<_> = asked.collect();
        assert!(asked.into_iter().all(|asked| asked.join().unwrap() == 503));
    });
    gate.forwarded(get(Who::uA, "/good/17"));

    // A server that is away is 503, and heals by itself.
    server.down();
    gate.refused(get(Who::uA, "/good/17"), 503, "lookup_failed");
    gate.forwarded(get(Who::uA, "/me"));
    server.up();
    let healed = || (gate.get(Who::uA, "/good/17").status == 200).then_some(());
    eventually_within(Duration::from_secs(20), "it heals", healed);

    // Tables that change are read as they are.
    server.sql("ALTER TABLE named MODIFY organization text NOT NULL, ADD first int FIRST");
    gate.forwarded(get(Who::uA, "/good/17"));

    // The operator is told which statements cannot be asked, and that the account may do too much.
    let told = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
        .arg("doctor")
        .current_dir(gate.postern.home())
        .env("POSTERN_DATA_DIR", gate.postern.home())
        .output()
        .unwrap();
    assert!(!told.status.success());
    let told = String::from_utf8(told.stdout).unwrap();
    for part in ["nomed", "datetime", "SELECT alone", "gives organization"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn mariadb_is_asked_over_tls_that_is_verified_where_that_is_said() {
    let authority = Authority::new();
    authority.sign("server", &["localhost", "127.0.0.1"]);
    // They are read by another user.
    let readable = |name: &str| {
        let shared = authority.file(name);
        std::fs::set_permissions(&shared, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        shared.display().to_string()
    };
    let directory = authority.file("");
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = MariaDb::with(&[
        format!("--ssl-cert={}", readable("server.crt")),
        format!("--ssl-key={}", readable("server.key")),
        "--require-secure-transport=on".to_owned(),
    ]);
    server.sql(&tables());
    let url = |more: &str| format!("{}{more}", server.url("reader:reads%2C%20only"));
    let ca = authority.file("ca.pem").display().to_string();
    for (url, status) in [
        (url(""), 200),
        (url(&format!("?sslmode=verify-full&sslrootcert={ca}")), 200),
        (url("?sslmode=require"), 503),
        (url("?sslmode=disable"), 503),
    ] {
        let gate = gate(&url, POLICY);
        assert_eq!(gate.get(Who::uA, "/name/hall/").status, status, "{url}");
    }
}

#[test]
fn what_only_postgresql_does_is_refused_for_mariadb() {
    let policy = "version: 1\nlookups:\n  device: { sql: 'SELECT o FROM device WHERE id = ?', args: [path.id], cache: 1h }\n\
                  routes: { '/device/{id}': { org: lookup.device, level: member } }\n";
    let gate = gate("mysql://reader@127.0.0.1:1/legacy", policy);
    let told = gate.postern.try_cli(&["lookup", "trigger", "device", "--table", "device"]).unwrap_err();
    assert!(told.contains("no trigger can tell"), "{told}");
    let told = gate.postern.cli(&["check"]);
    assert!(told.contains("cached_lookup") && told.contains("tell nobody of changes"), "{told}");
}
