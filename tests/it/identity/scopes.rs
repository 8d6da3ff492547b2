//! Tokens that are narrowed, over the wire: good for what they were made for, and for nothing else of their user's.

use crate::support::{Gate, ORG_A, Options, ROUTES, get_with};
use serde_json::Value;

fn send(gate: &Gate, token: &str, method: &str, target: &str) -> u16 {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n");
    gate.send(format!("{head}Content-Length: 0\r\n\r\n")).status
}

fn made(gate: &Gate, args: &[&str]) -> String {
    gate.postern.cli(&[&["token", "create", "--user"], args].concat()).trim().to_owned()
}

#[test]
fn a_token_of_an_organization_is_good_there_alone() {
    let gate = Gate::new();
    let token = made(&gate, &["both", "--org", "a"]);
    for (target, status) in [
        ("/api/v1/org/a/x", 200),
        ("/api/v1/org/b/x", 403),
        ("/api/v1/org/none/x", 403),
        ("/me/x", 200),
        // Of two organizations none is the only one, whatever a token leaves of them: a scope never widens.
        ("/mine/x", 400),
    ] {
        assert_eq!(send(&gate, &token, "GET", target), status, "{target}");
    }
    let seen = gate.forwarded(get_with(&token, "/me/x"));
    assert_eq!(seen.header("x-postern-organizations"), Some(ORG_A));
    // A superuser is one there, and nowhere else.
    let root = made(&gate, &["su", "--org", "a"]);
    for (target, status) in [
        ("/api/v1/owner/a", 200),
        ("/api/v1/org/b/x", 403),
        ("/api/v1/org/gone/x", 403),
        ("/admin/x", 403),
        ("/me/x", 200),
    ] {
        assert_eq!(send(&gate, &root, "POST", target), status, "{target}");
    }
    let line = gate.postern.access_lines(10).into_iter().find(|line| line["path"] == "/api/v1/owner/a").unwrap();
    assert_eq!(line["superuser_pass"], true);
}

#[test]
fn a_token_for_reading_changes_nothing() {
    let gate = Gate::new();
    let token = made(&gate, &["su", "--read-only"]);
    for target in ["/api/v1/org/a/x", "/admin/x", "/me/x"] {
        assert_eq!(send(&gate, &token, "GET", target), 200, "{target}");
        for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
            let head =
                format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n");
            let answer = gate.send(format!("{head}Content-Length: 0\r\n\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (403, "scope_exceeded"), "{method} {target}");
            assert_eq!(answer.json()["detail"], "The token is for reading alone.");
        }
    }
    assert_eq!(send(&gate, &token, "POST", "/public/x"), 200, "where nobody is asked who they are");
}

#[test]
fn a_token_of_permissions_is_good_where_they_are_asked() {
    let routes = format!(
        "{ROUTES}  /view/{{org:slug}}: {{ org: path.org as slug, level: member, permissions: app.view }}\n  \
         /edit/{{org:slug}}: {{ org: path.org as slug, level: member, permissions: app.edit }}\n"
    );
    let gate = Gate::with(&Options::policy(routes));
    for permission in ["app.view", "app.edit"] {
        gate.postern.cli(&["permission", "create", permission]);
        gate.postern.cli(&["user", "grant", "mA", permission]);
    }
    let token = made(&gate, &["mA", "--permission", "app.view"]);
    for (target, status) in
        [("/view/a", 200), ("/edit/a", 403), ("/api/v1/org/a/x", 403), ("/view/b", 403), ("/me/x", 200)]
    {
        assert_eq!(send(&gate, &token, "GET", target), status, "{target}");
    }
    // What its user loses, it loses.
    gate.postern.cli(&["user", "revoke", "mA", "app.view"]);
    crate::support::eventually("the permission is gone", || {
        (send(&gate, &token, "GET", "/view/a") == 403).then_some(())
    });
}

#[test]
fn a_rotated_token_s_old_secret_is_dead_at_once() {
    let gate = Gate::new();
    let old = made(&gate, &["uA", "--read-only", "--name", "ci"]);
    assert_eq!(send(&gate, &old, "GET", "/me/x"), 200);
    let listed: Value = serde_json::from_str(&gate.postern.cli(&["token", "list", "--user", "uA", "--json"])).unwrap();
    let record = listed.as_array().unwrap().iter().find(|record| record["name"] == "ci").unwrap();
    assert_eq!(record["read_only"], true);
    let new = gate.postern.cli(&["token", "rotate", record["id"].as_str().unwrap()]).trim().to_owned();
    assert!(new.starts_with("pst_") && new != old);
    crate::support::eventually("the old secret is dead", || (send(&gate, &old, "GET", "/me/x") == 401).then_some(()));
    assert_eq!((send(&gate, &new, "GET", "/me/x"), send(&gate, &new, "POST", "/me/x")), (200, 403));
}

#[test]
fn an_expiry_can_be_demanded() {
    let mut options = Options::policy(ROUTES);
    options.config = "identity: { token: { max_lifetime: 30d } }\n".to_owned();
    let gate = Gate::with(&options);
    let refused = gate.postern.try_cli(&["token", "create", "--user", "uA"]).unwrap_err();
    assert!(refused.contains("identity.token.max_lifetime"), "{refused}");
    assert!(gate.postern.try_cli(&["token", "create", "--user", "uA", "--expires-in", "31d"]).is_err());
    let token = made(&gate, &["uA", "--expires-in", "29d"]);
    assert_eq!(send(&gate, &token, "GET", "/me/x"), 200);
    assert_eq!(send(&gate, crate::support::World::get().token_of("uA"), "GET", "/me/x"), 200, "one of before");
}

#[test]
fn a_narrowed_token_changes_no_password() {
    let mut options = Options::policy(ROUTES);
    options.config = "identity:\n  api: token\n  passwords: { memory: 64KiB, passes: 1 }\n".to_owned();
    let gate = Gate::with(&options);
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "an old passw0rd\n");
    let body =
        r#"{"old_password":"an old passw0rd","new_password1":"a new passw0rd","new_password2":"a new passw0rd"}"#;
    let change = |token: &str| {
        gate.send(format!(
            "POST /api/v1/users/user/password/change/ HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    for scope in [&["--read-only"][..], &["--org", "a"], &["--permission", "openwisp_users.change_user"]] {
        let token = made(&gate, &[&["lena"], scope].concat());
        let answer = change(&token);
        assert_eq!((answer.status, answer.code().as_str()), (403, "scope_exceeded"), "{scope:?}");
    }
    assert_eq!(change(&made(&gate, &["lena"])).status, 200);
}
