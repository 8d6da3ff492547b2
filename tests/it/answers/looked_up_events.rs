//! Events whose items name only another object: one statement for those that have come says whose they are, and each goes on before the next
//! one is sent.

use super::scripted;
use crate::support::h2::{Ask, H2};
use crate::support::postgres::Server;
use crate::support::{Gate, ORG_A, ORG_B, Options, Upstream, Who, eventually, get};
use serde_json::json;
use std::sync::Mutex;
use std::sync::mpsc::channel;

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups: { device: { sql: "SELECT organization_id FROM device WHERE id = $1", args: [path.id] } }
routes:
  /live/: { GET: { level: member, list: { items: "", org: { lookup: device, key: /device } } } }
  /rpc/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
  /small/: { GET: { level: member, inspect_limit: 1KiB, list: { items: "", org: { lookup: device, key: /device } } } }
"#;
const OF_A: &str = "00000000-0000-4000-8000-0000000000a1";
const OF_B: &str = "00000000-0000-4000-8000-0000000000b1";
const SHARED: &str = "00000000-0000-4000-8000-0000000000c1";
const TYPE: &str = "Content-Type: text/event-stream\r\n";

fn tables() -> String {
    format!(
        "CREATE TABLE device (id uuid PRIMARY KEY, organization_id uuid);
         INSERT INTO device VALUES ('{OF_A}', '{ORG_A}'), ('{OF_B}', '{ORG_B}'), ('{SHARED}', NULL)"
    )
}

fn options(url: &str) -> String {
    format!("databases: {{ legacy: {{ url: \"{url}\", timeout: 500ms }} }}\n")
}

fn event(id: usize, device: &str) -> String {
    format!("id: {id}\ndata: {}\n\n", json!({ "device": device }))
}

#[test]
fn everybody_gets_the_events_of_their_own_objects_by_one_statement() {
    let server = Server::own_with("log_statement = 'all'");
    server.sql("postgres", &tables());
    let config = options(&server.url("postgres"));
    let (gate, script) = scripted(POLICY, |options| Options { config, ..options });
    let statements =
        || server.log().lines().filter(|line| line.contains("execute ") && line.contains("postern_page")).count();
    let events =
        [event(1, OF_A), event(2, OF_B), ": alive\n\n".into(), event(3, SHARED), event(4, "none"), event(5, OF_A)];
    script.answer(TYPE, &events.concat());
    let own = |ids: &[usize]| ids.iter().map(|at| events[*at].clone()).collect::<String>();
    for (who, kept, asked) in [(Who::uA, &[0, 2, 5][..], 1), (Who::uB, &[1, 2], 2), (Who::mA, &[0, 2, 3, 5], 3)] {
        let answer = gate.get(who, "/live/");
        assert_eq!((answer.status, answer.text()), (200, own(kept)), "{who:?}");
        assert_eq!(answer.header("cache-control"), Some("private"));
        assert_eq!(statements(), asked);
    }
    assert_eq!(H2::plain(gate.postern.data).ask(Who::uA, &Ask::get("/live/")).text(), own(&[0, 2, 5]));
    // Each with a list in it.
    let list = |devices: &[&str]| {
        let items: Vec<_> = devices.iter().map(|device| json!({ "device": device })).collect();
        format!("data: {}\n\n", json!({ "results": items }))
    };
    script.answer(TYPE, &[list(&[OF_A, OF_B]), "data: {\"x\":1}\n\n".into(), list(&[OF_B])].concat());
    assert_eq!(gate.get(Who::uA, "/rpc/").text(), [list(&[OF_A]), list(&[])].concat());
    // More than are asked about at once.
    let before = statements();
    script.answer(TYPE, &(0..250).map(|id| event(id, [OF_A, OF_B][id % 2])).collect::<String>());
    assert_eq!(gate.get(Who::uB, "/live/").text().matches("id: ").count(), 125);
    assert_eq!(statements(), before + 3);
}

/// An event is the client's before the service sends another one, and what is not known of one ends the stream.
#[test]
fn events_go_on_as_they_come_and_end_where_nobody_can_tell_whose_they_are() {
    let database = Server::shared().database();
    database.server.sql(&database.name, &tables());
    let (tell, told) = channel::<String>();
    let told = Mutex::new(told);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange.write(format!("HTTP/1.1 200 OK\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
        for piece in told.lock().unwrap().iter() {
            exchange.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())?;
            if piece.is_empty() {
                break;
            }
        }
        Ok(())
    });
    let options = Options { config: options(&database.url()), ..Options::policy(POLICY) };
    let gate = Gate::before(upstream, &options);
    let mut lines = 0;
    let mut begin = |target: &str| {
        let mut raw = gate.raw();
        raw.send(get(Who::uA, target));
        assert_eq!(raw.answer_head().unwrap().0.status, 200);
        lines += 1;
        (raw, lines - 1)
    };
    let line = |at: usize| eventually("its line", || gate.postern.access_lines_now().get(at).cloned());
    let (mut raw, at) = begin("/live/");
    for id in 0..3 {
        let own = event(id, OF_A);
        let (first, second) = own.split_at(20);
        for piece in [&event(100, OF_B), first, second] {
            tell.send(piece.to_owned()).unwrap();
        }
        let mut came = String::new();
        while !came.contains(&own) {
            came.push_str(std::str::from_utf8(&raw.bytes().unwrap()).unwrap());
        }
        assert!(!came.contains("id: 100"), "{came}");
    }
    // What no empty line ends is none.
    tell.send(event(7, OF_A).trim_end().to_owned()).unwrap();
    tell.send(String::new()).unwrap();
    assert!(line(at)["aborted"] != true);
    drop(raw);
    // An event that is longer than may be held, one that is no JSON, and a table that has gone.
    let long = format!("data: {}", "x".repeat(2000));
    for (target, piece) in [("/small/", &*long), ("/live/", "data: sesame\n\n"), ("/live/", &event(1, OF_A))] {
        if piece.starts_with("id") {
            database.server.sql(&database.name, "DROP TABLE device");
        }
        let (mut raw, at) = begin(target);
        tell.send(piece.to_owned()).unwrap();
        tell.send(String::new()).unwrap();
        assert!(!String::from_utf8_lossy(&raw.rest()).contains("0\r\n\r\n"), "{piece}");
        let line = line(at);
        assert!(line["aborted"] == true && line["fault"].is_string(), "{line}");
    }
}
