//! Who may ask, and what is wrong with a call.

use super::{Desk, asker, question};
use crate::support::{Gate, ROUTES, Who, World, get};
use serde_json::{Value, json};

const ON: &str = "authzen: on\npublic_url: https://pdp.example\n";
const ENDPOINTS: [&str; 5] = ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"];
const TYPE: (&str, &str) = ("Content-Type", "application/json");

fn any() -> Value {
    question("uA", "member", json!({ "type": "organization", "id": "a" }))
}

#[test]
fn off_it_is_not_there_and_its_paths_are_the_services() {
    let gate = Gate::with(&crate::support::Options::policy("version: 1\nupstream: echo\nroutes: { /**: public }\n"));
    for path in ["/access/v1/evaluation", "/.well-known/authzen-configuration"] {
        assert_eq!(gate.forwarded(get(Who::nobody, path)).target, path);
    }
}

#[test]
fn who_asks_must_be_known_and_have_the_permission_everywhere() {
    let desk = Desk::new(ROUTES, ON);
    let postern = &desk.gate.postern;
    let world = World::get();
    // By a role in one organization: of that alone, and the answers are about all.
    postern.cli(&["user", "create", "tenant"]);
    postern.cli(&["member", "create", "--org", "a", "--user", "tenant", "--manager"]);
    postern.cli(&["role", "create", "asker", "--org", "a"]);
    for permission in ["authzen.evaluate", "authzen.search"] {
        postern.cli(&["role", "grant", "asker", permission, "--org", "a"]);
    }
    postern.cli(&["role", "add", "asker", "tenant", "--org", "a"]);
    let tenant = postern.cli(&["token", "create", "--user", "tenant"]);
    let evaluator = asker(&desk.gate, "evaluator", &["authzen.evaluate"]);
    for endpoint in ENDPOINTS {
        let path = format!("/access/v1/{endpoint}");
        let send = |token: &str| desk.send(&path, token, &[TYPE], &any().to_string());
        let refused = |token: &str, status: u16, code: &str| {
            let answer = send(token);
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{endpoint} {token}");
            answer
        };
        let answer = refused("", 401, "credentials_missing");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        refused("pst_nothing", 401, "credentials_invalid");
        refused("somebody-else-s-token", 401, "credentials_invalid");
        refused(world.token(Who::off).unwrap(), 401, "user_inactive");
        for who in [Who::uA, Who::mA, Who::oA] {
            refused(world.token(who).unwrap(), 403, "permission_missing");
        }
        refused(tenant.trim(), 403, "permission_missing");
        assert_eq!(send(world.token(Who::su).unwrap()).status, 200, "{endpoint}");
        assert_eq!(send(&desk.token).status, 200, "{endpoint}");
        let may = if endpoint.starts_with("search") { 403 } else { 200 };
        assert_eq!(send(&evaluator).status, may, "{endpoint}");
    }
    // And no longer.
    postern.cli(&["user", "revoke", "evaluator", "authzen.evaluate"]);
    crate::support::eventually("the permission is gone", || {
        let answer = desk.send("/access/v1/evaluation", &evaluator, &[TYPE], &any().to_string());
        (answer.status == 403).then_some(())
    });
}

#[test]
fn a_question_is_answered_under_the_name_that_it_was_given() {
    let desk = Desk::new(ROUTES, ON);
    let name = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716; not/a uuid";
    for (token, body, status) in
        [(&*desk.token, any().to_string(), 200), (&*desk.token, "{".to_owned(), 400), ("", any().to_string(), 401)]
    {
        let answer = desk.send("/access/v1/evaluation", token, &[TYPE, ("X-Request-ID", name)], &body);
        assert_eq!((answer.status, answer.header("x-request-id")), (status, Some(name)));
        let answer = desk.send("/access/v1/evaluation", token, &[TYPE], &body);
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
    }
}

#[test]
fn what_cannot_be_read_in_one_way_is_400_and_changes_nothing() {
    let desk = Desk::new(ROUTES, ON);
    let path = "/access/v1/evaluation";
    let good = any().to_string();
    let status = |headers: &[(&str, &str)], body: &str| {
        let answer = desk.send(path, &desk.token, headers, body);
        assert!(answer.status == 200 || answer.code() == "body_invalid" || answer.status == 413, "{answer:?}");
        answer.status
    };
    assert_eq!(status(&[TYPE], &good), 200);
    assert_eq!(status(&[("Content-Type", "application/json; charset=utf-8")], &good), 200);
    assert_eq!(
        status(&[TYPE], &good.replacen('{', "{\"x\": [1, {\"y\": null}],", 1)),
        200,
        "unknown names are passed over"
    );
    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/jsonx")],
        &[TYPE, TYPE],
        &[TYPE, ("Content-Encoding", "gzip")],
    ] {
        assert_eq!(status(headers, &good), 400, "{headers:?}");
    }
    let twice = good.replacen("\"action\"", "\"subject\":{\"type\":\"user\",\"id\":\"su\"},\"action\"", 1);
    let deep = |depth: usize| good.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth)), 1);
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{} {}",
        &twice,
        &good.replacen("uA", "\\ud800", 1),
        &good.replacen('{', "{\"x\": 1e999,", 1),
        &deep(150),
    ] {
        assert_eq!(status(&[TYPE], bad), 400, "{bad}");
    }
    assert_eq!(status(&[TYPE], &deep(100)), 200);
    let large = good.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(1 << 20)), 1);
    assert_eq!(status(&[TYPE], &large), 413);
}

#[test]
fn other_methods_and_paths_are_refused_and_no_route_reaches_there() {
    let desk = Desk::new("version: 1\nupstream: echo\nroutes: { /**: public, /other: public }\n", ON);
    for (method, path, status, allow) in [
        ("GET", "/access/v1/evaluation", 405, Some("POST")),
        ("PUT", "/access/v1/search/subject", 405, Some("POST")),
        ("POST", "/.well-known/authzen-configuration", 405, Some("GET, HEAD")),
        ("POST", "/access/v1/", 404, None),
        ("POST", "/access/v1/evaluation/", 404, None),
        ("POST", "/access/v1/search", 404, None),
    ] {
        let answer = desk.gate.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: pdp.example\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
            desk.token
        ));
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
    }
    desk.gate.upstream.assert_untouched("AuthZEN's paths");
    desk.gate.forwarded(get(Who::nobody, "/access/v2/evaluation"));
    desk.gate.forwarded(get(Who::nobody, "/.well-known/authzen-configuration/x"));
    let checked = desk.gate.postern.cli(&["check"]);
    assert!(checked.contains("warning[covers_authzen]"), "{checked}");
}

#[test]
fn what_can_be_called_is_told_where_the_address_is_known() {
    let desk = Desk::new(ROUTES, ON);
    let answer = desk.gate.get(Who::nobody, "/.well-known/authzen-configuration");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        answer.json(),
        json!({
            "policy_decision_point": "https://pdp.example",
            "access_evaluation_endpoint": "https://pdp.example/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.example/access/v1/evaluations",
            "search_subject_endpoint": "https://pdp.example/access/v1/search/subject",
            "search_resource_endpoint": "https://pdp.example/access/v1/search/resource",
            "search_action_endpoint": "https://pdp.example/access/v1/search/action",
        })
    );
    let nowhere = Desk::new(ROUTES, "authzen: on\n");
    assert_eq!(nowhere.gate.get(Who::nobody, "/.well-known/authzen-configuration").status, 404);
}
