//! Lists of everybody's objects: each caller gets their own, and no total, link or validator tells of the others.

use super::scripted;
use crate::support::h2::{Ask, H2};
use crate::support::{Gate, ORG_A, ORG_B, Options, Upstream, Who, eventually, get, request};
use serde_json::{Value, json};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
routes:
  /device/: { GET: { level: member, list: { items: /results, org: /organization } } }
  /bare/: { GET: { level: member, list: { items: "", org: /organization, shared: hide } } }
  /slugs/: { GET: { level: member, list: { items: /results, org: /organization/slug as slug, keep: manager } } }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
"#;

fn page() -> String {
    json!({
        "count": 4, "next": "http://internal/device/?page=2", "previous": null, "meta": { "total": 4 },
        "results": [
            { "id": 1, "organization": ORG_A },
            { "id": 2, "organization": ORG_B, "secret": "sesame" },
            { "id": 3, "organization": null },
            { "id": 4, "secret": "sesame" },
        ],
    })
    .to_string()
}

fn ids(body: &Value) -> Vec<u64> {
    body["results"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

/// Attacks 82, 83, 85, 86, 88 and 90.
#[test]
fn everybody_gets_their_own_items_and_nothing_of_the_others() {
    let (gate, script) = scripted(POLICY, |options| options);
    let headers = "Content-Type: application/json\r\nETag: \"1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-MD5: x\r\n\
        Digest: x\r\nAccept-Ranges: bytes\r\nLink: <http://internal/?page=2>; rel=next\r\nX-Total-Count: 4\r\nCache-Control: public\r\n";
    script.answer(headers, &page());
    for (who, kept) in [(Who::uA, vec![1]), (Who::mA, vec![1, 3]), (Who::uB, vec![2]), (Who::both, vec![1, 2])] {
        let answer =
            gate.send(request(who, "GET", "/device/", &[("If-None-Match", "\"1\""), ("Range", "bytes=0-9")], ""));
        assert_eq!((answer.status, ids(&answer.json())), (200, kept), "{who:?}");
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{who:?}: {}", answer.text());
        for name in ["etag", "last-modified", "content-md5", "digest", "accept-ranges", "link", "x-total-count"] {
            assert_eq!(answer.header(name), None, "{who:?} {name}");
        }
        assert_eq!(answer.header("cache-control"), Some("private"), "{who:?}");
        let sent = gate.upstream.last();
        assert_eq!((sent.header("if-none-match"), sent.header("range")), (None, None));
    }
    // Superusers get it as it is.
    assert_eq!(gate.get(Who::su, "/device/").text(), page());
    gate.upstream.forget();
    gate.refused(get(Who::nobody, "/device/"), 401, "credentials_missing");
    gate.refused(get(Who::gone, "/device/"), 403, "org_level_missing");
    // What judges the rewritten target says what of it goes on.
    assert_eq!(ids(&gate.get(Who::uA, "/ext/device/").json()), [1]);
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "HEAD", "/device/", &[], ""));
    let answer = raw.answer_to_head();
    assert_eq!((answer.status, answer.header("content-length"), answer.header("x-total-count")), (200, None, None));
    script.json(
        &json!([{ "organization": ORG_B }, { "organization": ORG_A, "x": 1.50 }, { "organization": null }]).to_string(),
    );
    assert_eq!(gate.get(Who::mA, "/bare/").json(), json!([{ "organization": ORG_A, "x": 1.5 }]));
    script.json(
        &json!({ "results": [{ "organization": { "slug": "a" } }, { "organization": { "slug": "b" } }] }).to_string(),
    );
    assert_eq!(gate.get(Who::mA, "/slugs/").json(), json!({ "results": [{ "organization": { "slug": "a" } }] }));
    assert_eq!(gate.get(Who::uA, "/slugs/").json(), json!({ "results": [] }));
}

/// A broken answer after half a list: what was kept has left, and the connection ends there.
#[test]
fn a_list_that_breaks_behind_its_first_item_is_cut() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let items: String = (0..900).map(|n| format!("{{\"id\": {n}, \"organization\": \"{ORG_A}\"}},")).collect();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"results\": [";
        exchange.write(head.as_bytes())?;
        exchange.write(items.as_bytes())?;
        exchange.write(b"{\"organization\": \"\xff\", \"secret\": \"sesame\"}]}")?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/device/"));
    let bytes = raw.rest();
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("\"id\": 100,") && !text.contains("sesame"),
        "{}",
        bytes.len()
    );
    assert!(!text.ends_with("0\r\n\r\n"), "the client must see that it is not whole");
    let mut client = H2::plain(gate.postern.data);
    assert!(client.try_ask(Who::uA, &Ask::get("/device/")).is_err());
    let lines = gate.postern.access_lines(2);
    assert!(lines.iter().all(|line| line["aborted"] == true && line["fault"].is_string()), "{lines:?}");
}

#[test]
fn the_first_item_leaves_before_the_second_is_there() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        exchange.write(
            format!("{head}{{\"count\": 2, \"results\": [{{\"id\": 1, \"organization\": \"{ORG_A}\"}}").as_bytes(),
        )?;
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(5));
        exchange.write(
            format!(",{{\"id\": 2, \"organization\": \"{ORG_B}\"}},{{\"id\": 3, \"organization\": \"{ORG_A}\"}}]}}")
                .as_bytes(),
        )?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "GET", "/device/", &[("Connection", "close")], ""));
    let (head, _) = raw.answer_head().unwrap();
    assert_eq!(head.status, 200);
    let mut seen = String::new();
    while !seen.contains("\"id\": 1") {
        seen += &String::from_utf8(raw.bytes().unwrap()).unwrap();
    }
    go.send(()).unwrap();
    seen += &String::from_utf8(raw.rest()).unwrap();
    assert!(seen.contains("\"id\": 3") && !seen.contains("\"id\": 2"), "{seen}");
}

/// Attack 89: who is a member of what is decided once, when the request comes.
#[test]
fn a_list_that_has_begun_ends_as_it_began() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        if exchange.request.target != "/device/" {
            exchange.hang_up();
            return exchange.write(format!("{head}[]").as_bytes());
        }
        let item = |id: u32| format!("{{\"id\": {id}, \"organization\": \"{ORG_A}\"}}");
        exchange.write(format!("{head}{{\"results\": [{}", item(1)).as_bytes())?;
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(20));
        exchange.write(format!(",{}]}}", item(2)).as_bytes())?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "GET", "/device/", &[("Connection", "close")], ""));
    assert_eq!(raw.answer_head().unwrap().0.status, 200);
    let mut seen = String::new();
    while !seen.contains("\"id\": 1") {
        seen += &String::from_utf8(raw.bytes().unwrap()).unwrap();
    }
    gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
    eventually("whoever asks now is refused", || (gate.get(Who::uA, "/bare/").status == 403).then_some(()));
    go.send(()).unwrap();
    seen += &String::from_utf8(raw.rest()).unwrap();
    assert!(seen.contains("\"id\": 2"), "{seen}");
}

/// Whoever goes away in the middle of a list has not had all of it.
#[test]
fn a_client_that_goes_away_ends_the_list() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        exchange
            .write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"results\":[")?;
        loop {
            exchange
                .write(format!("{{\"organization\": \"{ORG_A}\", \"x\": \"{}\"}},", "x".repeat(4000)).as_bytes())?;
        }
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let mut raw = gate.raw();
    raw.send(get(Who::uA, "/device/"));
    assert!(!raw.bytes().unwrap().is_empty());
    drop(raw);
    let line = gate.postern.access_lines(1).remove(0);
    assert_eq!((line["aborted"].as_bool(), line["status"].as_u64()), (Some(true), Some(200)));
}

/// A million items, in the memory of one.
#[test]
fn a_long_list_is_never_held() {
    let item =
        format!("{{\"organization\":\"{ORG_A}\",\"x\":\"{}\"}},{{\"organization\":\"{ORG_B}\"}},", "x".repeat(400));
    let piece: Arc<str> = item.repeat(500).into();
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange
            .write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"results\":[")?;
        for _ in 0..200 {
            exchange.write(piece.as_bytes())?;
        }
        exchange.write(b"null]}")?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    gate.get(Who::uA, "/device/");
    let before = gate.postern.memory();
    let answer = gate.get(Who::uA, "/device/");
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 100_000);
    assert!(gate.postern.memory().saturating_sub(before) < 16 << 20);
}
