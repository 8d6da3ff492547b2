//! What the manual says where it could be read in two ways.

use super::*;
use crate::claims::Claims;

fn refused(routes: &str) -> Vec<&'static str> {
    load(&[("routes.yaml", routes)], None).map_or_else(|f| f.list().iter().map(|f| f.code).collect(), |_| Vec::new())
}

#[test]
fn a_level_beside_methods_is_for_those_that_say_none() {
    let world = World::new();
    let policy =
        policy("version: 1\nroutes:\n  /e: { level: staff, GET: { timeout: { total: 10m } }, PUT: superuser }\n");
    let (staff, root) = (world.user("staff", &[]), world.user("root", &[]));
    for (who, request, expected) in [
        (&staff, "GET /e", "allow"),
        (&staff, "HEAD /e", "allow"),
        (&root, "GET /e", "403 staff_only"),
        (&staff, "PUT /e", "403 superuser_only"),
        (&root, "PUT /e", "allow"),
        (&staff, "POST /e", "405 method_not_allowed"),
        (&staff, "OPTIONS /e", "405 method_not_allowed"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(who), request), expected, "{request}");
    }
}

#[test]
fn an_untyped_variable_stands_beside_types_and_one_of_type_str_beside_none() {
    let routes = |patterns: &str| format!("version: 1\nroutes: {{ {patterns} }}\n");
    assert_eq!(refused(&routes("\"/x/{a}\": public, \"/x/{b:int}\": authenticated")), [""; 0]);
    assert_eq!(refused(&routes("\"/x/{a:str}\": public, \"/x/{b:int}\": authenticated")), ["type_overlap"]);
    assert_eq!(refused(&routes("\"/x/{b:int}/y\": public, \"/x/{a:str}/z\": authenticated")), ["type_overlap"]);
    assert_eq!(refused(&routes("\"/x/{a}/y\": public, \"/x/{b:str}/z\": authenticated")), [""; 0]);
    assert_eq!(refused(&routes("\"/x/{a}\": public, \"/x/{b:str}\": authenticated")), ["conflict"]);
    let world = World::new();
    let policy = policy(&routes("\"/x/{a}\": public, \"/x/{b:int}\": deny"));
    assert_eq!(verdict(&policy, &world, None, "GET /x/7"), "403 denied");
    assert_eq!(verdict(&policy, &world, None, "GET /x/07"), "allow");
}

#[test]
fn hosts_are_compared_label_by_label_and_the_next_has_what_one_lacks() {
    for host in ["api.example.com:8443", "api.example.com.", "https://api.example.com", "API.example.com"] {
        assert_eq!(
            refused(&format!("version: 1\nhosts: [\"{host}\"]\nroutes: {{ /x: public }}\n")),
            ["bad_host"],
            "{host}"
        );
    }
    let file = |host: &str, routes: &str| format!("version: 1\nhosts: [\"{host}\"]\nroutes: {{ {routes} }}\n");
    let files = [
        ("a", file("api.{zone}.com", "/a: public")),
        ("b", file("{name}.eu.com", "/a: deny, /b: public")),
        ("c", file("{n:int}.eu.com", "/b: deny, /c: public")),
        ("d", "version: 1\nroutes: { /a: deny, /b: deny, /c: deny, /d: public }\n".to_owned()),
    ];
    let (world, policy) = (World::new(), load(&files, None).unwrap());
    for (request, expected) in [
        // A literal before a variable, from the left: `api.{zone}.com` before `{name}.eu.com`.
        ("GET /a @api.eu.com", "allow"),
        ("GET /b @api.eu.com", "allow"),
        ("GET /d @api.eu.com", "allow"),
        ("GET /b @7.eu.com", "403 denied"),
        ("GET /b @seven.eu.com", "allow"),
        ("GET /c @7.eu.com", "allow"),
        // One label is one variable.
        ("GET /a @x.api.eu.com", "403 denied"),
    ] {
        assert_eq!(verdict(&policy, &world, None, request), expected, "{request}");
    }
}

#[test]
fn a_closed_rule_asks_nobody_who_they_are() {
    let (world, policy) = (World::new(), policy("version: 1\nroutes: { /x: deny }\n"));
    let off = world.user("off", &[]);
    assert_eq!(verdict(&policy, &world, None, "GET /x"), "403 denied");
    assert_eq!(verdict(&policy, &world, Some(&off), "GET /x"), "403 denied");
}

#[test]
fn both_rules_of_a_rewrite_are_asked_stage_by_stage() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  \
         /e/**: { level: owner, org: query.a as slug, when: 'request.query.w == \"1\"', rewrite: { strip_prefix: /e } }\n  \
         /in: { GET: { level: member, org: query.b as slug, permissions: a.b, when: 'request.path == \"/in\" && request.query.v == \"1\"' } }\n",
    );
    let ann = world.user("ann", &[(&world.acme, Member)]);
    let olga = holder_of(&world, "a.b");
    for (who, request, expected) in [
        // The method of both, before anybody is asked for.
        (None, "POST /e/in", "405 method_not_allowed"),
        (None, "GET /e/in", "401 credentials_missing"),
        // What both read, before either is judged.
        (Some(&ann), "GET /e/in?a=bolt", "400 org_missing"),
        (Some(&ann), "GET /e/in?a=acme&b=a%20b", "400 org_missing"),
        (Some(&ann), "GET /e/in?a=acme&b=bolt", "403 org_level_missing"),
        (Some(&olga), "GET /e/in?a=acme&b=bolt", "403 condition_false"),
        (Some(&olga), "GET /e/in?a=acme&b=bolt&w=1", "403 org_foreign"),
        (Some(&olga), "GET /e/in?a=acme&b=acme&w=1", "403 condition_false"),
        (Some(&olga), "GET /e/in?a=acme&b=acme&w=1&v=1", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, who, request), expected, "{request}");
    }
}

fn holder_of(world: &World, permission: &str) -> Arc<Snapshot> {
    let user = Arc::try_unwrap(world.user("olga", &[])).unwrap().user;
    let owner = Membership { organization: world.acme.clone(), is_admin: true, is_owner: true };
    let permissions = crate::facts::Permissions::new(vec![permission.into()], Vec::new());
    Arc::new(Snapshot::new(user, vec![owner]).with_permissions(permissions))
}

#[test]
fn organizations_are_read_then_judged_then_compared() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /l: { org: [query.a as slug, query.b as slug], read: member }\n  \
         /or: { org: query.a as slug or query.b as external, read: member }\n",
    );
    let two = world.user("two", &[(&world.acme, Manager), (&world.bolt, Manager)]);
    let bob = world.user("bob", &[(&world.acme, Member)]);
    for (who, request, expected) in [
        (&bob, "GET /l?a=bolt&b=a%20b", "400 org_missing"),
        (&bob, "GET /l?a=bolt&b=x&B=y", "400 ambiguous"),
        (&bob, "GET /l?a=bolt&b=acme", "403 org_foreign"),
        (&bob, "GET /l?a=acme&b=bolt", "403 org_foreign"),
        (&two, "GET /l?a=acme&b=bolt", "400 ambiguous"),
        (&two, "GET /l?a=acme&b=acme", "allow"),
        (&two, "GET /or?a=bolt&b=legacy/1", "400 ambiguous"),
        (&bob, "GET /or?a=acme&b=legacy/1", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(who), request), expected, "{request}");
    }
}

#[test]
fn where_the_organization_decides_nothing_it_may_be_absent_or_foreign_but_not_unreadable() {
    let world = World::new();
    let policy = policy(
        "version: 1\ndefaults: { inject: { X-Org: org.slug } }\nroutes:\n  /a: { org: query.o, read: authenticated }\n  /o: { org: query.o, read: optional }\n",
    );
    let bob = world.user("bob", &[(&world.acme, Member)]);
    for (who, request, expected) in [
        (Some(&bob), "GET /a", "allow"),
        (Some(&bob), "GET /a?o=<bolt>", "allow"),
        (Some(&bob), "GET /a?o=acme", "400 org_missing"),
        (Some(&bob), "GET /a?o=<acme>&o=<acme>", "400 ambiguous"),
        (None, "GET /o", "allow"),
        (None, "GET /o?o=<acme>", "allow"),
        (None, "GET /o?o=acme", "400 org_missing"),
        (None, "GET /o?o[]=<acme>", "400 ambiguous"),
    ] {
        assert_eq!(verdict(&policy, &world, who, request), expected, "{request}");
    }
    assert_eq!(ask(&policy, &world, Some(&bob), "GET /a?o=<acme>").unwrap(), "member x-org=acme");
    assert_eq!(ask(&policy, &world, Some(&bob), "GET /a?o=<bolt>").unwrap(), "");
}

#[test]
fn ids_are_read_in_every_spelling_of_a_uuid_and_names_of_parameters_in_one() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /q: { org: query.organization, read: member }\n  /p/{org:uuid}: { org: path.org, read: member }\n",
    );
    let bob = world.user("bob", &[(&world.acme, Member)]);
    let id = world.acme.id.to_string();
    let plain = id.replace('-', "");
    for spelling in [
        id.clone(),
        id.to_uppercase(),
        plain.clone(),
        plain.to_uppercase(),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
    ] {
        assert_eq!(
            verdict(&policy, &world, Some(&bob), &format!("GET /q?organization={spelling}")),
            "allow",
            "{spelling}"
        );
    }
    assert_eq!(verdict(&policy, &world, Some(&bob), &format!("GET /p/{}", id.to_uppercase())), "allow");
    assert_eq!(verdict(&policy, &world, Some(&bob), &format!("GET /p/{plain}")), "404 no_route");
    for name in [
        "Organization",
        "organi-zation",
        "organization[]",
        "organization[0]",
        "[organization]",
        "organization%5B%5D",
        "organizatio%256E",
    ] {
        assert_eq!(verdict(&policy, &world, Some(&bob), &format!("GET /q?{name}={id}")), "400 ambiguous", "{name}");
        let both = format!("GET /q?organization={id}&{name}={id}");
        assert_eq!(verdict(&policy, &world, Some(&bob), &both), "400 ambiguous", "{name}");
    }
    for query in ["organization=%zz", "a=1;organization=2", "organization=%FF"] {
        assert_eq!(verdict(&policy, &world, Some(&bob), &format!("GET /q?{query}")), "400 ambiguous", "{query}");
    }
    let long = "x".repeat(256);
    assert_eq!(verdict(&policy, &world, Some(&bob), &format!("GET /q?organization={long}")), "400 org_missing");
}

#[test]
fn a_number_names_an_organization_by_its_digits() {
    let organization = |key: &str| {
        let external_id = Some(Box::new(Value::new(key)));
        Arc::new(Organization {
            id: OrgId::generate(),
            slug: Value::new("x"),
            name: Value::new("x"),
            external_id,
            is_active: true,
        })
    };
    let world = World::new();
    let policy = policy("version: 1\nroutes: { /c: { org: claim.tenant as external, read: member } }\n");
    let target = Target::parse("/c").unwrap();
    for (claim, key, passes) in [
        ("17", "17", true),
        ("\"17\"", "17", true),
        ("17", "017", false),
        ("true", "true", true),
        ("null", "null", false),
    ] {
        let user = Arc::try_unwrap(world.user("ann", &[])).unwrap().user;
        let membership = Membership { organization: organization(key), is_admin: false, is_owner: false };
        let ann = Arc::new(Snapshot::new(user, vec![membership]));
        let claims = Arc::new(Claims::new(&format!("{{\"tenant\":{claim}}}")));
        let headers = HeaderMap::new();
        let view = RequestView::new(&Method::GET, "h", &target, &headers);
        let ann = Caller { claims: Some(claims), ..Caller::of(Some(&ann)) };
        assert_eq!(evaluate(&policy, &view, &ann, &mut |_| None).is_ok(), passes, "{claim} {key}");
    }
}

#[test]
fn a_disabled_organization_is_none_of_the_caller_s() {
    let (world, policy) = (World::new(), policy("version: 1\nroutes: { /m: { org: user.only, read: member } }\n"));
    let one = world.user("ann", &[(&world.acme, Member), (&world.gone, Owner)]);
    let none = world.user("bob", &[(&world.gone, Owner)]);
    let two = world.user("two", &[(&world.acme, Member), (&world.bolt, Member)]);
    assert_eq!(verdict(&policy, &world, Some(&one), "GET /m"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&none), "GET /m"), "400 org_missing");
    assert_eq!(verdict(&policy, &world, Some(&two), "GET /m"), "400 org_missing");
}

/// openwisp-users' `organizations_managed` leaves owners out who were not made managers; `is_manager` of one organization does not.
#[test]
fn as_the_reference_has_it_an_owner_alone_manages_no_organization_of_any() {
    let routes =
        "version: 1\nroutes: { /any: manager, /own: owner, '/o/{org}': { org: path.org as slug, level: manager } }\n";
    let names = Names::default().with_appointed_managers(true);
    let world = World::new();
    let (usual, compat) = (policy(routes), load(&[("routes.yaml", routes)], Some(&names)).unwrap());
    let olga = world.user("olga", &[(&world.acme, Owner)]);
    let ann = world.user("ann", &[(&world.acme, Manager)]);
    let (bob, root) = (world.user("bob", &[(&world.acme, Member)]), world.user("root", &[]));
    for (who, request, as_usual, as_the_reference) in [
        (&olga, "GET /any", "allow", "403 org_level_missing"),
        (&olga, "GET /own", "allow", "allow"),
        (&olga, "GET /o/acme", "allow", "allow"),
        (&ann, "GET /any", "allow", "allow"),
        (&ann, "GET /own", "403 org_level_missing", "403 org_level_missing"),
        (&bob, "GET /any", "403 org_level_missing", "403 org_level_missing"),
        (&root, "GET /any", "allow", "allow"),
    ] {
        assert_eq!(verdict(&usual, &world, Some(who), request), as_usual, "{request}");
        assert_eq!(verdict(&compat, &world, Some(who), request), as_the_reference, "{request}");
    }
}
