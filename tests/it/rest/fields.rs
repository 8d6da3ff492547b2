//! Fields of users that an installation declares, over the API.

use super::{ask, get, id};
use crate::support::{Gate, Options, Postern, Upstream, Who};
use serde_json::{Value, json};

pub fn gate(fields: &str, compat: bool) -> Gate {
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes:\n  /me/**: authenticated\n");
    let more = "api: all\n  passwords: { memory: 64KiB, passes: 1 }\n  token: { key: { env: KEY } }";
    let compat = if compat { "compat: openwisp\n" } else { "" };
    options.config = format!("{compat}identity:\n  {more}\n  fields: {fields}\n");
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    let mut command = Postern::serve(home.path(), &options);
    Gate { postern: Postern::run(home, command.env("KEY", "k".repeat(64))), upstream }
}

const FIELDS: &str =
    "{ team: { choices: [ops, dev] }, seats: { type: number, min: 1, max: 9 }, since: { type: date } }";

#[test]
fn fields_are_given_told_filtered_and_taken_away() {
    let gate = gate(FIELDS, false);
    let lena = json!({
        "username": "lena", "email": "lena@example.org", "password": "correct horse", "fields": { "team": "ops", "seats": 3 },
    });
    let made = ask(&gate, Who::su, "POST", "user/", &lena);
    assert_eq!(
        (made.status, made.json()["fields"].to_string()),
        (201, r#"{"seats":3,"since":null,"team":"ops"}"#.into())
    );
    let path = format!("user/{}/", made.json()["id"].as_str().unwrap());
    let edit = |fields: Value| ask(&gate, Who::su, "PATCH", &path, &json!({ "fields": fields }));
    let edited = edit(json!({ "since": "2026-02-28", "team": null }));
    assert_eq!(
        edited.json()["fields"],
        json!({ "seats": 3, "since": "2026-02-28", "team": null }),
        "{}",
        edited.text()
    );
    // All that is wrong is told, and nothing is kept of it.
    let refused = edit(json!({ "seats": 10, "team": "sales", "colour": "red", "since": ["2026-02-28"] }));
    let told = refused.json();
    assert_eq!((refused.status, told["fields"]["seats"][0].as_str()), (400, Some("it is 9 at most")), "{told}");
    assert_eq!(told["fields"]["team"], json!(["it is one of ops, dev"]));
    assert!(told["fields"]["colour"][0].as_str().unwrap().starts_with("it is not declared"), "{told}");
    assert!(told["fields"]["since"][0].as_str().unwrap().starts_with("it is a date"), "{told}");
    for seats in [json!(1.5), json!("x"), json!(true), json!({}), json!(12345678901234567890_u64)] {
        assert_eq!(edit(json!({ "seats": seats })).status, 400, "{seats}");
    }
    assert_eq!(edit(json!("x")).json(), json!({ "fields": ["Expected a dictionary of items but got type \"str\"."] }));
    assert_eq!(get(&gate, Who::su, &path)["fields"], json!({ "seats": 3, "since": "2026-02-28", "team": null }));
    let names = |query: &str| get(&gate, Who::su, &format!("user/?{query}"))["results"].as_array().unwrap().len();
    assert_eq!((names("fields.seats=3"), names("fields.seats=2"), names("fields.since=2026-02-28")), (1, 0, 1));
    assert_eq!(ask(&gate, Who::su, "GET", "user/?fields.colour=red", &Value::Null).status, 400);
    // Whoever asks is told of themselves; managers of others, of theirs.
    let own = format!("user/{}/", id(&gate, "uA"));
    let edited = ask(&gate, Who::su, "PUT", &own, &json!({ "username": "uA", "fields": { "team": "dev" } }));
    assert_eq!(edited.json()["fields"]["team"], "dev", "{}", edited.text());
    assert_eq!(get(&gate, Who::uA, "me/")["fields"], json!({ "seats": null, "since": null, "team": "dev" }));
    let audit = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    let line = audit.lines().find(|line| line.contains("user.edit") && line.contains("2026-02-28")).unwrap();
    assert!(line.contains(r#""seats":3"#), "{line}");
}

#[test]
fn without_a_declaration_nothing_is_told_and_with_one_in_openwisp_s_shape_too() {
    let without = gate("{}", false);
    let user = &get(&without, Who::su, "user/")["results"][0];
    assert_eq!((user.get("fields"), get(&without, Who::su, "me/").get("fields")), (None, None));
    let sent = json!({ "fields": { "team": "ops" } });
    let path = format!("user/{}/", id(&without, "uA"));
    let edited = ask(&without, Who::su, "PATCH", &path, &sent);
    assert_eq!((edited.status, edited.json().get("fields")), (200, None), "what nobody knows is passed over");
    let compat = gate(FIELDS, true);
    let users = get(&compat, Who::su, "user/");
    let user = users["results"].as_array().unwrap().iter().find(|user| user["username"] == "uA").unwrap();
    let edited = ask(&compat, Who::su, "PATCH", &format!("user/{}/", user["id"].as_str().unwrap()), &sent);
    assert_eq!(edited.json()["fields"], json!({ "seats": null, "since": null, "team": "ops" }), "{}", edited.text());
}
