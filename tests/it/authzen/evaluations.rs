//! Many questions in one call.

use super::{Desk, question};
use crate::support::ROUTES;
use serde_json::{Value, json};

const PATH: &str = "/access/v1/evaluations";

fn desk() -> Desk {
    Desk::new(ROUTES, "authzen: { reasons: true }\n")
}

fn member_of(organization: &str) -> Value {
    json!({ "resource": { "type": "organization", "id": organization } })
}

/// uA is a member of `a` and of no other.
fn asked(list: Vec<Value>) -> Value {
    json!({ "subject": { "type": "user", "id": "uA" }, "action": { "name": "member" }, "evaluations": list })
}

#[test]
fn what_a_question_lacks_stands_above_and_what_it_has_counts() {
    let desk = desk();
    let body = json!({
        "subject": { "type": "user", "id": "uA" },
        "action": { "name": "member" },
        // As the todo application sends it: a default that nobody could use.
        "resource": {},
        "context": {},
        "evaluations": [
            member_of("a"),
            member_of("b"),
            { "subject": { "type": "user", "id": "uB" }, "resource": { "type": "organization", "id": "b" } },
            { "action": { "name": "manager" }, "resource": { "type": "organization", "id": "a" } },
            { "action": { "name": "GET" }, "resource": { "type": "route", "id": "/api/v1/org/a/devices" } },
        ]
    });
    let told = desk.told(PATH, &body);
    let decisions: Vec<_> = told["evaluations"].as_array().unwrap().iter().map(|one| one["decision"].clone()).collect();
    assert_eq!(decisions, [true, false, true, false, true].map(Value::from));
    assert!(told.get("decision").is_none());
    assert_eq!(told["evaluations"][3]["context"], json!({ "reason": "org_level_missing" }));
    assert_eq!(told["evaluations"][1]["context"], json!({ "reason": "org_foreign" }));
}

#[test]
fn one_that_cannot_be_read_is_denied_and_says_so() {
    let desk = desk();
    let body = json!({
        "subject": { "type": "user", "id": "uA" },
        "evaluations": [
            { "action": { "name": "member" }, "resource": { "type": "organization", "id": "a" } },
            member_of("a"),
            { "action": { "name": 1 }, "resource": { "type": "organization", "id": "a" } },
            { "subject": "uA", "action": { "name": "member" }, "resource": { "type": "organization", "id": "a" } },
            7,
            { "action": { "name": "member" }, "resource": { "type": "organization" } },
        ]
    });
    let told = desk.told(PATH, &body);
    let list = told["evaluations"].as_array().unwrap();
    assert_eq!(list.len(), 6);
    assert_eq!(list[0], json!({ "decision": true }));
    for one in &list[1..] {
        assert_eq!((&one["decision"], &one["context"]["error"]["status"]), (&json!(false), &json!(400)), "{one}");
    }
    assert_eq!(list[1]["context"]["error"]["message"], "`action` is missing");
}

#[test]
fn each_semantic_ends_where_it_says() {
    let desk = desk();
    let played = |semantic: Value, list: &[&str]| {
        let mut body = asked(list.iter().map(|one| member_of(one)).collect());
        body["options"] = json!({ "evaluations_semantic": semantic, "another_option": "value" });
        let told = desk.told(PATH, &body);
        let list = told["evaluations"].as_array().unwrap();
        list.iter().map(|one| one["decision"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let all = ["a", "b", "a", "none"];
    assert_eq!(played(json!("execute_all"), &all), [true, false, true, false]);
    assert_eq!(played(Value::Null, &all), [true, false, true, false]);
    assert_eq!(played(json!("deny_on_first_deny"), &all), [true, false]);
    assert_eq!(played(json!("deny_on_first_deny"), &["a", "a"]), [true, true]);
    assert_eq!(played(json!("permit_on_first_permit"), &["b", "none", "a", "b"]), [false, false, true]);
    assert_eq!(played(json!("permit_on_first_permit"), &["b"]), [false]);
    for wrong in [json!("first"), json!(1), json!([])] {
        let mut body = asked(vec![member_of("a")]);
        body["options"] = json!({ "evaluations_semantic": wrong });
        assert_eq!(desk.call(PATH, &body).status, 400, "{wrong}");
    }
}

#[test]
fn without_questions_in_it_a_call_is_one_question() {
    let desk = desk();
    let mut body = question("uA", "member", json!({ "type": "organization", "id": "a" }));
    assert_eq!(desk.told(PATH, &body), json!({ "decision": true }));
    body["evaluations"] = json!([]);
    assert_eq!(desk.told(PATH, &body), json!({ "decision": true }));
    body["evaluations"] = json!({});
    assert_eq!(desk.call(PATH, &body).status, 400);
    assert_eq!(desk.call(PATH, &json!({ "evaluations": [] })).status, 400);
    assert_eq!(desk.call(PATH, &json!({ "subject": "uA", "evaluations": [member_of("a")] })).status, 400);
}

#[test]
fn a_thousand_are_answered_and_no_more() {
    let desk = desk();
    let list = |count| asked((0..count).map(|n| member_of(if n % 2 == 0 { "a" } else { "b" })).collect());
    let told = desk.told(PATH, &list(1_000));
    let permitted = told["evaluations"].as_array().unwrap().iter().filter(|one| one["decision"] == true).count();
    assert_eq!((told["evaluations"].as_array().unwrap().len(), permitted), (1_000, 500));
    assert_eq!(desk.call(PATH, &list(1_001)).status, 400);
}
