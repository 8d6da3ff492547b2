//! What one tenant can do to another, and learn of it: nothing.

use super::{ask, gate, get, id};
use crate::support::{ORG_A, ORG_B, Who};
use serde_json::{Value, json};

#[test]
fn a_manager_sees_the_members_of_their_organizations_and_nobody_else() {
    let gate = gate();
    let seen = get(&gate, Who::mA, "user/?ordering=username");
    let names: Vec<_> = seen["results"].as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
    assert_eq!(names, ["both", "mA", "oA", "off", "uA"]);
    assert_eq!(seen["count"], 5, "the count too is of what they see");
    assert!(seen["results"][0].get("is_superuser").is_none());
    assert_eq!(get(&gate, Who::mA, "organization/")["count"], 1);
    for stranger in ["uB", "su", "gone"] {
        let of_them = id(&gate, stranger);
        let nobody = format!("user/{}/", "00000000-0000-4000-8000-000000000000");
        for (method, body) in [("GET", Value::Null), ("PATCH", json!({ "first_name": "x" })), ("DELETE", Value::Null)] {
            let one = ask(&gate, Who::mA, method, &format!("user/{of_them}/"), &body);
            let other = ask(&gate, Who::mA, method, &nobody, &body);
            assert_eq!((one.status, one.text()), (other.status, other.text()), "{method} {stranger}");
            assert_eq!(one.status, 404);
        }
        let emails = ask(&gate, Who::mA, "GET", &format!("user/{of_them}/email/"), &Value::Null);
        assert_eq!(emails.status, 404);
    }
    // Nothing of a search or a filter reaches further.
    for query in ["search=uB", "username=su", "id=bbbbbbbb-0000-4000-8000-00000000000b"] {
        assert_eq!(get(&gate, Who::mA, &format!("user/?{query}"))["count"], 0, "{query}");
    }
    for path in ["member/", "role/"] {
        let theirs = ask(&gate, Who::mA, "GET", &format!("organization/{ORG_B}/{path}"), &Value::Null);
        let nothing = "organization/00000000-0000-4000-8000-000000000000";
        let none = ask(&gate, Who::mA, "GET", &format!("{nothing}/{path}"), &Value::Null);
        assert_eq!((theirs.status, theirs.text()), (404, none.text()), "{path}");
    }
    // A manager of nothing that is active: permissions give no rows.
    assert_eq!(get(&gate, Who::uB, "user/")["count"], 0);
    assert_eq!(get(&gate, Who::gone, "organization/")["count"], 0);
    assert_eq!(ask(&gate, Who::uA, "GET", "user/", &Value::Null).status, 403, "no permission at all");
}

#[test]
fn owners_are_changed_by_superusers_and_themselves_alone() {
    let gate = gate();
    let owner = format!("user/{}/", id(&gate, "oA"));
    let password =
        json!({ "current_password": null, "new_password": "a-new-one-1", "confirm_password": "a-new-one-1" });
    for (method, path, body) in [
        ("PATCH", owner.clone(), json!({ "first_name": "x" })),
        ("PATCH", owner.clone(), json!({ "is_active": false })),
        ("DELETE", owner.clone(), Value::Null),
        ("PUT", format!("{owner}password/"), password.clone()),
        ("POST", format!("{owner}email/"), json!({ "email": "eve@x.example" })),
    ] {
        let refused = ask(&gate, Who::mA, method, &path, &body);
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
    }
    let take = json!({ "owner": { "organization_user": null } });
    assert_eq!(ask(&gate, Who::mA, "PATCH", &format!("organization/{ORG_A}/"), &take).status, 403);
    assert_eq!(ask(&gate, Who::su, "PATCH", &owner, &json!({ "first_name": "Ann" })).status, 200);
    assert_eq!(ask(&gate, Who::su, "PUT", &format!("{owner}password/"), &password).status, 200);
    assert_eq!(ask(&gate, Who::su, "DELETE", &owner, &Value::Null).status, 400, "ownership moves first");
}

#[test]
fn nobody_gives_what_they_lack() {
    let gate = gate();
    let groups = get(&gate, Who::su, "group/?name=devices");
    let devices = groups["results"][0]["id"].clone();
    let admins = get(&gate, Who::su, "group/?name=admins")["results"][0]["id"].clone();
    let member = format!("user/{}/", id(&gate, "uA"));
    assert_eq!(ask(&gate, Who::mA, "PATCH", &member, &json!({ "groups": [devices] })).status, 403);
    assert_eq!(ask(&gate, Who::mA, "PATCH", &member, &json!({ "is_staff": true })).status, 403);
    let told = ask(&gate, Who::mA, "PATCH", &member, &json!({ "is_superuser": true, "user_permissions": [1] }));
    assert_eq!(told.status, 200, "not fields of theirs");
    assert_eq!(get(&gate, Who::su, &member)["is_superuser"], false);
    assert_eq!(
        ask(&gate, Who::mA, "PATCH", &member, &json!({ "groups": [admins] })).status,
        200,
        "what they have themselves"
    );
    assert_eq!(get(&gate, Who::su, &member)["groups"], json!([admins]));
}

#[test]
fn a_manager_makes_users_in_their_organizations_alone() {
    let gate = gate();
    let new = |ties: Value| json!({ "username": "new", "email": "new@x.example", "password": "Tr0ub4dor&3x", "organization_users": ties });
    let tie = |id: &str| json!({ "organization": id, "is_admin": false });
    let mut nowhere = new(json!([]));
    nowhere.as_object_mut().unwrap().remove("organization_users");
    let refused = ask(&gate, Who::mA, "POST", "user/", &nowhere);
    assert_eq!(refused.json(), json!({ "organization_users": ["This field is required."] }));
    let foreign = ask(&gate, Who::mA, "POST", "user/", &new(json!([tie(ORG_A), tie(ORG_B)])));
    assert_eq!(foreign.status, 400);
    assert!(foreign.text().contains("object does not exist"), "{}", foreign.text());
    let mut weak = new(json!([tie(ORG_A)]));
    weak["password"] = "password".into();
    let refused = ask(&gate, Who::mA, "POST", "user/", &weak);
    assert_eq!(refused.json(), json!({ "password": ["This password is too common."] }));
    let made = ask(&gate, Who::mA, "POST", "user/", &new(json!([tie(ORG_A)])));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["organization_users"], json!([{ "is_admin": false, "organization": ORG_A }]));
    let one = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    // A membership that is sent again stays; several may be sent at once.
    let both = json!({ "organization_users": [tie(ORG_A), { "organization": ORG_B, "is_admin": true }] });
    let edited = ask(&gate, Who::su, "PATCH", &one, &both);
    assert_eq!(edited.json()["organization_users"].as_array().unwrap().len(), 2, "{}", edited.text());
    let login = json!({ "username": "new", "password": "Tr0ub4dor&3x" });
    assert_eq!(ask(&gate, Who::nobody, "POST", "token/", &login).status, 200);
}

#[test]
fn nobody_tries_a_list_of_whom_others_have() {
    let gate = gate();
    let new = |name: &str, email: &str| {
        let ties = json!([{ "organization": ORG_A, "is_admin": false }]);
        json!({ "username": name, "email": email, "password": "tester-of-9-tags", "organization_users": ties })
    };
    let emails = format!("user/{}/email/", id(&gate, "uB"));
    ask(&gate, Who::su, "POST", &emails, &json!({ "email": "verified@b.example" }));
    gate.postern.sql("UPDATE email_addresses SET verified = 1 WHERE email = 'verified@b.example'");
    // Whoever has it, and however it is written, the answer is one.
    gate.postern.sql("UPDATE users SET email = 'uB@b.example' WHERE username = 'uB'");
    let said = |email: &str| ask(&gate, Who::mA, "POST", "user/", &new("fresh", email)).text();
    assert_eq!(said("uB@b.example"), said("ub@B.example"));
    assert_eq!(said("uB@b.example"), said("ma@a.example"));
    // What is free costs nothing.
    for number in 0..40 {
        let made =
            ask(&gate, Who::mA, "POST", "user/", &new(&format!("free{number}"), &format!("free{number}@a.example")));
        assert_eq!(made.status, 201, "{number}: {}", made.text());
    }
    let of_ann = format!("user/{}/email/", id(&gate, "uA"));
    let taken: Vec<u16> = (0..40)
        .map(|number| match number % 3 {
            0 => ask(&gate, Who::mA, "POST", "user/", &new("su", "x@a.example")),
            1 => ask(&gate, Who::mA, "PATCH", &of_ann.replace("email/", ""), &json!({ "username": "uB" })),
            _ => ask(&gate, Who::mA, "POST", &of_ann, &json!({ "email": "verified@b.example" })),
        })
        .map(|answer| answer.status)
        .collect();
    // 30 in an hour, four of them above; a slow machine sees one come back in two minutes.
    let told = taken.iter().filter(|status| **status == 400).count();
    assert!((26..=28).contains(&told) && taken.iter().all(|status| matches!(status, 400 | 429)), "{taken:?}");
    let free = ask(&gate, Who::mA, "POST", "user/", &new("freer", "freer@a.example"));
    assert_eq!((free.status, free.header("retry-after").is_some()), (429, true), "nor is it told what is free");
    assert_eq!(
        ask(&gate, Who::su, "POST", "user/", &new("su", "x@a.example")).status,
        400,
        "a superuser sees all anyway"
    );
}
