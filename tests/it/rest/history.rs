//! `…/history/`: what happened to a record, for whoever sees it, and of that nothing which concerns other tenants.

use super::pages::{at, page};
use super::{ask, gate, get, id};
use crate::support::{Gate, ORG_A, ORG_B, Who};
use serde_json::{Value, json};

fn lines(gate: &Gate, who: Who, path: &str) -> Vec<Value> {
    get(gate, who, &format!("{path}history/"))["results"].as_array().unwrap().clone()
}

fn find<'l>(lines: &'l [Value], what: &str) -> Option<&'l Value> {
    lines.iter().find(|line| line["what"] == what)
}

#[test]
fn a_manager_is_told_of_what_they_see_and_of_no_other_tenant() {
    let gate = gate();
    let both = format!("user/{}/", id(&gate, "both"));
    let both_in = |organization: &str, is_admin: bool| json!({ "organization": organization, "is_admin": is_admin });
    let edits = [
        json!({ "first_name": "Ann" }),
        json!({ "organization_users": [both_in(ORG_B, true)] }),
        json!({ "organization_users": [both_in(ORG_A, true)] }),
        json!({ "external_id": "key-of-the-other-tenant" }),
    ];
    for edit in &edits {
        assert_eq!(ask(&gate, Who::su, "PATCH", &both, edit).status, 200, "{edit}");
    }
    gate.postern.cli(&["token", "create", "both", "--name", "of-the-other-tenant"]);
    let all = lines(&gate, Who::su, &both);
    assert_eq!(all.iter().filter(|line| line["what"] == "membership.edit").count(), 2, "{all:?}");
    assert!(find(&all, "token.create").is_some());
    assert!(all.iter().filter(|line| line["via"] == "api").all(|line| line["by"] == "su"), "{all:?}");

    assert_eq!(ask(&gate, Who::mA, "PATCH", &both, &json!({ "last_name": "Lee" })).status, 200);
    let seen = lines(&gate, Who::mA, &both);
    let edited = find(&seen, "user.edit").unwrap();
    assert_eq!(edited["changes"], json!([{ "field": "last_name", "before": "", "after": "Lee" }]));
    assert_eq!(edited["by"], "mA");
    let of_memberships: Vec<_> = seen.iter().filter(|line| line["what"] == "membership.edit").collect();
    assert_eq!(of_memberships.len(), 1, "that in their own organization: {seen:?}");
    assert_eq!(of_memberships[0]["by"], Value::Null, "superusers are nobody to them");
    assert!(find(&seen, "token.create").is_none());
    let text = json!(seen).to_string();
    for other in ["tenant", ORG_B, "\"b\"", ", b\"", "\"su\""] {
        assert!(!text.contains(other), "{other}: {text}");
    }
    // What there was before somebody came is told of the tenant that they were in then.
    let newcomer = format!("user/{}/", id(&gate, "uB"));
    assert_eq!(ask(&gate, Who::su, "PATCH", &newcomer, &json!({ "company": "Tenant B" })).status, 200);
    gate.postern.sql("UPDATE history SET at = at - 5000000");
    let new = json!({ "user": "uB" });
    assert_eq!(ask(&gate, Who::su, "POST", &format!("organization/{ORG_A}/member/"), &new).status, 201);
    let seen = json!(lines(&gate, Who::mA, &newcomer)).to_string();
    assert!(seen.contains("membership.create") && !seen.contains("Tenant B"), "{seen}");
    assert!(json!(lines(&gate, Who::su, &newcomer)).to_string().contains("Tenant B"));
}

#[test]
fn superusers_are_nobody_to_managers_in_histories_too() {
    let gate = gate();
    let of_a = format!("organization/{ORG_A}/");
    let joins = |name: &str| ask(&gate, Who::su, "POST", &format!("{of_a}member/"), &json!({ "user": name }));
    assert_eq!((joins("su").status, joins("uB").status), (201, 201));
    let named =
        |lines: &[Value]| lines.iter().map(|line| line["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let seen = named(&lines(&gate, Who::mA, &of_a));
    assert!(seen.contains(&"uB, a".to_owned()) && !seen.contains(&"su, a".to_owned()), "{seen:?}");
    assert!(named(&lines(&gate, Who::su, &of_a)).contains(&"su, a".to_owned()));
    // Who is one no more is seen, and nothing says that they were.
    let raised = id(&gate, "uB");
    for flag in ["--superuser", "--superuser=false"] {
        gate.postern.cli(&["user", "edit", "uB", flag]);
    }
    let seen = lines(&gate, Who::mA, &format!("user/{raised}/"));
    assert!(!json!(seen).to_string().contains("is_superuser"), "{seen:?}");
    assert!(json!(lines(&gate, Who::su, &format!("user/{raised}/"))).to_string().contains("is_superuser"));
}

#[test]
fn history_is_there_for_whoever_sees_its_record() {
    let gate = gate();
    let new = json!({ "user": "uA", "is_admin": false });
    let member = format!("organization/{ORG_A}/member/{}/", id(&gate, "uA"));
    assert_eq!(ask(&gate, Who::mA, "DELETE", &member, &Value::Null).status, 204);
    assert_eq!(ask(&gate, Who::su, "POST", &format!("organization/{ORG_A}/member/"), &new).status, 201);
    let of_a = lines(&gate, Who::mA, &format!("organization/{ORG_A}/"));
    assert_eq!((&of_a[0]["what"], &of_a[1]["what"]), (&json!("membership.create"), &json!("membership.delete")));
    assert_eq!((&of_a[1]["by"], &of_a[1]["name"]), (&json!("mA"), &json!("uA, a")));
    let role = json!({ "name": "night", "permissions": [], "add": ["uA"] });
    let made = ask(&gate, Who::mA, "POST", &format!("organization/{ORG_A}/role/"), &role);
    assert_eq!(made.status, 201, "{}", made.text());
    let role = made.header("location").unwrap().trim_start_matches("/api/v1/users/").to_owned();
    assert_eq!(lines(&gate, Who::mA, &role)[0]["what"], "role.create");
    assert_eq!(ask(&gate, Who::uB, "GET", &format!("{role}history/"), &Value::Null).status, 404);
    let groups = get(&gate, Who::su, "group/?name=devices");
    let group = format!("group/{}/", groups["results"][0]["id"]);
    assert_eq!(lines(&gate, Who::su, &group)[0]["what"], "group.create");
    assert_eq!(lines(&gate, Who::mA, &group)[0]["by"], Value::Null, "who is at the command line is nobody's business");
    // As of what does not exist.
    let nowhere = "00000000-0000-4000-8000-000000000000";
    for (path, none) in [
        (format!("organization/{ORG_B}/"), format!("organization/{nowhere}/")),
        (format!("user/{}/", id(&gate, "uB")), format!("user/{nowhere}/")),
    ] {
        let theirs = ask(&gate, Who::mA, "GET", &format!("{path}history/"), &Value::Null);
        let nothing = ask(&gate, Who::mA, "GET", &format!("{none}history/"), &Value::Null);
        assert_eq!((theirs.status, theirs.text()), (404, nothing.text()), "{path}");
    }
    assert_eq!(ask(&gate, Who::uA, "GET", &format!("organization/{ORG_A}/history/"), &Value::Null).status, 403);
    assert_eq!(ask(&gate, Who::su, "POST", &format!("organization/{ORG_A}/history/"), &json!({})).status, 405);
}

#[test]
fn a_browser_is_shown_it_with_all_that_was_typed_as_text() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uA"));
    let markup = "<script>alert(1)</script>\u{202e}";
    assert_eq!(ask(&gate, Who::su, "PATCH", &user, &json!({ "first_name": markup })).status, 200);
    let shown = page(&gate, Who::mA, &format!("{user}history/"));
    let text = shown.text();
    assert_eq!(shown.status, 200, "{text}");
    assert!(text.contains("user.edit") && text.contains("&#60;script&#62;alert(1)"), "{text}");
    assert!(!text.contains("<script"), "{text}");
    let record = page(&gate, Who::mA, &user).text();
    assert!(record.contains(&format!("href=\"{}\"", at(&format!("{user}history/")))), "{record}");
    // Page by page, by number and by cursor.
    for number in 0..3 {
        ask(&gate, Who::su, "PATCH", &user, &json!({ "first_name": format!("n{number}") }));
    }
    let first = get(&gate, Who::mA, &format!("{user}history/?cursor=&page_size=2"));
    let next = first["next"].as_str().unwrap().split("/api/v1/users/").nth(1).unwrap().to_owned();
    let second = get(&gate, Who::mA, &next);
    let after = |line: &Value| line["changes"][0]["after"].clone();
    let told: Vec<_> =
        [&first, &second].iter().flat_map(|page| page["results"].as_array().unwrap()).map(after).collect();
    assert_eq!(told[..3], [json!("n2"), json!("n1"), json!("n0")]);
}
