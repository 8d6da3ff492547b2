//! What lets somebody in, as superusers see and end it; memberships from the user's side; and the same done to several users at once.

use super::{ask, gate, get, id};
use crate::support::{ORG_A, ORG_B, Who};
use serde_json::{Value, json};

#[test]
fn superusers_see_and_revoke_tokens_of_others_without_their_secrets() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uA"));
    let secret = gate.postern.cli(&["token", "create", "uA", "--name", "reports"]).trim().to_owned();
    let tokens = get(&gate, Who::su, &format!("{user}token/"));
    let of_it = tokens["results"].as_array().unwrap().iter().find(|token| token["name"] == "reports").unwrap();
    assert!(of_it.get("digest").is_none() && of_it.get("token").is_none());
    assert!(!secret.is_empty() && !tokens.to_string().contains(&secret));
    let one = format!("{user}token/{}/", of_it["id"].as_str().unwrap());
    for path in [format!("{user}token/"), one.clone(), format!("{user}session/")] {
        assert_eq!(ask(&gate, Who::mA, "GET", &path, &Value::Null).status, 403, "{path}");
        assert_eq!(ask(&gate, Who::nobody, "GET", &path, &Value::Null).status, 401, "{path}");
    }
    assert_eq!(ask(&gate, Who::mA, "POST", &format!("{one}revoke/"), &json!({})).status, 403);
    // Below another user it is not there.
    let other = one.replace(&user, &format!("user/{}/", id(&gate, "mA")));
    assert_eq!(ask(&gate, Who::su, "GET", &other, &Value::Null).status, 404);
    assert_eq!(ask(&gate, Who::su, "DELETE", &other, &Value::Null).status, 404);
    let revoked = ask(&gate, Who::su, "POST", &format!("{one}revoke/"), &json!({}));
    assert_eq!((revoked.status, &revoked.json()["state"]), (200, &json!("revoked")), "{}", revoked.text());
    assert_eq!(ask(&gate, Who::su, "DELETE", &one, &Value::Null).status, 204);
    assert_eq!(ask(&gate, Who::su, "GET", &one, &Value::Null).status, 404);
    assert_eq!(get(&gate, Who::su, &format!("{user}session/"))["count"], 0);
}

#[test]
fn memberships_are_made_and_changed_from_the_user_s_side_too() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uB"));
    let tie = |organization: &str, is_admin: bool| json!({ "organization": organization, "is_admin": is_admin });
    let list = format!("{user}membership/");
    let made = ask(&gate, Who::su, "POST", &list, &tie(ORG_A, false));
    assert_eq!(made.status, 201, "{}", made.text());
    let one = made.header("location").unwrap().trim_start_matches("/api/v1/users/").to_owned();
    assert_eq!(get(&gate, Who::su, &one)["level"], "member");
    let again = ask(&gate, Who::su, "POST", &list, &tie(ORG_A, true));
    assert!(again.status == 400 && again.json().get("organization").is_some(), "{}", again.text());
    // A manager sees and makes memberships of their own organizations alone.
    let seen = get(&gate, Who::mA, &list);
    assert_eq!((&seen["count"], &seen["results"][0]["slug"]), (&json!(1), &json!("a")), "{seen}");
    assert_eq!(ask(&gate, Who::mA, "PATCH", &one, &json!({ "is_admin": true })).json()["level"], "manager");
    let of_b = format!("{user}membership/{ORG_B}/");
    assert_eq!(ask(&gate, Who::mA, "GET", &of_b, &Value::Null).status, 404);
    let foreign = ask(&gate, Who::mA, "POST", &list, &tie(ORG_B, true));
    let none = ask(&gate, Who::mA, "POST", &list, &tie("00000000-0000-4000-8000-000000000000", true));
    assert_eq!((foreign.status, foreign.text()), (400, none.text()));
    // The owner stays.
    let owner = format!("user/{}/membership/{ORG_A}/", id(&gate, "oA"));
    assert_eq!(ask(&gate, Who::su, "DELETE", &owner, &Value::Null).status, 400);
    assert_eq!(ask(&gate, Who::mA, "DELETE", &one, &Value::Null).status, 204);
}

#[test]
fn several_users_are_deactivated_at_once_by_the_rules_of_one() {
    let gate = gate();
    let [ua, both, owner, stranger, su] = ["uA", "both", "oA", "uB", "su"].map(|name| id(&gate, name));
    let ask_for = |who, action: &str, users: &[&String]| {
        ask(&gate, who, "POST", "user/bulk/", &json!({ "action": action, "users": users }))
    };
    let done = ask_for(Who::mA, "deactivate", &[&ua, &both, &owner, &stranger, &su]);
    assert_eq!(done.status, 200, "{}", done.text());
    let told = done.json();
    let mut changed: Vec<_> = told["changed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["both", "uA"]);
    let refused = told["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 3, "{told}");
    assert!(refused.iter().any(|one| one["user"] == "oA"), "{told}");
    // Of whom a manager does not see they are told no more than they have sent.
    let text = told.to_string();
    assert!(!text.contains("\"uB\"") && !text.contains("\"su\""), "{text}");
    assert_eq!(get(&gate, Who::su, &format!("user/{owner}/"))["is_active"], true);
    assert_eq!(get(&gate, Who::su, &format!("user/{ua}/"))["is_active"], false);
    assert_eq!(ask(&gate, Who::uA, "GET", "me/", &Value::Null).status, 401, "at once");
    assert_eq!(ask_for(Who::mA, "activate", &[&ua]).json()["changed"], json!(["uA"]));
    let history = get(&gate, Who::mA, &format!("user/{ua}/history/"));
    assert_eq!(history["results"][0]["changes"][0]["field"], "is_active");

    // Nobody is woken up after their last day, of several neither.
    gate.postern.sql("UPDATE users SET is_active = 0, expiration_date = '2001-01-01' WHERE username = 'both'");
    let told = ask_for(Who::su, "activate", &[&both, &ua]).json();
    assert_eq!((&told["changed"], &told["refused"][0]["user"]), (&json!(["uA"]), &json!("both")));
    assert!(
        told["refused"][0]["detail"].as_str().unwrap().starts_with("Cannot activate an expired account."),
        "{told}"
    );

    assert_eq!(ask_for(Who::uA, "deactivate", &[&both]).status, 403);
    for (action, users) in [("delete", vec![&ua]), ("deactivate", vec![]), ("deactivate", vec![&ua; 101])] {
        assert_eq!(ask_for(Who::su, action, &users).status, 400, "{action} {}", users.len());
    }
}

#[test]
fn who_holds_a_group_or_a_role_is_told_of_those_whom_one_sees() {
    let gate = gate();
    let group = get(&gate, Who::su, "group/?name=admins")["results"][0]["id"].clone();
    let names = |who: Who, path: &str| {
        let found = get(&gate, who, path);
        let users = found["results"].as_array().unwrap().iter();
        users.map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(Who::su, &format!("group/{group}/user/")), ["gone", "mA", "uB"]);
    assert_eq!(names(Who::mA, &format!("group/{group}/user/")), ["mA"]);
    let new = json!({ "name": "night", "permissions": [], "add": ["uA", "both"] });
    let made = ask(&gate, Who::mA, "POST", &format!("organization/{ORG_A}/role/"), &new);
    let role = made.header("location").unwrap().trim_start_matches("/api/v1/users/").to_owned();
    assert_eq!(names(Who::mA, &format!("{role}user/?ordering=username")), ["both", "uA"]);
    assert_eq!(ask(&gate, Who::uB, "GET", &format!("{role}user/"), &Value::Null).status, 404);
    // What a role has stays when somebody saves it who lacks it; nobody gives more.
    let all = json!({ "permissions": ["config.add_device"] });
    assert_eq!(ask(&gate, Who::su, "PATCH", &role, &all).status, 200);
    let renamed = json!({ "name": "night shift", "permissions": ["config.add_device"] });
    assert_eq!(ask(&gate, Who::mA, "PUT", &role, &renamed).status, 200);
    assert_eq!(ask(&gate, Who::mA, "PATCH", &role, &json!({ "permissions": [] })).status, 200);
    assert_eq!(ask(&gate, Who::mA, "PATCH", &role, &all).status, 403);
    // An owner, by the name of a member.
    let owner = json!({ "owner": { "organization_user": "both" } });
    let organization = format!("organization/{ORG_A}/");
    assert_eq!(ask(&gate, Who::su, "PATCH", &organization, &owner).status, 200);
    // However long the name is.
    for name in ["uB".to_owned(), "x".repeat(150)] {
        let nobody = json!({ "owner": { "organization_user": name } });
        let refused = ask(&gate, Who::su, "PATCH", &organization, &nobody);
        assert!(refused.status == 400 && refused.text().contains("There is no such member."), "{}", refused.text());
    }
}
