//! Who may do what in whose organization.

use crate::support::{Gate, ORG_A, ORG_B, ORG_GONE, Who, get, post};

/// What a request comes to: its status, and the code of a refusal.
fn outcome(gate: &Gate, request: Vec<u8>) -> String {
    let answer = gate.send(request);
    if answer.status == 200 { "200".to_owned() } else { format!("{} {}", answer.status, answer.code()) }
}

/// Member, manager, owner.
#[test]
pub(super) fn members_read_managers_and_owners_write() {
    let gate = Gate::new();
    let foreign = "403 org_foreign";
    for (who, read, write) in [
        (Who::nobody, "401 credentials_missing", "401 credentials_missing"),
        (Who::off, "401 user_inactive", "401 user_inactive"),
        (Who::uB, foreign, foreign),
        (Who::gone, foreign, foreign),
        (Who::uA, "200", "403 org_level_missing"),
        (Who::both, "200", "403 org_level_missing"),
        (Who::mA, "200", "200"),
        (Who::oA, "200", "200"),
        (Who::su, "200", "200"),
    ] {
        for target in ["/api/v1/org/a/x".to_owned(), format!("/api/v1/id/{ORG_A}/x")] {
            assert_eq!(outcome(&gate, get(who, &target)), read, "{who:?} GET {target}");
            assert_eq!(outcome(&gate, post(who, &target)), write, "{who:?} POST {target}");
        }
    }
}

/// Member, manager, owner: the owner's own routes.
#[test]
pub(super) fn an_owner_is_more_than_a_manager() {
    let gate = Gate::new();
    for (who, expected) in
        [(Who::mA, "403 org_level_missing"), (Who::uA, "403 org_level_missing"), (Who::oA, "200"), (Who::su, "200")]
    {
        assert_eq!(outcome(&gate, get(who, "/api/v1/owner/a")), expected, "{who:?}");
    }
}

/// What the upstream is told of each.
#[test]
pub(super) fn the_upstream_is_told_the_level() {
    let gate = Gate::new();
    for (who, level) in [(Who::uA, "member"), (Who::mA, "manager"), (Who::oA, "owner"), (Who::su, "superuser")] {
        let sent = gate.forwarded(get(who, "/api/v1/org/a/x"));
        assert_eq!(sent.header("x-postern-role"), Some(level));
        assert_eq!(sent.header("x-postern-organization"), Some("a"));
    }
    let sent = gate.forwarded(get(Who::both, "/me/x"));
    assert_eq!(sent.header("x-postern-organizations"), Some(&*format!("{ORG_A},{ORG_B}")));
    assert_eq!(sent.header("x-postern-role"), None);
    // Who belongs to nothing is told of nothing, not of an empty list.
    assert_eq!(gate.forwarded(get(Who::su, "/me/x")).header("x-postern-organizations"), None);
}

/// An organization that is deactivated.
#[test]
pub(super) fn a_disabled_organization_has_no_members() {
    let gate = Gate::new();
    for target in
        ["/api/v1/org/gone/x".to_owned(), format!("/api/v1/id/{ORG_GONE}/x"), "/query/x?organization=gone".into()]
    {
        for who in [Who::gone, Who::uA, Who::mA] {
            gate.refused(get(who, &target), 403, "org_foreign");
        }
    }
    gate.refused(get(Who::gone, "/mine/x"), 400, "org_missing");
    gate.refused(get(Who::gone, "/api/v1/owner/gone"), 403, "org_foreign");
    assert_eq!(gate.forwarded(get(Who::gone, "/me/x")).header("x-postern-organizations"), None);
}

/// An organization that does not exist, one that is disabled and a foreign one are told alike.
#[test]
pub(super) fn nobody_learns_which_organizations_exist() {
    let gate = Gate::new();
    let told = |target: &str| {
        let answer = gate.get(Who::uA, target);
        (answer.status, answer.text())
    };
    let foreign = told("/api/v1/org/b/x");
    assert_eq!(foreign.0, 403);
    for target in [
        "/api/v1/org/gone/x".to_owned(),
        "/api/v1/org/nothing/x".into(),
        format!("/api/v1/id/{ORG_B}/x"),
        format!("/api/v1/id/{ORG_GONE}/x"),
        "/api/v1/id/00000000-0000-4000-8000-000000000000/x".into(),
        "/api/v1/owner/b".into(),
    ] {
        assert_eq!(told(&target), foreign, "{target}");
    }
}

/// A superuser passes everywhere, but not into what does not exist, and every such pass is counted.
#[test]
pub(super) fn a_superuser_s_passes_are_marked() {
    let gate = Gate::new();
    gate.forwarded(get(Who::su, "/api/v1/org/a/x"));
    gate.forwarded(get(Who::su, "/api/v1/org/gone/x"));
    gate.forwarded(get(Who::uA, "/api/v1/org/a/x"));
    gate.refused(get(Who::su, "/api/v1/org/nothing/x"), 403, "org_foreign");
    let lines = gate.postern.access_lines(4);
    let marked: Vec<bool> = lines.iter().map(|line| line["superuser_pass"] == true).collect();
    assert_eq!(marked, [true, true, false, false]);
    assert_eq!(gate.postern.metric("postern_superuser_passes_total"), 2.0);
}

/// The only organization of whom has one, and of nobody else.
#[test]
pub(super) fn the_caller_s_only_organization_is_theirs_alone() {
    let gate = Gate::new();
    assert_eq!(gate.forwarded(get(Who::uA, "/mine/x")).header("x-postern-organization"), Some("a"));
    assert_eq!(gate.forwarded(get(Who::uB, "/mine/x")).header("x-postern-organization"), Some("b"));
    for who in [Who::both, Who::su] {
        gate.refused(get(who, "/mine/x"), 400, "org_missing");
    }
}
