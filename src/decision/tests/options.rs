//! What a rule may ask beside the level.

use super::*;
use crate::facts::Permissions;

fn holder(world: &World, everywhere: &[&str], roles: &[(&Arc<Organization>, &str)]) -> Arc<Snapshot> {
    let member = |organization| Membership { organization, is_admin: false, is_owner: false };
    let user = Arc::try_unwrap(world.user("ann", &[])).unwrap().user;
    let memberships = vec![member(world.acme.clone()), member(world.bolt.clone())];
    let roles = roles.iter().map(|(organization, permission)| (organization.id, vec![Arc::from(*permission)]));
    let everywhere = everywhere.iter().map(|permission| Arc::from(*permission)).collect();
    Arc::new(Snapshot::new(user, memberships).with_permissions(Permissions::new(everywhere, roles.collect())))
}

#[test]
fn permissions_are_asked_in_the_organization_of_the_request() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /org/{org}: { org: path.org as slug, level: member, permissions: [app.read, app.more] }\n  \
         /any: { level: authenticated, permissions: app.read }\n  \
         /told/{org}: { org: path.org as slug, level: authenticated, permissions: app.read }\n",
    );
    let group = holder(&world, &["app.read", "app.more"], &[]);
    let half = holder(&world, &["app.read"], &[]);
    let role = holder(&world, &["app.more"], &[(&world.acme, "app.read")]);
    let root = world.user("root", &[]);
    for (who, request, expected) in [
        (&group, "GET /org/acme", "allow"),
        (&half, "GET /org/acme", "403 permission_missing"),
        (&role, "GET /org/acme", "allow"),
        (&role, "GET /org/bolt", "403 permission_missing"),
        (&root, "GET /org/bolt", "allow"),
        // The level comes first, and the organization before it.
        (&group, "GET /org/gone", "403 org_foreign"),
        // Without an organization a role in any one will do.
        (&role, "GET /any", "allow"),
        // An organization that is named and not the caller's is none in which a role could count.
        (&role, "GET /told/acme", "allow"),
        (&role, "GET /told/gone", "403 permission_missing"),
        (&group, "GET /told/gone", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(who), request), expected, "{request}");
    }
}

#[test]
fn where_one_organization_is_primary_permissions_are_asked_in_all() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /move/{to}:\n    org: [path.to as slug primary, query.from as slug]\n    \
         level: member\n    permissions: app.move\n",
    );
    let both = holder(&world, &[], &[(&world.acme, "app.move"), (&world.bolt, "app.move")]);
    let one = holder(&world, &[], &[(&world.acme, "app.move")]);
    assert_eq!(verdict(&policy, &world, Some(&both), "POST /move/acme?from=bolt"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&one), "POST /move/acme?from=acme"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&one), "POST /move/acme?from=bolt"), "403 permission_missing");
    assert_eq!(verdict(&policy, &world, Some(&one), "POST /move/bolt?from=acme"), "403 permission_missing");
}

#[test]
fn a_model_asks_its_permission_of_each_method() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /device/{org}: { org: path.org as slug, level: member, model: config.device }\n",
    );
    let rows = [
        ("GET", ["view", "change"].as_slice()),
        ("HEAD", &["view", "change"]),
        ("POST", &["add"]),
        ("PUT", &["change"]),
        ("PATCH", &["change"]),
        ("DELETE", &["delete"]),
        ("OPTIONS", &["view", "add", "change", "delete"]),
        ("PURGE", &[]),
    ];
    for (method, enough) in rows {
        for action in ["view", "add", "change", "delete"] {
            let who = holder(&world, &[&format!("config.{action}_device")], &[]);
            let expected = if enough.contains(&action) { "allow" } else { "403 permission_missing" };
            let request = format!("{method} /device/acme");
            assert_eq!(verdict(&policy, &world, Some(&who), &request), expected, "{request} with {action}");
        }
    }
    let root = world.user("root", &[]);
    assert_eq!(verdict(&policy, &world, Some(&root), "DELETE /device/acme"), "allow");
    // No permission covers the method, so not even a superuser has it.
    assert_eq!(verdict(&policy, &world, Some(&root), "PURGE /device/acme"), "403 permission_missing");
}

#[test]
fn a_rule_s_own_permissions_replace_those_above_it_and_open_rules_take_none() {
    let world = World::new();
    let policy = policy(
        "version: 1\ndefaults: { permissions: [app.usual], model: app.thing }\nroutes:\n  /health: public\n  \
         /x: { GET: public, POST: { level: authenticated, permissions: [app.special] }, PUT: authenticated }\n",
    );
    let special = holder(&world, &["app.special", "app.add_thing"], &[]);
    assert_eq!(verdict(&policy, &world, None, "GET /health"), "allow");
    assert_eq!(verdict(&policy, &world, None, "GET /x"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&special), "POST /x"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&special), "PUT /x"), "403 permission_missing");
}

#[test]
fn shared_objects_are_for_managers_to_read_and_superusers_to_change_unless_said_otherwise() {
    let world = World::new();
    let routes = |extra: &str| {
        policy(&format!(
            "version: 1\nroutes:\n  /{{org}}: {{ org: path.org as slug, read: member, write: manager{extra} }}\n"
        ))
    };
    let member = world.user("bob", &[(&world.acme, Member)]);
    let manager = world.user("ann", &[(&world.bolt, Manager)]);
    let root = world.user("root", &[]);
    let ask = |policy: &Policy, who: &Arc<Snapshot>, method: &str| {
        let target = Target::parse("/acme").unwrap();
        let (method, headers) = (method.parse().unwrap(), HeaderMap::new());
        let view = RequestView::new(&method, "x", &target, &headers);
        let mut evaluation = Evaluation::new(policy);
        assert!(matches!(evaluation.step(&view), Err(Halt::Need(Need::Credential(_)))));
        evaluation.identify(Caller::of(Some(who)));
        evaluation.share();
        match evaluation.step(&view) {
            Ok(permit) => {
                assert!(permit.organization().is_none() && permit.level().is_none());
                "allow".to_owned()
            }
            Err(Halt::Denied(denial)) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
            Err(Halt::Need(need)) => panic!("{need:?}"),
        }
    };
    let usual = routes("");
    let rows =
        [(&member, "GET", "403 shared_denied"), (&manager, "GET", "allow"), (&manager, "PUT", "403 shared_denied")];
    for (who, method, expected) in rows.into_iter().chain([(&root, "GET", "allow"), (&root, "PUT", "allow")]) {
        assert_eq!(ask(&usual, who, method), expected, "{method}");
    }
    let other = routes(", shared: { read: member, write: deny }");
    assert_eq!(ask(&other, &member, "GET"), "allow");
    assert_eq!(ask(&other, &root, "PUT"), "403 shared_denied");
    // What is not said is as usual.
    assert_eq!(ask(&routes(", shared: { write: manager }"), &member, "GET"), "403 shared_denied");
    assert_eq!(ask(&routes(", shared: { write: manager }"), &manager, "PUT"), "allow");
}

#[test]
fn a_condition_is_about_the_request_the_caller_and_the_organization() {
    let world = World::new();
    let ann = world.user("ann", &[(&world.acme, Manager)]);
    let bob = world.user("bob", &[(&world.acme, Member)]);
    let root = world.user("root", &[]);
    let acme = world.acme.id.to_string();
    // The condition, who asks, the request, whether it holds.
    let rows: &[(&str, &Arc<Snapshot>, &str, &str)] = &[
        (r#"request.method != "DELETE" || user.is_superuser"#, &ann, "DELETE /o/acme/7", "403 condition_false"),
        (r#"request.method != "DELETE" || user.is_superuser"#, &root, "DELETE /o/acme/7", "allow"),
        (r#"request.path.startsWith("/o/") && request.host == "api.example.com""#, &ann, "GET /o/acme/7", "allow"),
        (r#"request.host == "api.example.com""#, &ann, "GET /o/acme/7 @other.example.com", "403 condition_false"),
        (r#"org.level == "manager" && org.slug == path.org"#, &ann, "GET /o/acme/7", "allow"),
        (r#"org.level in ["manager", "superuser"]"#, &bob, "GET /o/acme/7", "403 condition_false"),
        (r#"org.level in ["manager", "superuser"]"#, &root, "GET /o/bolt/7", "allow"),
        (r#"org.external_id == "legacy/1""#, &root, "GET /o/acme/7", "allow"),
        (r#"path.n > 5 && path.n < 10"#, &ann, "GET /o/acme/7", "allow"),
        (r#"path.n > 5"#, &ann, "GET /o/acme/5", "403 condition_false"),
        // A number that no program could count with.
        (r#"path.n > 5"#, &ann, "GET /o/acme/99999999999999999999", "403 condition_false"),
        (r#"user.username == "ann" && !has(user.email) && !("ops" in user.groups)"#, &ann, "GET /o/acme/7", "allow"),
        (r#"user.groups.exists(g, g.startsWith("ops-"))"#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"request.query["dry run"] == "yes & no" || true"#, &ann, "GET /o/acme/7", "allow"),
        (r#"request.query.dry == "yes""#, &ann, "GET /o/acme/7?dry=y%65s", "allow"),
        // What is not there is no value, and does not hold.
        (r#"request.query.dry != "yes""#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"!("dry" in request.query)"#, &ann, "GET /o/acme/7", "allow"),
        (r#"has(request.query.dry)"#, &ann, "GET /o/acme/7?dry", "allow"),
        // What the upstream may read in another way is not judged.
        (r#"request.query.dry == "yes""#, &ann, "GET /o/acme/7?dry=yes&dry=no", "400 ambiguous"),
        (r#"request.query.dry == "yes""#, &ann, "GET /o/acme/7?dry=yes&Dry=no", "400 ambiguous"),
        (r#"size(request.query) == 1"#, &ann, "GET /o/acme/7?a=1", "allow"),
        (r#"size(request.query) == 1"#, &ann, "GET /o/acme/7?a=1&b=2", "403 condition_false"),
        (r#"size(request.query) == 1"#, &ann, "GET /o/acme/7?a=1&A=2", "400 ambiguous"),
        (r#"request.query.all(name, name in ["a", "b"])"#, &ann, "GET /o/acme/7?a=1&c=2", "403 condition_false"),
        (r#"request.headers["x-mode"] == "test""#, &ann, "GET /o/acme/7 | X-Mode: test", "allow"),
        (r#"request.headers["x-mode"] == "test""#, &ann, "GET /o/acme/7", "403 condition_false"),
        (
            r#"request.headers["x-mode"] == "test""#,
            &ann,
            "GET /o/acme/7 | X-Mode: test | X_Mode: live",
            "400 ambiguous",
        ),
        (
            r#"request.headers["x-mode"] == "test""#,
            &ann,
            "GET /o/acme/7 | X-Mode: test | X-Mode: live",
            "400 ambiguous",
        ),
        (
            r#"!request.headers.exists(name, name.startsWith("x-debug"))"#,
            &ann,
            "GET /o/acme/7 | X-Debug-A: 1",
            "403 condition_false",
        ),
        (
            r#"request.headers.exists(name, name == "authorization")"#,
            &ann,
            "GET /o/acme/7 | Authorization: x",
            "403 condition_false",
        ),
    ];
    for (condition, who, request, expected) in rows {
        let policy = policy(&format!(
            "version: 1\nroutes:\n  /o/{{org:slug}}/{{n:int}}: {{ org: path.org as slug, level: member, when: '{condition}' }}\n"
        ));
        assert_eq!(verdict(&policy, &world, Some(who), request), *expected, "{condition}: {request}");
    }
    // A UUID in any spelling is the organization's id.
    let policy = policy("version: 1\nroutes:\n  /{o:uuid}: { org: path.o, level: member, when: 'path.o == org.id' }\n");
    let request = format!("GET /{}", acme.to_uppercase());
    assert_eq!(verdict(&policy, &world, Some(&ann), &request), "allow");
}

/// Negations above all: what is not there must not be something else.
#[test]
fn what_is_absent_holds_for_nothing_and_has_is_false() {
    let world = World::new();
    let ann = world.user("ann", &[(&world.acme, Manager)]);
    let with_email = |email: &str| {
        let user = Arc::try_unwrap(world.user("ann", &[])).unwrap().user;
        let user = User { email: Some(Box::new(Value::new(email))), ..user };
        let membership = Membership { organization: world.bolt.clone(), is_admin: false, is_owner: false };
        Arc::new(Snapshot::new(user, vec![membership]))
    };
    let (eve, ops) = (with_email("eve@x.example"), with_email("ops@x.example"));
    let far = "GET /o/acme/99999999999999999999";
    let rows: &[(&str, &Arc<Snapshot>, &str, &str)] = &[
        (r#"user.email != "eve@x.example""#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"user.email != "eve@x.example""#, &eve, "GET /o/bolt/7", "403 condition_false"),
        (r#"user.email != "eve@x.example""#, &ops, "GET /o/bolt/7", "allow"),
        (r#"!(user.email in ["eve@x.example"])"#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"!user.email.endsWith("x.example")"#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"!has(user.email) || user.email != "eve@x.example""#, &ann, "GET /o/acme/7", "allow"),
        (r#"!("email" in user) || user.email != "eve@x.example""#, &ann, "GET /o/acme/7", "allow"),
        (r#""email" in user"#, &ops, "GET /o/bolt/7", "allow"),
        (r#"user.email != "eve@x.example" || user.is_staff == false"#, &ann, "GET /o/acme/7", "allow"),
        (r#"org.external_id != "legacy/2""#, &ops, "GET /o/bolt/7", "403 condition_false"),
        (r#"org.external_id != "legacy/2""#, &ann, "GET /o/acme/7", "allow"),
        (r#"has(org.external_id)"#, &ops, "GET /o/bolt/7", "403 condition_false"),
        (r#"!has(org.external_id)"#, &ops, "GET /o/bolt/7", "allow"),
        (r#"claims.tier != "free""#, &ann, "GET /o/acme/7", "403 condition_false"),
        (r#"!has(claims.tier)"#, &ann, "GET /o/acme/7", "allow"),
        (r#"request.headers["x-mode"] != "live""#, &ann, "GET /o/acme/7", "403 condition_false"),
        // A number that CEL cannot hold is not there, and no more than that.
        (r#"path.n != 5"#, &ann, far, "403 condition_false"),
        (r#"path.n > 5 || user.username == "ann""#, &ann, far, "allow"),
        (r#"!has(path.n)"#, &ann, far, "allow"),
    ];
    for (condition, who, request, expected) in rows {
        let policy = policy(&format!(
            "version: 1\nroutes:\n  /o/{{org:slug}}/{{n:int}}: {{ org: path.org as slug, level: member, when: '{condition}' }}\n"
        ));
        assert_eq!(verdict(&policy, &world, Some(who), request), *expected, "{condition}: {request}");
    }
    // Nobody is known, or no organization could be told: then nothing of them is there.
    for (condition, expected) in [
        ("user.email != \"x\"", "403 condition_false"),
        ("!user.is_superuser", "403 condition_false"),
        ("!has(user.email)", "allow"),
        ("!has(user.id)", "allow"),
        ("[1].exists(n, !has(org.slug))", "allow"),
        ("org.slug != \"acme\"", "403 condition_false"),
        ("org == null && user == null", "allow"),
    ] {
        let policy = policy(&format!(
            "version: 1\nroutes:\n  /o/{{org}}: {{ org: path.org as slug, level: optional, when: '{condition}' }}\n"
        ));
        assert_eq!(verdict(&policy, &world, None, "GET /o/acme"), expected, "{condition}");
    }
}

/// `request.headers` and `request.query` are read alike: whatever the upstream could read in another way is refused.
#[test]
fn all_headers_and_all_parameters_are_refused_where_one_is_there_twice() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /h: { level: public, when: '!request.headers.exists(h, h.startsWith(\"x-debug\"))' }\n  \
         /v: { level: public, when: 'request.headers.all(h, request.headers[h] != \"on\")' }\n  \
         /q: { level: public, when: 'request.query.all(q, request.query[q] != \"on\")' }\n",
    );
    for (request, expected) in [
        ("GET /h | X-Mode: a", "allow"),
        ("GET /h | X-Debug: a", "403 condition_false"),
        ("GET /h | X-Mode: a | X-Mode: b", "400 ambiguous"),
        ("GET /h | X-Mode: a | X_Mode: b", "400 ambiguous"),
        ("GET /v | X-Debug: off | X-Debug: on", "400 ambiguous"),
        ("GET /v | X-Debug: off | XDebug: on", "400 ambiguous"),
        ("GET /v | X-Debug: off", "allow"),
        // Credentials are not among them, however often they are there.
        ("GET /v | Cookie: a=on | Cookie: b=on", "allow"),
        ("GET /q?debug=off", "allow"),
        ("GET /q?debug=off&debug=on", "400 ambiguous"),
        ("GET /q?debug=off&De-Bug=on", "400 ambiguous"),
    ] {
        assert_eq!(verdict(&policy, &world, None, request), expected, "{request}");
    }
}

#[test]
fn where_anybody_passes_the_user_may_be_nobody() {
    let world = World::new();
    let ann = world.user("ann", &[]);
    let policy = policy(
        "version: 1\nroutes:\n  /a: { level: optional, when: 'user != null' }\n  \
         /b: { level: optional, when: 'user == null || user.username == \"ann\"' }\n  \
         /c: { level: optional, when: 'user.username == \"ann\"' }\n  \
         /d: { level: public, when: 'request.headers[\"x-hook\"].startsWith(\"gh-\")' }\n",
    );
    assert_eq!(verdict(&policy, &world, None, "GET /a"), "403 condition_false");
    assert_eq!(verdict(&policy, &world, Some(&ann), "GET /a"), "allow");
    assert_eq!(verdict(&policy, &world, None, "GET /b"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&ann), "GET /b"), "allow");
    assert_eq!(verdict(&policy, &world, None, "GET /c"), "403 condition_false");
    assert_eq!(verdict(&policy, &world, None, "GET /d"), "403 condition_false");
    assert_eq!(verdict(&policy, &world, None, "GET /d | X-Hook: gh-1"), "allow");
}

#[test]
fn the_condition_is_judged_after_the_permissions_and_on_the_rewritten_target_too() {
    let world = World::new();
    let ann = world.user("ann", &[]);
    let policy = policy(
        "version: 1\nroutes:\n  /a: { level: authenticated, permissions: app.a, when: 'false' }\n  \
         /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }\n  \
         /in/{v}: { level: authenticated, when: 'path.v == \"x\" && request.path == \"/in/x\"' }\n",
    );
    assert_eq!(verdict(&policy, &world, Some(&ann), "GET /a"), "403 permission_missing");
    assert_eq!(verdict(&policy, &world, Some(&ann), "GET /ext/in/x"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&ann), "GET /ext/in/y"), "403 condition_false");
}

/// The deepest expressions that are accepted are evaluated on the smallest stack that a thread of ours has.
#[test]
fn the_deepest_condition_fits_the_stack() {
    let world = World::new();
    let ann = world.user("ann", &[]);
    let sum = format!("{} == 30", ["1"; 30].join("+"));
    let not = format!("{}true", "!(".repeat(28) + "request.method != \"\" && ") + &")".repeat(28);
    let list = format!("{}user.id{} != []", "[".repeat(28), "]".repeat(28));
    for condition in [sum, not, list] {
        let policy = policy(&format!("version: 1\nroutes:\n  /x: {{ level: authenticated, when: '{condition}' }}\n"));
        assert_eq!(verdict(&policy, &world, Some(&ann), "GET /x"), "allow", "{condition}");
    }
}

#[test]
fn any_of_several_permissions_is_enough_where_the_rule_says_so() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /any/{org}: { org: path.org as slug, level: member, permissions: { any: [app.read, app.admin] }, model: app.thing }\n",
    );
    let read = holder(&world, &["app.read", "app.view_thing"], &[]);
    let admin = holder(&world, &["app.view_thing"], &[(&world.acme, "app.admin")]);
    let model_alone = holder(&world, &["app.view_thing"], &[]);
    let no_model = holder(&world, &["app.read", "app.admin"], &[]);
    for (who, request, expected) in [
        (&read, "GET /any/acme", "allow"),
        (&admin, "GET /any/acme", "allow"),
        // It is asked in the organization of the request, as all are.
        (&admin, "GET /any/bolt", "403 permission_missing"),
        (&model_alone, "GET /any/acme", "403 permission_missing"),
        (&no_model, "GET /any/acme", "403 permission_missing"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(who), request), expected, "{request}");
    }
    let root = world.user("root", &[]);
    assert_eq!(verdict(&policy, &world, Some(&root), "GET /any/acme"), "allow");
}

#[test]
fn the_names_of_the_caller_s_groups_are_told_and_asked() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /x: { level: authenticated, inject: { X-Groups: user.groups }, when: '\"ops\" in user.groups || request.method == \"PUT\"' }\n",
    );
    let of = |groups: &[&str]| {
        let user = Arc::try_unwrap(world.user("ann", &[])).unwrap().user;
        Arc::new(Snapshot::new(user, Vec::new()).with_groups(groups.iter().map(|group| Arc::from(*group)).collect()))
    };
    let ann = of(&["ops", "a, b", "Zürich"]);
    // A comma in a name is no separator.
    assert_eq!(ask(&policy, &world, Some(&ann), "GET /x").unwrap(), "x-groups=Z%C3%BCrich,a%2C b,ops");
    assert_eq!(verdict(&policy, &world, Some(&of(&["dev"])), "GET /x"), "403 condition_false");
    // Nobody's groups are no header.
    assert_eq!(ask(&policy, &world, Some(&of(&[])), "PUT /x").unwrap(), "");
    let many: Vec<String> = (0..1000).map(|n| format!("a-long-name-of-a-group-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(verdict(&policy, &world, Some(&of(&many)), "PUT /x"), "431 identity_too_large");
}

#[test]
fn what_a_list_is_narrowed_to_has_a_length_and_a_form() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /ids: { level: authenticated, list: { items: '', org: /o, shared: hide, push: o } }\n  \
         /keys: { level: authenticated, list: { items: '', org: /o, shared: hide, push: o as external } }\n  \
         /each: { level: authenticated, list: { items: '', org: /o, shared: hide, push: o as external repeated } }\n  \
         /names: { level: authenticated, list: { items: '', org: /o, shared: hide, push: o as name repeated } }\n",
    );
    let of = |keys: &[String]| {
        let user = Arc::try_unwrap(world.user("ann", &[])).unwrap().user;
        let organization = |key: &String| Organization {
            id: OrgId::generate(),
            slug: Value::new("acme"),
            name: Value::new(key),
            external_id: Some(Box::new(Value::new(key))),
            is_active: true,
        };
        let member = |key| Membership { organization: Arc::new(organization(key)), is_admin: false, is_owner: false };
        Arc::new(Snapshot::new(user, keys.iter().map(member).collect()))
    };
    let keys = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(verdict(&policy, &world, Some(&of(&keys(200))), "GET /ids"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&of(&keys(300))), "GET /ids"), "431 identity_too_large");
    let id = of(&keys(300)).memberships()[0].organization.id;
    // What is asked for is less than what the caller has.
    assert_eq!(verdict(&policy, &world, Some(&of(&keys(300))), &format!("GET /ids?o={id}")), "allow");
    assert_eq!(verdict(&policy, &world, Some(&of(&keys(300))), "GET /keys"), "allow");
    // A comma in a key is no separator.
    let odd = of(&["a,b".to_owned(), "Zürich & Co".to_owned()]);
    assert_eq!(verdict(&policy, &world, Some(&odd), "GET /keys"), "502 answer_unreadable");
    assert_eq!(verdict(&policy, &world, Some(&odd), "GET /each"), "allow");
    assert_eq!(verdict(&policy, &world, Some(&odd), "GET /names?o=a,b"), "allow");
}
