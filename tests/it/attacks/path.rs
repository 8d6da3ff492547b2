//! Paths that two readers could see in two ways.

use crate::support::{Gate, Options, Who, get, request};

/// Every target is refused as `bad_target`, with and without a query, for nobody and for a superuser alike.
fn all_refused(targets: &[&str]) {
    let gate = Gate::new();
    for target in targets {
        for who in [Who::nobody, Who::su] {
            gate.refused(get(who, target), 400, "bad_target");
        }
        gate.refused(get(Who::uA, &format!("{target}?q=1")), 400, "bad_target");
    }
}

/// Dot segments; dot segments, encoded.
#[test]
pub(super) fn dot_segments_in_any_spelling_are_refused() {
    all_refused(&[
        "/public/../admin/x",
        "/public/./x",
        "/..",
        "/.",
        "/public/..",
        "/public/.",
        "/public/%2e%2e/admin/x",
        "/public/%2E%2E/admin/x",
        "/public/.%2e/admin/x",
        "/public/%2e./admin/x",
        "/public/%2e/x",
        "/../../etc/passwd",
        // Three dots and more mean "up" to some.
        "/public/.../admin",
        "/public/..../admin",
        // Dots with blanks, which Windows trims.
        "/public/..%20/admin",
        "/public/%20../admin",
        "/public/.%20/admin",
        // What normalization turns into dots: leaders, the full-width stop, IDNA's stops.
        "/public/%E2%80%A5/admin",
        "/public/%EF%BC%8E%EF%BC%8E/admin",
        "/public/%E3%80%82%E3%80%82/admin",
        // Dots beside characters that are dropped.
        "/public/.%E2%80%8B./admin",
    ]);
}

/// An encoded slash after dots.
#[test]
pub(super) fn encoded_slashes_are_refused() {
    all_refused(&[
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public/%2e%2e%2fadmin",
        "/public%2fx",
        "/%2fadmin",
        "/public/%EF%BC%8Fadmin",
        "/public/%E2%88%95admin",
    ]);
}

/// A backslash.
#[test]
pub(super) fn backslashes_are_refused() {
    all_refused(&[
        "/public/..%5cadmin",
        "/public/..%5Cadmin",
        "/public/..\\admin",
        "/public\\..\\admin",
        "/\\admin",
        "/%5c%5cevil",
    ]);
}

/// Double encoding.
#[test]
pub(super) fn what_is_encoded_twice_is_refused() {
    all_refused(&[
        "/public/%252e%252e/admin",
        "/public/%25%32%65%25%32%65/admin",
        "/public/%252fadmin",
        "/public/%25252e/admin",
        "/public/%2500",
        "/public/%u002e%u002e/admin",
        "/public/%25u002e/admin",
    ]);
}

/// Doubled slashes; more dots than two.
#[test]
pub(super) fn empty_segments_are_refused() {
    all_refused(&[
        "//admin/x",
        "/public//../admin",
        "//evil.example/admin",
        "/public//x",
        "/public/x//",
        "///",
        "/....//admin",
        "/public/...//admin",
        "//",
        "/public/%E2%80%8B/x",
        "/%C2%AD/admin",
    ]);
}

/// Path parameters (`;`).
#[test]
pub(super) fn path_parameters_are_refused() {
    all_refused(&[
        "/admin;a=b/x",
        "/public/..;/admin",
        "/public;/../admin",
        "/public/x;",
        "/;/admin",
        "/public/x%3bv=1",
        "/public/%3B/x",
    ]);
}

/// Control bytes and bytes beyond ASCII.
#[test]
pub(super) fn control_characters_and_raw_bytes_are_refused() {
    all_refused(&[
        "/public%00/admin",
        "/public/x%0d%0aX-Postern-User:%20su",
        "/public/%09x",
        "/public/%7f",
        "/public/%1b[31m",
        "/public/%C2%85",
        "/public/<x>",
        "/public/{x}",
        "/public/\"x\"",
        "/public/`x`",
    ]);
    let gate = Gate::new();
    for bytes in [&b"/public/\xe9"[..], b"/public/\x80", b"/public/\xc3\xa9", b"/\xff"] {
        let head = [b"GET ", bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        gate.refused(head, 400, "bad_target");
    }
    for bytes in [&b"/public/\x00"[..], b"/public/\x0b", b"/public/\x7f", b"/public/\tx"] {
        let head = [b"GET ", bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(gate.send(&head).status, 400);
        gate.upstream.assert_untouched("a control character in the target");
    }
}

/// A sharp, bare and encoded.
#[test]
pub(super) fn a_fragment_is_refused_and_an_encoded_one_is_text() {
    all_refused(&["/public/x#/admin", "/public#", "/#/admin"]);
    let gate = Gate::new();
    let sent = gate.forwarded(get(Who::nobody, "/public/%23/x"));
    assert_eq!(sent.target, "/public/%23/x");
    gate.refused(get(Who::nobody, "/admin%23/public/x"), 404, "no_route");
}

/// An encoded question mark.
#[test]
pub(super) fn an_encoded_question_mark_hides_no_dots() {
    all_refused(&["/public%3f/../admin", "/public/x%3f/%2e%2e/admin", "/public/..%3fx"]);
    let gate = Gate::new();
    assert_eq!(gate.forwarded(get(Who::nobody, "/public/what%3F")).target, "/public/what%3F");
}

/// Another case.
#[test]
pub(super) fn another_case_is_another_path_and_never_open() {
    let gate = Gate::new();
    for target in ["/ADMIN/x", "/Admin/x", "/PUBLIC/x", "/api/V1/org/a/x", "/API/v1/org/a/x", "/%41dmin/x"] {
        gate.refused(get(Who::uA, target), 404, "no_route");
    }
}

/// Trailing slashes.
#[test]
pub(super) fn every_variant_of_a_closed_prefix_is_judged() {
    let gate = Gate::new();
    for target in
        ["/admin", "/admin/", "/admin/x", "/admin/x/", "/admin?x=/public", "/admin/?", "/%61dmin", "/admin/public/x"]
    {
        gate.refused(get(Who::uA, target), 403, "superuser_only");
        gate.refused(get(Who::nobody, target), 401, "credentials_missing");
    }
    gate.refused(get(Who::uA, "/admin//"), 400, "bad_target");
    // `/exact` is one path, and `/exact/` another.
    assert_eq!(gate.forwarded(get(Who::nobody, "/exact")).target, "/exact");
    gate.refused(get(Who::nobody, "/exact/"), 404, "no_route");
    gate.refused(get(Who::nobody, "/"), 404, "no_route");
}

/// An encoded slash in a variable; an empty variable.
#[test]
pub(super) fn the_organization_of_the_path_is_one_segment() {
    let gate = Gate::new();
    for target in ["/api/v1/org/a%2f..%2fb/x", "/api/v1/org//device/", "/api/v1/org/a//x", "/api/v1/org/a/../b/x"] {
        gate.refused(get(Who::uA, target), 400, "bad_target");
    }
    for target in [
        "/api/v1/org/",
        "/api/v1/org",
        "/api/v1/org/%20/x",
        "/api/v1/org/a%20/x",
        "/api/v1/org/a%2Cb/x",
        "/api/v1/org/*/x",
    ] {
        gate.refused(get(Who::uA, target), 404, "no_route");
    }
    gate.refused(get(Who::uA, "/api/v1/org/A/x"), 403, "org_foreign");
    gate.refused(get(Who::uA, "/api/v1/org/b/x"), 403, "org_foreign");
}

/// An encoded letter in a variable.
#[test]
pub(super) fn a_variable_is_decoded_once_and_the_bytes_stay() {
    let gate = Gate::new();
    let sent = gate.forwarded(get(Who::uA, "/api/v1/org/%61/x%20y?q=%2e%2e"));
    assert_eq!(sent.target, "/api/v1/org/%61/x%20y?q=%2e%2e");
    assert_eq!(sent.header("x-postern-organization"), Some("a"));
    gate.refused(get(Who::uA, "/api/v1/org/%2561/x"), 400, "bad_target");
    gate.refused(get(Who::uA, "/api/v1/org/%62/x"), 403, "org_foreign");
}

/// The spellings of one organization's id are one organization.
#[test]
pub(super) fn an_id_in_any_case_is_the_same_organization() {
    let gate = Gate::new();
    for id in [crate::support::ORG_A.to_owned(), crate::support::ORG_A.to_uppercase()] {
        let sent = gate.forwarded(get(Who::uA, &format!("/api/v1/id/{id}/x")));
        assert_eq!(sent.header("x-postern-organization"), Some("a"));
    }
    gate.refused(get(Who::uA, &format!("/api/v1/id/{}/x", crate::support::ORG_B)), 403, "org_foreign");
    for id in ["aaaaaaaa00004000800000000000000a", "{aaaaaaaa-0000-4000-8000-00000000000a}", "a", "0"] {
        let answer = gate.get(Who::uA, &format!("/api/v1/id/{id}/x"));
        assert!([400, 404].contains(&answer.status), "{id}");
    }
    gate.upstream.assert_untouched("ids in odd forms");
}

/// Absolute form.
#[test]
pub(super) fn a_target_of_another_form_or_host_is_refused() {
    let gate = Gate::new();
    for target in [
        "http://other-host/admin",
        "http://other-host/public/x",
        "https://api.example.com:80/public/x",
        "ftp://x/public",
        "x://y",
        "http:/public/x",
        "http:public",
        "public/x",
        "?/public/x",
        "api.example.com:80",
        "@api.example.com/public",
    ] {
        let answer = gate.send(format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_target"), "{target}");
    }
    gate.upstream.assert_untouched("absolute forms");
}

/// Overlong UTF-8.
#[test]
pub(super) fn what_is_not_utf8_is_refused() {
    all_refused(&[
        "/public/%e0%80%af..",
        "/public/%c0%ae%c0%ae/admin",
        "/public/%c0%af",
        "/public/%ed%a0%80",
        "/public/%f5%80%80%80",
        "/public/%80",
        "/public/%c3",
        "/public/%",
        "/public/%2",
        "/public/%zz",
        "/public/%%32e",
        "/public/%-1",
    ]);
}

/// Format suffixes, `_method`.
#[test]
pub(super) fn suffixes_and_overrides_in_the_query_change_no_rule() {
    let gate = Gate::new();
    for target in ["/readonly.json", "/readonly.api", "/readonly/.json", "/api/v1/owner/a.json"] {
        gate.refused(get(Who::uA, target), 404, "no_route");
    }
    gate.refused(get(Who::uA, "/admin/x.json"), 403, "superuser_only");
    for target in
        ["/readonly?format=csv", "/readonly?_method=DELETE", "/readonly?x=/../admin", "/readonly?/admin", "/readonly?"]
    {
        let sent = gate.forwarded(get(Who::uA, target));
        assert_eq!((sent.method.as_str(), sent.target.as_str()), ("GET", target));
    }
    gate.refused(request(Who::uA, "DELETE", "/readonly?_method=GET", &[], ""), 405, "method_not_allowed");
}

/// A rewritten target.
#[test]
pub(super) fn a_rewritten_target_is_judged_again() {
    let gate = Gate::new();
    assert_eq!(gate.forwarded(get(Who::uA, "/ext/me/x?y=1")).target, "/me/x?y=1");
    for target in ["/ext/./admin", "/ext/%2e/admin", "/ext/../admin", "/ext//admin", "/ext/%2fadmin"] {
        gate.refused(get(Who::uA, target), 400, "bad_target");
    }
    for target in ["/ext../admin", "/extadmin", "/Ext/admin"] {
        gate.refused(get(Who::uA, target), 404, "no_route");
    }
    gate.refused(get(Who::uA, "/ext/admin/x"), 403, "superuser_only");
    gate.refused(get(Who::su, "/ext/closed/x"), 403, "denied");
    gate.refused(get(Who::uA, "/ext/api/v1/org/b/x"), 403, "org_foreign");
    gate.refused(request(Who::uA, "POST", "/ext/api/v1/org/a/x", &[], "x"), 403, "org_level_missing");
    gate.refused(get(Who::nobody, "/ext/public/x"), 401, "credentials_missing");
}

/// A prefix of a prefix: what is added in front must not open what the target alone could not reach.
#[test]
pub(super) fn an_added_prefix_stays_in_front() {
    let policy = "version: 1\nroutes:\n  /v2/**: { level: public, rewrite: { strip_prefix: /v2, add_prefix: /legacy/v1, unmatched: allow } }\n  /legacy/v1/secret/**: deny\n";
    let gate = Gate::with(&Options::policy(policy));
    assert_eq!(gate.forwarded(get(Who::nobody, "/v2/x?a=b")).target, "/legacy/v1/x?a=b");
    assert_eq!(gate.forwarded(get(Who::nobody, "/v2")).target, "/legacy/v1");
    assert_eq!(gate.forwarded(get(Who::nobody, "/v2/")).target, "/legacy/v1/");
    gate.refused(get(Who::nobody, "/v2/secret/x"), 403, "denied");
    gate.refused(get(Who::nobody, "/v2/../secret/x"), 400, "bad_target");
    gate.refused(get(Who::nobody, "/v2/%73ecret"), 403, "denied");
}

/// What is `deny` stays closed for everybody.
#[test]
pub(super) fn a_hole_is_closed_for_superusers_too() {
    let gate = Gate::new();
    for who in [Who::nobody, Who::uA, Who::su] {
        gate.refused(get(who, "/closed/x"), 403, "denied");
        gate.refused(request(who, "POST", "/closed", &[], "x"), 403, "denied");
    }
}
