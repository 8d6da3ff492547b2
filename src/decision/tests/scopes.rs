//! Tokens with scopes: their right is the scope and their user's right, and never wider.

use super::*;
use crate::facts::{Home, Permissions, Scope};

const ROUTES: &str = r#"
version: 1
defaults: { inject: { X-Orgs: orgs.member, X-Super: user.is_superuser, X-Staff: user.is_staff, X-Groups: user.groups, X-Home: user.organization } }
routes:
  /public: public
  /optional: optional
  /me: authenticated
  /staff: staff
  /super: superuser
  /mine: { org: user.only, level: member }
  /any: manager
  /o/{org:slug}: { org: path.org as slug, read: member, write: manager }
  /owner/{org:slug}: { org: path.org as slug, level: owner }
  /told/{org:slug}: { org: path.org as slug, level: authenticated }
  /p/{org:slug}: { org: path.org as slug, level: member, permissions: app.a }
  /pm/{org:slug}: { org: path.org as slug, level: manager, permissions: { any: [app.a, app.b] } }
  /told/p/{org:slug}: { org: path.org as slug, level: authenticated, permissions: app.b }
  /perm/a: { level: authenticated, permissions: app.a }
  /perm/staff: { level: staff, permissions: app.a }
  /model/{org:slug}: { org: path.org as slug, level: member, model: app.thing }
  /move/{org:slug}/{to:slug}: { org: [path.org as slug, path.to as slug primary], level: manager }
  /when/{org:slug}: { org: path.org as slug, level: member, when: 'user.is_superuser || "ops" in user.groups || org.level == "owner"' }
  /permitted/{org:slug}: { org: path.org as slug, level: permitted, permissions: app.a, foreign: 404, inject: { X-Org: org.id } }
  /roles/{org:slug}: { org: path.org as slug, level: permitted, model: app.thing, user_permissions: off, inject: { X-Org: org.id } }
  /of-roles/{org:slug}: { org: path.org as slug, level: member, permissions: app.b, user_permissions: off }
  /between/{org:slug}/{to:slug}: { org: [path.org as slug, path.to as slug primary], level: permitted, permissions: { any: [app.a, app.b] } }
  /ws: { GET: { level: authenticated, upgrade: [websocket], origins: [https://app.example.com] } }
"#;

/// What a rule asks, as the test knows it and nobody else told it.
struct Asks {
    target: &'static str,
    /// A level, or more: not `authenticated` and what is below.
    level: bool,
    permissions: &'static [&'static str],
}

const fn asks(target: &'static str, level: bool, permissions: &'static [&'static str]) -> Asks {
    Asks { target, level, permissions }
}

const THING: &[&str] = &["app.view_thing", "app.change_thing", "app.add_thing", "app.delete_thing"];

const ALL: [Asks; 38] = [
    asks("/public", false, &[]),
    asks("/optional", false, &[]),
    asks("/me", false, &[]),
    asks("/staff", true, &[]),
    asks("/super", true, &[]),
    asks("/mine", true, &[]),
    asks("/any", true, &[]),
    asks("/o/acme", true, &[]),
    asks("/o/bolt", true, &[]),
    asks("/o/gone", true, &[]),
    asks("/o/none", true, &[]),
    asks("/owner/acme", true, &[]),
    asks("/told/acme", false, &[]),
    asks("/p/acme", true, &["app.a"]),
    asks("/p/bolt", true, &["app.a"]),
    asks("/pm/acme", true, &["app.a", "app.b"]),
    asks("/pm/bolt", true, &["app.a", "app.b"]),
    asks("/told/p/acme", false, &["app.b"]),
    asks("/told/p/bolt", false, &["app.b"]),
    asks("/perm/a", false, &["app.a"]),
    asks("/perm/staff", true, &["app.a"]),
    asks("/model/acme", true, THING),
    asks("/move/acme/bolt", true, &[]),
    asks("/move/bolt/acme", true, &[]),
    asks("/when/acme", true, &[]),
    asks("/when/bolt", true, &[]),
    asks("/permitted/acme", true, &["app.a"]),
    asks("/permitted/bolt", true, &["app.a"]),
    asks("/permitted/gone", true, &["app.a"]),
    asks("/permitted/none", true, &["app.a"]),
    asks("/roles/acme", true, THING),
    asks("/roles/bolt", true, THING),
    asks("/roles/gone", true, THING),
    asks("/of-roles/acme", true, &["app.b"]),
    asks("/of-roles/bolt", true, &["app.b"]),
    asks("/between/acme/bolt", true, &["app.a", "app.b"]),
    asks("/between/bolt/gone", true, &["app.a", "app.b"]),
    asks("/ws", false, &[]),
];

/// A generator with a seed (SplitMix64): the same cases each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    /// Some of them, often none.
    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        if self.one_in(2) {
            return Vec::new();
        }
        all.iter().filter(|_| self.one_in(2)).cloned().collect()
    }
}

const WORDS: [&str; 6] = ["app.a", "app.b", "app.view_thing", "app.change_thing", "app.delete_thing", "app.other"];

fn somebody(random: &mut Random, world: &World) -> Snapshot {
    let organizations = [&world.acme, &world.bolt, &world.gone];
    let mut memberships = Vec::new();
    for organization in organizations {
        if random.one_in(2) {
            let (is_admin, is_owner) = (random.one_in(2), random.one_in(4));
            memberships.push(Membership { organization: Arc::clone(organization), is_admin, is_owner });
        }
    }
    let words = || WORDS.map(Arc::<str>::from);
    let roles = organizations.map(|organization| (organization.id, random.some(&words())));
    let user = User {
        id: UserId::default(),
        username: Some(Value::new("ann")),
        issuer: None,
        email: None,
        external_id: None,
        home: (!random.one_in(3)).then(|| Box::new(Home::new(world.acme.id, "acme", true, "ann"))),
        fields: None,
        is_active: !random.one_in(16),
        is_staff: random.one_in(3),
        is_superuser: random.one_in(4),
    };
    Snapshot::new(user, memberships)
        .with_permissions(
            Permissions::new(random.some(&words()), roles.to_vec()).with_super_roles(random.some(&words())),
        )
        .with_groups(random.some(&["ops".into(), "other".into()]))
}

fn scope(random: &mut Random, world: &World) -> Scope {
    let organizations = random.some(&[world.acme.id, world.bolt.id, world.gone.id, OrgId::default()]);
    Scope::new(organizations, random.some(&WORDS.map(Arc::<str>::from)), random.one_in(3))
}

/// As many as the environment says: every night a million.
fn cases() -> u64 {
    std::env::var("POSTERN_NARROWINGS").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

#[test]
fn a_token_s_right_is_its_scope_and_its_user_s_right() {
    let (world, policy) = (World::new(), policy(ROUTES));
    let organization_of = |target: &str| {
        [&world.acme, &world.bolt, &world.gone].into_iter().find(|o| target.split('/').any(|s| s == o.slug.as_str()))
    };
    let (mut allowed, mut narrowed_away) = (0_u64, 0_u64);
    for case in 0..cases() {
        let mut random = Random(case);
        let scope = scope(&mut random, &world);
        let user = somebody(&mut Random(case ^ 0xabcd), &world);
        let full = Arc::new(user);
        let user = somebody(&mut Random(case ^ 0xabcd), &world);
        let token = Arc::new(user.narrowed(scope.clone()));
        let Asks { target, level, permissions } = &ALL[(random.next() % ALL.len() as u64) as usize];
        let method = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "LINK"][(random.next() % 8) as usize];
        let request = format!("{method} {target}");
        let (by_user, by_token) =
            (ask(&policy, &world, Some(&full), &request), ask(&policy, &world, Some(&token), &request));
        let what = format!("case {case}: {request} {scope:?} {full:?}");
        let Ok(told) = &by_token else {
            narrowed_away += u64::from(by_user.is_ok());
            // And no narrower than it says, where the request names all that the scope speaks of.
            let Some(organization) = organization_of(target).filter(|o| scope.includes(o.id)) else { continue };
            // Of an organization that is somebody else's nothing is looked up here, so that it is none of the scope's.
            let is_told = target.starts_with("/told") && full.membership(organization.id).is_none();
            let is_besides =
                target.starts_with("/move") || target.starts_with("/between") || target.starts_with("/when") || is_told;
            let within = |word: &&str| scope.permissions().iter().any(|known| **known == **word);
            let is_permitted =
                scope.permissions().is_empty() || (!permissions.is_empty() && permissions.iter().all(within));
            let is_taken = !scope.is_read_only() || matches!(method, "GET" | "HEAD" | "OPTIONS");
            let is_within = !is_besides && is_permitted && is_taken;
            assert!(!(is_within && by_user.is_ok()), "narrower than its scope: {what} {by_token:?}");
            continue;
        };
        allowed += 1;
        assert!(by_user.is_ok(), "wider than its user: {what} {by_user:?}");
        if *target == "/public" {
            continue;
        }
        assert!(!scope.is_read_only() || matches!(method, "GET" | "HEAD" | "OPTIONS"), "{what}");
        if !scope.permissions().is_empty() {
            let asked = permissions.iter().any(|p| scope.permissions().iter().any(|s| **s == **p));
            let asks_nothing = !level && permissions.is_empty() || *permissions == THING && method == "OPTIONS";
            assert!(asked || asks_nothing, "{what}");
            assert!(!(*level && permissions.is_empty()), "{what}");
        }
        if !scope.organizations().is_empty() {
            let told_of =
                [&world.acme, &world.bolt, &world.gone].into_iter().filter(|o| told.contains(&o.id.to_string()));
            assert!(told_of.map(|o| o.id).all(|id| scope.includes(id)), "{what} {told}");
            let named = organization_of(target).filter(|_| *level || !permissions.is_empty());
            assert!(named.is_none_or(|o| scope.includes(o.id)), "{what}");
            assert!(scope.includes(world.acme.id) || !told.contains("x-home"), "{what} {told}");
        }
        if scope.narrows_rights() {
            assert!(
                !told.contains("x-super=true") && !told.contains("x-staff=true") && !told.contains("ops"),
                "{told}"
            );
            assert!(!["/super", "/staff", "/perm/staff"].contains(target), "{what}");
        }
    }
    assert!(allowed > cases() / 20 && narrowed_away > cases() / 20, "{allowed} {narrowed_away}");
}

/// It begins with a GET, and what goes through it then nobody sees.
#[test]
fn a_token_for_reading_opens_no_websocket() {
    let (world, policy) = (World::new(), policy(ROUTES));
    let (method, target) = (Method::GET, Target::parse("/ws").unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let plain = RequestView::new(&method, "api.example.com", &target, &headers);
    let handshake = RequestView { upgrade: Upgrade::Connection, ..plain };
    let user = || Arc::into_inner(world.user("bob", &[])).unwrap();
    let reading = Arc::new(user().narrowed(Scope::new(Vec::new(), Vec::new(), true)));
    let verdict = |view: &RequestView<'_>, user: &Arc<Snapshot>| {
        evaluate(&policy, view, &Caller::of(Some(user)), &mut |_| None).map(|_| ()).map_err(|denial| denial.reason)
    };
    assert_eq!(verdict(&plain, &reading), Ok(()));
    assert_eq!(verdict(&handshake, &reading), Err(Reason::ScopeExceeded));
    assert_eq!(verdict(&handshake, &Arc::new(user())), Ok(()));
}

#[test]
fn a_refusal_says_that_it_is_the_token_s() {
    let (world, policy) = (World::new(), policy(ROUTES));
    let root = |scope| {
        let user = Arc::into_inner(world.user("root", &[])).unwrap();
        Arc::new(user.narrowed(scope))
    };
    let words = |list: &[&str]| list.iter().map(|word| Arc::from(*word)).collect::<Vec<Arc<str>>>();
    let reading = root(Scope::new(Vec::new(), Vec::new(), true));
    let of_acme = root(Scope::new(vec![world.acme.id], Vec::new(), false));
    let of_a = root(Scope::new(Vec::new(), words(&["app.a"]), false));
    for (token, request, expected) in [
        (&reading, "GET /super", "allow"),
        (&reading, "POST /super", "403 scope_exceeded"),
        (&reading, "POST /optional", "403 scope_exceeded"),
        (&reading, "POST /public", "allow"),
        (&of_acme, "DELETE /owner/acme", "allow"),
        (&of_acme, "GET /o/bolt", "403 org_foreign"),
        (&of_acme, "GET /o/none", "403 org_foreign"),
        (&of_acme, "GET /super", "403 superuser_only"),
        (&of_acme, "GET /staff", "403 staff_only"),
        (&of_acme, "GET /any", "403 org_level_missing"),
        (&of_acme, "GET /move/acme/bolt", "403 org_foreign"),
        (&of_acme, "GET /perm/a", "allow"),
        (&of_a, "GET /p/gone", "allow"),
        (&of_a, "GET /told/p/acme", "403 permission_missing"),
        (&of_a, "GET /o/acme", "403 scope_exceeded"),
        (&of_a, "GET /super", "403 scope_exceeded"),
        (&of_a, "GET /me", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(token), request), expected, "{request}");
    }
    let denial = ask(&policy, &world, Some(&reading), "POST /super").unwrap_err();
    assert_eq!(denial.detail(), "The token is for reading alone.");
    let denial = ask(&policy, &world, Some(&of_a), "GET /o/acme").unwrap_err();
    assert_eq!(denial.detail(), "The token is narrowed to permissions, and nothing here asks for one.");
}
