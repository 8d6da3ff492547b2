//! Lists that are narrowed at their source: what the service is asked, and what of its answer holds.

use super::{Script, scripted};
use crate::support::h2::{Ask, H2};
use crate::support::{Answer, Gate, ORG_A, ORG_B, Upstream, Who, eventually, get, request};
use crate::support::{Options, Postern};
use serde_json::{Value, json};
use std::sync::Arc;

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
routes:
  /device/: { GET: { level: member, list: { items: /results, org: /organization, shared: hide, push: organization__in } } }
  /shared/: { GET: { level: member, list: { items: /results, org: /organization, push: organization__in } } }
  /managed/:
    GET: { level: authenticated, list: { items: /data/list, org: /organization, keep: manager, shared: hide, push: organization__in } }
  /slugs/: { level: member, list: { items: "", org: /org as slug, shared: hide, push: org as slug repeated } }
  /small/: { GET: { level: member, inspect_limit: 1KiB, list: { items: /results, org: /organization, shared: hide, push: org } } }
  /passing/:
    GET: { level: member, error_passthrough: true, list: { items: /results, org: /organization, shared: hide, push: org } }
  /itself/: { GET: { level: member, list: { items: /results, org: /organization, narrowed: true } } }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
"#;

/// Where an upstream was asked, behind the path.
fn asked(gate: &Gate) -> String {
    let target = gate.upstream.last().target.clone();
    target.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default()
}

fn page(next: &str, organizations: &[Value]) -> String {
    let results: Vec<Value> = organizations.iter().map(|of| json!({ "organization": of })).collect();
    let next = if next.is_empty() { Value::Null } else { next.into() };
    // As a service writes it: totals come first.
    format!("{{\"count\":9,\"next\":{next},\"previous\":null,\"facets\":{{}},\"results\":{}}}", Value::from(results))
}

fn foreign_items(gate: &Gate, route: &str) -> f64 {
    let line = format!("postern_upstream_foreign_items_total{{route=\"{route}\"}} ");
    let text = gate.postern.admin("/metrics").text();
    text.lines().find_map(|found| found.strip_prefix(&*line)?.parse().ok()).unwrap_or_default()
}

#[test]
fn the_service_is_asked_for_the_callers_organizations_and_no_others() {
    let (gate, script) = scripted(POLICY, |options| options);
    script.json(&page("", &[]));
    let both = format!("{ORG_A}%2C{ORG_B}").replace("%2C", ",");
    let own = format!("organization__in={ORG_A}");
    for (who, sent, expected) in [
        (Who::uA, "", own.clone()),
        (Who::both, "", format!("organization__in={both}")),
        (Who::uA, "?page=2&search=a%20b", format!("page=2&search=a%20b&{own}")),
        // In place of what the client sent, however that is spelled.
        (Who::uA, &format!("?Organization__in={ORG_B}&x=1"), format!("x=1&{own}")),
        (Who::uA, &format!("?organization%5F_in[]={ORG_B}&organization__in%5B0%5D={ORG_B}"), own.clone()),
        (Who::uA, &format!("?x=1;organization__in={ORG_B}"), own.clone()),
        // What it asked for by this name narrows further.
        (Who::both, &format!("?organization__in={ORG_B}"), format!("organization__in={ORG_B}")),
        (Who::both, &format!("?organization__in={}&y", ORG_B.to_uppercase()), format!("y&organization__in={ORG_B}")),
        (Who::uA, &format!("?organization__in={both}"), own.clone()),
        (Who::both, "?organization__in=", format!("organization__in={both}")),
        // Nothing is pushed for superusers.
        (Who::su, "", String::new()),
        (Who::su, &format!("?organization__in={ORG_B}"), format!("organization__in={ORG_B}")),
    ] {
        assert_eq!(gate.get(who, &format!("/device/{sent}")).status, 200, "{who:?} {sent}");
        assert_eq!(asked(&gate), expected, "{who:?} {sent}");
    }
    // Whoever sees shared items is sent all: no parameter names those.
    gate.get(Who::mA, "/shared/?page=2");
    assert_eq!(asked(&gate), "page=2");
    gate.get(Who::uA, "/shared/?page=2");
    assert_eq!(asked(&gate), format!("page=2&{own}"));
    script.json("[]");
    gate.get(Who::both, "/slugs/");
    assert_eq!(asked(&gate), "org=a&org=b");
    gate.get(Who::both, "/slugs/?org=b&org=c&org=a,b");
    assert_eq!(asked(&gate), "org=b");
    gate.send(request(Who::both, "POST", "/slugs/?x=1", &[], "{}"));
    assert_eq!(asked(&gate), "x=1&org=a&org=b");
    // What judges the rewritten target says what is asked.
    script.json(&page("", &[]));
    gate.get(Who::uA, "/ext/device/?page=2");
    assert_eq!(gate.upstream.last().target, format!("/device/?page=2&{own}"));
}

#[test]
fn nobody_is_asked_where_nothing_could_be_the_callers() {
    let (gate, script) = scripted(POLICY, |options| options);
    script.json("{\"data\": {\"list\": []}}");
    gate.upstream.forget();
    for (who, target, list) in [
        (Who::uA, "/managed/", json!({ "data": { "list": [] } })),
        (Who::gone, "/managed/", json!({ "data": { "list": [] } })),
        (Who::uA, &*format!("/device/?organization__in={ORG_B}"), json!({ "results": [] })),
        (Who::uA, "/device/?organization__in=%ff", json!({ "results": [] })),
        (Who::uA, "/slugs/?org=b", json!([])),
    ] {
        let answer = gate.get(who, target);
        assert_eq!((answer.status, answer.json()), (200, list.clone()), "{who:?} {target}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("private"));
        let answer = H2::plain(gate.postern.data).ask(who, &Ask::get(target));
        assert_eq!((answer.status, answer.json()), (200, list), "{who:?} {target}");
    }
    let mut raw = gate.raw();
    raw.send(request(Who::uA, "HEAD", "/managed/", &[], ""));
    assert_eq!(raw.answer_to_head().status, 200);
    gate.upstream.assert_untouched("nothing could be the caller's");
    gate.refused(get(Who::gone, "/device/"), 403, "org_level_missing");
    assert_eq!(gate.get(Who::mA, "/managed/").status, 200);
    assert_eq!(asked(&gate), format!("organization__in={ORG_A}"));
    let lines = gate.postern.access_lines(13);
    let of_nobody = |line: &&Value| line["route"] == "/managed/" && line["status"] == 200 && line["code"].is_null();
    assert_eq!(lines.iter().filter(of_nobody).count(), 6, "{lines:?}");
}

/// Attacks 83 and 90, with `push`.
#[test]
fn totals_and_links_hold_and_show_what_the_client_asked_for() {
    let (gate, script) = scripted(POLICY, |options| options);
    let own = format!("organization__in={ORG_A}");
    let next = format!("http://internal:8000/device/?{own}&page=2");
    let item = json!(ORG_A);
    let headers = format!(
        "Content-Type: application/json\r\nETag: \"1\"\r\nX-Total-Count: 9\r\n\
         Link: <http://internal:8000/device/?page=2&{own}>; rel=\"next\", <http://internal:8000/other/?{own}>; rel=help\r\n\
         X-Pagination: {{\"next\": \"{next}\"}}\r\nContent-Location: /device/?{own}\r\n"
    );
    script.answer(&headers, &page(&next, std::slice::from_ref(&item)));
    let check = |answer: Answer, link: &str| {
        let json = json!({ "count": 9, "next": link, "previous": null, "results": [{ "organization": ORG_A }] });
        assert_eq!((answer.status, answer.json()), (200, json));
        assert_eq!(answer.header("link"), Some(&*format!("<{link}>; rel=\"next\"")));
        assert_eq!((answer.header("x-total-count"), answer.header("etag")), (Some("9"), None));
        assert_eq!(answer.header("x-pagination"), None);
    };
    let answer = gate.get(Who::uA, "/device/");
    assert_eq!(answer.header("content-location"), Some("/device/"));
    check(answer, "/device/?page=2");
    check(H2::plain(gate.postern.data).ask(Who::uA, &Ask::get("/device/")), "/device/?page=2");
    // What the client asked with stands there again, and its own path.
    check(
        gate.get(Who::uA, &format!("/ext/device/?organization__in={ORG_A},{ORG_B}")),
        &format!("/ext/device/?organization__in={ORG_A},{ORG_B}&page=2"),
    );
    // A link to the host that was asked stays one.
    let host = "api.example.com";
    script.json(&page(&format!("http://{host}/device/?{own}&page=2"), std::slice::from_ref(&item)));
    assert_eq!(gate.get(Who::uA, "/device/").json()["next"], format!("http://{host}/device/?page=2"));
    script.json(&page("http://internal/elsewhere/?page=2", &[item]));
    assert_eq!(gate.get(Who::uA, "/device/").json()["next"], Value::Null);
    // A redirect that goes on shows nothing of it either.
    script.say(format!("HTTP/1.1 301 Moved\r\nLocation: /passing/x?org={ORG_A}&y=1\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(gate.get(Who::uA, "/passing/").header("location"), Some("/passing/x?y=1"));
    assert_eq!(foreign_items(&gate, "/device/"), 0.0);
}

/// A service that does not look at the parameter leaks nothing: what it sends is dropped and counted, and nothing is said of it.
#[test]
fn what_was_not_asked_for_is_dropped_and_counted() {
    let (gate, script) = scripted(POLICY, |options| options);
    let (own, foreign) = (json!(ORG_A), json!(ORG_B));
    let headers = "Content-Type: application/json\r\nX-Total-Count: 9\r\nLink: </device/?page=2>; rel=next\r\n";
    for items in [vec![own.clone(), foreign.clone(), Value::Null], vec![foreign, own.clone(), Value::Null]] {
        script.answer(headers, &page("/device/?page=2", &items));
        let answer = gate.get(Who::uA, "/device/");
        assert_eq!(answer.text(), json!({ "results": [{ "organization": ORG_A }] }).to_string());
        assert_eq!((answer.header("x-total-count"), answer.header("link")), (None, None));
        let answer = H2::plain(gate.postern.data).ask(Who::uA, &Ask::get("/device/"));
        assert_eq!(answer.json(), json!({ "results": [{ "organization": ORG_A }] }));
    }
    eventually("they are counted", || (foreign_items(&gate, "/device/") == 8.0).then_some(()));
    let lines = gate.postern.access_lines(4);
    assert!(lines.iter().all(|line| line["fault"].as_str().unwrap().contains("items of others")), "{lines:?}");
    // Without `push` it is what lists are filtered for.
    gate.get(Who::mA, "/shared/");
    assert_eq!(foreign_items(&gate, "/shared/"), 0.0);
}

/// The totals of a list come before its items, and foreign ones may be among the last: nothing is told before that is known.
#[test]
fn totals_wait_for_the_end_of_the_list() {
    let piece: Arc<str> =
        format!("{{\"organization\":\"{ORG_A}\",\"x\":\"{}\"}},", "x".repeat(1000)).repeat(100).into();
    let upstream = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"count\":77,\"results\":[")?;
        for _ in 0..50 {
            exchange.write(piece.as_bytes())?;
        }
        exchange.write(format!("{{\"organization\":\"{ORG_B}\"}}]}}").as_bytes())?;
        exchange.hang_up();
        Ok(())
    });
    let gate = Gate::before(upstream, &Options::policy(POLICY));
    let answer = gate.get(Who::uA, "/device/");
    assert_eq!(answer.json()["results"].as_array().unwrap().len(), 5000);
    assert!(!answer.text().contains("77"));
    eventually("it is counted", || (foreign_items(&gate, "/device/") == 1.0).then_some(()));
}

#[test]
fn explain_says_what_is_asked() {
    let (gate, _): (Gate, Script) = scripted(POLICY, |options| options);
    let postern: &Postern = &gate.postern;
    let told = postern.cli(&["explain", "GET", "/device/?page=2", "--as", "uA"]);
    assert!(told.contains(&format!("/device/?page=2&organization__in={ORG_A} to")), "{told}");
    assert!(told.contains("push organization__in as id"), "{told}");
    let told = postern.cli(&["explain", "GET", "/managed/", "--as", "uA"]);
    assert!(
        told.contains("nowhere: nothing of the list could be the caller's, who gets {\"data\":{\"list\":[]}}"),
        "{told}"
    );
    assert!(postern.cli(&["matrix"]).contains("/device/"));
}

#[test]
fn a_service_that_narrows_by_itself_is_asked_as_the_client_asks_and_its_totals_hold() {
    let (gate, script) = scripted(POLICY, |options| options);
    let next = "http://127.0.0.1/itself/?=1&page=2";
    script.json(&page(next, &[ORG_A.into(), Value::Null]));
    // Shared items too are the manager's.
    let answer = gate.get(Who::mA, "/itself/?=1&page=1");
    assert_eq!(asked(&gate), "=1&page=1");
    let list = answer.json();
    assert_eq!((&list["count"], list["results"].as_array().unwrap().len()), (&9.into(), 2), "{list}");
    assert_eq!(list["next"], "/itself/?=1&page=2");
    assert_eq!((list.get("facets"), foreign_items(&gate, "/itself/")), (None, 0.0));
    // It forgets to.
    script.json(&page(next, &[ORG_A.into(), ORG_B.into()]));
    let list = gate.get(Who::mA, "/itself/").json();
    assert_eq!(list, json!({ "results": [{ "organization": ORG_A }] }));
    eventually("the item of others is counted", || (foreign_items(&gate, "/itself/") > 0.0).then_some(()));
    // Superusers get all of it, as it came.
    assert_eq!(gate.get(Who::su, "/itself/").json()["facets"], json!({}));
}
