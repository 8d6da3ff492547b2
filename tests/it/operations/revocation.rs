//! A change counts at once, whoever makes it: the API's commands, or raw SQL behind postern's back.

use crate::support::{Gate, Who, World, get, post};
use std::time::Duration;

/// The published bound is far below; a busy machine that runs the tests may be slow.
const BOUND: Duration = Duration::from_secs(1);

/// Warms the cache with `request`, changes something, and expects `status` and `code` within the bound, on every worker.
fn refused_after(request: Vec<u8>, change: impl FnOnce(&Gate), status: u16, code: &str) {
    let gate = Gate::new();
    let mut connections: Vec<_> = (0..4).map(|_| gate.raw()).collect();
    for raw in &mut connections {
        raw.send(&request);
        assert_eq!(raw.answer().status, 200);
    }
    assert!(gate.postern.metric("postern_cache_hits_total") >= 3.0, "the cache is warm");
    change(&gate);
    let start = postern::clock::monotonic();
    for raw in &mut connections {
        loop {
            raw.send(&request);
            let answer = raw.answer();
            if answer.status != 200 {
                assert_eq!((answer.status, answer.code().as_str()), (status, code));
                break;
            }
            assert!(start.elapsed() < BOUND, "still allowed after {:?}", start.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn token_id(gate: &Gate, user: &str) -> String {
    let tokens: serde_json::Value =
        serde_json::from_str(&gate.postern.cli(&["token", "list", "--user", user, "--json"])).unwrap();
    tokens[0]["id"].as_str().unwrap().to_owned()
}

/// Revocation.
#[test]
fn a_token_that_is_revoked_is_refused() {
    let revoke = |gate: &Gate| drop(gate.postern.cli(&["token", "revoke", &token_id(gate, "uA")]));
    refused_after(get(Who::uA, "/api/v1/org/a/x"), revoke, 401, "credentials_invalid");
    let delete = |gate: &Gate| drop(gate.postern.cli(&["token", "delete", &token_id(gate, "uA")]));
    refused_after(get(Who::uA, "/optional/x"), delete, 401, "credentials_invalid");
}

/// Revocation.
#[test]
fn a_user_who_is_deactivated_is_refused() {
    let off = |gate: &Gate| drop(gate.postern.cli(&["user", "edit", "uA", "--active=false"]));
    refused_after(get(Who::uA, "/me/x"), off, 401, "user_inactive");
    let delete = |gate: &Gate| drop(gate.postern.cli(&["user", "delete", "uA"]));
    refused_after(get(Who::uA, "/me/x"), delete, 401, "credentials_invalid");
}

/// Revocation.
#[test]
fn an_organization_that_is_disabled_refuses_its_members() {
    for who in [Who::uA, Who::mA, Who::oA] {
        let off = |gate: &Gate| drop(gate.postern.cli(&["org", "edit", "a", "--active=false"]));
        refused_after(get(who, "/api/v1/org/a/x"), off, 403, "org_foreign");
    }
}

/// Revocation.
#[test]
fn a_member_who_is_removed_is_foreign() {
    let remove = |gate: &Gate| drop(gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]));
    refused_after(get(Who::uA, "/api/v1/org/a/x"), remove, 403, "org_foreign");
}

#[test]
fn a_manager_who_is_demoted_may_not_write() {
    let demote =
        |gate: &Gate| drop(gate.postern.cli(&["member", "edit", "--org", "a", "--user", "mA", "--manager=false"]));
    refused_after(post(Who::mA, "/api/v1/org/a/x"), demote, 403, "org_level_missing");
}

#[test]
fn an_owner_whose_ownership_moved_is_one_no_more() {
    let moved = |gate: &Gate| drop(gate.postern.cli(&["org", "owner", "a", "--user", "mA"]));
    refused_after(get(Who::oA, "/api/v1/owner/a"), moved, 403, "org_level_missing");
}

#[test]
fn a_superuser_who_is_one_no_more_may_enter_nothing() {
    let demote = |gate: &Gate| drop(gate.postern.cli(&["user", "edit", "su", "--superuser=false"]));
    refused_after(get(Who::su, "/admin/x"), demote, 403, "superuser_only");
    let demote = |gate: &Gate| drop(gate.postern.cli(&["user", "edit", "su", "--superuser=false"]));
    refused_after(get(Who::su, "/api/v1/org/b/x"), demote, 403, "org_foreign");
}

/// An organization that only a superuser asked for is a remembered fact too.
#[test]
fn an_organization_that_is_gone_is_gone_for_superusers_too() {
    let delete = |gate: &Gate| drop(gate.postern.cli(&["org", "delete", "b"]));
    refused_after(get(Who::su, "/api/v1/org/b/x"), delete, 403, "org_foreign");
}

/// Raw SQL on another connection counts like everything else.
#[test]
fn raw_sql_counts() {
    for (request, sql, status, code) in [
        (get(Who::uA, "/me/x"), "UPDATE users SET is_active = 0 WHERE username = 'uA'", 401, "user_inactive"),
        (get(Who::uA, "/me/x"), "DELETE FROM users WHERE username = 'uA'", 401, "credentials_invalid"),
        (get(Who::uA, "/me/x"), "DELETE FROM tokens", 401, "credentials_invalid"),
        (get(Who::uA, "/me/x"), "UPDATE tokens SET revoked_at = 1", 401, "credentials_invalid"),
        (get(Who::uA, "/me/x"), "UPDATE tokens SET expires_at = 1", 401, "credentials_invalid"),
        (get(Who::uA, "/api/v1/org/a/x"), "UPDATE organizations SET is_active = 0", 403, "org_foreign"),
        (
            get(Who::uA, "/api/v1/org/a/x"),
            "UPDATE organizations SET slug = 'other' WHERE slug = 'a'",
            403,
            "org_foreign",
        ),
        (
            get(Who::uA, "/api/v1/org/a/x"),
            "DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE username = 'uA')",
            403,
            "org_foreign",
        ),
        (
            post(Who::mA, "/api/v1/org/a/x"),
            "UPDATE memberships SET is_admin = 0 WHERE user_id = (SELECT id FROM users WHERE username = 'mA')",
            403,
            "org_level_missing",
        ),
        (get(Who::su, "/admin/x"), "UPDATE users SET is_superuser = 0", 403, "superuser_only"),
    ] {
        refused_after(request, |gate| gate.postern.sql(sql), status, code);
    }
}

/// What is granted counts as fast: a refusal is not remembered longer than a permission.
#[test]
fn what_is_granted_counts_at_once() {
    let allowed_after = |request: Vec<u8>, change: &dyn Fn(&Gate)| {
        let gate = Gate::new();
        assert_ne!(gate.send(&request).status, 200);
        change(&gate);
        let start = postern::clock::monotonic();
        while gate.send(&request).status != 200 {
            assert!(start.elapsed() < BOUND, "still refused after {:?}", start.elapsed());
        }
    };
    allowed_after(get(Who::uA, "/api/v1/org/b/x"), &|gate| {
        drop(gate.postern.cli(&["member", "add", "--org", "b", "--user", "uA"]))
    });
    allowed_after(get(Who::off, "/me/x"), &|gate| drop(gate.postern.cli(&["user", "edit", "off", "--active"])));
    allowed_after(get(Who::gone, "/api/v1/org/gone/x"), &|gate| {
        drop(gate.postern.cli(&["org", "edit", "gone", "--active"]))
    });
    allowed_after(get(Who::uA, "/admin/x"), &|gate| {
        gate.postern.sql("UPDATE users SET is_superuser = 1 WHERE username = 'uA'")
    });
    allowed_after(get(Who::su, "/api/v1/org/new/x"), &|gate| {
        drop(gate.postern.cli(&["org", "create", "New", "--slug", "new"]))
    });
}

/// A token that was asked for before it existed works as soon as it does.
#[test]
fn a_new_token_works_although_it_was_unknown_before() {
    let gate = Gate::new();
    let ask = "GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer imported-from-elsewhere\r\n\r\n";
    for _ in 0..3 {
        assert_eq!(gate.send(ask).status, 401);
    }
    let file = gate.postern.home().join("token");
    std::fs::write(&file, "imported-from-elsewhere").unwrap();
    gate.postern.cli(&["token", "create", "--user", "uA", "--import", file.to_str().unwrap()]);
    let start = postern::clock::monotonic();
    while gate.send(ask).status != 200 {
        assert!(start.elapsed() < BOUND, "still unknown after {:?}", start.elapsed());
    }
    // And one that postern makes works at once, in the running process.
    let token = gate.postern.cli(&["token", "create", "--user", "uA"]);
    assert_eq!(
        gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", token.trim())).status,
        200
    );
}

/// Changes while requests fly: nobody is refused for another's change, and nobody outlives their own.
#[test]
fn a_change_of_one_user_is_no_change_of_another() {
    let gate = Gate::new();
    gate.forwarded(get(Who::uA, "/me/x"));
    gate.forwarded(get(Who::uB, "/me/x"));
    let misses = || gate.postern.metric("postern_cache_misses_total");
    let before = misses();
    gate.postern.cli(&["user", "edit", "uB", "--staff"]);
    crate::support::eventually("uB is read anew", || {
        gate.get(Who::uB, "/me/x");
        (misses() > before).then_some(())
    });
    let after = misses();
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    assert_eq!(misses(), after, "uA's facts are still the same");
    assert!(World::get().token(Who::uA).is_some());
}
