//! The public interop scenarios: the todo application, and API gateways in front of it.

use super::Desk;
use serde_json::Value;

/// Both in one: an application says whose a todo is, and a gateway knows the route alone.
const POLICY: &str = r#"
version: 1
upstream: echo
routes:
  /users/{id}: { GET: { level: authenticated, permissions: todo.read_user } }
  /todos:
    GET: { level: authenticated, permissions: todo.read_todos }
    POST: { level: authenticated, permissions: todo.create_todo }
  /todos/{id}:
    PUT:
      level: authenticated
      permissions: todo.update_todo
      when: '!("ownerID" in request.query) || request.query.ownerID == user.email || "evil_genius" in user.groups'
    DELETE:
      level: authenticated
      permissions: todo.delete_todo
      when: '!("ownerID" in request.query) || request.query.ownerID == user.email || "admin" in user.groups'
"#;

const CONFIG: &str = "
authzen:
  subject: external_id
  resources:
    user:
      can_read_user: GET /users/{id}
    todo:
      can_read_todos: GET /todos
      can_create_todo: POST /todos
      can_update_todo: 'PUT /todos/{id}{?ownerID}'
      can_delete_todo: 'DELETE /todos/{id}{?ownerID}'
";

const GROUPS: [(&str, &[&str]); 4] = [
    ("viewer", &["read_user", "read_todos"]),
    ("editor", &["read_user", "read_todos", "create_todo", "update_todo", "delete_todo"]),
    ("admin", &["read_user", "read_todos", "create_todo", "update_todo", "delete_todo"]),
    ("evil_genius", &["read_user", "read_todos", "create_todo", "update_todo", "delete_todo"]),
];

const PEOPLE: [(&str, &str, &[&str]); 5] = [
    ("rick@the-citadel.com", "CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", &["admin", "evil_genius"]),
    ("morty@the-citadel.com", "CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", &["editor"]),
    ("summer@the-smiths.com", "CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", &["editor"]),
    ("beth@the-smiths.com", "CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", &["viewer"]),
    ("jerry@the-smiths.com", "CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", &["viewer"]),
];

fn citadel() -> Desk {
    let desk = Desk::new(POLICY, CONFIG);
    let cli = |args: &[&str]| desk.gate.postern.cli(args);
    for (group, permissions) in GROUPS {
        cli(&["group", "create", group]);
        for permission in permissions {
            let permission = format!("todo.{permission}");
            let _ = desk.gate.postern.try_cli(&["permission", "create", &permission]);
            cli(&["group", "grant", group, &permission]);
        }
    }
    for (email, id, groups) in PEOPLE {
        let name = email.split('@').next().unwrap();
        cli(&["user", "create", name, "--email", email, "--external-id", id]);
        for group in groups {
            cli(&["group", "add", group, name]);
        }
    }
    desk
}

/// What the public runner compares: the decision, or all of `evaluations`.
fn played(desk: &Desk, cases: &str) -> (usize, usize) {
    let cases: Value = serde_json::from_str(cases).unwrap();
    let list = |key: &str| cases[key].as_array().cloned().unwrap_or_default();
    let (single, many) = (list("evaluation"), list("evaluations"));
    for case in &single {
        let told = desk.told("/access/v1/evaluation", &case["request"]);
        assert_eq!(told["decision"], case["expected"], "{}", case["request"]);
    }
    for case in &many {
        let told = desk.told("/access/v1/evaluations", &case["request"]);
        assert_eq!(told["evaluations"], case["expected"], "{}", case["request"]);
    }
    (single.len(), many.len())
}

#[test]
fn the_public_interop_cases_come_out_right() {
    let desk = citadel();
    assert_eq!(played(&desk, include_str!("../../vectors/authzen/todo.json")), (40, 3));
    assert_eq!(played(&desk, include_str!("../../vectors/authzen/gateway.json")), (25, 0));
    desk.gate.upstream.assert_untouched("questions");
}
