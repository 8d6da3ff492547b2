//! Objects whose organization a lookup finds: every kind of caller, every kind of object.

use super::all_hold;
use crate::decision::Reason;
use crate::policy::load;

const POLICY: &str = r#"
version: 1
defaults:
  shared: { read: manager, write: superuser }
  inject: { X-Organization: org.slug, X-Name: lookup.device.name }
lookups:
  device:
    sql: SELECT organization_id, name, is_deactivated FROM config_device WHERE id = $1
    args: [path.id]
  build:
    sql: SELECT category_id FROM build WHERE id = $1
    args: [path.number]
  category:
    sql: SELECT slug FROM category JOIN org USING (org_id) WHERE id = $1
    args: [lookup.build.category_id]
  key:
    sql: SELECT organization_id, false AS is_used FROM device WHERE key = $1
    args: [query.key]
routes:
  /device/{id:uuid}/:
    org: lookup.device
    inject: { X-Name: lookup.device.name }
    read: member
    write: { level: manager, when: '!lookup.device.is_deactivated' }
  /device/{id:uuid}/told: { org: lookup.device, level: member, foreign: 403, inject: { X-Name: lookup.device.name } }
  /build/{number:int}/: { org: lookup.category as slug, level: member, inject: { X-Name: { literal: none } } }
  /both/{org:uuid}/{id:uuid}: { org: [path.org, lookup.device], level: member }
  /either: { org: lookup.key or header.X-Org, level: member, inject: { X-Name: { literal: none } } }
  /public: { level: public, when: 'has(lookup.key.is_used) && lookup.key.is_used == false', inject: { X-Name: { literal: none } } }
"#;

const TESTS: &str = "
given:
  organizations: { acme: {}, bolt: {}, gone: { active: false } }
  users:
    ann: { acme: manager }
    bob: { acme: member }
    eve: {}
    root: superuser
  lookups:
    device:
      d1: { organization: acme, name: Router, is_deactivated: false }
      d2: { organization: bolt, is_deactivated: false }
      d3: { organization: null, is_deactivated: false }
      d4: { organization: gone, is_deactivated: false }
      old: { organization: acme, is_deactivated: true }
    build: { 17: { organization: null, category_id: 5 }, 18: { organization: null, category_id: 6 }, 19: null }
    category: { 5: acme, 6: bolt }
    key: { k1: acme, k2: { organization: bolt, is_used: true }, k3: { organization: bolt, is_used: false } }
tests:
- { as: bob, GET: /device/<d1>/, expect: allow, inject: { X-Organization: acme, X-Name: Router } }
- { as: bob, PUT: /device/<d1>/, expect: 403 org_level_missing }
- { as: ann, PUT: /device/<d1>/, expect: allow }
- { as: ann, PUT: /device/<old>/, expect: 403 condition_false }
- { as: ann, GET: /device/<old>/, expect: allow }
- { as: ann, GET: /device/<d2>/, expect: 404 org_foreign }
- { as: ann, GET: /device/<d2>/told, expect: 403 org_foreign }
- { as: ann, GET: /device/<acme>/, expect: 404 lookup_not_found }
- { as: ann, GET: /device/<d3>/, expect: allow }
- { as: bob, GET: /device/<d3>/, expect: 403 shared_denied }
- { as: ann, PUT: /device/<d3>/, expect: 403 shared_denied }
- { as: root, PUT: /device/<d3>/, expect: allow }
- { as: root, GET: /device/<d2>/, expect: allow, inject: { X-Organization: bolt } }
- { as: root, GET: /device/<d4>/, expect: allow }
- { as: ann, GET: /device/<d4>/, expect: 404 org_foreign }
- { as: eve, GET: /device/<d1>/, expect: 404 org_foreign }
- { as: anonymous, GET: /device/<d1>/, expect: 401 credentials_missing }
- { as: anonymous, GET: /device/<acme>/, expect: 401 credentials_missing }
- { as: bob, GET: /build/17/, expect: allow, inject: { X-Organization: acme } }
- { as: bob, GET: /build/18/, expect: 404 org_foreign }
- { as: bob, GET: /build/20/, expect: 404 lookup_not_found }
- { as: bob, GET: /build/19/, expect: 400 org_missing }
- { as: bob, GET: /both/<acme>/<d1>, expect: allow }
- { as: root, GET: /both/<acme>/<d2>, expect: 400 ambiguous }
- { as: bob, GET: /both/<acme>/<d2>, expect: 404 org_foreign }
- { as: bob, GET: /both/<acme>/<d3>, expect: 400 ambiguous }
- { as: bob, GET: '/either?key=k1', expect: allow }
- { as: bob, GET: '/either?key=k2', expect: 404 org_foreign }
- { as: bob, GET: '/either?key=none', expect: 404 lookup_not_found }
- { as: bob, GET: '/either?key=k1&key=k2', expect: 400 ambiguous }
- { as: bob, GET: /either, headers: { X-Org: <acme> }, expect: allow }
- { as: bob, GET: '/either?key=k1', headers: { X-Org: <bolt> }, expect: 400 ambiguous }
- { as: bob, GET: /either, expect: 400 org_missing }
- { as: anonymous, GET: '/public?key=k3', expect: allow }
- { as: anonymous, GET: '/public?key=k2', expect: 403 condition_false }
- { as: anonymous, GET: '/public?key=k4', expect: 404 lookup_not_found }
- { as: anonymous, GET: /public, expect: 403 condition_false }
";

#[test]
fn objects_belong_to_whom_lookups_say() {
    all_hold(POLICY, TESTS);
}

/// A stranger must not learn from an answer whether an object of somebody else is there.
#[test]
fn a_foreign_object_and_none_are_told_alike() {
    let told = |reason| crate::decision::Denial::new(reason).with_status(http::StatusCode::NOT_FOUND).problem();
    assert_eq!(told(Reason::OrgForeign), told(Reason::LookupNotFound));
    assert_eq!(told(Reason::LookupNotFound), told(Reason::NoRoute));
}

#[test]
fn mistakes_in_lookups_are_told_at_their_places() {
    let one = |lookups: &str, route: &str, code: &str, help: &str| {
        let text = format!("version: 1\nlookups: {{ {lookups} }}\nroutes: {{ '/x/{{id:uuid}}': {route} }}\n");
        let found = load(&[("routes.yaml", &text)], None).err().unwrap_or_else(|| panic!("{text} loads"));
        let told = found.to_lines();
        let first = found.list().iter().find(|finding| finding.code == code);
        assert!(first.is_some(), "{text}: {told}");
        assert!(told.contains(help), "{text}: {told}");
    };
    let good = "device: { sql: 'SELECT o FROM d WHERE id = $1', args: [path.id] }";
    let by_device = "{ org: lookup.device, level: member }";
    assert!(
        load(&[("r", format!("version: 1\nlookups: {{ {good} }}\nroutes: {{ '/x/{{id}}': {by_device} }}"))], None)
            .is_ok()
    );
    one(good, "{ org: lookup.devise, level: member }", "unknown_lookup", "did you mean `lookup.device`?");
    one(good, "authenticated", "unused_lookup", "org: lookup.device");
    one("device: { args: [path.id] }", by_device, "bad_lookup", "sql");
    one("device: { sql: 'DELETE FROM d', args: [] }", by_device, "bad_lookup", "one SELECT");
    one("device: { sql: 'SELECT o FROM d WHERE id = $1' }", by_device, "bad_lookup", "`args` gives 0");
    one("device: { sql: 'SELECT 1', args: [path.id] }", by_device, "bad_lookup", "0 parameters");
    one("device: { sql: 'SELECT $1', args: [path.nr] }", by_device, "unbound_variable", "bind it in the pattern");
    one("device: { sql: 'SELECT $1', args: [lookup.device] }", by_device, "bad_lookup", "needs itself");
    one("device: { sql: 'SELECT $1', args: [user.only] }", by_device, "bad_source", "path.id");
    one("device: { sql: 'SELECT $1', args: [path.id], cache: 2h }", by_device, "wrong_value", "at most an hour");
    one("1device: { sql: 'SELECT 1' }", "authenticated", "bad_lookup", "begins with a letter");
    one("device: { sqll: 'SELECT 1' }", by_device, "unknown_key", "did you mean `sql`?");
    one(good, "{ org: lookup.device.a.b, level: member }", "bad_source", "one of its columns");
    one(good, "{ org: lookup.device, level: member, inject: { X-A: lookup.device } }", "unknown_value", "COLUMN");
    one(good, "{ org: lookup.device, level: member, when: 'lookup.devise.x' }", "unknown_lookup", "lookup.device");
}
