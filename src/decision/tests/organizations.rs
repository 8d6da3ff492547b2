//! Which organizations a request names, in what spelling, and what the upstream is told of them.

use super::*;

#[test]
fn sources_are_read_in_one_spelling_and_one_form() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let bob = world.user("bob", &[(&world.acme, Member)]);
    let two = world.user("two", &[(&world.acme, Manager), (&world.bolt, Manager)]);
    let root = world.user("root", &[]);
    for (caller, request, expected) in [
        (&bob, "GET /loki/x | X-Org: acme", "allow"),
        (&bob, "GET /loki/x", "allow"),
        (&two, "GET /loki/x", "400 org_missing"),
        (&root, "GET /loki/x", "400 org_missing"),
        (&root, "GET /loki/x | X-Org: bolt", "allow"),
        (&bob, "GET /loki/x | X-Org: bolt", "403 org_foreign"),
        (&bob, "GET /loki/x | X-Org: Acme", "403 org_foreign"),
        (&bob, "GET /loki/x | X-Org: a b", "400 org_missing"),
        (&bob, "GET /loki/x | X-Org: acme | X-Org: acme", "400 ambiguous"),
        (&bob, "GET /loki/x | X-Org: acme | X_Org: acme", "400 ambiguous"),
        (&bob, "GET /loki/x | X_Org: acme", "400 ambiguous"),
        (&bob, "GET /query?organization=<acme>", "allow"),
        (&bob, "GET /query", "400 org_missing"),
        (&bob, "GET /query?organization=", "400 org_missing"),
        (&bob, "GET /query?organization=acme", "400 org_missing"),
        (&bob, "GET /query?organization=<acme>&organization=<acme>", "400 ambiguous"),
        (&bob, "GET /query?organization=<acme>&Organization=<bolt>", "400 ambiguous"),
        (&bob, "GET /legacy?key=legacy/1", "allow"),
        (&bob, "GET /legacy?key=legacy/2", "403 org_foreign"),
        (&bob, "GET /either?a=<acme>", "allow"),
        (&bob, "GET /either?b=acme", "allow"),
        (&bob, "GET /either?a=<acme>&b=acme", "allow"),
        (&two, "GET /either?a=<acme>&b=bolt", "400 ambiguous"),
        (&bob, "GET /either?a=<acme>&b=bolt", "400 ambiguous"),
        (&bob, "GET /either?a=<bolt>&b=acme", "403 org_foreign"),
        (&bob, "GET /either", "400 org_missing"),
        (&bob, "GET /first", "allow"),
        (&two, "GET /first", "400 org_missing"),
        (&two, "GET /first?a=<bolt>", "allow"),
        (&bob, "GET /first?a=<bolt>", "400 ambiguous"),
        (&bob, "GET /first?a=<acme>", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(caller), request), expected, "{request}");
    }
}

#[test]
fn all_of_a_list_must_pass_and_only_patch_may_leave_one_out() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let two = world.user("two", &[(&world.acme, Manager), (&world.bolt, Manager)]);
    let low = world.user("low", &[(&world.acme, Manager), (&world.bolt, Member)]);
    let ann = world.user("ann", &[(&world.acme, Manager)]);
    for (caller, request, expected) in [
        (&two, "PUT /both?a=<acme>&b=<bolt>", "allow"),
        (&two, "PUT /both?a=<acme>&b=<acme>", "allow"),
        (&low, "PUT /both?a=<acme>&b=<bolt>", "403 org_level_missing"),
        (&ann, "PATCH /both?a=<acme>&b=<bolt>", "403 org_foreign"),
        (&ann, "PATCH /both?a=<acme>", "allow"),
        (&ann, "PUT /both?a=<acme>", "400 org_missing"),
        (&ann, "PATCH /both?b=<acme>", "400 org_missing"),
        (&two, "GET /same?a=<acme> | X-Org: acme", "allow"),
        (&two, "GET /same?a=<acme> | X-Org: bolt", "400 ambiguous"),
        (&two, "GET /same?a=<acme>", "400 org_missing"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(caller), request), expected, "{request}");
    }
    let told = ask(&policy, &world, Some(&two), "PUT /both?a=<bolt>&b=<acme>").unwrap();
    assert!(told.contains("x-postern-organization=bolt"), "{told}");
}

#[test]
fn lists_of_organizations_are_sorted_and_bounded() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /**: { level: authenticated, inject: { X-M: orgs.member, X-G: orgs.manager, X-O: orgs.owner } }\n",
    );
    let ann = world.user("ann", &[(&world.bolt, Owner), (&world.acme, Member)]);
    let mut ids = [world.acme.id.to_string(), world.bolt.id.to_string()];
    ids.sort();
    assert_eq!(
        ask(&policy, &world, Some(&ann), "GET /").unwrap(),
        format!("x-m={} x-g={} x-o={}", ids.join(","), world.bolt.id, world.bolt.id)
    );
    let bob = world.user("bob", &[(&world.acme, Member)]);
    assert_eq!(ask(&policy, &world, Some(&bob), "GET /").unwrap(), format!("x-m={}", world.acme.id));
    let many: Vec<_> = (0..222).map(|n| organization(&format!("o{n}"), true)).collect();
    let memberships: Vec<_> = many.iter().map(|o| (o, Member)).collect();
    // 221 ids and their commas are 8176 bytes; one more is too much.
    assert!(ask(&policy, &world, Some(&world.user("fits", &memberships[..221])), "GET /").is_ok());
    let denial = ask(&policy, &world, Some(&world.user("many", &memberships)), "GET /").unwrap_err();
    assert_eq!(denial.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(denial.hint.unwrap().contains("limits.identity_header"));
}

#[test]
fn the_host_names_the_tenant() {
    let world = World::new();
    let policy = policy(
        "version: 1\nhosts: [\"{org}.example.com\"]\ndefaults: { org: host.org as slug }\nroutes: { /**: member }\n",
    );
    let bob = world.user("bob", &[(&world.acme, Member)]);
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /x @acme.example.com"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /x @bolt.example.com"), "403 org_foreign");
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /x @a.acme.example.com"), "404 no_route");
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /x @example.com"), "404 no_route");
}
