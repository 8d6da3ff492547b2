//! Magic links, and who may make one for whom.

use super::{ADMINISTRATOR, ROUTES, ask, get, id};
use crate::support::{Gate, ORG_A, ORG_B, Options, Postern, Upstream, Who};
use serde_json::{Value, json};

const MINT: &str = "openwisp_users.add_magiclink";

/// A gate that makes links; mA is an administrator who may.
fn gate() -> Gate {
    let mut options =
        Options::policy(ROUTES.replace("upstream: echo", "upstream: echo\nauthenticate: [bearer, sesame]"));
    options.config = "public_url: https://app.example.com\nidentity:\n  api: all\n  \
                      sesame: { key: { file: django.key }, max_age: 5m, query: key, scope: gate }\n  passwords: { memory: 64KiB, passes: 1 }\n"
        .to_owned();
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), "a-key-that-nobody-guesses").unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    let more = ADMINISTRATOR.split(' ').filter(|name| name.ends_with("_role") || name.starts_with('a'));
    for name in more.chain(["config.add_device", MINT]) {
        gate.postern.cli(&["permission", "create", name, "--if-absent"]);
    }
    let permissions = format!("{},{MINT}", ADMINISTRATOR.replace(' ', ","));
    gate.postern.cli(&["group", "create", "admins", "--permission", &permissions, "--user", "mA"]);
    gate
}

fn mint(gate: &Gate, who: Who, whose: &str) -> (u16, Value) {
    let made = ask(gate, who, "POST", &format!("user/{}/magic-link/", id(gate, whose)), &json!({}));
    (made.status, serde_json::from_str(&made.text()).unwrap_or_default())
}

#[test]
fn a_link_logs_in_whom_it_was_made_for_and_leaves_a_line() {
    let gate = gate();
    let (status, made) = mint(&gate, Who::mA, "uA");
    assert_eq!((status, made["username"].as_str()), (200, Some("uA")), "{made}");
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["link"], format!("https://app.example.com/?key={token}"));
    assert!(made["expires_at"].as_str().unwrap().ends_with('Z'));
    let used = gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: sesame {token}\r\n\r\n"));
    assert_eq!(used.status, 200, "{}", used.text());
    let log = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    let line = log.lines().find(|line| line.contains("user.magic-link")).unwrap_or_else(|| panic!("{log}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["who"], json!({ "via": "api", "user": id(&gate, "mA") }));
    assert_eq!(line["after"]["username"], "uA");
    assert!(!log.contains(token));
}

#[test]
fn a_link_is_for_what_it_is_made_for_and_good_no_longer_than_links_are() {
    let gate = gate();
    let of_ann = format!("user/{}/magic-link/", id(&gate, "uA"));
    let make = |body: Value| ask(&gate, Who::mA, "POST", &of_ann, &body);
    let passes = |token: &str| {
        gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: sesame {token}\r\n\r\n")).status == 200
    };
    let (usual, short) = (make(json!({})).json(), make(json!({ "max_age": "60s" })).json());
    let end = |made: &Value| made["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert!((end(&usual) - end(&short) - 240).abs() < 10, "{usual} {short}");
    assert!(passes(short["token"].as_str().unwrap()));
    let own = make(json!({ "scope": "gate" })).json();
    assert!(own["link"].is_string() && passes(own["token"].as_str().unwrap()), "{own}");
    let other = make(json!({ "scope": "reports" })).json();
    assert_eq!(other["link"], Value::Null, "{other}");
    assert!(!passes(other["token"].as_str().unwrap()));
    for (age, problem) in
        [("1h", "No link is good for so long."), ("soon", "It is a number and a unit"), ("0s", "It is a number")]
    {
        let refused = make(json!({ "max_age": age }));
        let told = refused.json();
        assert_eq!(refused.status, 400, "{told}");
        assert!(told["max_age"][0].as_str().is_some_and(|text| text.starts_with(problem)), "{told}");
    }
}

#[test]
fn nobody_makes_a_link_of_somebody_with_more_rights_than_their_own() {
    let gate = gate();
    assert_eq!(mint(&gate, Who::uA, "uA").0, 403, "no permission");
    for (whose, status) in
        [("su", 404), ("uB", 404), ("oA", 403), ("both", 403), ("uA", 200), ("mA", 200), ("off", 400)]
    {
        let (made, told) = mint(&gate, Who::mA, whose);
        assert_eq!(made, status, "{whose}: {told}");
        assert!(status == 200 || told.get("token").is_none());
    }
    assert_eq!(mint(&gate, Who::su, "oA").0, 200);
    // Whatever they get besides is more: a permission, a group, a role, a flag, a level elsewhere.
    let of_ann = format!("user/{}/", id(&gate, "uA"));
    let number = get(&gate, Who::su, "permission/?codename=config.add_device")["results"][0]["id"].clone();
    let devices = ask(&gate, Who::su, "POST", "group/", &json!({ "name": "devices" })).json()["id"].clone();
    let role = json!({ "name": "installers", "permissions": ["config.add_device"], "add": ["uA"] });
    let role = ask(&gate, Who::su, "POST", &format!("organization/{ORG_A}/role/"), &role);
    let role = role.header("location").unwrap().strip_prefix("/api/v1/users/").unwrap().to_owned();
    assert_eq!(mint(&gate, Who::mA, "uA").0, 403, "a role");
    ask(&gate, Who::su, "DELETE", &role, &Value::Null);
    assert_eq!(mint(&gate, Who::mA, "uA").0, 200);
    for (more, less) in [
        (json!({ "user_permissions": [number] }), json!({ "user_permissions": [] })),
        (json!({ "groups": [devices] }), json!({ "groups": [] })),
        (json!({ "is_staff": true }), json!({ "is_staff": false })),
    ] {
        assert_eq!(ask(&gate, Who::su, "PATCH", &of_ann, &more).status, 200);
        assert_eq!(mint(&gate, Who::mA, "uA").0, 403, "{more}");
        assert_eq!(ask(&gate, Who::su, "PATCH", &of_ann, &less).status, 200);
        assert_eq!(mint(&gate, Who::mA, "uA").0, 200, "{less}");
    }
    let tie = json!({ "organization_users": [{ "organization": ORG_B, "is_admin": false }] });
    assert_eq!(ask(&gate, Who::su, "PATCH", &of_ann, &tie).status, 200);
    assert_eq!(mint(&gate, Who::mA, "uA").0, 403, "a member of another tenant");
}

#[test]
fn there_are_no_links_where_nobody_takes_them() {
    let gate = super::gate();
    let path = format!("user/{}/magic-link/", id(&gate, "uA"));
    assert_eq!(ask(&gate, Who::su, "POST", &path, &json!({})).status, 404);
}
