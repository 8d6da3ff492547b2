//! Cases that pass, cases that must not, and mistakes at their places.

mod answers;
mod bodies;
mod lists;
mod lookups;

use super::{Suite, junit, read};
use crate::policy::{Policy, load};
use crate::yaml::Findings;

const POLICY: &str = "
version: 1
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Role: org.level, X-Postern-Organization: org.id }
routes:
  /healthz: { GET: public }
  /me: authenticated
  /maybe: optional
  /staff: staff
  /o/{org:uuid}/**: { org: path.org, read: member, write: manager }
  /s/{org:slug}: { org: path.org as slug, level: owner, foreign: 404 }
  /l/{key}: { org: path.key as external, level: member }
  /h: { org: header.X-Org as slug, level: member }
";

const GIVEN: &str = "
given:
  organizations: { acme: { external_id: 17 }, bolt: {}, gone: { active: false } }
  users:
    ann: { acme: manager, permissions: [config.add_device] }
    olga: { bolt: owner, gone: owner }
    bob: { acme: member }
    eve: {}
    sam: { staff: true }
    off: { acme: manager, active: false }
    root: superuser
";

fn policy() -> Policy {
    load(&[("routes.yaml", POLICY)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()))
}

fn suite(text: &str) -> Result<Suite, Findings> {
    let mut findings = Findings::new();
    let id = findings.add_source("routes_test.yaml", text);
    let suite = read(id, &mut findings);
    findings.sort();
    if findings.is_empty() { Ok(suite.unwrap()) } else { Err(findings) }
}

/// Fails where one of these cases does not come out as it says.
fn all_hold(policy: &str, tests: &str) {
    let policy = load(&[("routes.yaml", policy)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let suite = suite(tests).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let failed = |(case, outcome): (super::Case, super::Outcome)| {
        outcome.failure.map(|f| (case.line, case.name(), f.expected, f.got))
    };
    let failed: Vec<_> = suite.run(&policy).outcomes.into_iter().filter_map(failed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Line, what was expected and what was got of each failed case.
fn failures(cases: &str) -> Vec<(usize, String, String)> {
    let suite = suite(&format!("{GIVEN}tests:\n{cases}")).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let report = suite.run(&policy());
    let first = GIVEN.lines().count() + 1;
    let failed = |(case, outcome): (super::Case, super::Outcome)| {
        outcome.failure.map(|f| (case.line - first, f.expected, f.got))
    };
    report.outcomes.into_iter().filter_map(failed).collect()
}

/// Code, line, column and help of each mistake, lines counted from that of `tests:`.
fn mistakes(given: &str, cases: &str) -> Vec<(&'static str, usize, usize, String)> {
    let findings = suite(&format!("{given}\ntests:\n{cases}")).err().unwrap();
    let first = given.lines().count() + 1;
    let list = findings.list().iter();
    list.map(|f| (f.code, f.place.line.abs_diff(first), f.place.column, f.help.clone().unwrap_or_default())).collect()
}

#[test]
fn a_suite_in_the_policy_s_own_words_passes() {
    let none: Vec<(usize, String, String)> = Vec::new();
    assert_eq!(
        failures(
            "  - { as: anonymous, GET: /healthz, expect: allow }
  - { as: bob, GET: /o/<acme>/x, expect: allow, inject: { X-Postern-Role: member, X-Postern-Organization: <acme> } }
  - { as: bob, POST: /o/<acme>/x, expect: 403 org_level_missing }
  - { as: bob, GET: /o/<bolt>/x, expect: 403 org_foreign }
  - { as: ann, DELETE: /o/<acme>/x, expect: allow, body: { organization: null } }
  - { as: olga, GET: /o/<gone>/x, expect: 403 org_foreign }
  - { as: root, GET: /o/<gone>/x, expect: allow, inject: { X-Postern-Role: superuser } }
  - { as: olga, GET: /s/bolt, expect: allow }
  - { as: ann, GET: /s/bolt, expect: 404 org_foreign }
  - { as: ann, GET: /l/17, expect: allow }
  - { as: eve, GET: /me, expect: allow }
  - { as: sam, GET: /staff, expect: allow }
  - { as: root, GET: /staff, expect: 403 staff_only }
  - { as: off, GET: /me, expect: 401 user_inactive }
  - { as: off, GET: /healthz, expect: allow }
  - { as: anonymous, GET: /me, expect: 401 }
  - { as: anonymous, GET: /maybe, headers: { Authorization: Bearer nobody }, expect: 401 credentials_invalid }
  - { as: anonymous, GET: /healthz, headers: { Authorization: Bearer nobody }, expect: allow }
  - { as: bob, GET: /h, headers: { X-Org: acme }, expect: allow }
  - { as: bob, GET: /h, headers: { X-Org: [acme, acme] }, expect: 400 ambiguous }
  - { as: bob, GET: /h, headers: { X_Org: acme }, expect: 400 ambiguous }
  - { as: bob, GET: /o/../me, expect: 400 bad_target }
  - { as: bob, GET: /nowhere, expect: 404 no_route }
  - { as: bob, PUT: /healthz, expect: 405 method_not_allowed }
  - { as: bob, TRACE: /me, expect: 405 }
"
        ),
        none
    );
}

#[test]
fn falsified_expectations_fail_each_with_what_is_so() {
    let cases = "  - { as: bob, GET: /o/<acme>/x, expect: 403 }
  - { as: bob, POST: /o/<acme>/x, expect: allow }
  - { as: bob, POST: /o/<acme>/x, expect: 403 org_foreign }
  - { as: bob, POST: /o/<acme>/x, expect: 404 org_level_missing }
  - { as: bob, GET: /o/<acme>/x, expect: allow, inject: { X-Postern-Role: manager } }
  - { as: bob, GET: /me, expect: allow, inject: { X-Postern-Role: member } }
  - { as: bob, GET: /me, expect: allow, inject: { X-Postern-User: bob } }
";
    let told = failures(cases);
    let told: Vec<_> = told.iter().map(|(line, e, g)| (*line, e.as_str(), g.as_str())).collect();
    assert_eq!(
        told,
        [
            (1, "403", "allow"),
            (2, "allow", "403 org_level_missing"),
            (3, "403 org_foreign", "403 org_level_missing"),
            (4, "404 org_level_missing", "403 org_level_missing"),
            (5, "x-postern-role: manager", "x-postern-role: member"),
            (6, "x-postern-role: member", "no x-postern-role"),
        ]
    );
}

#[test]
fn a_failure_says_which_route_and_why() {
    let suite = suite(&format!("{GIVEN}tests:\n- {{ as: ann, GET: /o/<bolt>/x, expect: allow }}\n")).ok().unwrap();
    let report = suite.run(&policy());
    let text = report.to_text(false);
    assert!(text.contains("route: /o/{org:uuid}/** (routes.yaml:10)"), "{text}");
    assert!(text.contains("bolt, to which ann does not belong") && text.contains("manager of acme"), "{text}");
    let xml = junit(&[report], &[]);
    assert!(xml.contains("<failure message=\"expected allow, got 403 org_foreign\">"), "{xml}");
}

#[test]
fn every_mistake_is_told_at_its_place_with_a_suggestion() {
    let case = |text: &str| mistakes(GIVEN, &format!("- {{ {text} }}\n"));
    let one = |text: &str, code, column, help: &str| {
        let found = case(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!((found[0].0, found[0].2), (code, column), "{text}: {found:?}");
        assert!(found[0].3.contains(help), "{text}: {found:?}");
    };
    one("as: bobb, GET: /me, expect: allow", "unknown_user", 9, "did you mean `bob`?");
    one("as: bob, GTE: /me, expect: allow", "unknown_key", 14, "did you mean `GET`?");
    one("as: bob, GET: /o/<acmee>, expect: allow", "unknown_name", 22, "did you mean `<acme>`?");
    one("as: bob, GET: /me, expect: alow", "wrong_value", 32, "did you mean `allow`?");
    one("as: bob, GET: /me, expect: 200", "wrong_value", 32, "`allow`");
    one("as: bob, GET: /me, expect: org_foreign", "wrong_value", 32, "403 org_foreign");
    one("as: bob, GET: /me, expect: 403 org_forein", "unknown_code", 36, "did you mean `org_foreign`?");
    one("GET: /me, expect: allow", "incomplete_case", 5, "add `as:`");
    one("as: bob, expect: allow", "incomplete_case", 5, "add a method");
    one("as: bob, GET: /me", "incomplete_case", 5, "add `expect: allow`");
    one("as: bob, GET: /me, POST: /me, expect: allow", "two_requests", 24, "one request");
    one("as: bob, GET: /me, expect: allow, claims: x", "wrong_type", 47, "");
    one("as: bob, GET: /me, expect: allow, upstream_status: 99", "wrong_value", 56, "from 200 to 599");
    one("as: bob, GET: /me, expect: 403, inject: { X-A: b }", "wrong_value", 37, "leave it out");
    one("as: bob, GET: /me, headers: { \"a b\": c }, expect: allow", "bad_header", 35, "");
    one("as: bob, GET: /me, headers: { Authorization: x }, expect: allow", "two_credentials", 33, "anonymous");
    let everything = case("as: bobb, GTE: /me, expect: 403 org_forein, headers: 1");
    assert_eq!(everything.len(), 4, "{everything:?}");
}

#[test]
fn mistakes_in_the_world_are_told_too() {
    let one = |given: &str, code, column, help: &str| {
        let found = mistakes(&format!("given: {{ {given} }}"), "- { as: anonymous, GET: /me, expect: allow }\n");
        assert_eq!(found.len(), 1, "{given}: {found:?}");
        assert_eq!((found[0].0, found[0].2), (code, column), "{given}: {found:?}");
        assert!(found[0].3.contains(help), "{given}: {found:?}");
    };
    one("organisations: {}", "unknown_key", 10, "did you mean `organizations`?");
    one("lookups: { device: { d3: acmee } }", "unknown_organization", 35, "");
    one("organizations: { a b: {} }", "bad_name", 27, "slug");
    one("organizations: { staff: {} }", "bad_name", 27, "");
    one("organizations: { a: { activ: true } }", "unknown_key", 32, "did you mean `active`?");
    one("users: { anonymous: {} }", "bad_name", 19, "");
    one("users: { a: superusr }", "unknown_user", 22, "did you mean `superuser`?");
    one(
        "organizations: { acme: {} }, users: { a: { acm: member } }",
        "unknown_organization",
        53,
        "did you mean `acme`?",
    );
    one("organizations: { acme: {} }, users: { a: { acme: maneger } }", "unknown_level", 59, "did you mean `manager`?");
    one("users: { a: { permissions: [x] } }", "wrong_value", 38, "app.codename");
    assert_eq!(suite("tests: []").err().unwrap().list()[0].code, "no_tests");
    assert_eq!(suite("given: {}").err().unwrap().list()[0].code, "no_tests");
}

#[test]
fn somebody_of_claims_alone_has_only_the_names_that_are_given() {
    let text = "version: 1\ndefaults: { inject: { X-Name: user.username, X-Issuer: user.issuer, X-Email: user.email } }\n\
                routes:\n  /x: authenticated\n  /o: { level: authenticated, when: 'has(user.issuer) && user.issuer == \"https://id.example\"' }\n";
    let policy = load(&[("routes.yaml", text)], None).unwrap();
    let given =
        |ext: &str| format!("given: {{ organizations: {{ acme: {{}} }}, users: {{ ann: {{}}, ext: {{ {ext} }} }} }}\n");
    let run = |ext: &str, case: &str| {
        let suite =
            suite(&format!("{}tests: [{{ {case} }}]\n", given(ext))).unwrap_or_else(|f| panic!("{}", f.to_lines()));
        suite.run(&policy)
    };
    let plain = "issuer: \"https://id.example\", acme: manager";
    for (ext, case, passes) in [
        (plain, "as: ext, GET: /x, expect: allow, inject: { X-Issuer: \"https://id.example\" }", true),
        (plain, "as: ext, GET: /x, expect: allow, inject: { X-Name: ext }", false),
        (
            "issuer: i, username: \"i:ann\", email: a@b.c",
            "as: ext, GET: /x, expect: allow, inject: { X-Name: \"i:ann\", X-Email: a@b.c }",
            true,
        ),
        (plain, "as: ext, GET: /o, expect: allow", true),
        ("issuer: other", "as: ext, GET: /o, expect: 403 condition_false", true),
        (plain, "as: ann, GET: /o, expect: 403 condition_false", true),
        (plain, "as: ann, GET: /x, expect: allow, inject: { X-Name: ann }", true),
    ] {
        assert_eq!(run(ext, case).failed() == 0, passes, "{ext}: {case}");
    }
    for ext in
        ["issuer: i, staff: true", "issuer: i, groups: [ops]", "issuer: i, acme: owner", "external_id: 7, issuer: i"]
    {
        let found = mistakes(given(ext).trim_end(), "- { as: ext, GET: /x, expect: allow }\n");
        assert_eq!(found.iter().map(|found| found.0).collect::<Vec<_>>(), ["no_meaning"], "{ext}");
    }
}

#[test]
fn a_request_without_a_host_goes_to_one_of_the_policy_s() {
    let text = "version: 1\nhosts: [api.example.com, \"{org}.example.com\"]\nroutes: { /x: public }\n";
    let policy = load(&[("routes.yaml", text)], None).unwrap();
    let cases = "tests:\n- { as: anonymous, GET: /x, expect: allow }\n\
                 - { as: anonymous, GET: /x, headers: { Host: other.org }, expect: 404 no_route }\n\
                 - { as: anonymous, GET: /x, headers: { Host: a@b }, expect: 400 bad_target }\n";
    assert_eq!(suite(cases).ok().unwrap().run(&policy).failed(), 0);
}

/// A file of ten thousand cases is read and run in a moment, even unoptimized.
#[test]
fn ten_thousand_cases_are_nothing() {
    let case = "- { as: bob, GET: /o/<acme>/x, expect: allow, inject: { X-Postern-Role: member } }\n";
    let text = format!("{GIVEN}tests:\n{}", case.repeat(10_000));
    let report = suite(&text).ok().unwrap().run(&policy());
    assert_eq!((report.outcomes.len(), report.failed()), (10_000, 0));
}

#[test]
fn a_case_has_a_name_and_says_where_its_request_goes_and_what_does_not() {
    let text = "version: 1
upstream: legacy
defaults: { inject: { X-User: user.username, X-Org: org.slug } }
routes:
  /me: authenticated
  /ext/**: { level: authenticated, upstream: docs, forward_authorization: true, rewrite: { strip_prefix: /ext, unmatched: allow } }
";
    let policy = load(&[("routes.yaml", text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let told = |case: &str| {
        let suite = suite(&format!("{GIVEN}tests:\n- {{ as: bob, expect: allow, {case} }}\n"));
        let suite = suite.unwrap_or_else(|f| panic!("{}", f.to_lines()));
        let (case, outcome) = suite.run(&policy).outcomes.remove(0);
        (case.name(), outcome.failure.map(|f| (f.expected, f.got)))
    };
    let passes = |case: &str| assert_eq!(told(case).1, None, "{case}");
    let fails = |case: &str, expected: &str, got: &str| {
        assert_eq!(told(case).1, Some((expected.to_owned(), got.to_owned())), "{case}");
    };
    assert_eq!(told("name: bob sees himself, GET: /me").0, "bob sees himself");
    passes("GET: /me, inject: { X-User: bob, X-Org: null }");
    // What the policy injects anywhere, no client sends through; other headers pass.
    passes("GET: /me, headers: { X_Org: acme, X-Org: acme }, inject: { X-Org: null }");
    fails("GET: /me, inject: { X-User: null }", "no x-user", "x-user: bob");
    fails("GET: /me, headers: { X-Mode: a }, inject: { X-Mode: null }", "no x-mode", "x-mode: a");
    passes("GET: /me?a=1, forwarded: /me?a=1");
    passes("GET: /ext/a/<acme>, forwarded: /a/<acme>");
    passes("GET: /ext/a, forwarded: { target: /a, upstream: docs }");
    passes("GET: /me, forwarded: { upstream: legacy }");
    fails("GET: /ext/a, forwarded: /ext/a", "forwarded /ext/a", "forwarded /a");
    fails("GET: /ext/a, forwarded: { upstream: legacy }", "upstream legacy", "upstream docs");
    let refused = mistakes(GIVEN, "- { as: bob, GET: /me, expect: 403, forwarded: /me }\n");
    assert_eq!((refused[0].0, refused[0].3.as_str()), ("wrong_value", "leave it out"));
    let unknown = mistakes(GIVEN, "- { as: bob, GET: /me, expect: allow, forwarded: { upstrem: a } }\n");
    assert_eq!(unknown[0].0, "unknown_key");
}

#[test]
fn a_case_says_the_client_s_address_and_one_that_is_not_known_is_in_no_network() {
    let policy = "version: 1
routes:
  /in: { level: public, when: 'client.within([\"10.0.0.0/8\", \"::ffff:192.0.2.0/120\", \"2001:db8::/32\"])' }
  /out: { level: public, when: '!client.within(\"10.1.2.3\")' }
  /is: { level: optional, when: 'client.address == \"10.1.2.3\" || has(user.email)' }
  /of: { level: public, when: 'client.address.startsWith(\"10.1.\") && !(client.address in [\"10.1.2.4\"])' }
  /known: { level: public, when: 'has(client.address)' }
";
    let cases = "
  - { as: anonymous, GET: /in, client: 10.255.255.255, expect: allow }
  - { as: anonymous, GET: /in, client: '::ffff:10.1.2.3', expect: allow }
  - { as: anonymous, GET: /in, client: 192.0.2.200, expect: allow }
  - { as: anonymous, GET: /in, client: '2001:db8:1::1', expect: allow }
  - { as: anonymous, GET: /in, client: 11.0.0.0, expect: 403 condition_false }
  - { as: anonymous, GET: /in, client: '2001:db9::', expect: 403 condition_false }
  - { as: anonymous, GET: /in, expect: 403 condition_false }
  - { as: anonymous, GET: /out, client: 10.1.2.4, expect: allow }
  - { as: anonymous, GET: /out, client: 10.1.2.3, expect: 403 condition_false }
  - { as: anonymous, GET: /out, expect: 403 condition_false }
  - { as: anonymous, GET: /is, client: '::ffff:10.1.2.3', expect: allow }
  - { as: anonymous, GET: /is, expect: 403 condition_false }
  - { as: mia, GET: /is, expect: allow }
  - { as: anonymous, GET: /of, client: 10.1.2.3, expect: allow }
  - { as: anonymous, GET: /of, client: 10.1.2.4, expect: 403 condition_false }
  - { as: anonymous, GET: /known, client: '::1', expect: allow }
  - { as: anonymous, GET: /known, expect: 403 condition_false }
";
    let suite = suite(&format!("given: {{ users: {{ mia: {{ email: mia@example.com }} }} }}\ntests:{cases}")).unwrap();
    let report = suite.run(&load(&[("routes.yaml", policy)], None).unwrap_or_else(|f| panic!("{}", f.to_lines())));
    for (case, outcome) in report.outcomes {
        assert!(outcome.failure.is_none(), "line {}: {outcome:?}", case.line);
    }
    assert_eq!(
        mistakes("", "  - { as: anonymous, GET: /in, client: 10.0.0.0/8, expect: allow }"),
        [("wrong_value", 2, 40, "write `10.1.2.3` or `2001:db8::1`".to_owned())]
    );
}

const LIMITED: &str = "version: 1
defaults: { throttle: { rate: 5/m, by: user } }
routes:
  /x: { GET: authenticated, POST: { level: authenticated, body_limit: 1KiB } }
  /q: { org: query.o as slug, write: { level: member, strict_source: true } }
  /live: { GET: { level: authenticated, upgrade: [websocket], origins: ['https://app.example.com'] } }
";

#[test]
fn a_case_says_what_limits_look_at() {
    let policy = load(&[("routes.yaml", LIMITED)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let json = "{ Content-Type: application/json }";
    let cases = [
        "as: eve, GET: /x, expect: allow".to_owned(),
        "as: eve, GET: /x, throttled: false, expect: allow".to_owned(),
        "as: eve, GET: /x, throttled: true, expect: 429 throttled".to_owned(),
        // What is told first is what stands first in the pipeline.
        "as: anonymous, GET: /x, throttled: true, expect: 401".to_owned(),
        "as: eve, POST: /x, body_bytes: 1KiB, expect: allow".to_owned(),
        "as: eve, POST: /x, body_bytes: 1025, expect: 413 body_too_large".to_owned(),
        "as: eve, POST: /x, body_bytes: 1025, throttled: true, expect: 429".to_owned(),
        // The configuration's limit, where none is known.
        "as: eve, GET: /x, body_bytes: 100MiB, expect: allow".to_owned(),
        "as: eve, GET: /x, body_bytes: 101MiB, expect: 413".to_owned(),
        format!("as: eve, POST: /x, body: {}, expect: 413 body_too_large", "x".repeat(1025)),
        "as: bob, POST: /q?o=acme, body: o=bolt, expect: 400 ambiguous".to_owned(),
        "as: bob, POST: /q?o=acme, body: a=1, expect: allow".to_owned(),
        "as: bob, POST: /q?o=acme, body: { o: bolt }, expect: 400 ambiguous".to_owned(),
        "as: bob, POST: /q?o=acme, body: { a: { o: <bolt> } }, expect: allow".to_owned(),
        format!("as: bob, POST: /q?o=acme, headers: {json}, body: o=bolt, expect: 400 body_invalid"),
        "as: bob, POST: /q?o=acme, body_bytes: 1MiB, expect: allow".to_owned(),
        "as: bob, POST: /q?o=acme, body_bytes: 2MiB, expect: 413 body_too_large".to_owned(),
        "as: eve, GET: /live, headers: { Upgrade: websocket }, expect: allow".to_owned(),
        "as: eve, GET: /live, headers: { Upgrade: websocket, Origin: 'https://app.example.com' }, expect: allow"
            .to_owned(),
        "as: eve, GET: /live, headers: { Upgrade: websocket, Origin: 'https://b.example' }, expect: 403 origin_denied"
            .to_owned(),
        // It is a GET like any other.
        "as: eve, GET: /live, headers: { Origin: 'https://b.example' }, expect: allow".to_owned(),
        "as: eve, GET: /x, headers: { Upgrade: websocket, Origin: 'https://b.example' }, expect: allow".to_owned(),
    ];
    let text: String = cases.iter().map(|case| format!("- {{ {case} }}\n")).collect();
    let suite = suite(&format!("{GIVEN}tests:\n{text}")).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let report = suite.run(&policy);
    assert_eq!((report.failed(), report.outcomes.len()), (0, cases.len()), "{}", report.to_text(false));
    let two = mistakes(GIVEN, "- { as: eve, POST: /me, body: x, body_bytes: 2B, expect: allow }\n");
    assert_eq!((two.len(), two[0].0, two[0].2), (1, "wrong_value", 34), "{two:?}");
    assert_eq!(mistakes(GIVEN, "- { as: eve, GET: /me, body_bytes: much, expect: 413 }\n")[0].0, "wrong_value");
    assert_eq!(mistakes(GIVEN, "- { as: eve, GET: /me, throttled: often, expect: 429 }\n").len(), 1);
}

#[test]
fn a_token_is_what_it_is_narrowed_to() {
    const NARROWED: &str = "
given:
  organizations: { acme: {}, bolt: {} }
  users:
    ann: { acme: manager, bolt: manager }
    reader: { acme: manager, bolt: manager, token: { organizations: acme, read_only: true } }
    root: { superuser: true, token: { organizations: [acme] } }
tests:
";
    const CASES: &str = "  - { as: reader, GET: /o/<acme>/x, expect: allow, inject: { X-Postern-Role: manager } }
  - { as: reader, POST: /o/<acme>/x, expect: 403 scope_exceeded }
  - { as: reader, GET: /o/<bolt>/x, expect: 403 org_foreign }
  - { as: root, GET: /o/<acme>/x, expect: allow, inject: { X-Postern-Role: superuser } }
  - { as: root, GET: /o/<bolt>/x, expect: 403 org_foreign }
  - { as: ann, GET: /o/<bolt>/x, expect: allow }
  - { as: ann, token: { organizations: [acme] }, GET: /o/<bolt>/x, expect: 403 org_foreign }
  - { as: ann, token: { permissions: [app.see] }, GET: /o/<acme>/x, expect: 403 scope_exceeded }
  - { as: ann, token: { permissions: app.see }, GET: /me, expect: allow }
  - { as: ann, token: { read_only: true }, POST: /o/<acme>/x, expect: 403 scope_exceeded }
  - { as: ann, token: { organizations: [acme] }, GET: /o/<bolt>/x, expect: allow }
  - { as: reader, GET: /staff, expect: allow }
";
    let suite = suite(&format!("{NARROWED}{CASES}")).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let failed = suite.run(&policy()).outcomes.into_iter().filter_map(|(_, outcome)| outcome.failure);
    let told: Vec<String> =
        failed.map(|failure| format!("{} {:?}", failure.got, failure.why.last().unwrap())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("403 org_foreign") && told[0].contains("it is the scope of the token that refuses"));
    assert!(told[1].starts_with("403 staff_only") && told[1].contains("it is not the scope of the token alone"));
}

#[test]
fn a_scope_that_says_nothing_or_has_no_meaning_is_a_mistake() {
    let codes = |user: &str, case: &str| -> Vec<String> {
        let given = format!("given:\n  organizations: {{ acme: {{}} }}\n  users: {{ ann: {user} }}");
        mistakes(&given, &format!("  - {{ {case}, GET: /me, expect: allow }}"))
            .into_iter()
            .map(|m| m.0.to_owned())
            .collect()
    };
    for (user, case, expected) in [
        ("{ token: {} }", "as: ann", "wrong_value"),
        ("{ token: { organizations: [] } }", "as: ann", "wrong_value"),
        ("{ token: { organizations: [], read_only: true } }", "as: ann", "wrong_value"),
        ("{ token: { organizations: [acne] } }", "as: ann", "unknown_organization"),
        ("{ token: { permissions: [see] } }", "as: ann", "wrong_value"),
        ("{ token: { readonly: true } }", "as: ann", "unknown_key"),
        ("{ issuer: x, token: { read_only: true } }", "as: ann", "no_meaning"),
        ("{ token: { read_only: true } }", "as: ann, token: { read_only: true }", "no_meaning"),
        ("{ issuer: x }", "as: ann, token: { read_only: true }", "no_meaning"),
        ("{}", "as: anonymous, token: { read_only: true }", "no_meaning"),
    ] {
        let found = codes(user, case);
        assert!(
            !found.is_empty() && found.iter().all(|code| expected.contains(code.as_str())),
            "{user} {case}: {found:?}"
        );
        assert!(found.contains(&expected.split(' ').next().unwrap().to_owned()), "{user} {case}: {found:?}");
    }
}
