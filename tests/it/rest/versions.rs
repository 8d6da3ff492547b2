//! ETags of records, what requests ask of them, and many who change one record at once.

use super::engines::{Site, on_each_engine};
use super::{ROUTES, gate, id};
use crate::support::{Answer, Gate, ORG_A, Options, Who, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_each_engine!(of_a_thousand_writers_with_one_tag_one_wins, a_thousand_writers_of_one_user_lose_nothing);

fn with(gate: &Gate, who: Who, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut all = headers.to_vec();
    if !body.is_null() {
        all.push(("Content-Type", "application/json"));
    }
    gate.send(request(who, method, &format!("/api/v1/users/{path}"), &all, &text))
}

fn tag(gate: &Gate, who: Who, path: &str) -> String {
    let answer = with(gate, who, "GET", path, &[], &Value::Null);
    answer.header("etag").unwrap_or_else(|| panic!("{path} has no tag: {}", answer.text())).to_owned()
}

#[test]
fn whoever_has_a_record_is_told_that_it_is_the_same() {
    let gate = gate();
    let one = format!("user/{}/", id(&gate, "uA"));
    let known = tag(&gate, Who::su, &one);
    let read = |who, headers: &[(&str, &str)]| with(&gate, who, "GET", &one, headers, &Value::Null);
    for matching in [known.clone(), format!("W/{known}"), format!("\"x\", {known}"), "*".to_owned()] {
        let same = read(Who::su, &[("If-None-Match", &matching)]);
        assert_eq!((same.status, same.body.len()), (304, 0), "{matching}");
        assert_eq!((same.header("etag"), same.header("vary")), (Some(known.as_str()), Some("Accept, Cookie")));
    }
    for other in ["\"x\"", "x", ""] {
        assert_eq!(read(Who::su, &[("If-None-Match", other)]).status, 200, "{other}");
    }
    let head = with(&gate, Who::su, "HEAD", &one, &[("If-None-Match", &known)], &Value::Null);
    assert_eq!((head.status, head.header("etag")), (304, Some(known.as_str())));
    assert_eq!(read(Who::su, &[("If-Match", "\"x\"")]).status, 412);
    assert_eq!(read(Who::su, &[("If-Match", &known)]).status, 200);
    // Another form of the same is another answer, which says of the same state.
    let lines = [("Accept", "application/json; indent=4")];
    let indented = read(Who::su, &lines).header("etag").unwrap().to_owned();
    assert_ne!(indented, known);
    assert_eq!(read(Who::su, &[("If-None-Match", &indented)]).status, 200);
    assert_eq!(read(Who::su, &[lines[0], ("If-None-Match", &indented)]).status, 304);
    let edited = with(&gate, Who::su, "PATCH", &one, &[("If-Match", &indented)], &json!({ "first_name": "Ann" }));
    assert_eq!(edited.status, 200, "{}", edited.text());
    assert_eq!(edited.header("etag"), Some(tag(&gate, Who::su, &one).as_str()));
    assert_eq!(read(Who::su, &[("If-None-Match", &known)]).status, 200);
    // Lists, and what is no record, have none.
    for path in ["user/", "me/token/"] {
        assert_eq!(with(&gate, Who::su, "GET", path, &[], &Value::Null).header("etag"), None, "{path}");
    }
}

#[test]
fn what_is_made_has_the_tag_that_it_is_read_with() {
    let gate = gate();
    let uploader = id(&gate, "uB");
    for (path, body) in [
        ("organization/".to_owned(), json!({ "name": "New", "slug": "new" })),
        ("user/".to_owned(), json!({ "username": "new", "email": "new@x.example", "password": "tester-of-9-tags" })),
        ("group/".to_owned(), json!({ "name": "new" })),
        ("permission/".to_owned(), json!({ "codename": "shop.sell" })),
        ("super-role/".to_owned(), json!({ "name": "new" })),
        ("me/token/".to_owned(), json!({ "name": "new" })),
        (format!("organization/{ORG_A}/member/"), json!({ "user": "uB" })),
        (format!("organization/{ORG_A}/role/"), json!({ "name": "new" })),
        (format!("user/{uploader}/email/"), json!({ "email": "other@x.example" })),
    ] {
        let made = with(&gate, Who::su, "POST", &path, &[], &body);
        assert_eq!(made.status, 201, "{path}: {}", made.text());
        let one = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
        let read = tag(&gate, Who::su, &one);
        assert_eq!(made.header("etag"), Some(read.as_str()), "{path}");
        let stale = with(&gate, Who::su, "PATCH", &one, &[("If-Match", "\"stale\"")], &json!({}));
        assert_eq!((stale.status, stale.header("etag")), (412, None), "{path}: {}", stale.text());
        let patched = with(&gate, Who::su, "PATCH", &one, &[("If-Match", &read)], &json!({}));
        assert_eq!(patched.status, 200, "{path}: {}", patched.text());
        assert_eq!(patched.header("etag"), Some(tag(&gate, Who::su, &one).as_str()), "{path}");
        for (stale, status) in [("\"stale\"", 412), ("*", 204)] {
            let deleted = with(&gate, Who::su, "DELETE", &one, &[("If-Match", stale)], &Value::Null);
            assert_eq!(deleted.status, status, "{path} {stale}: {}", deleted.text());
        }
        let gone = with(&gate, Who::su, "PATCH", &one, &[("If-Match", "*")], &json!({}));
        assert_eq!(gone.status, 404, "{path}");
    }
}

#[test]
fn a_change_needs_the_strong_tag_of_what_is_there() {
    let gate = gate();
    let one = format!("user/{}/", id(&gate, "uA"));
    let known = tag(&gate, Who::su, &one);
    let patch =
        |header: (&str, &str)| with(&gate, Who::su, "PATCH", &one, &[header], &json!({ "company": "Acme" })).status;
    assert_eq!(patch(("If-Match", &format!("W/{known}"))), 412, "a weak tag is never the same");
    assert_eq!(patch(("If-Match", "")), 412);
    assert_eq!(patch(("If-None-Match", "*")), 412);
    assert_eq!(patch(("If-None-Match", &known)), 412);
    assert_eq!(gate.postern.query("SELECT company FROM users WHERE username = 'uA'"), "");
    assert_eq!(patch(("If-Match", &format!("\"x\", {known}"))), 200);
    assert_eq!(patch(("If-Match", &known)), 412, "it has changed");
    assert_eq!(patch(("If-Match", "*")), 200);
    // Who may not see it, or may not change it, hears nothing else than before.
    assert_eq!(
        with(&gate, Who::mA, "PATCH", &format!("user/{}/", id(&gate, "uB")), &[("If-Match", "*")], &json!({})).status,
        404
    );
    assert_eq!(with(&gate, Who::uA, "PATCH", &one, &[("If-Match", "\"x\"")], &json!({})).status, 403);
}

#[test]
fn a_tag_tells_nothing_of_what_its_reader_does_not_see() {
    let gate = gate();
    let one = format!("user/{}/", id(&gate, "uA"));
    let (of_manager, of_superuser) = (tag(&gate, Who::mA, &one), tag(&gate, Who::su, &one));
    let numbered = super::get(&gate, Who::su, "permission/?codename=config.add_device")["results"][0]["id"].clone();
    let given = with(&gate, Who::su, "PATCH", &one, &[], &json!({ "user_permissions": [numbered] }));
    assert_eq!(given.status, 200, "{}", given.text());
    assert_ne!(tag(&gate, Who::su, &one), of_superuser);
    assert_eq!(tag(&gate, Who::mA, &one), of_manager);
    let edited = with(&gate, Who::mA, "PATCH", &one, &[("If-Match", &of_manager)], &json!({ "location": "Rome" }));
    assert_eq!(edited.status, 200, "{}", edited.text());
}

#[test]
fn a_change_without_a_tag_is_refused_where_one_is_required() {
    let mut options = Options::policy(ROUTES);
    options.config = "identity:\n  api: all\n  require_if_match: true\n".to_owned();
    let gate = Gate::with(&options);
    let one = format!("user/{}/", id(&gate, "uA"));
    for (method, path, body) in [
        ("PATCH", one.as_str(), json!({ "first_name": "x" })),
        ("PUT", &one, json!({ "username": "uA" })),
        ("DELETE", &one, Value::Null),
        ("DELETE", "group/1/", Value::Null),
    ] {
        let refused = with(&gate, Who::su, method, path, &[], &body);
        assert_eq!(refused.status, 428, "{method} {path}: {}", refused.text());
    }
    assert_eq!(with(&gate, Who::su, "POST", "group/", &[], &json!({ "name": "new" })).status, 201);
    let known = tag(&gate, Who::su, &one);
    let edited = with(&gate, Who::su, "PATCH", &one, &[("If-Match", &known)], &json!({ "first_name": "x" }));
    assert_eq!(edited.status, 200, "{}", edited.text());
}

fn of_a_thousand_writers_with_one_tag_one_wins(site: &Site) {
    let new = json!({ "username": "ann", "email": "ann@x.example", "password": "tester-of-9-tags" });
    let made = site.ask("su", "POST", "user/", &[], &new);
    let known = made.header("etag").unwrap().to_owned();
    let one = made.header("location").unwrap().to_owned();
    let write = |number| {
        let headers = [("If-Match", known.as_str())];
        site.request("su", "PATCH", &one, &headers, &json!({ "first_name": format!("writer {number}") }))
    };
    let answers = site.at_once((0..1_000).map(write).collect());
    let with = |status| answers.iter().enumerate().filter(move |(_, answer)| answer.status == status);
    assert_eq!((with(200).count(), with(412).count()), (1, 999));
    let (winner, _) = with(200).next().unwrap();
    assert_eq!(site.get("su", &one)["first_name"], format!("writer {winner}"));
}

/// Eight who write a field each, fifty times; six hundred who each make the user a member of another organization.
fn a_thousand_writers_of_one_user_lose_nothing(site: &Site) {
    const FIELDS: [&str; 8] = ["first_name", "last_name", "bio", "company", "location", "notes", "url", "phone_number"];
    let new = json!({ "username": "ann", "email": "ann@x.example", "password": "tester-of-9-tags" });
    let made = site.ask("su", "POST", "user/", &[], &new);
    assert_eq!(made.status, 201, "{}", made.text());
    let (one, user) = (made.header("location").unwrap().to_owned(), made.json()["id"].as_str().unwrap().to_owned());
    let organization = |number: usize| format!("eeeeeeee-0000-4000-8000-{number:012}");
    let lines = (0..600).map(|n| json!({ "name": format!("Org {n}"), "slug": format!("o{n}"), "id": organization(n) }));
    site.cli(&["org", "create", "--batch", "-"], &lines.map(|line| format!("{line}\n")).collect::<String>());
    let value = |field: &str, turn: usize| match field {
        "url" => format!("https://x.example/{turn}"),
        "phone_number" => format!("+3936652437{turn:02}"),
        _ => format!("turn {turn}"),
    };
    std::thread::scope(|scope| {
        for field in FIELDS {
            let one = &one;
            scope.spawn(move || {
                for turn in 0..50 {
                    let edited = site.ask("su", "PATCH", one, &[], &json!({ field: value(field, turn) }));
                    assert_eq!(edited.status, 200, "{field}: {}", edited.text());
                    assert_eq!(edited.json()[field], value(field, turn), "of all others nobody writes {field}");
                }
            });
        }
        let join = |number| {
            if number % 2 == 0 {
                let ties =
                    json!({ "organization_users": [{ "organization": organization(number), "is_admin": false }] });
                return site.request("su", "PATCH", &one, &[], &ties);
            }
            let path = format!("organization/{}/member/", organization(number));
            site.request("su", "POST", &path, &[], &json!({ "user": user }))
        };
        for answer in site.at_once((0..600).map(join).collect()) {
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        }
    });
    let found = site.get("su", &one);
    for field in FIELDS {
        assert_eq!(found[field], value(field, 49));
    }
    let ties = found["organization_users"].as_array().unwrap();
    let organizations: BTreeSet<&str> = ties.iter().map(|tie| tie["organization"].as_str().unwrap()).collect();
    assert_eq!((ties.len(), organizations.len()), (600, 600));
}
