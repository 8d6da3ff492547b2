//! Lists of every shape, and what is none (attacks 85, 87, 88).

use super::scripted;
use crate::support::h2::{Ask, H2};
use crate::support::{Gate, ORG_A, ORG_B, Options, Upstream, Who, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::{Arc, Mutex};

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
routes:
  /device/: { GET: { level: member, list: { items: /results, org: /organization } } }
  /managed/: { GET: { level: member, list: { items: /results, org: /organization, keep: manager, shared: hide } } }
  /bare/: { GET: { level: authenticated, list: { items: "", org: /org/slug as slug } } }
  /geo/: { GET: { level: member, list: { items: /features, org: /properties/organization, envelope: [name] } } }
  /small/: { GET: { level: member, inspect_limit: 1KiB, list: { items: /results, org: /organization } } }
  /passing/: { GET: { level: member, error_passthrough: true, list: { items: /results, org: /organization } } }
  /export/: { GET: { level: member, list: { items: /results, org: /organization, unfiltered: [text/CSV, text/html] } } }
  /tenant/{org:slug}/: { GET: { level: member, org: path.org as slug, list: { items: /results, org: /organization } } }
"#;

const TYPE: &str = "Content-Type: application/json\r\n";

fn page() -> String {
    format!(
        r#"{{"count": 3, "next": "http://internal/device/?page=2", "previous": null, "results": [{{"id": 1, "organization": "{ORG_A}"}}, {{"id": 2, "organization": "{ORG_B}", "secret": "sesame"}}, {{"id": 3, "organization": null}}], "facets": {{"{ORG_B}": 1}}}}"#
    )
}

fn ids(gate: &Gate, who: Who, target: &str) -> Vec<i64> {
    let answer = gate.get(who, target);
    assert_eq!(answer.status, 200, "{who:?} {target}: {}", answer.text());
    let json = answer.json();
    let items = json.get("results").or_else(|| json.get("features")).unwrap_or(&json).as_array().unwrap();
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[test]
fn lists_of_every_shape_are_filtered() {
    let (gate, script) = scripted(POLICY, |options| options);
    script.answer(TYPE, &page());
    for (who, target, kept) in [
        (Who::uA, "/device/", &[1][..]),
        (Who::uB, "/device/", &[2]),
        (Who::mA, "/device/", &[1, 3]),
        (Who::su, "/device/", &[1, 2, 3]),
        (Who::mA, "/managed/", &[1]),
        (Who::uA, "/managed/", &[]),
    ] {
        assert_eq!(ids(&gate, who, target), kept, "{who:?} {target}");
    }
    gate.upstream.forget();
    gate.refused(get(Who::nobody, "/device/"), 401, "credentials_missing");
    gate.refused(get(Who::gone, "/device/"), 403, "org_level_missing");
    // Whoever names an organization in the path still gets theirs alone.
    assert_eq!(ids(&gate, Who::uA, "/tenant/a/"), [1]);
    let text = gate.get(Who::uA, "/device/").text();
    assert_eq!(text, format!(r#"{{"results":[{{"id": 1, "organization": "{ORG_A}"}}]}}"#));
    // All of it is as it came to whom all of it belongs.
    assert_eq!(gate.get(Who::su, "/device/").text(), page());
    script.answer(TYPE, r#" [ {"id": 1, "org": {"slug": "a"}}, {"id": 2, "org": {"slug": "b"}}, {"id": 3} ]"#);
    assert_eq!(ids(&gate, Who::uA, "/bare/"), [1]);
    script.answer(
        "Content-Type: application/geo+json\r\n",
        &format!(
            r#"{{"type": "FeatureCollection", "bbox": [1, 2], "name": "x", "features": [{{"id": 1, "properties": {{"organization": "{ORG_A}"}}}}, {{"id": 2, "properties": {{"organization": "{ORG_B}"}}}}]}}"#
        ),
    );
    let json = gate.get(Who::uA, "/geo/").json();
    assert_eq!(
        (json["type"].as_str(), json["name"].as_str(), json.get("bbox")),
        (Some("FeatureCollection"), Some("x"), None)
    );
    assert_eq!(ids(&gate, Who::uA, "/geo/"), [1]);
    // Lines and events are items too.
    let lines = "{\"org\": {\"slug\": \"a\"}}\n{\"org\": {\"slug\": \"b\"}}\n";
    script.answer("Content-Type: application/x-ndjson\r\n", lines);
    assert_eq!(gate.get(Who::uA, "/bare/").text(), "{\"org\": {\"slug\": \"a\"}}\n");
}

/// Attacks 85, 87, 88.
#[test]
fn a_list_that_cannot_be_read_is_refused() {
    let (gate, script) = scripted(POLICY, |options| options);
    let item = |organization: &str| format!(r#"{{"organization": "{organization}"}}"#);
    let twice = format!(r#"{{"results": [{{"organization": "{ORG_A}", "organi\u007aation": "{ORG_B}"}}]}}"#);
    for (headers, body) in [
        ("", &*page()),
        ("Content-Type: text/html\r\n", "<p>sesame"),
        ("Content-Type: text/csv\r\n", "sesame"),
        ("Content-Type: application/problem+xml\r\n", "sesame"),
        ("Content-Type: application/json; charset=utf-16\r\n", &page()),
        ("Content-Type: application/json\r\nContent-Encoding: zstd\r\n", &page()),
        (TYPE, ""),
        (TYPE, "sesame"),
        (TYPE, "{}"),
        (TYPE, r#"{"results": null, "sesame": 1}"#),
        (TYPE, r#"{"results": {"sesame": 1}}"#),
        (TYPE, &format!("[{}]", item(ORG_A))),
        (TYPE, r#"{"detail": "sesame"}"#),
        (TYPE, &twice),
        (TYPE, &page()[..page().len() - 1]),
        (TYPE, &format!("{}{}", page(), page())),
    ] {
        script.answer(headers, body);
        let answer = gate.get(Who::uA, "/device/");
        assert_eq!((answer.status, answer.code().as_str()), (502, "answer_unreadable"), "{headers} {body}");
        assert!(!answer.text().contains("sesame"));
    }
    for status in ["204 No Content", "206 Partial Content", "304 Not Modified", "302 Found"] {
        script.say(format!("HTTP/1.1 {status}\r\nLocation: /sesame\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(gate.get(Who::uA, "/device/").code(), "answer_unreadable", "{status}");
    }
    script.say("HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nsesame");
    let answer = gate.get(Who::uA, "/device/");
    assert_eq!((answer.status, answer.code().as_str()), (500, "upstream_error"));
    assert_eq!(gate.get(Who::uA, "/passing/").text(), "sesame");
    // What is encoded all the same is decoded; items are held within the limit.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page().as_bytes()).unwrap();
    let mut brotli = Vec::new();
    brotli::BrotliCompress(&mut page().as_bytes(), &mut brotli, &brotli::enc::BrotliEncoderParams::default()).unwrap();
    for (coding, bytes) in [("gzip", encoder.finish().unwrap()), ("br", brotli)] {
        let length = bytes.len();
        let head = format!("HTTP/1.1 200 OK\r\n{TYPE}Content-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n");
        script.say([head.into_bytes(), bytes].concat());
        let answer = gate.get(Who::uA, "/device/");
        assert_eq!(answer.text(), format!(r#"{{"results":[{{"id": 1, "organization": "{ORG_A}"}}]}}"#), "{coding}");
        assert_eq!(answer.header("content-encoding"), None, "{coding}");
    }
    let of = |size: usize| format!(r#"{{"results": [{{"x": "{}", "organization": "{ORG_A}"}}]}}"#, "x".repeat(size));
    script.answer(TYPE, &of(900));
    assert_eq!(gate.get(Who::uA, "/small/").status, 200);
    script.answer(TYPE, &of(1024));
    assert_eq!(gate.get(Who::uA, "/small/").code(), "answer_unreadable");
}

/// What nobody can filter goes on whole where the policy says so, and for those alone whom the rule lets pass.
#[test]
fn types_that_are_unfiltered_go_on_as_they_come() {
    let (gate, script) = scripted(POLICY, |options| options);
    let csv = format!("id,organization\n1,{ORG_A}\n2,{ORG_B}\n");
    let caches = "ETag: \"1\"\r\nAccept-Ranges: bytes\r\nCache-Control: public\r\n";
    script.answer(&format!("Content-Type: Text/CSV; charset=utf-8\r\nX-Total-Count: 2\r\n{caches}"), &csv);
    let answer = gate.get(Who::uA, "/export/");
    assert_eq!((answer.status, answer.text(), answer.header("x-total-count")), (200, csv.clone(), Some("2")));
    assert_eq!((answer.header("cache-control"), answer.header("accept-ranges")), (Some("private"), None));
    gate.upstream.forget();
    gate.refused(get(Who::gone, "/export/"), 403, "org_level_missing");
    assert_eq!(gate.get(Who::uA, "/device/").code(), "answer_unreadable");
    // All else is as it was: JSON is filtered, other types, parts and refusals are not told.
    script.answer(TYPE, &page());
    assert_eq!(ids(&gate, Who::uA, "/export/"), [1]);
    script.answer("Content-Type: text/plain\r\n", "sesame");
    assert_eq!(gate.get(Who::uA, "/export/").code(), "answer_unreadable");
    script.say("HTTP/1.1 206 Partial\r\nContent-Type: text/csv\r\nContent-Length: 6\r\n\r\nsesame");
    assert_eq!(gate.get(Who::uA, "/export/").code(), "answer_unreadable");
    script.say("HTTP/1.1 500 Oops\r\nContent-Type: text/csv\r\nContent-Length: 6\r\n\r\nsesame");
    assert_eq!(gate.get(Who::uA, "/export/").code(), "upstream_error");
}

/// What has left is good; nothing more follows, and nobody takes it for the whole.
#[test]
fn a_list_that_breaks_off_is_cut() {
    let bad = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&bad);
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        let mut body = b"{\"results\": [".to_vec();
        for _ in 0..900 {
            body.extend_from_slice(
                format!("{{\"organization\": \"{ORG_A}\", \"x\": \"{}\"}},", "y".repeat(200)).as_bytes(),
            );
        }
        exchange.write(
            format!("HTTP/1.1 200 OK\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()).as_bytes(),
        )?;
        exchange.write(&body)?;
        let bad = said.lock().unwrap().clone();
        exchange.write(format!("\r\n{:x}\r\n", bad.len()).as_bytes())?;
        exchange.write(&bad)?;
        exchange.write(b"\r\n0\r\n\r\n")
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let foreign = format!("{{\"organization\": \"{ORG_B}\", \"x\": \"sesame\"}}");
    for end in ["\u{0}]}", "{\"x\": \"\\x\"}]}", "]} sesame", "], \"results\": []}", "", &format!("{foreign}]")] {
        *bad.lock().unwrap() = end.as_bytes().to_vec();
        let mut raw = gate.raw();
        raw.send(get(Who::uA, "/device/"));
        let bytes = raw.rest();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("HTTP/1.1 200") && text.contains(ORG_A), "{end:?}");
        assert!(!text.ends_with("0\r\n\r\n") && !text.contains("sesame") && !text.contains(ORG_B), "{end:?}");
    }
}

#[test]
fn lists_are_filtered_over_http2_too() {
    let (gate, script) = scripted(POLICY, |options| options);
    script.answer(TYPE, &page());
    let answer = H2::plain(gate.postern.data).ask(Who::uB, &Ask::get("/device/"));
    assert_eq!(answer.json()["results"][0]["id"].as_i64(), Some(2));
    script.answer(TYPE, "{}");
    assert_eq!(H2::plain(gate.postern.data).ask(Who::uB, &Ask::get("/device/")).code(), "answer_unreadable");
}
