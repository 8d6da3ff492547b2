//! Organizations that answers name: the service is asked, and what it says is judged.

use super::super::read;
use super::all_hold;
use crate::policy::load;
use crate::yaml::Findings;

const POLICY: &str = "
version: 1
defaults: { shared: { read: manager, write: superuser }, inject: { X-Organization: org.slug, X-User: user.username } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
routes:
  /device/{id:uuid}/:
    org: response./organization
    read: { level: member, model: config.device }
    write: { level: manager, org: lookup.device }
  /build/{id:int}: { GET: { level: manager, org: response./category/organization as slug, foreign: 403 } }
  /of/{org:uuid}/{id:int}: { GET: { level: member, org: [path.org, response./organization] } }
  /either/: { GET: { level: member, org: query.org or response./organization } }
  /all/: { GET: { level: member, org: 'response./results/*/organization' } }
  /open/: { GET: { level: authenticated, org: response./organization, when: 'org.slug == \"acme\"' } }
  /root/: { GET: { level: superuser, org: response./organization } }
  /errors/: { GET: { level: member, org: response./organization, error_passthrough: true } }
  /slow/: { GET: { level: member, org: response./organization, throttle: { rate: 1/minute, by: user } } }
  /list/: { GET: { level: member, list: { items: /results, org: /organization }, inspect_limit: 64B } }
  /map/**: { GET: authenticated, rewrite: { strip_prefix: /map, add_prefix: /list } }
  /ext/{id:uuid}/: { GET: authenticated, rewrite: { strip_prefix: /ext, add_prefix: /device } }
";

const TESTS: &str = r#"
given:
  organizations: { acme: {}, bolt: {}, gone: { active: false } }
  users:
    ann: { acme: manager, permissions: [config.view_device] }
    both: { acme: member, bolt: member }
    bob: { acme: member, permissions: [config.view_device] }
    eve: { acme: member }
    off: { acme: member, active: false }
    root: superuser
  lookups: { device: { d1: acme } }
tests:
- { as: bob, GET: /device/<d1>/, upstream: { organization: <acme> }, expect: allow, inject: { X-Organization: null, X-User: bob } }
- { as: bob, HEAD: /device/<d1>/, upstream: { organization: <acme> }, expect: allow }
- { as: bob, GET: /device/<d1>/, upstream: { organization: <bolt> }, expect: 404 org_foreign }
- { as: bob, GET: /device/<d1>/, upstream: { organization: <gone> }, expect: 404 org_foreign }
- { as: bob, GET: /device/<d1>/, upstream: { organization: 00000000-0000-4000-8000-00000000000f }, expect: 404 org_foreign }
- { as: eve, GET: /device/<d1>/, upstream: { organization: <acme> }, expect: 403 permission_missing }
- { as: eve, GET: /device/<d1>/, upstream: { organization: <bolt> }, expect: 404 org_foreign }
- { as: bob, GET: /device/<d1>/, upstream: { organization: null }, expect: 403 shared_denied }
- { as: ann, GET: /device/<d1>/, upstream: { organization: null }, expect: allow }
- { as: root, GET: /device/<d1>/, upstream: { organization: null }, expect: allow }
- { as: root, GET: /device/<d1>/, upstream: { organization: <gone> }, expect: allow }
- { as: root, GET: /device/<d1>/, upstream: { organization: 00000000-0000-4000-8000-00000000000f }, expect: 404 org_foreign }
- { as: anonymous, GET: /device/<d1>/, upstream: { organization: <acme> }, expect: 401 credentials_missing }
- { as: off, GET: /device/<d1>/, upstream: { organization: <acme> }, expect: 401 user_inactive }
- { as: ann, GET: /device/<d1>/, upstream: { name: x }, expect: 502 answer_unreadable }
- { as: root, GET: /device/<d1>/, upstream: { name: x }, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: { organization: x }, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: { organization: [ <acme> ] }, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: { organization: { id: <acme> } }, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: [], expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: '{"organization": "<acme>", "organization": "<bolt>"}', expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: '{"organization": "<acme>", "Organization": "<bolt>"}', expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: '{"organization": "<acme>"} {}', expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: '{"organization": "<acme>"', expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: '', expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: { organization: <acme> }, upstream_status: 206, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream_status: 204, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream_status: 304, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream_status: 302, expect: 502 answer_unreadable }
- { as: ann, GET: /device/<d1>/, upstream: { organization: <acme> }, upstream_status: 203, expect: allow }
- { as: ann, GET: /device/<d1>/, upstream: { organization: <acme> }, upstream_status: 404, expect: 404 upstream_error }
- { as: ann, GET: /device/<d1>/, upstream: { organization: <acme> }, upstream_status: 500, expect: 500 upstream_error }
- { as: ann, GET: /device/<d1>/, upstream: { organization: <acme> }, upstream_status: 401, expect: 401 upstream_error }
- { as: ann, PUT: /device/<d1>/, expect: allow, inject: { X-Organization: acme } }
- { as: ann, GET: /build/17, upstream: { category: { organization: acme } }, expect: allow }
- { as: ann, GET: /build/17, upstream: { category: { organization: bolt } }, expect: 403 org_foreign }
- { as: bob, GET: /build/17, upstream: { category: { organization: acme } }, expect: 403 org_level_missing }
- { as: ann, GET: /build/17, upstream: { category: null }, expect: 502 answer_unreadable }
- { as: bob, GET: /of/<acme>/1, upstream: { organization: <acme> }, expect: allow, inject: { X-Organization: acme } }
- { as: bob, GET: /of/<bolt>/1, expect: 404 org_foreign }
- { as: bob, GET: /of/<acme>/1, upstream: { organization: <bolt> }, expect: 404 org_foreign }
- { as: both, GET: /of/<acme>/1, upstream: { organization: <bolt> }, expect: 400 ambiguous }
- { as: bob, GET: '/either/?org=<acme>', upstream: { name: x }, expect: allow }
- { as: bob, GET: '/either/?org=<bolt>', expect: 404 org_foreign }
- { as: both, GET: '/either/?org=<acme>', upstream: { organization: <bolt> }, expect: 400 ambiguous }
- { as: bob, GET: /either/, upstream: { organization: <acme> }, expect: allow }
- { as: bob, GET: /either/, upstream: { name: x }, expect: 502 answer_unreadable }
- { as: both, GET: /all/, upstream: { results: [ { organization: <acme> }, { organization: <acme> } ] }, expect: allow }
- { as: both, GET: /all/, upstream: { results: [ { organization: <acme> }, { organization: <bolt> } ] }, expect: 502 answer_unreadable }
- { as: both, GET: /all/, upstream: { results: [ { organization: <acme> }, { name: x } ] }, expect: 502 answer_unreadable }
- { as: both, GET: /all/, upstream: { results: [] }, expect: 502 answer_unreadable }
- { as: bob, GET: /open/, upstream: { organization: <acme> }, expect: allow }
- { as: both, GET: /open/, upstream: { organization: <bolt> }, expect: 403 condition_false }
- { as: bob, GET: /open/, upstream: { organization: <bolt> }, expect: 403 condition_false }
- { as: bob, GET: /root/, expect: 403 superuser_only }
- { as: root, GET: /root/, upstream: { organization: <bolt> }, expect: allow }
- { as: bob, GET: /errors/, upstream: { organization: <bolt> }, upstream_status: 404, expect: allow }
- { as: bob, GET: /errors/, upstream: { organization: <bolt> }, expect: 404 org_foreign }
- { as: bob, GET: /errors/, upstream_status: 304, expect: 502 answer_unreadable }
- { as: bob, GET: /slow/, throttled: true, upstream: { organization: <acme> }, expect: 429 throttled }
- { as: bob, GET: /slow/, upstream: { organization: <acme> }, expect: allow }
- { as: bob, GET: /ext/<d1>/, upstream: { organization: <acme> }, expect: allow, forwarded: /device/<d1>/ }
- { as: bob, GET: /list/, expect: allow }
- { as: bob, GET: /list/, upstream: { count: 2, results: [ { organization: <acme> }, { organization: <bolt> } ] }, expect: { results: [ { organization: <acme> } ] } }
- { as: bob, GET: /list/, upstream: { results: [ { organization: null }, { x: 1 } ] }, expect: { results: [] } }
- { as: ann, GET: /list/, upstream: { results: [ { organization: null }, { x: 1 } ] }, expect: { results: [ { organization: null } ] } }
- { as: root, GET: /list/, upstream: { count: 1, results: [ { x: 1 } ] }, expect: { count: 1, results: [ { x: 1 } ] } }
- { as: bob, GET: /list/, upstream: { results: {} }, expect: 502 answer_unreadable }
- { as: bob, GET: /list/, upstream: { results: [ { organization: <acme>, name: abcdefghijklmnopqrstuvwxyz } ] }, expect: 502 answer_unreadable }
- { as: bob, GET: /list/, upstream: x, upstream_status: 503, expect: 503 upstream_error }
- { as: bob, GET: /map/, upstream: { results: [ { organization: <bolt> } ] }, expect: { results: [] } }
- { as: bob, GET: /ext/<d1>/, upstream: { organization: <bolt> }, expect: 404 org_foreign }
"#;

#[test]
fn answers_name_organizations() {
    all_hold(POLICY, TESTS);
}

#[test]
fn a_case_without_the_answer_that_decides_passes_for_nothing() {
    let policy = load(&[("routes.yaml", POLICY)], None).unwrap();
    let mut findings = Findings::new();
    let tests = "given: { organizations: { acme: {} }, users: { bob: { acme: member } } }\n\
                 tests:\n- { as: bob, GET: /either/, expect: allow }\n- { as: bob, GET: /either/, expect: 502 }\n";
    let id = findings.add_source("routes_test.yaml", tests);
    let outcomes = read(id, &mut findings).unwrap().run(&policy).outcomes;
    let got: Vec<_> = outcomes.iter().filter_map(|(_, outcome)| outcome.failure.as_ref().map(|f| &*f.got)).collect();
    assert_eq!(got, [super::super::UNDECIDED; 2]);
}
