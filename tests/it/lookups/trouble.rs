//! Databases that do not answer as they should: a request is refused for our own fault, and never answered by guess.

use super::{Legacy, OF_A, SHARED};
use crate::support::postgres::Server;
use crate::support::{Gate, ORG_A, Options, Who, eventually_within, get};
use std::time::Duration;

const POLICY: &str = r#"
version: 1
defaults: { level: member }
lookups:
  two: { sql: "SELECT organization_id FROM device WHERE id <> $1", args: [path.id] }
  slow: { sql: "SELECT organization_id FROM device, pg_sleep(3) WHERE id = $1", args: [path.id] }
  writes: { sql: "SELECT organization_id FROM device, nextval('numbers') WHERE id = $1", args: [path.id] }
  table: { sql: "SELECT organization_id FROM devise WHERE id = $1", args: [path.id] }
  time: { sql: "SELECT organization_id, now() FROM device WHERE id = $1", args: [path.id] }
  number: { sql: "SELECT 17 FROM device WHERE id = $1", args: [path.id] }
  column: { sql: "SELECT organization_id FROM device WHERE id = $1", args: [path.id] }
  good: { sql: "SELECT * FROM (SELECT organization_id FROM device WHERE id = $1) AS inner_one;", args: [path.id] }
routes:
  /two/{id}: { org: lookup.two }
  /slow/{id}: { org: lookup.slow }
  /writes/{id}: { org: lookup.writes }
  /table/{id}: { org: lookup.table }
  /time/{id}: { org: lookup.time }
  /number/{id}: { org: lookup.number }
  /column/{id}: { org: lookup.column, inject: { X-A: lookup.column.nothing } }
  /good/{id}: { org: lookup.good }
"#;

#[test]
fn what_cannot_be_told_is_refused_as_our_own_fault() {
    let legacy = Legacy::with(POLICY);
    legacy.sql("CREATE SEQUENCE numbers");
    for lookup in ["two", "slow", "writes", "table", "time", "number", "column"] {
        let begun = postern::clock::monotonic();
        legacy.gate.refused(get(Who::uA, &format!("/{lookup}/{OF_A}")), 503, "lookup_failed");
        assert!(begun.elapsed() < Duration::from_secs(3), "{lookup}");
    }
    // A superuser is told no more, and passes no more.
    legacy.gate.refused(get(Who::su, &format!("/two/{OF_A}")), 503, "lookup_failed");
    legacy.gate.refused(get(Who::su, &format!("/two/{SHARED}")), 503, "lookup_failed");
    legacy.gate.forwarded(get(Who::uA, &format!("/good/{OF_A}")));
    assert_eq!(legacy.database.server.text(&legacy.database.name, "SELECT is_called::text FROM numbers"), "false");
    // The log says why, and never which object.
    let log = legacy.gate.postern.stderr().join("\n");
    assert!(log.contains("devise") && log.contains("two rows"), "{log}");
    assert!(!log.contains(OF_A), "{log}");
}

#[test]
fn tables_that_change_under_a_running_gate_are_read_as_they_are() {
    let legacy = Legacy::new();
    let target = format!("/device/{OF_A}/");
    for _ in 0..8 {
        assert_eq!(legacy.status(Who::uA, &target), 200);
    }
    legacy.sql("ALTER TABLE device ALTER COLUMN name TYPE text, ALTER COLUMN organization_id TYPE varchar(36)");
    for _ in 0..8 {
        assert_eq!(legacy.status(Who::uA, &target), 200);
    }
}

#[test]
fn a_database_that_is_away_is_503_and_heals_by_itself() {
    let server = Server::own();
    server.sql(
        "postgres",
        &format!(
            "CREATE TABLE device (id uuid, organization_id uuid); INSERT INTO device VALUES ('{OF_A}', '{ORG_A}')"
        ),
    );
    let config = format!("databases: {{ legacy: {{ url: \"{}\", timeout: 500ms }} }}\n", server.url("postgres"));
    let policy = "version: 1\nlookups: { device: { sql: 'SELECT organization_id FROM device WHERE id = $1', args: [path.id] } }\n\
                  routes: { '/device/{id}': { org: lookup.device, level: member }, /me: authenticated }\n";
    let gate = Gate::with(&Options { config, ..Options::policy(policy) });
    let target = format!("/device/{OF_A}");
    gate.forwarded(get(Who::uA, &target));
    server.stop();
    gate.refused(get(Who::uA, &target), 503, "lookup_failed");
    gate.forwarded(get(Who::uA, "/me"));
    server.start();
    eventually_within(Duration::from_secs(20), "it heals", || (gate.get(Who::uA, &target).status == 200).then_some(()));
}
