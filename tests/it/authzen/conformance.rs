//! The scenario of the certification (openid/authzen, `certification/`), with the fixture that it asks for.

use super::Desk;
use serde_json::{Value, json};

const POLICY: &str = r#"
version: 1
upstream: echo
routes:
  /records/{id}:
    GET: authenticated
    PUT:
      level: authenticated
      when: '"subject.role" in request.query && request.query["subject.role"] == "admin" || user.username == "alice" && !("status" in request.query && request.query.status == "archived")'
    DELETE: { level: authenticated, when: 'user.username == "alice" && request.query["action.soft"] == "true"' }
"#;

const CONFIG: &str = "
authzen:
  resources:
    record:
      read: GET /records/{id}
      write: 'PUT /records/{id}{?status,subject.role}'
      delete: 'DELETE /records/{id}{?action.soft}'
";

fn desk() -> Desk {
    let desk = Desk::new(POLICY, CONFIG);
    for name in ["alice", "bob"] {
        desk.gate.postern.cli(&["user", "create", name]);
    }
    desk
}

fn question(subject: Value, action: Value, resource: Value) -> Value {
    json!({ "subject": subject, "action": action, "resource": resource })
}

#[test]
fn the_eight_decisions_of_the_fixture_come_out_right() {
    let desk = desk();
    let (alice, bob) = (json!({ "type": "user", "id": "alice" }), json!({ "type": "user", "id": "bob" }));
    let admin = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let record = |n: u8| json!({ "type": "record", "id": format!("record-{n}") });
    let archived = json!({ "type": "record", "id": "record-2", "properties": { "status": "archived" } });
    let action = |name: &str| json!({ "name": name });
    let delete = |soft: bool| json!({ "name": "delete", "properties": { "soft": soft } });
    let cases = [
        (question(alice.clone(), action("read"), record(1)), true),
        (question(alice.clone(), action("write"), record(1)), true),
        (question(bob.clone(), action("read"), record(1)), true),
        (question(bob, action("write"), record(1)), false),
        (question(alice.clone(), action("write"), archived.clone()), false),
        (question(admin, action("write"), archived), true),
        (question(alice.clone(), delete(true), record(1)), true),
        (question(alice, delete(false), record(1)), false),
    ];
    for (case, expected) in &cases {
        let mut with_context = case.clone();
        with_context["context"] = json!({ "time": "2026-01-01T00:00:00Z" });
        with_context["extra"] = json!({ "unknown": true });
        for _ in 0..2 {
            assert_eq!(desk.told("/access/v1/evaluation", case), json!({ "decision": expected }));
            assert_eq!(desk.told("/access/v1/evaluation", &with_context), json!({ "decision": expected }));
        }
    }
    let all: Vec<_> = cases.iter().map(|(case, _)| case.clone()).collect();
    let expected: Vec<_> = cases.iter().map(|(_, expected)| json!({ "decision": expected })).collect();
    assert_eq!(desk.told("/access/v1/evaluations", &json!({ "evaluations": all })), json!({ "evaluations": expected }));
}

#[test]
fn what_must_be_there_and_is_not_is_400() {
    let desk = desk();
    let good = question(
        json!({ "type": "user", "id": "alice" }),
        json!({ "name": "read" }),
        json!({ "type": "record", "id": "record-1" }),
    );
    for (path, needed) in [
        (
            "evaluation",
            &[
                "subject",
                "action",
                "resource",
                "subject.type",
                "subject.id",
                "action.name",
                "resource.type",
                "resource.id",
            ][..],
        ),
        (
            "search/subject",
            &["subject", "action", "resource", "subject.type", "action.name", "resource.type", "resource.id"],
        ),
        (
            "search/resource",
            &["subject", "action", "resource", "subject.type", "subject.id", "action.name", "resource.type"],
        ),
        ("search/action", &["subject", "resource", "subject.type", "subject.id", "resource.type", "resource.id"]),
    ] {
        let path = format!("/access/v1/{path}");
        assert_eq!(desk.call(&path, &good).status, 200);
        for place in needed {
            for instead in [None, Some(json!(123)), Some(json!(["x"])), Some(Value::Null)] {
                let mut bad = good.clone();
                let (map, key) = match place.split_once('.') {
                    Some((outer, inner)) => (bad[outer].as_object_mut().unwrap(), inner),
                    None => (bad.as_object_mut().unwrap(), *place),
                };
                match &instead {
                    Some(value) => _ = map.insert(key.to_owned(), value.clone()),
                    None => _ = map.remove(key),
                }
                let answer = desk.call(&path, &bad);
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (400, "body_invalid"),
                    "{path} {place} {instead:?}"
                );
                assert!(
                    answer.json()["detail"].as_str().unwrap().contains(place.split('.').next().unwrap()),
                    "{answer:?}"
                );
            }
        }
    }
}

#[test]
fn searches_of_the_fixture_find_what_they_must() {
    let desk = desk();
    let names = |what: &str, query: Value| -> Vec<String> {
        let results = desk.search(what, &query, 100);
        results.iter().map(|one| one["id"].as_str().or(one["name"].as_str()).unwrap().to_owned()).collect()
    };
    let record = json!({ "type": "record", "id": "record-1" });
    let readers = names("subject", question(json!({ "type": "user" }), json!({ "name": "read" }), record.clone()));
    assert!(readers.contains(&"alice".to_owned()) && readers.contains(&"bob".to_owned()), "{readers:?}");
    let alice = json!({ "type": "user", "id": "alice" });
    let actions = names("action", json!({ "subject": alice, "resource": record }));
    assert_eq!(actions, ["read", "write"]);
    let admin = json!({ "type": "user", "id": "bob", "properties": { "role": "admin" } });
    let archived = json!({ "type": "record", "id": "record-2", "properties": { "status": "archived" } });
    assert!(names("action", json!({ "subject": admin, "resource": archived })).contains(&"write".to_owned()));
    for unknown in [json!({ "type": "user", "id": "nobody" }), json!({ "type": "robot", "id": "alice" })] {
        assert_eq!(names("action", json!({ "subject": unknown, "resource": record })), [""; 0]);
    }
}
