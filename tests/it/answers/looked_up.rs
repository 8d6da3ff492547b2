//! Lists whose items name only another object: one statement a page says whose all of them are.

use super::{Script, scripted};
use crate::support::h2::{Ask, H2};
use crate::support::postgres::{Database, Server};
use crate::support::{Gate, ORG_A, ORG_B, ORG_GONE, Options, Who, get};
use serde_json::{Value, json};

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { sql: "SELECT organization_id, name FROM device WHERE id = $1", args: [path.id] }
  port: { sql: "SELECT name, slug FROM device JOIN org USING (organization_id) WHERE port = $1 -- not $1", args: [path.id] }
  many: { sql: SELECT organization_id FROM device WHERE port > $1, args: [path.id] }
  broken: { sql: SELECT name FROM device WHERE id = $1, args: [path.id] }
  kept:
    sql: WITH one AS (SELECT * FROM device WHERE id = $1::uuid) SELECT organization_id FROM one
    args: [path.id]
    cache: 1h
    allow_lint: { cached_lookup: a test }
routes:
  /build/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
  /hidden/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device }, shared: hide, push: org__in } } }
  /bare/: { GET: { level: member, list: { items: "", org: { lookup: device, key: "" }, keep: manager } } }
  /port/: { GET: { level: member, list: { items: /results, org: { lookup: port.slug as slug, key: /port } } } }
  /many/: { GET: { level: member, list: { items: /results, org: { lookup: many, key: /port } } } }
  /broken/: { GET: { level: member, list: { items: /results, org: { lookup: broken, key: /device } } } }
  /kept/: { GET: { level: member, list: { items: /results, org: { lookup: kept, key: /device } } } }
  /small/: { GET: { level: member, inspect_limit: 1KiB, list: { items: /results, org: { lookup: device, key: /device } } } }
"#;

const DEVICES: [(&str, Option<&str>); 4] = [
    ("00000000-0000-4000-8000-0000000000a1", Some(ORG_A)),
    ("00000000-0000-4000-8000-0000000000b1", Some(ORG_B)),
    ("00000000-0000-4000-8000-0000000000c1", None),
    ("00000000-0000-4000-8000-0000000000d1", Some(ORG_GONE)),
];
const MISSING: &str = "00000000-0000-4000-8000-0000000000ff";
const TYPE: &str = "Content-Type: application/json\r\n";

fn tables() -> String {
    let id = |organization: Option<&str>| organization.map_or("NULL".to_owned(), |id| format!("'{id}'"));
    let rows = DEVICES
        .iter()
        .zip(1..)
        .map(|((device, organization), port)| format!("('{device}', {}, 'x', {port})", id(*organization)));
    format!(
        "CREATE TABLE org (organization_id uuid PRIMARY KEY, slug varchar(40));
         INSERT INTO org VALUES ('{ORG_A}', 'a'), ('{ORG_B}', 'b'), ('{ORG_GONE}', 'gone');
         CREATE TABLE device (id uuid PRIMARY KEY, organization_id uuid, name varchar(64), port int);
         INSERT INTO device VALUES {}",
        rows.collect::<Vec<_>>().join(", ")
    )
}

fn before(url: &str) -> (Gate, Script) {
    scripted(POLICY, |options| {
        let config = format!("databases: {{ legacy: {{ url: \"{url}\", timeout: 500ms }} }}\n");
        Options { config, ..options }
    })
}

fn legacy() -> (Gate, Script, Database) {
    let database = Server::shared().database();
    database.server.sql(&database.name, &tables());
    let (gate, script) = before(&database.url());
    (gate, script, database)
}

/// Everybody's builds: each device once and the first twice, one that is not there, and what no device can be.
fn page() -> String {
    let device = |at: usize| DEVICES[at].0;
    let upper = device(0).to_uppercase();
    json!({
        "count": 11, "next": "http://internal/build/?page=2",
        "results": [
            { "id": 0, "device": device(0) }, { "id": 1, "device": device(1) }, { "id": 2, "device": device(2) },
            { "id": 3, "device": device(3) }, { "id": 4, "device": upper }, { "id": 5, "device": MISSING },
            { "id": 6, "device": "17' OR true" }, { "id": 7, "device": null }, { "id": 8 }, { "id": 9, "device": [device(0)] },
            { "id": 10, "device": "x\u{0}" }, { "id": 11, "device": "x".repeat(2000) },
        ],
    })
    .to_string()
}

fn ids(answer: &Value) -> Vec<u64> {
    answer["results"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

#[test]
fn everybody_gets_the_items_of_their_own_objects() {
    let (gate, script, _database) = legacy();
    script.answer(&format!("{TYPE}X-Total-Count: 11\r\nETag: \"1\"\r\n"), &page());
    for (who, kept) in [(Who::uA, &[0, 4][..]), (Who::uB, &[1]), (Who::mA, &[0, 2, 4]), (Who::both, &[0, 1, 4])] {
        let answer = gate.get(who, "/build/");
        assert_eq!((answer.status, ids(&answer.json())), (200, kept.to_vec()), "{who:?}");
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{who:?}: {}", answer.text());
        assert_eq!((answer.header("x-total-count"), answer.header("etag")), (None, None));
        assert_eq!(answer.header("cache-control"), Some("private"));
    }
    gate.upstream.forget();
    gate.refused(get(Who::nobody, "/build/"), 401, "credentials_missing");
    // Superusers get it as it is, and nothing is asked for them.
    let asked = gate.postern.metric("postern_lookups_total");
    assert_eq!(gate.get(Who::su, "/build/").text(), page());
    assert_eq!(gate.postern.metric("postern_lookups_total"), asked);
    assert_eq!(ids(&H2::plain(gate.postern.data).ask(Who::uB, &Ask::get("/build/")).json()), [1]);
    script.json(&json!([DEVICES[0].0, DEVICES[1].0, DEVICES[2].0]).to_string());
    assert_eq!(gate.get(Who::mA, "/bare/").json(), json!([DEVICES[0].0, DEVICES[2].0]));
    assert_eq!(gate.get(Who::uA, "/bare/").json(), json!([]));
    // Another column, in another form, by a number.
    script.json(&json!({ "results": [{ "id": 1, "port": 1 }, { "id": 2, "port": "2" }, { "id": 3, "port": 1.5 }, { "id": 4, "port": 99_999_999_999_u64 }] }).to_string());
    assert_eq!(ids(&gate.get(Who::both, "/port/").json()), [1, 2]);
    assert_eq!(ids(&gate.get(Who::uA, "/port/").json()), [1]);
    script.answer(
        "Content-Type: application/x-ndjson\r\n",
        &[0, 1].map(|at| format!("\"{}\"\n", DEVICES[at].0)).concat(),
    );
    assert_eq!(gate.get(Who::mA, "/bare/").text(), format!("\"{}\"\n", DEVICES[0].0));
}

#[test]
fn a_page_is_one_statement_and_what_is_kept_is_not_asked_again() {
    let server = Server::own_with("log_statement = 'all'");
    server.sql("postgres", &tables());
    let (gate, script) = before(&server.url("postgres"));
    let statements =
        || server.log().lines().filter(|line| line.contains("execute ") && line.contains("postern_page")).count();
    let (first, second) = (DEVICES[0].0, DEVICES[1].0);
    let of = |devices: &[&str]| {
        let items = (0..200).map(|n| json!({ "id": n, "device": devices[n % devices.len()] }));
        json!({ "results": items.collect::<Vec<_>>() }).to_string()
    };
    script.json(&of(&[first, second, MISSING]));
    for asked in 1..=3 {
        assert_eq!(ids(&gate.get(Who::uA, "/build/").json()).len(), 67);
        assert_eq!(statements(), asked);
    }
    assert!(
        !server
            .log()
            .lines()
            .any(|line| line.contains("execute ") && line.contains("FROM device") && !line.contains("postern_page"))
    );
    // What was found is kept, until a trigger could tell; what was not is asked for again.
    script.json(&of(&[first]));
    crate::support::eventually("it is kept", || {
        let before = statements();
        assert_eq!(ids(&gate.get(Who::uA, "/kept/").json()).len(), 200);
        (statements() == before).then_some(())
    });
    let before = statements();
    script.json(&of(&[first, second]));
    assert_eq!(ids(&gate.get(Who::uB, "/kept/").json()).len(), 100);
    assert_eq!(ids(&gate.get(Who::uB, "/kept/").json()).len(), 100);
    assert_eq!(statements(), before + 1);
}

/// Attack 77 and its like: where nothing is known of one item, nothing of the page is told.
#[test]
fn a_page_of_which_something_is_not_known_is_refused() {
    let (gate, script, database) = legacy();
    let refused = |target: &str, status: u16, code: &str| {
        let answer = gate.get(Who::uA, target);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{target}: {}", answer.text());
        assert!(!answer.text().contains("sesame"), "{target}");
    };
    let items = |key: &str, value: Value| json!({ "results": [{ key: value, "secret": "sesame" }] }).to_string();
    script.json(&items("port", json!(3)));
    assert_eq!(gate.get(Who::uB, "/many/").json(), json!({ "results": [] }));
    // Two rows for one object; an organization that is none.
    script.json(&items("port", json!(1)));
    refused("/many/", 503, "lookup_failed");
    script.json(&items("device", json!(DEVICES[0].0)));
    refused("/broken/", 503, "lookup_failed");
    assert_eq!(gate.get(Who::uA, "/small/").status, 200);
    // All of the page is held, within the limit.
    script.json(&json!({ "results": vec![json!({ "device": DEVICES[0].0, "secret": "sesame" }); 20] }).to_string());
    assert_eq!(gate.get(Who::uA, "/build/").status, 200);
    refused("/small/", 502, "answer_unreadable");
    let keys: Vec<_> = (0..10_001).map(|n| json!({ "device": n, "secret": "sesame" })).collect();
    script.json(&json!({ "results": keys }).to_string());
    refused("/build/", 502, "answer_unreadable");
    for (headers, body) in [
        (TYPE, "{}"),
        (TYPE, &*format!("{}x", items("device", json!(DEVICES[0].0)))),
        ("Content-Type: text/csv\r\n", "sesame"),
    ] {
        script.answer(headers, body);
        refused("/build/", 502, "answer_unreadable");
    }
    // The database is slow, and then it has gone.
    script.json(&items("device", json!(DEVICES[0].0)));
    let session = database.server.session(&database.name);
    session.run("BEGIN; LOCK TABLE device");
    refused("/build/", 503, "lookup_failed");
    session.run("ROLLBACK");
    assert_eq!(gate.get(Who::uA, "/build/").status, 200);
    // The tables have changed since it was prepared.
    database.server.sql(&database.name, "ALTER TABLE device ALTER COLUMN name TYPE text");
    assert_eq!(gate.get(Who::uA, "/build/").status, 200);
    database.server.sql(&database.name, "DROP TABLE device");
    refused("/build/", 503, "lookup_failed");
    assert!(gate.postern.metric("postern_lookups_failed_total") >= 3.0);
    let lines = gate.postern.access_lines_now();
    assert!(!lines.iter().any(|line| line.to_string().contains("sesame")));
}

#[test]
fn a_page_that_was_narrowed_at_its_source_is_verified() {
    let (gate, script, _database) = legacy();
    let device = |at: usize| json!({ "device": DEVICES[at].0 });
    script.answer(
        &format!("{TYPE}X-Total-Count: 2\r\n"),
        &json!({ "count": 2, "results": [device(0), device(0)] }).to_string(),
    );
    let answer = gate.get(Who::uA, "/hidden/?page=1");
    assert_eq!((answer.json()["count"].as_u64(), answer.header("x-total-count")), (Some(2), Some("2")));
    assert_eq!(gate.upstream.last().target, format!("/hidden/?page=1&org__in={ORG_A}"));
    script.answer(
        &format!("{TYPE}X-Total-Count: 2\r\n"),
        &json!({ "count": 2, "results": [device(0), device(1)] }).to_string(),
    );
    let answer = gate.get(Who::uA, "/hidden/");
    assert_eq!((answer.json(), answer.header("x-total-count")), (json!({ "results": [device(0)] }), None));
    assert_eq!(gate.postern.metric("postern_upstream_foreign_items_total{route=\"/hidden/\"}"), 1.0);
}
