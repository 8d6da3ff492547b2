//! Lists of everybody's objects: what is left of them for whoever asks.

use super::all_hold;
use crate::policy::load;

const POLICY: &str = "
version: 1
defaults: { shared: { read: manager, write: superuser } }
routes:
  /device/: { GET: { level: member, list: { items: /results, org: /organization } } }
  /managed/: { GET: { level: member, list: { items: /results, org: /organization, keep: manager } } }
  /hidden/: { GET: { level: member, list: { items: /results, org: /organization, shared: hide } } }
  /closed/: { GET: { level: member, shared: { read: deny }, list: { items: /results, org: /organization } } }
  /all/: { GET: { level: authenticated, shared: { read: authenticated }, list: { items: '', org: '' } } }
  /slug/: { GET: { level: authenticated, list: { items: '', org: /o/slug as slug } } }
  /external/: { GET: { level: authenticated, list: { items: '', org: /o as external } } }
  /name/: { GET: { level: authenticated, list: { items: '', org: /o as name } } }
  /errors/: { GET: { level: member, error_passthrough: true, list: { items: /results, org: /organization } } }
  /around/: { GET: { level: member, list: { items: /data/results, org: /organization, envelope: [title, type] } } }
  /ext/device/: { GET: member, rewrite: { strip_prefix: /ext } }
  /ext/hidden/: { GET: { level: member, list: { items: /results, org: /organization } }, rewrite: { strip_prefix: /ext } }
";

const TESTS: &str = r#"
given:
  organizations: { acme: { external_id: a-1 }, bolt: { external_id: b-1 }, gone: { active: false } }
  users:
    ann: { acme: manager, bolt: member }
    bob: { acme: member }
    eve: {}
    root: superuser
tests:
- { as: bob, GET: /device/, upstream: { count: 3, next: u, results: [ { organization: <acme> }, { organization: <bolt> }, { organization: null }, {} ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: ann, GET: /device/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> }, { organization: null }, {} ] }, expect: { results: [ { organization: <acme> }, { organization: <bolt> }, { organization: null } ] } }
- { as: ann, GET: /device/, upstream: { results: [ { organization: <gone> }, { organization: 00000000-0000-4000-8000-000000000000 }, { organization: "" }, { organization: x } ] }, expect: { results: [] } }
- { as: ann, GET: /managed/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> } ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: ann, GET: /hidden/, upstream: { results: [ { organization: <acme> }, { organization: null } ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: root, GET: /device/, upstream: { count: 9, results: [ { organization: <gone> }, 7 ] }, expect: { count: 9, results: [ { organization: <gone> }, 7 ] } }
- { as: root, GET: /closed/, upstream: { count: 9, results: [ { organization: <gone> }, { organization: null } ] }, expect: { results: [ { organization: <gone> } ] } }
- { as: bob, token: { organizations: [acme] }, GET: /device/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> } ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: ann, token: { organizations: [bolt] }, GET: /device/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> }, { organization: null } ] }, expect: { results: [ { organization: <bolt> } ] } }
- { as: root, token: { organizations: [bolt] }, GET: /all/, upstream: [ <acme>, <bolt>, <gone>, null ], expect: [ <bolt>, null ] }
- { as: eve, GET: /device/, upstream: { results: [] }, expect: 403 org_level_missing }
- { as: eve, GET: /all/, upstream: [ <acme>, null, 7, true ], expect: [ null ] }
- { as: anonymous, GET: /all/, upstream: [ null ], expect: 401 credentials_missing }
- { as: bob, GET: /slug/, upstream: [ { o: { slug: acme } }, { o: { slug: bolt } }, { o: acme }, { o: { slug: ACME } } ], expect: [ { o: { slug: acme } } ] }
- { as: bob, GET: /external/, upstream: [ { o: a-1 }, { o: b-1 }, { o: null } ], expect: [ { o: a-1 } ] }
- { as: bob, GET: /name/, upstream: [ { o: acme }, { o: bolt } ], expect: [ { o: acme } ] }
- { as: bob, GET: /around/, upstream: { title: t, type: x, total: 9, data: { total: 9, page: 1, results: [] } }, expect: { title: t, type: x, data: { page: 1, results: [] } } }
- { as: bob, GET: /device/, upstream: { detail: x }, expect: 502 answer_unreadable }
- { as: bob, GET: /device/, upstream: [], expect: 502 answer_unreadable }
- { as: bob, GET: /device/, upstream: '{"results": [{"organization": "<acme>", "organization": "<bolt>"}]}', expect: 502 answer_unreadable }
- { as: bob, GET: /device/, upstream: { results: [] }, upstream_status: 206, expect: 502 answer_unreadable }
- { as: bob, GET: /device/, upstream: { detail: x }, upstream_status: 404, expect: 404 upstream_error }
- { as: bob, GET: /errors/, upstream: { detail: x }, upstream_status: 404, expect: { detail: x } }
- { as: bob, GET: /device/, expect: allow }
# A rewritten target is judged by its own rule too.
- { as: bob, GET: /ext/device/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> } ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: bob, GET: /ext/hidden/, upstream: { results: [] }, expect: 502 answer_unreadable }
"#;

#[test]
fn of_a_list_is_left_what_is_the_callers_own() {
    all_hold(POLICY, TESTS);
}

/// Items that name only another object, whose organization a lookup says.
#[test]
fn of_a_list_is_left_what_lookups_say_is_the_callers_own() {
    const POLICY: &str = "
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { sql: SELECT tenant FROM device WHERE id = $1, args: [path.id] }
routes:
  /build/: { GET: { level: member, list: { items: /results, org: { lookup: device, key: /device } } } }
  /hidden/: { GET: { level: authenticated, list: { items: '', org: { lookup: device, key: '' }, shared: hide, keep: manager } } }
";
    const TESTS: &str = r#"
given:
  organizations: { acme: {}, bolt: {}, gone: { active: false } }
  users:
    ann: { acme: manager, bolt: member }
    bob: { acme: member }
    root: superuser
  lookups: { device: { 1: acme, 2: bolt, 3: { organization: null }, 4: gone, 5: acme } }
tests:
- { as: bob, GET: /build/, upstream: { count: 9, results: [ { device: 1 }, { device: "2" }, { device: 3 }, { device: 4 }, { device: "5" }, { device: 6 }, { device: [1] }, {} ] }, expect: { results: [ { device: 1 }, { device: "5" } ] } }
- { as: ann, GET: /build/, upstream: { results: [ { device: 1 }, { device: 2 }, { device: 3 }, { device: 4 } ] }, expect: { results: [ { device: 1 }, { device: 2 }, { device: 3 } ] } }
- { as: ann, GET: /hidden/, upstream: [ 1, 2, 3, null ], expect: [ 1 ] }
- { as: root, GET: /build/, upstream: { count: 2, results: [ { device: 6 } ] }, expect: { count: 2, results: [ { device: 6 } ] } }
- { as: root, token: { organizations: [bolt] }, GET: /hidden/, upstream: [ 1, 2, 3 ], expect: [ 2 ] }
- { as: root, GET: /hidden/, upstream: [ 1, 2, 3, 4, 6 ], expect: [ 1, 2, 4 ] }
- { as: bob, GET: /build/, upstream: '{"results": [{"device": 1, "device": 2}]}', expect: 502 answer_unreadable }
"#;
    all_hold(POLICY, TESTS);
}

#[test]
fn a_list_says_where_its_items_are_and_whose_each_is() {
    for (list, code) in [
        ("{ items: /results }", "missing_key"),
        ("{ org: /organization }", "missing_key"),
        ("{ items: results, org: /organization }", "bad_source"),
        ("{ items: '/*', org: /organization }", "bad_source"),
        ("{ items: /results, org: organization }", "bad_source"),
        ("{ items: /results, org: /organization as thing }", "bad_source"),
        ("{ items: /results, org: /organization as }", "bad_source"),
        ("{ items: /results, org: /organization, keep: public }", "wrong_value"),
        ("{ items: /results, org: /organization, shared: maybe }", "wrong_value"),
        ("{ items: /results, org: /organization, sort: x }", "unknown_key"),
        ("/results", "wrong_type"),
    ] {
        let policy = format!("version: 1\nroutes:\n  /x/: {{ GET: {{ level: member, list: {list} }} }}\n");
        let findings = load(&[("routes.yaml", &policy)], None).map(|_| ()).expect_err(list);
        assert!(findings.list().iter().any(|finding| finding.code == code), "{list}: {}", findings.to_lines());
    }
    for rule in ["public", "optional", "deny"] {
        let policy =
            format!("version: 1\nroutes:\n  /x/: {{ GET: {{ level: {rule}, list: {{ items: '', org: /o }} }} }}\n");
        let findings = load(&[("routes.yaml", &policy)], None).map(|_| ()).expect_err(rule);
        assert!(findings.list().iter().any(|finding| finding.code == "no_meaning"), "{rule}: {}", findings.to_lines());
    }
    for rule in ["org: response./o", "upgrade: [websocket]"] {
        let rule = format!("level: member, {rule}, list: {{ items: '', org: /o }}");
        let policy = format!("version: 1\nroutes:\n  /x/: {{ GET: {{ {rule} }} }}\n");
        let findings = load(&[("routes.yaml", &policy)], None).map(|_| ()).expect_err(&rule);
        assert!(findings.list().iter().any(|finding| finding.code == "no_meaning"), "{rule}: {}", findings.to_lines());
    }
}
