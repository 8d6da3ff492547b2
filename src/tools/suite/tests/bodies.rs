//! Organizations that bodies name: what is made, what is moved, and many at once.

use super::all_hold;
use crate::policy::load;

const POLICY: &str = "
version: 1
defaults: { shared: { read: manager, write: superuser }, inject: { X-Organization: org.slug } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
  template: { sql: SELECT organization_id FROM template WHERE id = $1, args: [body.template] }
routes:
  /device/: { POST: { level: manager, org: body.organization }, GET: authenticated }
  /device/{id:uuid}/: { org: [lookup.device, body.organization optional], read: member, write: manager }
  /move/{id:uuid}/: { PUT: { level: manager, org: [lookup.device primary, body.organization] } }
  /many/: { POST: { level: manager, org: 'body./*/organization' } }
  /of/{org:slug}/: { POST: { level: manager, org: [path.org as slug, 'body./*/organization'] } }
  /rpc: { POST: { level: member, org: body./params/arguments/org as slug } }
  /from/: { POST: { level: manager, org: [body.organization, lookup.template] } }
  /either: { POST: { level: member, org: query.org or body.org } }
  /strict: { POST: { level: member, strict_source: true, org: [query.org, body.owner] } }
";

const TESTS: &str = r#"
given:
  organizations: { acme: {}, bolt: {} }
  users:
    ann: { acme: manager }
    both: { acme: manager, bolt: manager }
    bob: { acme: member }
    root: superuser
  lookups: { device: { d1: acme, d2: bolt, d3: null }, template: { t1: acme, t2: bolt } }
tests:
- { as: ann, POST: /device/, body: { organization: <acme> }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, POST: /device/, body: { organization: <bolt> }, expect: 403 org_foreign }
- { as: bob, POST: /device/, body: { organization: <acme> }, expect: 403 org_level_missing }
- { as: ann, POST: /device/, body: { organization: null }, expect: 403 shared_denied }
- { as: ann, POST: /device/, body: { name: x }, expect: 403 shared_denied }
- { as: ann, POST: /device/, expect: 403 shared_denied }
- { as: root, POST: /device/, body: { name: x }, expect: allow }
- { as: ann, POST: /device/, body: { organization: x }, expect: 400 org_missing }
- { as: ann, POST: /device/, body: '{"organization": 1, "organization": 2}', headers: { Content-Type: application/json }, expect: 400 ambiguous }
- { as: ann, POST: /device/, body: '{', headers: { Content-Type: application/json }, expect: 400 body_invalid }
- { as: ann, POST: /device/, body: x, headers: { Content-Type: text/plain }, expect: 415 body_type }
- { as: ann, POST: /device/, body: 'organization=<acme>', headers: { Content-Type: application/x-www-form-urlencoded }, expect: allow }
- { as: ann, POST: /device/, body: "--x\r\nContent-Disposition: form-data; name=organization\r\n\r\n<acme>\r\n--x--", headers: { Content-Type: multipart/form-data; boundary=x }, expect: allow }
- { as: ann, POST: /device/, body: "--x\r\nContent-Disposition: form-data; name=organization\r\n\r\n<bolt>\r\n--x--", headers: { Content-Type: multipart/form-data; boundary=x }, expect: 403 org_foreign }
- { as: ann, POST: /device/, body: "--x\r\nContent-Disposition: form-data; name=organization; filename=a\r\n\r\n<acme>\r\n--x--", headers: { Content-Type: multipart/form-data; boundary=x }, expect: 400 ambiguous }
- { as: ann, POST: /device/, body_bytes: 2MiB, expect: 413 body_too_large }
- { as: anonymous, POST: /device/, body: '{', headers: { Content-Type: application/json }, expect: 401 credentials_missing }
- { as: bob, GET: /device/<d1>/, expect: allow }
- { as: ann, PATCH: /device/<d1>/, body: { name: x }, expect: allow }
- { as: ann, PATCH: /device/<d1>/, body: { organization: <acme> }, expect: allow }
- { as: ann, PATCH: /device/<d1>/, body: { organization: <bolt> }, expect: 404 org_foreign }
- { as: both, PATCH: /device/<d1>/, body: { organization: <bolt> }, expect: 400 ambiguous }
- { as: ann, PATCH: /device/<d1>/, body: { organization: null }, expect: 400 ambiguous }
- { as: ann, PATCH: /device/<d2>/, body: { organization: <acme> }, expect: 404 org_foreign }
- { as: ann, DELETE: /device/<d1>/, expect: allow }
- { as: both, PUT: /move/<d1>/, body: { organization: <bolt> }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, PUT: /move/<d1>/, body: { organization: <bolt> }, expect: 404 org_foreign }
- { as: ann, PUT: /move/<d1>/, body: { organization: null }, expect: 403 shared_denied }
- { as: root, PUT: /move/<d1>/, body: { organization: null }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, PUT: /move/<d3>/, body: { organization: <acme> }, expect: 403 shared_denied }
- { as: root, PUT: /move/<d3>/, body: { organization: <acme> }, expect: allow, inject: { X-Organization: null } }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: <acme> } ], expect: allow }
- { as: both, POST: /many/, body: [ { organization: <acme> }, { organization: <bolt> } ], expect: allow, inject: { X-Organization: null } }
- { as: both, POST: /of/acme/, body: [ { organization: <acme> }, { organization: <acme> } ], expect: allow, inject: { X-Organization: acme } }
- { as: both, POST: /of/acme/, body: [ { organization: <acme> }, { organization: <bolt> } ], expect: 400 ambiguous }
- { as: both, POST: /of/acme/, body: [ { organization: <acme> }, { name: x } ], expect: 400 ambiguous }
- { as: ann, POST: /of/bolt/, body: [ { organization: <acme> } ], expect: 403 org_foreign }
- { as: ann, POST: /many/, body: [], expect: 403 shared_denied }
- { as: bob, POST: /rpc, body: { method: tools/call, params: { arguments: { org: acme } } }, expect: allow }
- { as: bob, POST: /rpc, body: { method: tools/call, params: { arguments: { org: bolt } } }, expect: 403 org_foreign }
- { as: ann, POST: /from/, body: { organization: <acme>, template: <t1> }, expect: allow }
- { as: ann, POST: /from/, body: { organization: <acme>, template: <t2> }, expect: 404 org_foreign }
- { as: bob, POST: '/either?org=<acme>', body: { org: <bolt> }, expect: 400 ambiguous }
- { as: bob, POST: '/either?org=<acme>', body: { x: 1 }, expect: allow }
- { as: bob, POST: /either, body: { org: <acme> }, expect: allow }
- { as: bob, POST: '/strict?org=<acme>', body: { owner: <acme>, x: { org: <bolt> } }, expect: allow }
- { as: bob, POST: '/strict?org=<acme>', body: { owner: <acme>, org: <acme> }, expect: 400 ambiguous }
- { as: bob, POST: '/strict?org=<acme>', body: { owner: <acme>, ORG: { id: 1 } }, expect: 400 ambiguous }
- { as: bob, POST: '/strict?org=<acme>', body: { owner: <acme>, "org[]": 1 }, expect: 400 ambiguous }
- { as: bob, POST: '/strict?org=<acme>', body: { owner: <acme>, org: { id: 1 } }, expect: 400 ambiguous }
- { as: bob, POST: '/strict?org=<acme>', body: 'owner=<acme>&x=1', headers: { Content-Type: application/x-www-form-urlencoded }, expect: allow }
- { as: bob, POST: '/strict?org=<acme>', body: 'owner=<acme>&org=1', headers: { Content-Type: application/x-www-form-urlencoded }, expect: 400 ambiguous }
"#;

#[test]
fn bodies_name_organizations() {
    all_hold(POLICY, TESTS);
}

const BULK: &str = "
version: 1
defaults: { shared: { read: manager, write: owner }, inject: { X-Organization: org.slug } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
  place: { sql: SELECT organization_id FROM place WHERE id = $1, args: [body.place] }
routes:
  /many/: { POST: { level: manager, org: 'body./*/organization' } }
  /items/: { POST: { level: permitted, org: 'body./items/*/org as slug', permissions: [app.add_item] } }
  /device/{id:uuid}/: { org: [lookup.device optional, body.organization optional], write: manager }
  /at/{id:uuid}/: { PUT: { level: manager, org: [lookup.device optional, lookup.place] } }
";

const BULK_TESTS: &str = r#"
given:
  organizations: { acme: {}, bolt: {}, core: {} }
  users:
    ann: { acme: manager, bolt: manager, core: member }
    own: { acme: owner, bolt: manager }
    pam: { acme: member, bolt: member, core: member, roles: { acme: [app.add_item], bolt: [app.add_item] } }
    root: superuser
  lookups: { device: { d1: acme, d2: core, d3: null }, place: { p1: acme, p2: bolt, p3: core } }
tests:
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: <bolt> } ], expect: allow, inject: { X-Organization: null } }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: <acme> } ], expect: allow, inject: { X-Organization: acme } }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: <core> } ], expect: 403 org_level_missing }
- { as: own, POST: /many/, body: [ { organization: <acme> }, { organization: <core> } ], expect: 403 org_foreign }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: null } ], expect: 403 shared_denied }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { name: x } ], expect: 403 shared_denied }
- { as: own, POST: /many/, body: [ { organization: <acme> }, { name: x }, { organization: <bolt> } ], expect: allow }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: x } ], expect: 400 org_missing }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { organization: [ <bolt> ] } ], expect: 400 org_missing }
- { as: ann, POST: /many/, body: [ { organization: <acme> }, { Organization: <core> } ], expect: 400 ambiguous }
- { as: ann, POST: /many/, body: [], expect: 403 shared_denied }
- { as: root, POST: /many/, body: [ { organization: <acme> }, { organization: <core> } ], expect: allow }
- { as: root, POST: /many/, body: [ { organization: <acme> }, { organization: 00000000-0000-4000-8000-000000000000 } ], expect: 403 org_foreign }
- { as: pam, POST: /items/, body: { items: [ { org: acme }, { org: bolt } ] }, expect: allow }
- { as: pam, POST: /items/, body: { items: [ { org: acme }, { org: core } ] }, expect: 403 permission_missing }
- { as: ann, PUT: /device/<d1>/, body: { organization: <acme> }, expect: allow }
- { as: ann, PUT: /device/00000000-0000-4000-8000-000000000009/, body: { organization: <acme> }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, PUT: /device/00000000-0000-4000-8000-000000000009/, body: { organization: <core> }, expect: 403 org_level_missing }
- { as: ann, PUT: /device/00000000-0000-4000-8000-000000000009/, body: { name: x }, expect: 403 shared_denied }
- { as: ann, PUT: /device/<d2>/, body: { organization: <acme> }, expect: 400 ambiguous }
- { as: own, PUT: /device/<d2>/, body: { organization: <acme> }, expect: 404 org_foreign }
- { as: ann, PATCH: /device/00000000-0000-4000-8000-000000000009/, body: { organization: <acme> }, expect: 404 lookup_not_found }
- { as: ann, DELETE: /device/00000000-0000-4000-8000-000000000009/, expect: 404 lookup_not_found }
- { as: own, PUT: /at/00000000-0000-4000-8000-000000000009/, body: { place: <p2> }, expect: allow, inject: { X-Organization: bolt } }
- { as: own, PUT: /at/00000000-0000-4000-8000-000000000009/, body: { place: <p3> }, expect: 404 org_foreign }
- { as: own, PUT: /at/00000000-0000-4000-8000-000000000009/, body: { place: 00000000-0000-4000-8000-000000000009 }, expect: 404 lookup_not_found }
- { as: own, PUT: /at/00000000-0000-4000-8000-000000000009/, body: { name: x }, expect: 400 org_missing }
- { as: own, PUT: /at/<d1>/, body: { place: <p1> }, expect: allow }
"#;

#[test]
fn many_at_once_and_what_put_makes() {
    all_hold(BULK, BULK_TESTS);
}

const FIELDS: &str = "
version: 1
defaults: { inject: { X-Organization: org.slug } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
  template: { sql: SELECT organization_id FROM template WHERE id = $1, args: [body.template] }
  tag: { sql: 'SELECT name, slug FROM tag WHERE id = $1', args: [body.tags] }
routes:
  /device/:
    POST:
      level: manager
      org: body.organization
      fields: { template: { lookup: template, shared: allow }, /config/parent: { lookup: device }, tags: { lookup: tag.slug as slug } }
  /device/{id:uuid}/:
    org: [lookup.device primary, body.organization optional]
    write: { level: member, fields: { template: { lookup: template, required: true } } }
  /note/: { POST: { level: manager, fields: { device: { lookup: device } } }, GET: authenticated }
  /free/: { POST: { level: authenticated, fields: { device: { lookup: device } } }, GET: authenticated }
  /many/: { POST: { level: manager, org: 'body./*/organization', fields: { /*/template: { lookup: template }, /*/tags: { lookup: tag.slug as slug } } } }
  /deep/: { POST: { level: manager, org: 'body./groups/*/items/*/org as slug', fields: { /groups/*/template: { lookup: template }, /groups/*/items/*/device: { lookup: device, shared: allow }, template: { lookup: template } } } }
";

const FIELDS_TESTS: &str = r#"
given:
  organizations: { acme: {}, bolt: {}, gone: { active: false } }
  users:
    ann: { acme: manager, bolt: member }
    both: { acme: manager, bolt: manager }
    bob: { acme: member }
    root: superuser
  lookups:
    device: { d1: acme, d2: bolt, d3: null, d4: gone }
    template: { t1: acme, t2: bolt, t3: null, t7: acme }
    tag: { g1: acme, g2: acme, g3: bolt }
tests:
- { as: ann, POST: /device/, body: { organization: <acme> }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, template: null }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, template: <t1> }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, POST: /device/, body: { organization: <acme>, template: <t2> }, expect: 403 field_foreign }
- { as: both, POST: /device/, body: { organization: <acme>, template: <t2> }, expect: 403 field_foreign }
- { as: root, POST: /device/, body: { organization: <acme>, template: <t2> }, expect: 403 field_foreign }
- { as: ann, POST: /device/, body: { organization: <acme>, template: 00000000-0000-4000-8000-000000000009 }, expect: 403 field_foreign }
- { as: ann, POST: /device/, body: { organization: <acme>, template: <t3> }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, template: { id: <t1> } }, expect: 400 body_invalid }
- { as: ann, POST: /device/, body: { organization: <acme>, template: true }, expect: 400 body_invalid }
- { as: ann, POST: /device/, body: { organization: <acme>, Template: <t1> }, expect: 400 ambiguous }
- { as: ann, POST: /device/, body: { organization: <acme>, config: { parent: <d1> } }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, config: { parent: <d2> } }, expect: 403 field_foreign }
- { as: ann, POST: /device/, body: { organization: <acme>, config: { parent: <d3> } }, expect: 403 field_foreign }
- { as: root, POST: /device/, body: { organization: <acme>, config: { parent: <d3> } }, expect: allow }
- { as: root, POST: /device/, body: { organization: null, template: <t1> }, expect: 403 field_foreign }
- { as: root, POST: /device/, body: { organization: null, template: <t3> }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, tags: [ <g1>, <g2> ] }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, tags: [] }, expect: allow }
- { as: ann, POST: /device/, body: { organization: <acme>, tags: [ <g1>, <g3> ] }, expect: 403 field_foreign }
- { as: ann, POST: /device/, body: { organization: <acme>, tags: [ <g1>, { id: <g2> } ] }, expect: 400 body_invalid }
- { as: ann, POST: /device/, body: 'organization=<acme>&tags=<g1>&tags=<g2>', headers: { Content-Type: application/x-www-form-urlencoded }, expect: allow }
- { as: ann, POST: /device/, body: 'organization=<acme>&tags=<g1>&tags=<g3>', headers: { Content-Type: application/x-www-form-urlencoded }, expect: 403 field_foreign }
- { as: ann, POST: /device/, body: 'organization=<acme>&template=', headers: { Content-Type: application/x-www-form-urlencoded }, expect: allow }
- { as: bob, POST: /device/, body: { organization: <acme>, template: <t2> }, expect: 403 org_level_missing }
- { as: ann, PATCH: /device/<d1>/, body: { name: x }, expect: allow }
- { as: ann, PATCH: /device/<d1>/, body: { template: null }, expect: 400 body_invalid }
- { as: ann, PATCH: /device/<d1>/, body: { template: [] }, expect: 400 body_invalid }
- { as: ann, PATCH: /device/<d1>/, body: { template: <t1> }, expect: allow }
- { as: ann, PATCH: /device/<d1>/, body: { template: <t2> }, expect: 403 field_foreign }
- { as: ann, PATCH: /device/<d1>/, body: { organization: <bolt>, template: <t2> }, expect: allow, inject: { X-Organization: acme } }
- { as: ann, PATCH: /device/<d1>/, body: { organization: <bolt>, template: <t1> }, expect: 403 field_foreign }
- { as: ann, PUT: /device/<d1>/, body: { organization: <acme> }, expect: 400 body_invalid }
- { as: ann, DELETE: /device/<d1>/, expect: allow }
- { as: ann, POST: /note/, body: { device: <d1> }, expect: allow }
- { as: ann, POST: /note/, body: { device: <d2> }, expect: 403 field_foreign }
- { as: both, POST: /note/, body: { device: [ <d1>, <d2> ] }, expect: allow }
- { as: ann, POST: /note/, body: { device: <d4> }, expect: 403 field_foreign }
- { as: ann, POST: /free/, body: { device: <d2> }, expect: allow }
- { as: bob, POST: /free/, body: { device: <d2> }, expect: 403 field_foreign }
- { as: root, POST: /free/, body: { device: <d2> }, expect: allow }
- { as: root, POST: /free/, body: { device: 00000000-0000-4000-8000-000000000009 }, expect: 403 field_foreign }
- { as: both, POST: /many/, body: [ { organization: <acme>, template: <t1> }, { organization: <bolt>, template: <t2> } ], expect: allow }
- { as: both, POST: /many/, body: [ { organization: <acme>, template: <t1> }, { organization: <acme>, template: <t2> } ], expect: 403 field_foreign }
- { as: both, POST: /many/, body: [ { organization: <acme>, template: <t2> }, { organization: <bolt>, template: <t1> } ], expect: 403 field_foreign }
- { as: both, POST: /many/, body: [ { organization: <acme> }, { organization: <bolt>, template: <t1> } ], expect: 403 field_foreign }
- { as: both, POST: /many/, body: [ { organization: <acme>, template: <t1>, tags: [ <g1>, <g2> ] }, { template: <t2>, organization: <bolt>, tags: [ <g3> ] } ], expect: allow }
- { as: both, POST: /many/, body: [ { organization: <acme>, tags: [ <g1> ] }, { organization: <bolt>, tags: [ <g3>, <g1> ] } ], expect: 403 field_foreign }
- { as: root, POST: /many/, body: [ { organization: <acme>, template: <t1> }, { template: <t3> } ], expect: allow }
- { as: root, POST: /many/, body: [ { organization: <acme>, template: <t1> }, { template: <t1> } ], expect: 403 field_foreign }
- { as: both, POST: /deep/, body: { template: <t2>, groups: [ { template: <t1>, items: [ { org: acme, device: <d1> }, { org: acme, device: <d3> } ] }, { template: <t2>, items: [ { org: bolt, device: <d2> } ] } ] }, expect: allow }
- { as: both, POST: /deep/, body: { groups: [ { template: <t2>, items: [ { org: acme }, { org: bolt } ] } ] }, expect: allow }
- { as: both, POST: /deep/, body: { groups: [ { template: <t2>, items: [ { org: acme } ] }, { items: [ { org: bolt } ] } ] }, expect: 403 field_foreign }
- { as: both, POST: /deep/, body: { groups: [ { items: [ { org: acme, device: <d1> }, { org: bolt, device: <d1> } ] } ] }, expect: 403 field_foreign }
- { as: both, POST: /deep/, body: { groups: [ { items: [ { org: acme } ] }, { items: [] } ] }, expect: 403 shared_denied }
- { as: both, POST: /deep/, body: { groups: [ { items: [ { org: acme } ] }, [] ] }, expect: 403 shared_denied }
"#;

#[test]
fn fields_point_at_objects_of_the_organization() {
    all_hold(FIELDS, FIELDS_TESTS);
}

#[test]
fn a_rule_without_a_body_needs_another_organization() {
    let told = |routes: &str| {
        let text = format!("version: 1\nroutes: {{ {routes} }}\n");
        load(&[("routes.yaml", &text)], None).err().map(|found| found.to_lines()).unwrap_or_default()
    };
    assert!(told("/x: { org: body.org, read: member, write: member }").contains("org_needed"));
    assert!(told("/x: { org: body.org, GET: { level: member } }").contains("org_needed"));
    assert_eq!(told("/x: { org: body.org, read: authenticated, write: member }"), "");
    assert!(told("/x: { org: body., write: member }").contains("bad_source"));
    assert!(told("/x: { org: body./a//b, write: member }").contains("bad_source"));
}
