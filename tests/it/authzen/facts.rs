//! What the mapping says: routes of the policy, organizations, permissions.

use super::{Desk, asker, question};
use crate::support::{Gate, ORG_A, ORG_B, ORG_GONE, Options, ROUTES, Upstream, Who, World, eventually, get};
use serde_json::{Value, json};

fn route(id: &str) -> Value {
    json!({ "type": "route", "id": id })
}

fn organization(id: &str) -> Value {
    json!({ "type": "organization", "id": id })
}

/// What is answered is what the gateway does with the same request of the same person.
#[test]
fn a_route_is_decided_as_its_request_would_be() {
    let desk = Desk::new(ROUTES, "authzen: on\n");
    let world = World::get();
    let a = format!("/api/v1/id/{ORG_A}/x");
    let b = format!("/api/v1/id/{ORG_B}/x");
    let gone = format!("/api/v1/id/{ORG_GONE}/x");
    let targets = [
        "/public/x",
        "/optional/x",
        "/me/x",
        "/admin/x",
        "/closed/x",
        "/exact",
        "/exact/",
        "/none",
        "/readonly",
        "/api/v1/org/a/x",
        "/api/v1/org/b/x",
        "/api/v1/org/gone/x",
        "/api/v1/org/none/x",
        "/api/v1/owner/a",
        "/query/x?organization=a",
        "/query/x?organization=b",
        "/query/x",
        "/query/x?organization=a&organization=b",
        "/mine/x",
        "/ext/admin/x",
        "/ext/me/x",
        "/me/../admin/x",
        "/me//x",
        "/me/%2e%2e/x",
        "/me/x;y",
        "me",
        "",
        &a,
        &b,
        &gone,
    ];
    let mut permitted = 0;
    for who in [Who::uA, Who::mA, Who::oA, Who::uB, Who::both, Who::gone, Who::su, Who::off] {
        for target in targets {
            for method in ["GET", "POST", "DELETE"] {
                let asked = desk.evaluate(&format!("{who:?}"), method, route(target));
                let answer = if target.starts_with('/') {
                    let token = world.token(who).unwrap();
                    desk.gate.send(format!(
                        "{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
                    ))
                } else {
                    crate::support::Answer { status: 400, ..Default::default() }
                };
                assert_eq!(asked, answer.status == 200, "{who:?} {method} {target}: {}", answer.status);
                permitted += usize::from(asked);
            }
        }
    }
    assert!(permitted > 100, "{permitted}");
    // Nobody's request is a question too.
    for (target, expected) in [("/public/x", true), ("/optional/x", true), ("/me/x", false)] {
        let mut asked = question("", "GET", route(target));
        asked["subject"] = json!({ "type": "anonymous", "id": "" });
        assert_eq!(desk.told("/access/v1/evaluation", &asked)["decision"], expected, "{target}");
    }
    assert!(!desk.evaluate("uA", "get", route("/me/x")) && !desk.evaluate("uA", "G T", route("/me/x")));
}

#[test]
fn a_pattern_stands_for_its_route_with_the_variables_that_are_said() {
    let desk = Desk::new(ROUTES, "authzen: on\n");
    let with = |id: &str, params: Value| json!({ "type": "route", "id": id, "properties": { "params": params } });
    assert!(desk.evaluate("uA", "GET", route("/me/{anything}")));
    for (id, params, expected) in [
        ("/api/v1/org/{organization}/x", json!({ "organization": "a" }), true),
        ("/api/v1/org/{organization}/x", json!({ "organization": "b" }), false),
        ("/api/v1/org/{organization}/x", json!({}), false),
        ("/api/v1/org/{organization}/x", json!({ "other": "a" }), false),
        ("/api/v1/org/{organization}/x", json!({ "organization": "a/../../me" }), false),
        ("/api/v1/org/{org:slug}/**", json!({ "org": "a" }), true),
        ("/api/v1/org/{org:slug}/**", json!({}), false),
        ("/api/v1/id/{org:uuid}/**", json!({ "org": ORG_A }), true),
        ("/api/v1/id/{org:uuid}/**", json!({}), false),
        ("/me/{x", json!({}), false),
    ] {
        assert_eq!(desk.evaluate("uA", "GET", with(id, params)), expected, "{id}");
    }
}

#[test]
fn the_host_the_address_and_the_headers_are_those_that_are_said() {
    let policy = r#"
version: 1
upstream: echo
hosts: [one.example]
routes:
  /inside: { level: authenticated, when: 'client.within("10.0.0.0/8")' }
  /header: { org: header.X-Org as slug, level: member }
"#;
    let desk = Desk::new(policy, "authzen: on\n");
    let asked = |resource: Value, context: Value| {
        let mut asked = question("uA", "GET", resource);
        asked["context"] = context;
        desk.told("/access/v1/evaluation", &asked)
    };
    let decision = |resource: Value, context: Value| asked(resource, context)["decision"].as_bool().unwrap();
    assert!(decision(route("/inside"), json!({ "ip": "10.1.2.3" })));
    assert!(!decision(route("/inside"), json!({ "ip": "192.0.2.1" })) && !decision(route("/inside"), json!({})));
    assert!(decision(route("/header"), json!({ "headers": { "X-Org": "a" } })));
    assert!(!decision(route("/header"), json!({ "headers": { "X-Org": "b" } })));
    let on = |host: &str| json!({ "type": "route", "id": "/inside", "properties": { "host": host } });
    assert!(decision(on("ONE.example:443"), json!({ "ip": "10.1.2.3" })));
    assert!(!decision(on("two.example"), json!({ "ip": "10.1.2.3" })));
    assert!(!decision(on("one.example/x"), json!({ "ip": "10.1.2.3" })));
    for wrong in
        [json!({ "ip": "here" }), json!({ "ip": 1 }), json!({ "headers": [] }), json!({ "headers": { "a b": "c" } })]
    {
        let told = asked(route("/inside"), wrong);
        assert_eq!((&told["decision"], &told["context"]["error"]["status"]), (&json!(false), &json!(400)));
    }
}

#[test]
fn levels_and_permissions_are_those_of_the_directory() {
    let desk = Desk::new(ROUTES, "authzen: on\n");
    let postern = &desk.gate.postern;
    for permission in ["app.everywhere", "app.here", "app.mine"] {
        postern.cli(&["permission", "create", permission]);
    }
    postern.cli(&["role", "create", "worker", "--org", "a"]);
    postern.cli(&["role", "grant", "worker", "app.here", "--org", "a"]);
    postern.cli(&["role", "add", "worker", "both", "--org", "a"]);
    postern.cli(&["role", "create", "all", "--super"]);
    postern.cli(&["role", "grant", "all", "app.everywhere", "--super"]);
    postern.cli(&["role", "add", "all", "both", "--super"]);
    postern.cli(&["user", "grant", "off", "app.mine"]);
    for (who, action, organizations, expected) in [
        ("uA", "member", &["a", ORG_A][..], true),
        ("uA", "member", &["b", ORG_B, "gone", ORG_GONE, "none", "A/1", ""], false),
        ("uA", "manager", &["a"], false),
        ("mA", "manager", &["a", ORG_A], true),
        ("mA", "owner", &["a"], false),
        ("oA", "owner", &["a"], true),
        ("oA", "manager", &["a"], true),
        ("gone", "member", &["gone", ORG_GONE], false),
        ("off", "member", &["a"], false),
        ("su", "owner", &["a", "b", "gone", ORG_GONE], true),
        ("su", "member", &["none", "ffffffff-0000-4000-8000-00000000000a"], false),
        ("both", "app.here", &["a"], true),
        ("both", "app.here", &["b", "gone", "none"], false),
        ("both", "app.everywhere", &["a", "b", ORG_B], true),
        ("both", "app.everywhere", &["gone", "none"], false),
        ("su", "app.nothing", &["a", "gone"], true),
        ("su", "app.nothing", &["none"], false),
        ("both", "fly", &["a"], false),
        ("nobody-there", "member", &["a"], false),
        ("", "member", &["a"], false),
    ] {
        for id in organizations {
            assert_eq!(desk.evaluate(who, action, organization(id)), expected, "{who} {action} {id}");
        }
    }
    let permission = |id: &str| json!({ "type": "permission", "id": id });
    let within = |id: &str, organization: &str| json!({ "type": "permission", "id": id, "properties": { "organization": organization } });
    for (who, resource, expected) in [
        ("both", permission("app.here"), true),
        ("both", within("app.here", "a"), true),
        ("both", within("app.here", "b"), false),
        ("both", permission("app.mine"), false),
        ("off", permission("app.mine"), false),
        ("su", permission("app.mine"), true),
    ] {
        assert_eq!(desk.evaluate(who, "have", resource.clone()), expected, "{who} {resource}");
    }
    assert!(!desk.evaluate("both", "hold", permission("app.here")));
    // A type of subject that is nobody here, and a resource that is nothing.
    let mut other = question("su", "member", organization("a"));
    other["subject"]["type"] = json!("robot");
    assert_eq!(desk.told("/access/v1/evaluation", &other)["decision"], false);
    assert!(!desk.evaluate("su", "member", json!({ "type": "thing", "id": "a" })));
}

#[test]
fn a_change_in_the_directory_changes_the_answer() {
    let desk = Desk::new(ROUTES, "authzen: on\n");
    let postern = &desk.gate.postern;
    let manages = || desk.evaluate("uA", "manager", organization("a"));
    let enters = || desk.evaluate("uA", "POST", route("/api/v1/org/a/x"));
    assert!(!manages() && !enters());
    postern.cli(&["member", "edit", "--org", "a", "--user", "uA", "--manager"]);
    crate::support::eventually("uA manages", || (manages() && enters()).then_some(()));
    postern.cli(&["user", "edit", "uA", "--active=false"]);
    crate::support::eventually("uA is out", || (!manages() && !enters()).then_some(()));
    assert_eq!(desk.gate.send(get(Who::uA, "/api/v1/org/a/x")).status, 401);
}

#[test]
fn subjects_are_named_as_the_configuration_says() {
    for (subject, name, other) in
        [("username", "mA", "legacy-1"), ("email", "ma@a.example", "mA"), ("external_id", "legacy-1", "mA")]
    {
        let desk = Desk::new(ROUTES, &format!("authzen: {{ subject: {subject} }}\n"));
        assert!(desk.evaluate(name, "manager", organization("a")), "{subject}");
        assert!(!desk.evaluate(other, "manager", organization("a")), "{subject}");
        let id = desk.gate.postern.query("SELECT id FROM users WHERE username = 'mA'");
        assert_eq!(desk.evaluate(&id, "manager", organization("a")), subject == "username", "{subject}");
    }
}

#[test]
fn a_role_is_asked_by_its_name_in_an_organization_or_by_its_id() {
    let desk = Desk::new(ROUTES, "authzen: { reasons: true }\n");
    let cli = |line: &str| desk.gate.postern.cli(&line.split_whitespace().collect::<Vec<_>>());
    cli("role create editor --org a --users both");
    cli("role create editor --org b");
    cli("role create auditor --org b --users both");
    cli("role create leaver --org gone");
    let role = |id: &str, organization: Option<&str>| {
        let properties = organization.map(|organization| json!({ "organization": organization }));
        json!({ "type": "role", "id": id, "properties": properties.unwrap_or(json!({})) })
    };
    for (who, name, organization, has) in [
        ("both", "editor", "a", true),
        ("both", "editor", ORG_A, true),
        ("both", "editor", "b", false),
        ("both", "auditor", "b", true),
        ("both", "auditor", "a", false),
        ("uA", "editor", "a", false),
        // A role is held or not: nobody has one by being a superuser.
        ("su", "editor", "a", false),
        ("both", "leaver", "gone", false),
        ("both", "editor", "none", false),
        ("both", "none", "a", false),
        ("nobody-there", "editor", "a", false),
    ] {
        assert_eq!(desk.evaluate(who, "have", role(name, Some(organization))), has, "{who} {name} {organization}");
    }
    assert!(!desk.evaluate("both", "member", role("editor", Some("a"))), "another action");
    let query = json!({ "subject": { "type": "user", "id": "both" }, "action": { "name": "have" }, "resource": { "type": "role" } });
    let mut found = desk.search("resource", &query, 1);
    for one in &found {
        assert!(desk.evaluate("both", "have", one.clone()), "{one}");
        assert!(desk.evaluate("both", "have", role(one["id"].as_str().unwrap(), None)), "{one}");
        assert!(!desk.evaluate("uA", "have", role(one["id"].as_str().unwrap(), None)), "{one}");
    }
    found.sort_by_key(|one| one["properties"]["name"].as_str().unwrap().to_owned());
    let told: Vec<_> = found.iter().map(|one| one["properties"].clone()).collect();
    assert_eq!(
        told,
        [json!({ "name": "auditor", "organization": "b" }), json!({ "name": "editor", "organization": "a" })]
    );
    let query =
        json!({ "subject": { "type": "user" }, "action": { "name": "have" }, "resource": role("editor", Some("a")) });
    assert_eq!(desk.search("subject", &query, 9), [json!({ "type": "user", "id": "both" })]);
    let query = json!({ "subject": { "type": "user", "id": "both" }, "resource": role("editor", Some("a")) });
    assert_eq!(desk.search("action", &query, 9), [json!({ "name": "have" })]);
    // A name alone names no role.
    let told = desk.told("/access/v1/evaluation", &question("both", "have", role("editor", None)));
    assert_eq!((&told["decision"], &told["context"]["error"]["status"]), (&json!(false), &json!(400)), "{told}");
    // It goes with the membership.
    cli("member delete --org a --user both");
    eventually("the role went with the membership", || {
        (!desk.evaluate("both", "have", role("editor", Some("a")))).then_some(())
    });
}

/// Whose an object is, the service is asked for a question as for a request.
#[test]
fn a_question_about_an_object_is_answered_by_what_its_service_says() {
    const POLICY: &str = "version: 1
upstream: app
defaults: { shared: { read: manager, write: superuser } }
lookups:
  build: { http: { upstream: legacy, get: '/build/{1}', org: /organization, columns: { is_locked: /is_locked } }, args: [path.id] }
routes:
  /build/{id}: { org: lookup.build, read: member, write: { level: manager, when: '!lookup.build.is_locked' } }
";
    let service = Upstream::with(|exchange| {
        let body = match exchange.request.target.as_str() {
            "/build/17" => format!(r#"{{"organization": "{ORG_A}", "is_locked": false}}"#),
            "/build/locked" => format!(r#"{{"organization": "{ORG_A}", "is_locked": true}}"#),
            "/build/shared" => r#"{"organization": null, "is_locked": false}"#.to_owned(),
            "/build/odd" => "{}".to_owned(),
            _ => return exchange.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        exchange.write((head + &body).as_bytes())
    });
    let app = Upstream::echo();
    let upstreams = format!("{{ app: \"http://{}\", legacy: \"http://{}\" }}", app.address(), service.address());
    let config = "authzen: on\n".to_owned();
    let gate = Gate::before(app, &Options { config, upstreams: Some(upstreams), ..Options::policy(POLICY) });
    let token = asker(&gate, "desk", &["authzen.evaluate", "authzen.search"]);
    let desk = Desk { gate, token };
    for (who, method, id, expected) in [
        ("uA", "GET", "17", true),
        ("uB", "GET", "17", false),
        ("uA", "PUT", "17", false),
        ("mA", "PUT", "17", true),
        ("mA", "PUT", "locked", false),
        ("uA", "GET", "locked", true),
        ("uA", "GET", "shared", false),
        ("mA", "GET", "shared", true),
        ("uA", "GET", "18", false),
        ("uA", "GET", "..%2F17", false),
        ("su", "GET", "18", false),
        ("su", "GET", "odd", false),
    ] {
        let asked = service.recorded().len();
        assert_eq!(desk.evaluate(who, method, route(&format!("/build/{id}"))), expected, "{who} {method} {id}");
        assert_eq!(service.recorded().len() - asked, usize::from(!id.contains('%')), "{who} {method} {id}");
    }
    desk.gate.upstream.assert_untouched("questions");
}
