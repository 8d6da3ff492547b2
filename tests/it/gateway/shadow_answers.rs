//! `mode: shadow` of rules that judge what the service answers: it goes on as it came, byte for byte, and what would have become of it is
//! recorded.

use crate::support::h2::{Ask, H2};
use crate::support::{Answer, Gate, ORG_A, ORG_B, Options, Upstream, Who, eventually, request};
use crate::tools::run;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::Write;

const POLICY: &str = r#"
version: 1
defaults:
  mode: shadow
  shared: { read: manager, write: superuser }
  allow_lint: { shadow_mode: tried }
routes:
  /device/{id}: { GET: { level: member, org: response./organization, inspect_limit: 1KiB } }
  /list/: { GET: { level: member, inspect_limit: 1KiB, list: { items: /results, org: /organization } } }
  /pushed/: { GET: { level: member, list: { items: /results, org: /organization, shared: hide, push: organization } } }
"#;

fn list() -> String {
    let item = |id: u8, organization: &str| format!(r#"{{"id": {id}, "organization": {organization}}}"#);
    let (a, b) = (format!("\"{ORG_A}\""), format!("\"{ORG_B}\""));
    let items = [item(1, &a), item(2, &b), item(3, "null"), item(4, &b)];
    format!(r#"{{"count": 4, "next": "http://internal/list/?page=2", "results": [{}]}}"#, items.join(", "))
}

/// What the service says: status, headers, body.
fn said(target: &str) -> (&'static str, Vec<(&'static str, &'static str)>, Vec<u8>) {
    let object =
        |organization: &str| format!(r#"{{"organization": "{organization}", "secret": "sesame"}}"#).into_bytes();
    let json = ("Content-Type", "application/json");
    let ok = |body: Vec<u8>| ("200 OK", vec![json, ("ETag", "\"1\""), ("Cache-Control", "public")], body);
    let path = target.split('?').next().unwrap_or_default();
    match path.strip_prefix("/device/").unwrap_or(path) {
        "a" => ok(object(ORG_A)),
        "b" => ok(object(ORG_B)),
        "shared" => ok(b"{\"organization\": null}".to_vec()),
        "odd" => ok(b"{\"x\": 1}".to_vec()),
        "none" => ok(Vec::new()),
        "cut" => ok(b"{\"organization\": ".to_vec()),
        "long" => ok(format!(r#"{{"organization": "{ORG_A}", "x": "{}"}}"#, "x".repeat(100_000)).into_bytes()),
        "zip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&object(ORG_B)).unwrap();
            ("200 OK", vec![json, ("Content-Encoding", "gzip")], encoder.finish().unwrap())
        }
        "html" => ("200 OK", vec![("Content-Type", "text/html")], b"<p>".to_vec()),
        "part" => ("206 Partial Content", vec![json], b"{\"organization\"".to_vec()),
        "same" => ("304 Not Modified", vec![("ETag", "\"1\"")], Vec::new()),
        "missing" => ("404 Not Found", vec![json], b"{\"detail\": \"not here\"}".to_vec()),
        "/list/" | "/pushed/" => ok(list().into_bytes()),
        _ => ("500 Internal Server Error", Vec::new(), b"oh".to_vec()),
    }
}

fn gate() -> Gate {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let (status, headers, body) = said(&exchange.request.target);
        if exchange.request.method == "HEAD" && exchange.request.target.ends_with("/missing") {
            return exchange.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n");
        }
        // What does not end while its client waits.
        if exchange.request.target.ends_with("?endless") {
            let begun = format!(r#"{{"results": [{{"organization": "{ORG_B}"}}, {{"organization": "{ORG_B}"}}, "#);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
            exchange.write(format!("{head}{begun}").as_bytes())?;
            loop {
                std::thread::sleep(std::time::Duration::from_millis(20));
                exchange.write(b" ")?;
            }
        }
        if exchange.request.method == "HEAD" {
            return exchange.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nContent-Length: 9\r\n\r\n",
            );
        }
        if status.starts_with("304") {
            return exchange.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n");
        }
        // Of the lists in pieces.
        if exchange.request.target.starts_with("/list/") {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for piece in body.chunks(50) {
                exchange.write(format!("{:x}\r\n", piece.len()).as_bytes())?;
                exchange.write(piece)?;
                exchange.write(b"\r\n")?;
            }
            return exchange.write(b"0\r\n\r\n");
        }
        exchange.answer(status, &headers, &body)
    });
    Gate::before(upstream, &Options::policy(POLICY))
}

/// The line of the newest request.
fn line(gate: &Gate, before: usize) -> Value {
    eventually("its line", || gate.postern.access_lines_now().into_iter().nth(before))
}

fn ask(gate: &Gate, h2: &mut H2, who: Who, target: &str) -> [Answer; 2] {
    let headers = [("If-None-Match", "\"0\""), ("Accept-Encoding", "gzip")];
    let over_h2 = Ask { headers: headers.to_vec(), ..Ask::get(target) };
    [gate.send(request(who, "GET", target, &headers, "")), h2.ask(who, &over_h2)]
}

#[test]
fn an_answer_in_shadow_mode_goes_on_as_it_came_and_is_judged_beside() {
    let gate = gate();
    let mut h2 = H2::plain(gate.postern.data);
    let mut lines = 0;
    for (who, target, verdict, organization) in [
        (Who::uA, "/device/a", "allow", Some(ORG_A)),
        (Who::uA, "/device/b", "org_foreign", Some(ORG_B)),
        (Who::su, "/device/b", "allow", Some(ORG_B)),
        (Who::uA, "/device/shared", "shared_denied", None),
        (Who::mA, "/device/shared", "allow", None),
        (Who::uA, "/device/odd", "answer_unreadable", None),
        (Who::su, "/device/none", "answer_unreadable", None),
        (Who::uA, "/device/cut", "answer_unreadable", None),
        (Who::uA, "/device/long", "answer_unreadable", None),
        (Who::uA, "/device/zip", "org_foreign", Some(ORG_B)),
        (Who::uA, "/device/html", "answer_unreadable", None),
        (Who::uA, "/device/same", "not_judged", None),
        (Who::uA, "/device/part", "not_judged", None),
        (Who::uA, "/device/missing", "upstream_error", None),
        (Who::nobody, "/device/b", "credentials_missing", None),
        (Who::gone, "/device/a", "org_foreign", Some(ORG_A)),
    ] {
        let (status, headers, body) = said(target);
        for answer in ask(&gate, &mut h2, who, target) {
            assert_eq!(answer.status.to_string(), status.get(..3).unwrap(), "{who:?} {target}");
            assert_eq!(answer.body, body, "{who:?} {target}");
            for (name, value) in &headers {
                assert_eq!(answer.header(&name.to_ascii_lowercase()), Some(*value), "{who:?} {target}");
            }
            let line = line(&gate, lines);
            lines += 1;
            assert_eq!(line["shadow"], verdict, "{who:?} {target}: {line}");
            assert_eq!(line["org"].as_str(), organization, "{who:?} {target}: {line}");
            let sent = gate.upstream.last();
            assert_eq!((sent.method.as_str(), sent.header("if-none-match")), ("GET", Some("\"0\"")), "{target}");
            assert_eq!(sent.header("accept-encoding"), Some("gzip"));
        }
    }
    let counted = |reason: &str, decision: &str| {
        let labels = format!(r#"route="/device/{{id}}",decision="{decision}",reason="{reason}",answer="2xx""#);
        gate.postern.metric(&format!("postern_shadow_total{{{labels}}}"))
    };
    assert_eq!((counted("org_foreign", "refuse"), counted("ok", "allow")), (6.0, 6.0));
    assert_eq!(counted("not_judged", "unknown"), 2.0);
}

#[test]
fn a_list_in_shadow_mode_is_counted_and_goes_on_whole() {
    let gate = gate();
    let mut h2 = H2::plain(gate.postern.data);
    let mut lines = 0;
    for (who, target, verdict, dropped) in [
        (Who::uA, "/list/", "allow", Some(3)),
        (Who::mA, "/list/", "allow", Some(2)),
        (Who::uB, "/list/?x=1", "allow", Some(2)),
        (Who::su, "/list/", "allow", None),
        (Who::uA, "/pushed/?organization=x", "allow", Some(3)),
        (Who::gone, "/list/", "org_level_missing", None),
        (Who::nobody, "/list/", "credentials_missing", None),
    ] {
        for answer in ask(&gate, &mut h2, who, target) {
            assert_eq!((answer.status, answer.text()), (200, list()), "{who:?} {target}");
            assert_eq!(answer.header("etag"), Some("\"1\""), "{who:?} {target}");
            assert_eq!(gate.upstream.last().target, target);
            let line = line(&gate, lines);
            lines += 1;
            assert_eq!(
                (&line["shadow"], line["would_drop"].as_u64()),
                (&verdict.into(), dropped),
                "{who:?} {target}: {line}"
            );
        }
    }
    let text: Vec<String> = gate.postern.access_lines_now().iter().map(ToString::to_string).collect();
    std::fs::write(gate.postern.home().join("access.log"), text.join("\n") + "\n").unwrap();
    let (code, out, err) = run(gate.postern.home(), &["shadow", "report", "access.log"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert!(
        out.contains("would pass, but for items of the lists that the service sends:\n  /list/ items of others: 6\n"),
        "{out}"
    );
    assert!(
        out.contains("  /pushed/ items of others: 2\n") && out.contains("\n20 items of lists would be dropped\n"),
        "{out}"
    );
    assert!(out.contains("would be refused, and the service serves it:\n  /list/ "), "{out}");
}

/// What can be told without the whole answer is told, and what cannot, as that.
#[test]
fn an_answer_that_does_not_come_whole_is_not_judged() {
    let gate = gate();
    let mut lines = 0;
    let mut said = |method: &str, target: &str| {
        let mut raw = gate.raw();
        raw.send(request(Who::uA, method, target, &[], ""));
        raw.answer_to_head();
        // Of an answer that goes on its client has heard enough.
        if method == "GET" {
            assert!(!raw.bytes().unwrap().is_empty());
        }
        drop(raw);
        let line = line(&gate, lines);
        lines += 1;
        (line["shadow"].as_str().unwrap().to_owned(), line["would_drop"].as_u64(), line["aborted"] == true)
    };
    let told = |verdict: &str| verdict.to_owned();
    // Whoever asks for the head of an object would be told that of what GET gives; that of a list says nothing of its items.
    assert_eq!(said("HEAD", "/device/b"), (told("not_judged"), None, false));
    assert_eq!(said("HEAD", "/device/missing"), (told("upstream_error"), None, false));
    assert_eq!(said("HEAD", "/list/"), (told("allow"), None, false));
    assert_eq!(said("GET", "/device/b?endless"), (told("not_judged"), None, true));
    // As many as had come by then.
    assert_eq!(said("GET", "/list/?endless"), (told("not_judged"), Some(2), true));
}

#[test]
fn head_and_what_the_service_fails_at_is_nothing_to_judge() {
    let gate = gate();
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "HEAD", "/device/b", &[], ""));
    let answer = raw.answer_to_head();
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"1\"")));
    assert_eq!(gate.upstream.last().method, "HEAD");
    assert_eq!(line(&gate, 0)["shadow"], "not_judged");
    let answer = gate.get(Who::uA, "/device/broken");
    assert_eq!((answer.status, answer.text().as_str()), (500, "oh"));
    assert_eq!(line(&gate, 1)["shadow"], "upstream_error");
}
