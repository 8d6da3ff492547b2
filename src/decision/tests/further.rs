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
        let view = RequestView { method: &method, host: "x", target: &target, headers: &headers };
        let matched = find(policy, &view).unwrap();
        let claim = Claim::of_shared_object();
        match decide(&matched, &claim, &view, Caller::User(who), &Facts::none()) {
            Ok(permit) => {
                assert!(permit.organization().is_none() && permit.level().is_none());
                "allow".to_owned()
            }
            Err(denial) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
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
