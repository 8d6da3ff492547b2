//! Lists whose items MariaDB or a service says, several who ask for one page, and such a list in shadow mode.

use super::{Script, scripted};
use crate::support::mariadb::MariaDb;
use crate::support::postgres::Server;
use crate::support::{Gate, ORG_A, ORG_B, Options, Upstream, Who, eventually};
use serde_json::{Value, json};

const OF_A: &str = "00000000-0000-4000-8000-0000000000a1";
const OF_B: &str = "00000000-0000-4000-8000-0000000000b1";
const SHARED: &str = "00000000-0000-4000-8000-0000000000c1";

fn ids(gate: &Gate, who: Who, target: &str) -> Vec<u64> {
    let answer = gate.get(who, target);
    assert_eq!(answer.status, 200, "{who:?} {target}: {}", answer.text());
    answer.json()["results"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

fn page(key: &str, values: &[Value]) -> String {
    let items: Vec<_> = values.iter().zip(0..).map(|(value, id)| json!({ "id": id, key: value })).collect();
    json!({ "count": items.len(), "results": items }).to_string()
}

fn before(policy: &str, url: &str) -> (Gate, Script) {
    scripted(policy, |options| {
        let config = format!("databases: {{ legacy: {{ url: \"{url}\", timeout: 2s, connections: 2 }} }}\n");
        Options { config, ..options }
    })
}

const OF_MARIADB: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  native: { sql: SELECT organization_id FROM native WHERE id = ?, args: [path.id] }
  build: { sql: SELECT d.organization_id FROM build b JOIN native d ON d.id = b.device_id WHERE b.id = ?, args: [path.id] }
  named: { sql: WITH one AS (SELECT * FROM named WHERE name = ?) SELECT organization FROM one, args: [path.id] }
  many: { sql: SELECT organization FROM named WHERE number = ?, args: [path.id] }
routes:
  /native/: { GET: { level: member, list: { items: /results, org: { lookup: native, key: /device } } } }
  /build/: { GET: { level: member, list: { items: /results, org: { lookup: build, key: /build } } } }
  /named/: { GET: { level: member, list: { items: /results, org: { lookup: named as slug, key: /name } } } }
  /many/: { GET: { level: member, list: { items: /results, org: { lookup: many as slug, key: /number } } } }
"#;

#[test]
fn mariadb_says_whose_the_items_of_a_page_are() {
    let server = MariaDb::start();
    let bytes = |id: &str| format!("UNHEX('{}')", id.replace('-', ""));
    server.sql(&format!(
        "CREATE TABLE native (id uuid PRIMARY KEY, organization_id binary(16));
         INSERT INTO native VALUES ('{OF_A}', {}), ('{OF_B}', {}), ('{SHARED}', NULL);
         CREATE TABLE build (id bigint PRIMARY KEY, device_id uuid);
         INSERT INTO build VALUES (17, '{OF_A}'), (10, '{OF_A}'), (0, '{OF_A}'), (18, '{OF_B}'), (9007199254740993, '{OF_A}'),
                                  (9007199254740992, '{OF_B}');
         CREATE TABLE named (name varchar(64) PRIMARY KEY, number int, organization varchar(64));
         INSERT INTO named VALUES ('hall', 1, 'a'), ('017', 17, 'a'), ('1e1', 10, 'b'), ('Küche', 2, 'a'), ('x', 2, 'a')",
        bytes(ORG_A),
        bytes(ORG_B)
    ));
    let (gate, script) = before(OF_MARIADB, &server.url("reader:reads%2C%20only"));
    let devices = [OF_A, OF_B, SHARED, "17", "x' OR ''='", "", OF_A].map(Value::from);
    script.json(&page("device", &devices));
    for (who, kept) in [(Who::uA, &[0, 6][..]), (Who::uB, &[1]), (Who::mA, &[0, 2, 6]), (Who::both, &[0, 1, 6])] {
        assert_eq!(ids(&gate, who, "/native/"), kept, "{who:?}");
    }
    // Kind comparisons find nothing, and hide nothing else of the page.
    let numbers =
        ["17", "17abc", "1e1", "017", "18", "x", "0", "-0", "9007199254740993", "9007199254740992", "10 ", "10.0"];
    script.json(&page("build", &numbers.map(Value::from)));
    assert_eq!(ids(&gate, Who::uA, "/build/"), [0, 6, 8]);
    assert_eq!(ids(&gate, Who::uB, "/build/"), [4, 9]);
    script.json(&page("name", &["hall", "017", "1e1", "Küche", "17", "none"].map(Value::from)));
    assert_eq!(ids(&gate, Who::uA, "/named/"), [0, 1, 3]);
    assert_eq!(ids(&gate, Who::uB, "/named/"), [2]);
    script.json(&page("number", &[json!(1), json!(17)]));
    assert_eq!(ids(&gate, Who::uA, "/many/"), [0, 1]);
    script.json(&page("number", &[json!(1), json!(2)]));
    let answer = gate.get(Who::uA, "/many/");
    assert_eq!((answer.status, answer.code().as_str()), (503, "lookup_failed"), "two rows for one object");
    // A page of 100 is one statement.
    let executed = || {
        server.number(
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_STMT_EXECUTE'",
        )
    };
    let all: Vec<_> = (0..100).map(|number| json!(number)).collect();
    script.json(&page("build", &all));
    let before = executed();
    assert_eq!(ids(&gate, Who::uA, "/build/"), [0, 10, 17]);
    assert_eq!(executed() - before, 1);
}

const OF_A_SERVICE: &str = r#"
version: 1
upstream: echo
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { http: { upstream: legacy, get: '/device/{1}/', org: /organization }, args: [path.id] }
  kept: { http: { upstream: legacy, get: '/device/{1}/', org: /organization }, args: [path.id], cache: 1h, allow_lint: { cached_lookup: a test } }
routes:
  /build/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
  /kept/: { GET: { level: member, list: { items: /results, org: { lookup: kept, key: /device } } } }
"#;

#[test]
fn a_service_says_whose_the_items_of_a_page_are_one_by_one() {
    let legacy = Upstream::with(|exchange| {
        exchange.body()?;
        let json = [("Content-Type", "application/json")];
        match &*exchange.request.target {
            "/device/1/" => exchange.answer("200 OK", &json, json!({ "organization": ORG_A }).to_string().as_bytes()),
            "/device/2/" => exchange.answer("200 OK", &json, json!({ "organization": ORG_B }).to_string().as_bytes()),
            "/device/3/" => exchange.answer("200 OK", &json, b"{\"organization\": null}"),
            "/device/broken/" => exchange.answer("500 Oops", &[], b""),
            _ => exchange.answer("404 Not Found", &[], b""),
        }
    });
    let address = legacy.address();
    let script = Script::default();
    let upstream = script.serve();
    let upstreams = format!("{{ echo: \"http://{}\", legacy: \"http://{address}\" }}", upstream.address());
    let gate = Gate::before(upstream, &Options { upstreams: Some(upstreams), ..Options::policy(OF_A_SERVICE) });
    script.json(&page("device", &[json!(1), json!(2), json!(3), json!("4/../1"), json!(1), json!(9)]));
    for (who, kept) in [(Who::uA, &[0, 4][..]), (Who::uB, &[1]), (Who::mA, &[0, 2, 4])] {
        assert_eq!(ids(&gate, who, "/build/"), kept, "{who:?}");
    }
    let asked = || legacy.recorded().len();
    assert_eq!(asked(), 12, "each object once for each page, and no path that is another one");
    // What is kept is not asked for again, and what is not there is.
    assert_eq!(ids(&gate, Who::uA, "/kept/"), [0, 4]);
    assert_eq!(ids(&gate, Who::uA, "/kept/"), [0, 4]);
    assert_eq!(asked(), 12 + 4 + 1);
    script.json(&page("device", &[json!(1), json!("broken")]));
    let answer = gate.get(Who::uA, "/build/");
    assert_eq!((answer.status, answer.code().as_str()), (503, "lookup_failed"));
    let many: Vec<_> = (0..501).map(|number| json!(number)).collect();
    script.json(&page("device", &many));
    let before = asked();
    assert_eq!(gate.get(Who::uA, "/build/").code(), "lookup_failed");
    assert_eq!(asked(), before, "nobody is asked about so many");
}

const SHADOWED: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups: { device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] } }
routes:
  /build/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
  /shadow/: { mode: shadow, GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
"#;

fn devices() -> String {
    format!(
        "CREATE TABLE device (id uuid PRIMARY KEY, organization_id uuid);
         INSERT INTO device VALUES ('{OF_A}', '{ORG_A}'), ('{OF_B}', '{ORG_B}'), ('{SHARED}', NULL)"
    )
}

#[test]
fn a_page_in_shadow_mode_goes_on_whole_and_is_counted() {
    let database = Server::shared().database();
    database.server.sql(&database.name, &devices());
    let (gate, script) = before(SHADOWED, &database.url());
    let line = |at: usize| eventually("its line", || gate.postern.access_lines_now().get(at).cloned());
    let all = page("device", &[OF_A, OF_B, SHARED, OF_A].map(Value::from));
    script.json(&all);
    let mut lines = 0;
    for (who, dropped) in [(Who::uA, Some(2)), (Who::mA, Some(1)), (Who::uB, Some(3)), (Who::su, None)] {
        assert_eq!(gate.get(who, "/shadow/").text(), all, "{who:?}");
        let line = line(lines);
        lines += 1;
        assert_eq!((&line["shadow"], line["would_drop"].as_u64()), (&json!("allow"), dropped), "{who:?}: {line}");
    }
    script.json("{\"results\": [");
    assert_eq!(gate.get(Who::uA, "/shadow/").text(), "{\"results\": [");
    assert_eq!(line(lines)["shadow"], "answer_unreadable");
    script.json(&all);
    database.server.sql(&database.name, "DROP TABLE device");
    assert_eq!(gate.get(Who::uA, "/shadow/").text(), all);
    assert_eq!(line(lines + 1)["shadow"], "lookup_failed");
}

#[test]
fn whoever_asks_for_one_page_at_once_waits_for_one_statement() {
    let database = Server::shared().database();
    database.server.sql(&database.name, &devices());
    let (gate, script) = before(SHADOWED, &database.url());
    script.json(&page("device", &[OF_A, OF_B].map(Value::from)));
    assert_eq!(ids(&gate, Who::uA, "/build/"), [0]);
    let before = gate.postern.metric("postern_lookups_total");
    let session = database.server.session(&database.name);
    session.run("BEGIN; LOCK TABLE device");
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..20)
            .map(|n| if n % 2 == 0 { (Who::uA, [0]) } else { (Who::uB, [1]) })
            .map(|(who, kept)| {
                let gate = &gate;
                scope.spawn(move || assert_eq!(ids(gate, who, "/build/"), kept))
            })
            .collect();
        eventually("all of them have asked the service", || (gate.upstream.recorded().len() >= 21).then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(200));
        session.run("ROLLBACK");
        asking.into_iter().for_each(|asking| asking.join().unwrap());
    });
    let asked = gate.postern.metric("postern_lookups_total") - before;
    assert!(asked <= 3.0, "{asked} statements for 20 who ask at once");
}
