//! The identity API's records over HTTP, by the safe rules: who sees what, who may change whom, and what is told of others.

mod access;
mod compat;
mod cursors;
mod description;
mod engines;
mod fields;
mod history;
mod large;
mod letters;
mod links;
mod once;
mod own;
pub mod pages;
mod schemathesis;
mod tenants;
mod twins;
mod versions;

use crate::support::{Answer, Gate, ORG_A, ORG_B, Options, Who, World, request};
pub use pages::{axe, escaped};
use serde_json::{Value, json};

/// What Administrators may, in openwisp-users.
const ADMINISTRATOR: &str = "\
openwisp_users.add_user openwisp_users.change_user openwisp_users.delete_user openwisp_users.view_user \
openwisp_users.view_group openwisp_users.add_organizationuser openwisp_users.change_organizationuser \
openwisp_users.delete_organizationuser openwisp_users.view_organizationuser openwisp_users.change_organization \
openwisp_users.add_role openwisp_users.change_role openwisp_users.delete_role openwisp_users.view_role \
account.view_emailaddress account.change_emailaddress account.delete_emailaddress account.add_emailaddress auth.view_permission";

pub const ROUTES: &str = "version: 1\nupstream: echo\nroutes:\n  /me/**: authenticated\n";

/// A gate that serves the records; managers of the tests' organizations are administrators, and there is a group of operators.
pub fn gate() -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = "identity:\n  api: all\n  passwords: { memory: 64KiB, passes: 1 }\n".to_owned();
    let gate = Gate::with(&options);
    permit(&gate);
    gate
}

/// Makes administrators of the managers, and a group of operators.
fn permit(gate: &Gate) {
    // The others are there from the beginning.
    let more = ADMINISTRATOR.split(' ').filter(|name| name.ends_with("_role") || name.starts_with('a'));
    for name in more.chain(["config.add_device"]) {
        gate.postern.cli(&["permission", "create", name, "--if-absent"]);
    }
    let permissions = ADMINISTRATOR.replace(' ', ",");
    let users = "mA,gone,uB";
    gate.postern.cli(&["group", "create", "admins", "--permission", &permissions, "--user", users]);
    gate.postern.cli(&["group", "create", "devices", "--permission", "config.add_device"]);
}

pub fn ask(gate: &Gate, who: Who, method: &str, path: &str, body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers: &[_] = if body.is_null() { &[] } else { &[("Content-Type", "application/json")] };
    let target = format!("/api/v1/users/{path}");
    let answer = gate.send(request(who, method, &target, headers, &text));
    description::of(&gate.postern).covers(method, &target, &answer);
    answer
}

pub fn get(gate: &Gate, who: Who, path: &str) -> Value {
    let answer = ask(gate, who, "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// The id of a user.
pub fn id(gate: &Gate, username: &str) -> String {
    // With `compat: openwisp` the list takes no such filter, and tells of everybody.
    let found = get(gate, Who::su, &format!("user/?username={username}&page_size=100"));
    let users = found["results"].as_array().unwrap().iter();
    let id = users.filter(|user| user["username"] == username).find_map(|user| user["id"].as_str());
    id.unwrap_or_else(|| panic!("no {username}: {found}")).to_owned()
}

#[test]
fn everybody_knows_who_they_are() {
    let gate = gate();
    let me = get(&gate, Who::oA, "me/");
    assert_eq!((me["username"].as_str(), me["is_superuser"].as_bool()), (Some("oA"), Some(false)));
    assert_eq!(me["organizations"][ORG_A], json!({ "slug": "a", "name": "A", "is_admin": false, "is_owner": true }));
    assert_eq!((&me["organizations_managed"], &me["organizations_owned"]), (&json!([ORG_A]), &json!([ORG_A])));
    assert_eq!(get(&gate, Who::gone, "me/")["organizations"], json!({}), "of a disabled one nobody is a member");
    let administrator = get(&gate, Who::mA, "me/");
    assert_eq!(administrator["groups"], json!(["admins"]));
    assert!(administrator["permissions"].as_array().unwrap().contains(&json!("openwisp_users.change_user")));
    let nobody = ask(&gate, Who::nobody, "GET", "me/", &Value::Null);
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(ask(&gate, Who::su, "POST", "me/", &Value::Null).status, 405);
}

/// Who reads is known from memory, which has heard of a change by the time that it is answered.
#[test]
fn what_was_just_changed_counts_with_the_next_request() {
    let gate = gate();
    let user = format!("user/{}/", id(&gate, "uA"));
    assert_eq!(get(&gate, Who::uA, "me/")["is_staff"], false);
    for round in 0..20 {
        let is_even = round % 2 == 0;
        assert_eq!(ask(&gate, Who::su, "PATCH", &user, &json!({ "is_staff": is_even })).status, 200);
        assert_eq!(get(&gate, Who::uA, "me/")["is_staff"], is_even, "round {round}");
    }
    for (is_active, status) in [(false, 401), (true, 200), (false, 401)] {
        assert_eq!(ask(&gate, Who::su, "PATCH", &user, &json!({ "is_active": is_active })).status, 200);
        assert_eq!(ask(&gate, Who::uA, "GET", "me/", &Value::Null).status, status);
    }
}

#[test]
fn lists_are_filtered_searched_ordered_and_paged() {
    let gate = gate();
    let names = |query: &str| {
        let found = get(&gate, Who::su, &format!("user/?{query}"));
        let names =
            found["results"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), found["count"].as_u64().unwrap())
    };
    assert_eq!(names("is_superuser=true"), (vec!["su".to_owned()], 1));
    assert_eq!(names("search=A.EXAMPLE"), (vec!["mA".to_owned()], 1));
    assert_eq!(names("ordering=username&page_size=2").0, ["both", "gone"]);
    assert_eq!(names("ordering=-username&page_size=2").0, ["uB", "uA"]);
    let page = get(&gate, Who::su, "user/?ordering=username&page_size=3&page=2");
    assert_eq!(page["count"], 8);
    let next = "http://api.example.com/api/v1/users/user/?ordering=username&page=3&page_size=3";
    let previous = "http://api.example.com/api/v1/users/user/?ordering=username&page_size=3";
    assert_eq!((page["next"].as_str(), page["previous"].as_str()), (Some(next), Some(previous)));
    for (query, status) in
        [("page=4&page_size=3", 404), ("page=0", 404), ("is_active=maybe", 400), ("ordering=password", 400)]
    {
        assert_eq!(ask(&gate, Who::su, "GET", &format!("user/?{query}"), &Value::Null).status, status, "{query}");
    }
}

#[test]
fn members_come_and_go_and_the_first_manager_owns() {
    let gate = gate();
    let members = format!("organization/{ORG_A}/member/");
    assert_eq!(get(&gate, Who::mA, &members)["count"], 5);
    let made = ask(&gate, Who::su, "POST", &members, &json!({ "user": "uB", "is_admin": true }));
    assert_eq!((made.status, made.json()["level"].as_str()), (201, Some("manager")), "{}", made.text());
    let of_bob = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    let again = ask(&gate, Who::su, "POST", &members, &json!({ "user": "uB" }));
    assert_eq!((again.status, again.text().contains("already a member")), (400, true));
    let nobody = ask(&gate, Who::mA, "POST", &members, &json!({ "user": "nobody" }));
    assert_eq!(nobody.json(), json!({ "user": ["There is no such user."] }));
    let edited = ask(&gate, Who::mA, "PATCH", &of_bob, &json!({ "is_admin": false }));
    assert_eq!((edited.status, edited.json()["level"].as_str()), (200, Some("member")));
    let of_owner = format!("organization/{ORG_A}/member/{}/", id(&gate, "oA"));
    assert_eq!(ask(&gate, Who::su, "DELETE", &of_owner, &Value::Null).status, 400, "who owns it stays");
    assert_eq!(ask(&gate, Who::mA, "DELETE", &of_bob, &Value::Null).status, 204);
    assert_eq!(ask(&gate, Who::mA, "GET", &of_bob, &Value::Null).status, 404);
}

#[test]
fn roles_are_an_organization_s_and_give_no_more_than_their_giver_has() {
    let gate = gate();
    let roles = format!("organization/{ORG_A}/role/");
    let new = json!({ "name": "installers", "permissions": ["config.add_device"], "add": ["uA"] });
    assert_eq!(ask(&gate, Who::mA, "POST", &roles, &new).status, 403, "they lack config.add_device");
    let made = ask(&gate, Who::su, "POST", &roles, &new);
    assert_eq!((made.status, made.json()["users"].as_u64()), (201, Some(1)), "{}", made.text());
    assert_eq!(
        ask(&gate, Who::su, "POST", &roles, &new).json(),
        json!({ "name": ["role with this name already exists."] })
    );
    let one = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    assert_eq!(get(&gate, Who::mA, &one)["permissions"], json!(["config.add_device"]));
    let me = get(&gate, Who::uA, "me/");
    assert_eq!(me["organization_permissions"][ORG_A], json!(["config.add_device"]));
    let stranger = ask(&gate, Who::su, "PATCH", &one, &json!({ "add": ["uB"] }));
    assert_eq!(stranger.json(), json!({ "add": ["There is no such member."] }));
    let emptied = ask(&gate, Who::mA, "PATCH", &one, &json!({ "remove": ["uA"], "permissions": [] }));
    assert_eq!((emptied.status, emptied.json()["users"].as_u64()), (200, Some(0)), "{}", emptied.text());
    assert_eq!(ask(&gate, Who::mA, "DELETE", &one, &Value::Null).status, 204);
    // What counts everywhere is for superusers alone.
    assert_eq!(ask(&gate, Who::mA, "GET", "super-role/", &Value::Null).status, 403);
    let everywhere = ask(&gate, Who::su, "POST", "super-role/", &json!({ "name": "root", "add": ["uB"] }));
    assert_eq!(
        (everywhere.status, everywhere.json()["is_super"].as_bool()),
        (201, Some(true)),
        "{}",
        everywhere.text()
    );
    assert_eq!(get(&gate, Who::su, "super-role/")["count"], 1);
}

#[test]
fn permissions_are_made_by_superusers_before_they_are_given() {
    let gate = gate();
    let new = json!({ "codename": "shop.sell", "name": "May sell" });
    assert_eq!(ask(&gate, Who::mA, "POST", "permission/", &new).status, 403);
    let made = ask(&gate, Who::su, "POST", "permission/", &new);
    assert_eq!(made.status, 201, "{}", made.text());
    let taken = ask(&gate, Who::su, "POST", "permission/", &new);
    assert_eq!(taken.json(), json!({ "codename": ["permission with this codename already exists."] }));
    let one = format!("permission/{}/", made.json()["id"]);
    assert_eq!(ask(&gate, Who::su, "PATCH", &one, &json!({ "name": "Sells" })).json()["name"], "Sells");
    assert_eq!(get(&gate, Who::mA, "permission/?search=sells")["count"], 1);
    assert_eq!(ask(&gate, Who::su, "DELETE", &one, &Value::Null).status, 204);
    assert_eq!(ask(&gate, Who::su, "GET", &one, &Value::Null).status, 404);
}

#[test]
fn whoever_asks_has_named_tokens_that_are_narrowed_rotated_and_revoked() {
    let gate = gate();
    let with = |token: &str, method: &str, path: &str| {
        gate.send(format!("{method} /api/v1/users/{path} HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"))
    };
    let new = json!({ "name": "ci", "read_only": true, "expires_at": "2099-01-31T12:00:00+01:00" });
    let made = ask(&gate, Who::uA, "POST", "me/token/", &new);
    assert_eq!(
        (made.status, made.json()["expires_at"].as_str()),
        (201, Some("2099-01-31T11:00:00Z")),
        "{}",
        made.text()
    );
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    let one = made.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    assert_eq!((with(&secret, "GET", "me/").status, with(&secret, "POST", "me/token/").status), (200, 403));
    let listed = get(&gate, Who::uA, "me/token/?name=ci");
    assert_eq!((listed["count"].as_u64(), listed["results"][0]["read_only"].as_bool()), (Some(1), Some(true)));
    assert!(!listed.to_string().contains(&secret) && listed["results"][0].get("token").is_none());
    assert_eq!(ask(&gate, Who::uB, "GET", &one, &Value::Null).status, 404, "theirs alone");
    let rotated = ask(&gate, Who::uA, "POST", &format!("{one}rotate/"), &json!({}));
    let fresh = rotated.json()["token"].as_str().unwrap().to_owned();
    assert_eq!((with(&secret, "GET", "me/").status, with(&fresh, "GET", "me/").status), (401, 200));
    for (body, field) in [
        (json!({ "name": "x", "organizations": [ORG_B] }), "organizations"),
        (json!({ "name": "x", "permissions": ["nothing"] }), "permissions"),
        (json!({ "name": "x", "expires_at": "tomorrow" }), "expires_at"),
        (json!({}), "name"),
    ] {
        let refused = ask(&gate, Who::uA, "POST", "me/token/", &body);
        assert!(refused.status == 400 && refused.json().get(field).is_some(), "{body}: {}", refused.text());
    }
    let revoked = ask(&gate, Who::uA, "POST", &format!("{one}revoke/"), &Value::Null);
    assert_eq!(revoked.json()["state"], "revoked");
    assert_eq!(with(&fresh, "GET", "me/").status, 401);
    assert_eq!(ask(&gate, Who::uA, "DELETE", &one, &Value::Null).status, 204);
}

#[test]
fn the_command_line_tells_who_somebody_is_as_the_api_does() {
    let gate = gate();
    let token = World::get().token(Who::mA).unwrap();
    let me = get(&gate, Who::mA, "me/");
    for told in [
        gate.postern.cli_with(&["me", "--json"], &format!("{token}\n")),
        gate.postern.cli(&["me", "--user", "mA", "--json"]),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), me);
    }
    let shown = gate.postern.cli_with(&["me"], token);
    assert!(shown.contains("username\tmA") && shown.contains("a:manager"), "{shown}");
    let refused = gate.postern.try_cli_with(&["me"], "pst_nobody").unwrap_err();
    assert!(refused.contains("nobody's") && !refused.contains("pst_"), "{refused}");
    let inactive = gate.postern.try_cli_with(&["me"], World::get().token(Who::off).unwrap());
    assert!(inactive.unwrap_err().contains("inactive"));
}
