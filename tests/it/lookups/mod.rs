//! Lookups: whose an object is, a database of the service behind the gate says.

mod bodies;
mod changes;
mod http;
mod mysql;
mod trouble;

use crate::support::postgres::{Database, Server};
use crate::support::{Gate, ORG_A, ORG_B, ORG_GONE, Options, Who, get, request};

/// The device of each organization, by the end of its id.
pub const OF_A: &str = "00000000-0000-4000-8000-0000000000a1";
pub const OF_B: &str = "00000000-0000-4000-8000-0000000000b1";
pub const SHARED: &str = "00000000-0000-4000-8000-0000000000c1";
pub const OF_GONE: &str = "00000000-0000-4000-8000-0000000000d1";
pub const MISSING: &str = "00000000-0000-4000-8000-0000000000ff";

const POLICY: &str = r#"
version: 1
defaults:
  shared: { read: manager, write: superuser }
  inject: { X-Organization: org.slug }
lookups:
  device:
    sql: SELECT organization_id, name, is_deactivated, port FROM device WHERE id = $1
    database: legacy
    args: [path.id]
  build:
    sql: SELECT d.organization_id FROM build b JOIN device d ON d.id = b.device_id WHERE b.id = $1
    args: [path.number]
  slug:
    sql: SELECT o.slug FROM device d JOIN org o ON o.id = d.organization_id WHERE d.name = $1
    args: [path.name]
  kept:
    sql: SELECT organization_id, name FROM device WHERE id = $1
    args: [path.id]
    cache: 1h
routes:
  /device/{id}/:
    org: lookup.device
    inject: { X-Name: lookup.device.name, X-Port: lookup.device.port }
    read: member
    write: { level: manager, when: '!lookup.device.is_deactivated' }
  /build/{number}/: { org: lookup.build, level: member }
  /name/{name}/: { org: lookup.slug as slug, level: member }
  /kept/{id}/: { org: lookup.kept, level: member, inject: { X-Name: lookup.kept.name } }
"#;

/// A gate, and the database of the service behind it.
pub struct Legacy {
    pub gate: Gate,
    pub database: Database,
}

impl Legacy {
    pub fn new() -> Self {
        Self::with(POLICY)
    }

    pub fn with(policy: &str) -> Self {
        let (database, config) = Self::database();
        let gate = Gate::with(&Options { config, ..Options::policy(policy) });
        Self { gate, database }
    }

    /// A database of devices, and the configuration to find it by.
    pub fn database() -> (Database, String) {
        let database = Server::shared().database();
        let sql = format!(
            "CREATE TABLE org (id uuid PRIMARY KEY, slug varchar(40));
             INSERT INTO org VALUES ('{ORG_A}', 'a'), ('{ORG_B}', 'b'), ('{ORG_GONE}', 'gone');
             CREATE TABLE device (id uuid PRIMARY KEY, organization_id uuid, name varchar(64), port int,
                                  is_deactivated boolean NOT NULL DEFAULT false);
             INSERT INTO device VALUES ('{OF_A}', '{ORG_A}', 'Küche', 8080), ('{OF_B}', '{ORG_B}', 'hall', NULL),
                                       ('{SHARED}', NULL, 'any', 1), ('{OF_GONE}', '{ORG_GONE}', 'gone', 1);
             CREATE TABLE build (id int PRIMARY KEY, device_id uuid);
             INSERT INTO build VALUES (17, '{OF_A}'), (18, '{OF_B}')"
        );
        database.server.sql(&database.name, &sql);
        let config = format!("databases: {{ legacy: {{ url: \"{}\", timeout: 500ms }} }}\n", database.url());
        (database, config)
    }

    pub fn sql(&self, sql: &str) {
        self.database.server.sql(&self.database.name, sql);
    }

    pub fn status(&self, who: Who, target: &str) -> u16 {
        self.gate.get(who, target).status
    }
}

#[test]
fn a_database_says_whose_an_object_is() {
    let legacy = Legacy::new();
    let gate = &legacy.gate;
    let sent = gate.forwarded(get(Who::uA, &format!("/device/{OF_A}/")));
    assert_eq!(sent.header("x-organization"), Some("a"));
    // In headers, texts are percent-encoded; null is not sent.
    assert_eq!(sent.header("x-name"), Some("K%C3%BCche"));
    assert_eq!(sent.header("x-port"), Some("8080"));
    let sent = gate.forwarded(get(Who::uB, &format!("/device/{}/", OF_B.to_uppercase())));
    assert_eq!((sent.header("x-organization"), sent.header("x-port")), (Some("b"), None));
    assert_eq!(gate.forwarded(get(Who::uA, "/build/17/")).header("x-organization"), Some("a"));
    assert_eq!(gate.forwarded(get(Who::uB, "/name/hall/")).header("x-organization"), Some("b"));
    assert_eq!(gate.forwarded(get(Who::uA, "/name/K%C3%BCche/")).header("x-organization"), Some("a"));
    // A superuser passes everywhere, into a disabled organization too.
    assert_eq!(gate.forwarded(get(Who::su, &format!("/device/{OF_GONE}/"))).header("x-organization"), Some("gone"));

    let put = |who, id: &str| request(who, "PUT", &format!("/device/{id}/"), &[], "x");
    gate.refused(put(Who::uA, OF_A), 403, "org_level_missing");
    gate.forwarded(put(Who::mA, OF_A));
    legacy.sql(&format!("UPDATE device SET is_deactivated = true WHERE id = '{OF_A}'"));
    gate.refused(put(Who::mA, OF_A), 403, "condition_false");
    gate.forwarded(get(Who::mA, &format!("/device/{OF_A}/")));

    // Null is shared: managers read it, superusers write it.
    gate.forwarded(get(Who::mA, &format!("/device/{SHARED}/")));
    gate.refused(get(Who::uA, &format!("/device/{SHARED}/")), 403, "shared_denied");
    gate.refused(put(Who::mA, SHARED), 403, "shared_denied");
    gate.forwarded(put(Who::su, SHARED));
}

/// Attacks 78 and 79: nothing tells an object of somebody else from one that is not there, and no argument is a part of a statement.
#[test]
fn a_foreign_object_is_told_like_one_that_is_not_there() {
    let legacy = Legacy::new();
    let gate = &legacy.gate;
    let told = |target: &str| {
        let answer = gate.refused(get(Who::mA, target), 404, "no_route");
        let headers: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date").cloned().collect();
        (answer.text(), headers)
    };
    let missing = told(&format!("/device/{MISSING}/"));
    for id in [OF_B, OF_GONE, "17", "x", "1%20OR%201=1", "%27%20OR%20%27%27=%27", "00000000"] {
        assert_eq!(told(&format!("/device/{id}/")), missing, "{id}");
    }
    for number in ["18", "99", "x", "99999999999999999999", "1.5", "-1", "17%20OR%20true"] {
        assert_eq!(told(&format!("/build/{number}/")), missing, "{number}");
    }
    assert_eq!(told("/name/hall/"), missing);
    assert_eq!(told(&format!("/name/{}/", "n".repeat(2000))), missing);
    gate.forwarded(get(Who::uA, "/build/17/"));
    // Nobody asks a database for whoever has not said who they are.
    gate.refused(get(Who::nobody, &format!("/device/{OF_A}/")), 401, "credentials_missing");
    // The operator is told which it was.
    let lines = gate.postern.access_lines(19);
    let codes: std::collections::BTreeSet<_> = lines.iter().filter_map(|line| line["code"].as_str()).collect();
    assert!(codes.contains("lookup_not_found") && codes.contains("org_foreign"), "{codes:?}");
}

#[test]
fn explain_and_doctor_ask_the_database_as_it_stands() {
    let legacy = Legacy::new();
    let postern = &legacy.gate.postern;
    let told = postern.cli(&["explain", "GET", &format!("/device/{OF_A}/"), "--as", "uA"]);
    assert!(told.contains("lookup.device") && told.contains("x-name: K%C3%BCche"), "{told}");
    // The exit code is the verdict: a foreign device is refused.
    assert!(postern.try_cli(&["explain", "GET", &format!("/device/{OF_B}/"), "--as", "uA"]).is_err());
    let told = postern.cli(&["doctor"]);
    assert!(told.contains("lookup device") && told.contains("organization_id, name, is_deactivated, port"), "{told}");
    legacy.sql("ALTER TABLE device DROP COLUMN port");
    assert!(postern.try_cli(&["doctor"]).is_err());
}
