//! Who may, what may they do, and to which things.

use super::{Desk, asker};
use crate::support::{ORG_A, ORG_B, ORG_GONE, ROUTES};
use serde_json::{Value, json};

const ON: &str = "authzen:\n  resources:\n    device: { read: 'GET /api/v1/org/{id}/devices', write: 'POST /api/v1/org/{id}/devices' }\n";

fn ids(results: &[Value]) -> Vec<&str> {
    results.iter().map(|one| one["id"].as_str().or(one["name"].as_str()).unwrap()).collect()
}

fn sorted(results: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> = ids(results).into_iter().map(str::to_owned).collect();
    ids.sort();
    ids
}

#[test]
fn subjects_are_those_whose_evaluation_is_true() {
    let desk = Desk::new(ROUTES, ON);
    let search = |action: &str, resource: Value| {
        let query = json!({ "subject": { "type": "user" }, "action": { "name": action }, "resource": resource });
        let all = desk.search("subject", &query, 100);
        // However long the pages are, they are the same in the same order.
        for limit in [1, 2, 3] {
            assert_eq!(desk.search("subject", &query, limit), all, "{query}");
        }
        for one in &all {
            assert_eq!(one["type"], "user");
            assert!(desk.evaluate(one["id"].as_str().unwrap(), action, query["resource"].clone()), "{one}");
        }
        sorted(&all)
    };
    let organization = |id: &str| json!({ "type": "organization", "id": id });
    assert_eq!(search("member", organization("a")), ["both", "mA", "oA", "su", "uA"]);
    assert_eq!(search("manager", organization(ORG_A)), ["mA", "oA", "su"]);
    assert_eq!(search("owner", organization("a")), ["oA", "su"]);
    assert_eq!(search("member", organization("gone")), ["su"]);
    assert_eq!(search("member", organization("none")), [""; 0]);
    assert_eq!(search("have", json!({ "type": "permission", "id": "authzen.search" })), ["desk", "su"]);
    assert_eq!(search("authzen.search", organization("b")), ["desk", "su"]);
    assert_eq!(search("GET", json!({ "type": "route", "id": "/admin/x" })), ["su"]);
    assert_eq!(search("write", json!({ "type": "device", "id": "a" })), ["mA", "oA", "su"]);
    assert_eq!(search("write", json!({ "type": "thing", "id": "a" })), [""; 0]);
    // An id is passed over, and another type is nobody.
    let query = |kind: &str| json!({ "subject": { "type": kind, "id": "uA" }, "action": { "name": "owner" }, "resource": organization("a") });
    assert_eq!(sorted(&desk.search("subject", &query("user"), 9)), ["oA", "su"]);
    assert_eq!(desk.search("subject", &query("robot"), 9), [Value::Null; 0]);
}

/// What somebody may do this to: page by page as at once, and each is what an evaluation says.
fn resources(desk: &Desk, who: &str, action: &str, kind: &str) -> Vec<Value> {
    let query =
        json!({ "subject": { "type": "user", "id": who }, "action": { "name": action }, "resource": { "type": kind } });
    let all = desk.search("resource", &query, 100);
    assert_eq!(desk.search("resource", &query, 1), all, "{query}");
    for one in &all {
        assert!(desk.evaluate(who, action, one.clone()), "{who} {one}");
    }
    all
}

#[test]
fn resources_are_those_whose_evaluation_is_true() {
    let desk = Desk::new(ROUTES, ON);
    let search = |who: &str, action: &str, kind: &str| resources(&desk, who, action, kind);
    let told = search("both", "member", "organization");
    assert_eq!(ids(&told), [ORG_A, ORG_B]);
    assert_eq!(told[0], json!({ "type": "organization", "id": ORG_A, "properties": { "slug": "a" } }));
    assert_eq!(ids(&search("mA", "manager", "organization")), [ORG_A]);
    assert_eq!(ids(&search("both", "owner", "organization")), [""; 0]);
    assert_eq!(ids(&search("su", "owner", "organization")), [ORG_A, ORG_B, ORG_GONE]);
    assert_eq!(ids(&search("desk", "authzen.search", "organization")), [ORG_A, ORG_B]);
    assert_eq!(ids(&search("desk", "have", "permission")), ["authzen.evaluate", "authzen.search"]);
    let routes = search("uA", "GET", "route");
    assert!(ids(&routes).contains(&"/me/**") && ids(&routes).contains(&"/public/**"), "{routes:?}");
    assert!(!ids(&routes).contains(&"/admin/**") && !ids(&routes).contains(&"/closed/**"), "{routes:?}");
    assert!(ids(&search("su", "GET", "route")).contains(&"/admin/**"));
    assert_eq!(search("uA", "read", "device"), [Value::Null; 0], "postern has no list of them");
    assert_eq!(search("nobody-there", "member", "organization"), [Value::Null; 0]);
}

#[test]
fn resources_of_one_s_own_are_found_where_their_ids_are_known() {
    let config = "authzen:
  resources:
    site: { ids: organizations, read: 'GET /api/v1/id/{id}/devices', write: 'POST /api/v1/id/{id}/devices' }
    profile: { ids: users, see: 'GET /me/{id}', admin: 'GET /admin/{id}' }
    device: { read: 'GET /api/v1/id/{id}/devices' }
";
    let desk = Desk::new(ROUTES, config);
    let search = |who: &str, action: &str, kind: &str| resources(&desk, who, action, kind);
    assert_eq!(ids(&search("both", "read", "site")), [ORG_A, ORG_B]);
    assert_eq!(ids(&search("mA", "write", "site")), [ORG_A]);
    assert_eq!(ids(&search("uA", "write", "site")), [""; 0]);
    assert_eq!(ids(&search("su", "read", "site")), [ORG_A, ORG_B, ORG_GONE]);
    assert!(search("uA", "see", "profile").len() > 5);
    assert_eq!(ids(&search("uA", "admin", "profile")), [""; 0]);
    assert_eq!(ids(&search("both", "read", "device")), [""; 0], "postern has no list of them");
    assert_eq!(ids(&search("both", "ids", "site")), [""; 0], "which is no action");
}

#[test]
fn actions_are_those_whose_evaluation_is_true() {
    let desk = Desk::new(ROUTES, ON);
    let search = |who: &str, resource: Value| {
        let query = json!({ "subject": { "type": "user", "id": who }, "resource": resource });
        let all = desk.search("action", &query, 1_000);
        for limit in [1, 7] {
            assert_eq!(desk.search("action", &query, limit), all, "{query}");
        }
        for one in &all {
            assert!(desk.evaluate(who, one["name"].as_str().unwrap(), query["resource"].clone()), "{who} {one}");
        }
        sorted(&all)
    };
    let organization = |id: &str| json!({ "type": "organization", "id": id });
    assert_eq!(search("uA", organization("a")), ["member"]);
    assert_eq!(search("oA", organization("a")), ["manager", "member", "owner"]);
    assert_eq!(search("uA", organization("b")), [""; 0]);
    assert_eq!(search("desk", organization("b")), ["authzen.evaluate", "authzen.search"]);
    let all = search("su", organization("a"));
    assert!(
        all.len() > 30 && all.contains(&"owner".to_owned()) && all.contains(&"openwisp_users.view_user".to_owned())
    );
    assert_eq!(search("uA", json!({ "type": "device", "id": "a" })), ["read"]);
    assert_eq!(search("mA", json!({ "type": "device", "id": "a" })), ["read", "write"]);
    let methods = search("uA", json!({ "type": "route", "id": "/api/v1/org/a/x" }));
    assert_eq!(
        methods,
        ["GET", "HEAD", "OPTIONS", "PROPFIND", "QUERY", "REPORT", "SEARCH"]
            .map(str::to_owned)
            .into_iter()
            .filter(|method| methods.contains(method))
            .collect::<Vec<_>>()
    );
    assert!(methods.contains(&"GET".to_owned()) && !methods.contains(&"POST".to_owned()));
    assert_eq!(search("desk", json!({ "type": "permission", "id": "authzen.search" })), ["have"]);
    assert_eq!(search("uA", json!({ "type": "permission", "id": "authzen.search" })), [""; 0]);
    assert_eq!(search("nobody-there", organization("a")), [""; 0]);
    assert_eq!(search("uA", json!({ "type": "thing", "id": "a" })), [""; 0]);
}

#[test]
fn a_page_s_token_is_good_for_its_asker_and_its_search_and_nothing_else() {
    let desk = Desk::new(ROUTES, ON);
    let path = "/access/v1/search/subject";
    let query = |action: &str, page: Value| {
        json!({ "subject": { "type": "user" }, "action": { "name": action },
                "resource": { "type": "organization", "id": "a" }, "page": page })
    };
    let first = desk.told(path, &query("member", json!({ "limit": 2 })));
    assert_eq!((first["results"].as_array().unwrap().len(), &first["page"]["count"]), (2, &json!(2)));
    let token = first["page"]["next_token"].as_str().unwrap();
    let next = |action: &str, page: Value, who: &str, path: &str| {
        let headers = [("Content-Type", "application/json")];
        desk.send(path, who, &headers, &query(action, page).to_string()).status
    };
    assert_eq!(next("member", json!({ "token": token }), &desk.token, path), 200);
    assert_eq!(next("member", json!({ "token": token, "limit": 2 }), &desk.token, path), 200);
    let other = asker(&desk.gate, "other", &["authzen.search"]);
    assert_eq!(next("member", json!({ "token": token }), &other, path), 400);
    assert_eq!(next("manager", json!({ "token": token }), &desk.token, path), 400);
    assert_eq!(next("member", json!({ "token": token, "limit": 3 }), &desk.token, path), 400);
    assert_eq!(next("member", json!({ "token": token }), &desk.token, "/access/v1/search/resource"), 400);
    let (start, end) = token.split_at(token.len() / 2);
    for forged in [&token[1..], "AAAA", "' OR 1=1 --", &format!("{start}A{}", &end[1..]), &format!("{token}A")] {
        if forged != token {
            assert_eq!(next("member", json!({ "token": forged }), &desk.token, path), 400, "{forged}");
        }
    }
    let nothing = desk.told(path, &query("member", json!({ "limit": 0 })));
    assert_eq!(nothing["results"], json!([]));
    for wrong in [json!([]), json!({ "limit": -1 }), json!({ "limit": 1.5 }), json!({ "token": 7 })] {
        assert_eq!(desk.call(path, &query("member", wrong.clone())).status, 400, "{wrong}");
    }
}

#[test]
fn more_people_than_are_looked_at_for_a_page_are_found_over_several() {
    let desk = Desk::new(ROUTES, ON);
    let people: String = (0..1_500).map(|n| format!("{{\"username\":\"p{n:04}\"}}\n")).collect();
    desk.gate.postern.cli_with(&["user", "create", "--batch", "-"], &people);
    let query = |path: &str| json!({ "subject": { "type": "user" }, "action": { "name": "GET" }, "resource": { "type": "route", "id": path } });
    // One superuser among all of them, wherever they are; and everybody but the inactive.
    assert_eq!(ids(&desk.search("subject", &query("/admin/x"), 100)), ["su"]);
    let everybody = desk.search("subject", &query("/me/x"), 1_000);
    assert_eq!(everybody.len(), 1_500 + 8);
    assert_eq!(sorted(&everybody).iter().filter(|name| name.starts_with('p')).count(), 1_500);
}
