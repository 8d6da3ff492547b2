//! `level: permitted`: no membership is asked, only permissions, in the organization that is named.

use super::*;
use crate::facts::{Home, Permissions};

const POLICY: &str = "version: 1
defaults: { org: path.org as slug, level: permitted }
routes:
  /own/{org}/x: { permissions: app.do, inject: { X-Org: org.slug, X-Level: org.level } }
  /hidden/{org}/x: { permissions: app.do, foreign: 404 }
  /roles/{org}/x: { permissions: app.do, user_permissions: off }
  /model/{org}/x: { model: app.thing }
  /any/{org}/x: { permissions: { any: [app.do, app.other] }, user_permissions: off }
  /member/{org}/x: { level: member, permissions: app.do, user_permissions: off }
  /asked/{org}/x: { permissions: app.do, when: 'org.slug != \"bolt\" && org.level != \"owner\"' }
  /v1/{org}/x: { level: authenticated, rewrite: { strip_prefix: /v1, add_prefix: /own } }
";

struct People {
    world: World,
    /// A member of acme with a role there, and roles left behind elsewhere.
    role: Arc<Snapshot>,
    /// Of no organization, with a super role.
    everywhere: Arc<Snapshot>,
    /// Of no organization, with a permission of their own.
    own: Arc<Snapshot>,
    /// A manager of acme, without any permission.
    manager: Arc<Snapshot>,
    root: Arc<Snapshot>,
}

fn people() -> People {
    let world = World::new();
    let permissions = |user: Arc<Snapshot>, permissions: Permissions| {
        Arc::new(Arc::try_unwrap(user).unwrap().with_permissions(permissions))
    };
    let word = || vec![Arc::from("app.do")];
    let roles = [&world.acme, &world.bolt, &world.gone].map(|organization| (organization.id, word())).to_vec();
    People {
        role: permissions(world.user("role", &[(&world.acme, Member)]), Permissions::new(Vec::new(), roles)),
        everywhere: permissions(
            world.user("everywhere", &[]),
            Permissions::new(Vec::new(), Vec::new()).with_super_roles(word()),
        ),
        own: permissions(world.user("own", &[]), Permissions::new(word(), Vec::new())),
        manager: world.user("manager", &[(&world.acme, Manager)]),
        root: world.user("root", &[]),
        world,
    }
}

#[test]
fn a_permission_lets_in_and_nothing_else_does() {
    let (People { world, role, everywhere, own, manager, root }, policy) = (people(), policy(POLICY));
    for (caller, request, expected) in [
        (&role, "GET /own/acme/x", "allow"),
        // Roles are for members.
        (&role, "GET /own/bolt/x", "403 org_foreign"),
        (&everywhere, "GET /own/bolt/x", "allow"),
        (&everywhere, "GET /own/acme/x", "allow"),
        (&own, "GET /own/bolt/x", "allow"),
        (&manager, "GET /own/acme/x", "403 permission_missing"),
        // Whether another organization is there is nobody's business who may not pass there.
        (&manager, "GET /own/bolt/x", "403 org_foreign"),
        (&manager, "GET /own/none/x", "403 org_foreign"),
        (&manager, "GET /own/gone/x", "403 org_foreign"),
        (&manager, "GET /hidden/bolt/x", "404 org_foreign"),
        // It must be there, and active.
        (&everywhere, "GET /own/none/x", "403 org_foreign"),
        (&everywhere, "GET /own/gone/x", "403 org_foreign"),
        (&own, "GET /own/gone/x", "403 org_foreign"),
        (&root, "GET /own/gone/x", "allow"),
        (&root, "GET /own/none/x", "403 org_foreign"),
        // Roles alone.
        (&own, "GET /roles/bolt/x", "403 org_foreign"),
        (&own, "GET /any/bolt/x", "403 org_foreign"),
        (&everywhere, "GET /roles/bolt/x", "allow"),
        (&everywhere, "GET /any/bolt/x", "allow"),
        (&role, "GET /roles/acme/x", "allow"),
        (&role, "GET /member/acme/x", "allow"),
        (&root, "GET /roles/bolt/x", "allow"),
        // A model asks nothing of OPTIONS, and then nobody comes from elsewhere.
        (&everywhere, "OPTIONS /model/bolt/x", "403 org_foreign"),
        (&role, "OPTIONS /model/acme/x", "allow"),
        (&role, "GET /model/acme/x", "403 permission_missing"),
        (&everywhere, "GET /asked/acme/x", "allow"),
        (&everywhere, "GET /asked/bolt/x", "403 condition_false"),
        // The rewritten target has a rule of its own.
        (&everywhere, "GET /v1/bolt/x", "allow"),
        (&manager, "GET /v1/acme/x", "403 permission_missing"),
    ] {
        let who = caller.user.known_as();
        assert_eq!(verdict(&policy, &world, Some(caller), request), expected, "{who}: {request}");
    }
    assert_eq!(verdict(&policy, &world, None, "GET /own/acme/x"), "401 credentials_missing");
}

#[test]
fn the_upstream_is_told_of_the_organization() {
    let (People { world, role, everywhere, root, .. }, policy) = (people(), policy(POLICY));
    let told = |caller| ask(&policy, &world, Some(caller), "GET /own/acme/x").unwrap();
    assert_eq!(told(&role), "member x-org=acme x-level=member");
    assert_eq!(told(&everywhere), "permitted x-org=acme x-level=permitted");
    assert_eq!(told(&root), "superuser by superuser x-org=acme x-level=superuser");
}

/// Whoever has no permission makes nobody look an organization up.
#[test]
fn nobody_looks_up_what_could_not_be_entered() {
    let (People { world, own, manager, everywhere, .. }, policy) = (people(), policy(POLICY));
    let looks = |caller: &Arc<Snapshot>, target: &str| {
        let (target, headers, method) = (Target::parse(target).unwrap(), HeaderMap::new(), Method::GET);
        let view = RequestView::new(&method, "api.example.com", &target, &headers);
        let mut looked = 0;
        let _ = evaluate(&policy, &view, &Caller::of(Some(caller)), &mut |key| {
            looked += 1;
            world.find(key)
        });
        looked
    };
    assert_eq!(looks(&everywhere, "/own/bolt/x"), 1);
    for (caller, target) in [(&manager, "/own/bolt/x"), (&own, "/roles/bolt/x"), (&own, "/member/bolt/x")] {
        assert_eq!(looks(caller, target), 0, "{target}");
    }
}

#[test]
fn a_user_is_told_by_the_name_that_is_theirs_alone() {
    let policy = policy(
        "version: 1
routes:
  /x: { level: authenticated, inject: { X-Login: user.login, X-Home: user.organization } }
  /acme: { level: authenticated, when: 'user.organization == \"acme\" && user.login.startsWith(\"acme/\")' }
",
    );
    let world = World::new();
    let at = |home: Option<(&str, bool)>| {
        let mut user = Arc::try_unwrap(world.user("ann", &[])).unwrap();
        user.user.home = home.map(|(slug, is_active)| Box::new(Home::new(OrgId::generate(), slug, is_active, "ann")));
        Arc::new(user)
    };
    for (home, told, is_of_acme) in [
        (Some(("acme", true)), "x-login=acme/ann x-home=acme", "allow"),
        (Some(("bolt", true)), "x-login=bolt/ann x-home=bolt", "403 condition_false"),
        // A disabled organization is nobody's, and the name stays one.
        (Some(("acme", false)), "x-login=acme/ann", "403 condition_false"),
        (None, "x-login=ann", "403 condition_false"),
    ] {
        let ann = at(home);
        assert_eq!(ask(&policy, &world, Some(&ann), "GET /x").unwrap(), told);
        assert_eq!(verdict(&policy, &world, Some(&ann), "GET /acme"), is_of_acme, "{told}");
    }
}
