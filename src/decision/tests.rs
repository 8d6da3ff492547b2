//! The rules of the language, told as stories about two tenants.

use super::*;
use crate::facts::Organization;
use crate::facts::{Membership, User, Value};
use crate::id::{OrgId, UserId};
use crate::limit::Verdict;
use crate::policy::{Names, Policy, load};
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// acme and bolt are tenants, gone is disabled.
struct World {
    acme: Arc<Organization>,
    bolt: Arc<Organization>,
    gone: Arc<Organization>,
}

fn organization(name: &str, is_active: bool) -> Arc<Organization> {
    let id = OrgId(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, name.as_bytes()));
    Arc::new(Organization {
        id,
        slug: Value::new(name),
        name: Value::new(format!("The {name}")),
        external_id: (name == "acme").then(|| Box::new(Value::new("legacy/1"))),
        is_active,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Is {
    Member,
    Manager,
    Owner,
}
use Is::{Manager, Member, Owner};

mod details;
mod evaluation;
mod options;
mod organizations;
mod pages;
mod permitted;
mod refusals;
mod scopes;
mod shadow;

impl World {
    fn new() -> Self {
        Self { acme: organization("acme", true), bolt: organization("bolt", true), gone: organization("gone", false) }
    }

    fn user(&self, name: &str, memberships: &[(&Arc<Organization>, Is)]) -> Arc<Snapshot> {
        let id = UserId(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, name.as_bytes()));
        let user = User {
            id,
            username: Some(Value::new(name)),
            issuer: None,
            email: None,
            external_id: None,
            home: None,
            fields: None,
            is_active: name != "off",
            is_staff: name == "staff",
            is_superuser: name == "root",
        };
        let membership = |(o, is): &(&Arc<Organization>, Is)| Membership {
            organization: Arc::clone(o),
            is_admin: *is == Manager,
            is_owner: *is == Owner,
        };
        Arc::new(Snapshot::new(user, memberships.iter().map(membership).collect()))
    }

    fn find(&self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        [&self.acme, &self.bolt, &self.gone].into_iter().find(|o| key.names(o)).cloned()
    }
}

fn policy(routes: &str) -> Policy {
    load(&[("routes.yaml", routes)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()))
}

/// The whole way, where whoever is counted comes for the first time.
fn evaluate<'p>(
    policy: &'p Policy,
    view: &RequestView<'_>,
    caller: &Caller,
    lookup: &mut dyn FnMut(&OrgKey<'_>) -> Option<Arc<Organization>>,
) -> Result<Permit<&'p Policy>, Denial> {
    let mut evaluation = Evaluation::new(policy);
    loop {
        match evaluation.step(view) {
            Ok(permit) => return Ok(permit),
            Err(Halt::Denied(denial)) => return Err(denial),
            Err(Halt::Need(Need::Credential(_))) => evaluation.identify(caller.clone()),
            Err(Halt::Need(Need::Organization(key))) => {
                let found = lookup(&key);
                evaluation.learn(key, found);
            }
            Err(Halt::Need(Need::Throttle(..))) => evaluation.count(PASS),
            Err(Halt::Need(Need::Lookups(keys))) => panic!("lookups are asked: {keys:?}"),
            Err(Halt::Need(Need::Body(most))) => panic!("a body of {most} bytes at most is asked for"),
        }
    }
}

const PASS: Verdict = Verdict::Pass { remaining: 0, reset: Duration::ZERO };

/// `METHOD target [Name: value]…`, with `<name>` standing for an organization's id.
fn ask(policy: &Policy, world: &World, caller: Option<&Arc<Snapshot>>, request: &str) -> Result<String, Denial> {
    let mut words = request.split('|').map(str::trim);
    let line = ["acme", "bolt", "gone"].iter().fold(words.next().unwrap().to_owned(), |line, name| {
        line.replace(&format!("<{name}>"), &organization(name, true).id.to_string())
    });
    let (method, target) = line.split_once(' ').unwrap();
    let mut headers = HeaderMap::new();
    for header in words {
        let (name, value) = header.split_once(": ").unwrap();
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let (target, host) = target.split_once(" @").unwrap_or((target, "api.example.com"));
    let target = Target::parse(target).unwrap();
    let method = method.parse().unwrap();
    let view = RequestView::new(&method, host, &target, &headers);
    let permit = evaluate(policy, &view, &Caller::of(caller), &mut |key| world.find(key))?;
    let mut told = Vec::new();
    permit.inject(RequestContext { request_id: "req-1", client_name: None, signing: None }, |name, value| {
        told.push(format!("{name}={}", std::str::from_utf8(value).unwrap()));
    })?;
    let marks = [permit.level(), permit.by_superuser().then_some("by superuser"), permit.rewritten()];
    Ok([marks.into_iter().flatten().map(str::to_owned).collect(), told].concat().join(" "))
}

fn verdict(policy: &Policy, world: &World, caller: Option<&Arc<Snapshot>>, request: &str) -> String {
    match ask(policy, world, caller, request) {
        Ok(_) => "allow".to_owned(),
        Err(denial) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
    }
}

#[test]
fn the_identity_api_s_place_is_nobody_else_s() {
    let load = |prefix: Option<&str>| {
        let names = Names::new(["a"]).with_identity_api(prefix.map(Box::from));
        crate::policy::load(&[("f", "version: 1\nroutes: { /**: public }\n")], Some(&names)).unwrap()
    };
    let paths = ["/api/v1/users/", "/api/v1/users/token/", "/api/v1/users", "/auth/token/", "/x"];
    for (prefix, found) in [
        (Some("/api/v1/users/"), [false, false, true, true, true]),
        (Some("/auth/"), [true, true, true, false, true]),
        (None, [true; 5]),
    ] {
        let policy = load(prefix);
        assert_eq!(paths.map(|path| policy.find("", path).is_some()), found, "{prefix:?}");
        let lints: Vec<_> = policy.warnings().list().iter().filter(|f| f.code == "covers_identity_api").collect();
        assert_eq!(lints.len(), usize::from(prefix.is_some()), "{prefix:?}");
    }
}

#[test]
fn every_level_lets_pass_whom_it_names_and_nobody_else() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /public: public\n  /optional: optional\n  /auth: authenticated\n  /staff: staff\n  \
         /member: member\n  /manager: manager\n  /owner: owner\n  /super: superuser\n  /deny: deny\n",
    );
    let outsider = world.user("eve", &[]);
    let member = world.user("bob", &[(&world.acme, Member)]);
    let manager = world.user("ann", &[(&world.acme, Manager), (&world.bolt, Member)]);
    let owner = world.user("olga", &[(&world.bolt, Owner)]);
    let staff = world.user("staff", &[]);
    let root = world.user("root", &[]);
    let off = world.user("off", &[(&world.acme, Owner)]);
    let rows = [
        // anonymous, outsider, member, manager, owner, staff, superuser, inactive
        ("/public", ["allow"; 8]),
        ("/optional", ["allow", "allow", "allow", "allow", "allow", "allow", "allow", "401 user_inactive"]),
        (
            "/auth",
            ["401 credentials_missing", "allow", "allow", "allow", "allow", "allow", "allow", "401 user_inactive"],
        ),
        (
            "/staff",
            [
                "401 credentials_missing",
                "403 staff_only",
                "403 staff_only",
                "403 staff_only",
                "403 staff_only",
                "allow",
                "403 staff_only",
                "401 user_inactive",
            ],
        ),
        (
            "/member",
            [
                "401 credentials_missing",
                "403 org_level_missing",
                "allow",
                "allow",
                "allow",
                "403 org_level_missing",
                "allow",
                "401 user_inactive",
            ],
        ),
        (
            "/manager",
            [
                "401 credentials_missing",
                "403 org_level_missing",
                "403 org_level_missing",
                "allow",
                "allow",
                "403 org_level_missing",
                "allow",
                "401 user_inactive",
            ],
        ),
        (
            "/owner",
            [
                "401 credentials_missing",
                "403 org_level_missing",
                "403 org_level_missing",
                "403 org_level_missing",
                "allow",
                "403 org_level_missing",
                "allow",
                "401 user_inactive",
            ],
        ),
        (
            "/super",
            [
                "401 credentials_missing",
                "403 superuser_only",
                "403 superuser_only",
                "403 superuser_only",
                "403 superuser_only",
                "403 superuser_only",
                "allow",
                "401 user_inactive",
            ],
        ),
        ("/deny", ["403 denied"; 8]),
    ];
    let callers =
        [None, Some(&outsider), Some(&member), Some(&manager), Some(&owner), Some(&staff), Some(&root), Some(&off)];
    for (path, expected) in rows {
        let got = callers.map(|caller| verdict(&policy, &world, caller, &format!("GET {path}")));
        assert_eq!(got.each_ref().map(String::as_str), expected, "{path}");
    }
}

const TENANTS: &str = "
version: 1
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug, X-Postern-Role: org.level }
routes:
  /org/{org:uuid}/**: { org: path.org, read: member, write: manager }
  /hidden/{org:uuid}/**: { org: path.org, read: member, foreign: 404 }
  /loki/**: { org: header.X-Org as slug or user.only, level: member }
  /query: { org: query.organization, level: member }
  /legacy: { org: query.key as external, level: member }
  /both: { org: [query.a primary, query.b optional], level: manager }
  /same: { org: [query.a, header.X-Org as slug], level: member }
  /either: { org: query.a or query.b as slug, level: member }
  /first: { org: user.only or query.a, level: member }
  /told/{org:uuid}: { org: path.org, level: authenticated }
  /root/{org:uuid}: { org: path.org, level: superuser }
";

#[test]
fn the_organization_decides_and_foreign_unknown_and_disabled_are_one() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let bob = world.user("bob", &[(&world.acme, Member), (&world.gone, Owner)]);
    let ann = world.user("ann", &[(&world.acme, Manager)]);
    let root = world.user("root", &[]);
    for (caller, request, expected) in [
        (&bob, "GET /org/<acme>/x", "allow"),
        (&bob, "HEAD /org/<acme>/x", "allow"),
        (&bob, "OPTIONS /org/<acme>/x", "allow"),
        (&bob, "POST /org/<acme>/x", "403 org_level_missing"),
        (&bob, "PURGE /org/<acme>/x", "403 org_level_missing"),
        (&ann, "PURGE /org/<acme>/x", "allow"),
        (&ann, "TRACE /org/<acme>/x", "405 method_not_allowed"),
        (&ann, "CONNECT /org/<acme>/x", "405 method_not_allowed"),
        (&ann, "GET /org/<bolt>/x", "403 org_foreign"),
        (&bob, "GET /org/<gone>/x", "403 org_foreign"),
        (&bob, "GET /org/00000000-0000-0000-0000-000000000000/x", "403 org_foreign"),
        (&bob, "GET /hidden/<bolt>/x", "404 org_foreign"),
        (&bob, "GET /org/acme/x", "404 no_route"),
        (&root, "GET /org/<bolt>/x", "allow"),
        (&root, "GET /org/<gone>/x", "allow"),
        (&root, "GET /org/00000000-0000-0000-0000-000000000000/x", "403 org_foreign"),
        (&root, "GET /root/<bolt>", "allow"),
        (&root, "GET /root/00000000-0000-0000-0000-000000000000", "403 org_foreign"),
        (&ann, "GET /root/<acme>", "403 superuser_only"),
        (&ann, "GET /root/<bolt>", "403 org_foreign"),
    ] {
        assert_eq!(verdict(&policy, &world, Some(caller), request), expected, "{request}");
    }
}

#[test]
fn what_the_upstream_is_told() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let bob = world.user("bob", &[(&world.acme, Member)]);
    let root = world.user("root", &[]);
    let own = world.user("root", &[(&world.acme, Member)]);
    for (caller, request, told) in [
        (&bob, "GET /org/<acme>/x", "member x-postern-user=bob x-postern-organization=acme x-postern-role=member"),
        (
            &root,
            "GET /org/<acme>/x",
            "superuser by superuser x-postern-user=root x-postern-organization=acme x-postern-role=superuser",
        ),
        (&own, "GET /org/<acme>/x", "member x-postern-user=root x-postern-organization=acme x-postern-role=member"),
        (
            &own,
            "POST /org/<acme>/x",
            "member by superuser x-postern-user=root x-postern-organization=acme x-postern-role=member",
        ),
        (&bob, "GET /told/<acme>", "member x-postern-user=bob x-postern-organization=acme x-postern-role=member"),
        (&bob, "GET /told/<bolt>", "x-postern-user=bob"),
    ] {
        assert_eq!(ask(&policy, &world, Some(caller), request).unwrap(), told, "{request}");
    }
}

#[test]
fn the_credential_is_asked_for_before_the_organization_is_read() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let off = world.user("off", &[(&world.acme, Member)]);
    assert_eq!(verdict(&policy, &world, None, "GET /query"), "401 credentials_missing");
    assert_eq!(verdict(&policy, &world, Some(&off), "GET /query"), "401 user_inactive");
}

#[test]
fn an_absent_method_is_405_with_what_is_there_and_never_a_wider_route() {
    let world = World::new();
    let policy = policy(
        "version: 1\nroutes:\n  /**: public\n  /x: { GET: public, DELETE: superuser, PUT: deny }\n  /h: { GET: public, read: deny }\n",
    );
    let denial = ask(&policy, &world, None, "POST /x").unwrap_err();
    assert_eq!((denial.reason, denial.status), (Reason::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED));
    assert_eq!(denial.allow.unwrap(), "GET, HEAD, DELETE");
    for (request, expected) in [
        ("HEAD /x", "allow"),
        ("PUT /x", "403 denied"),
        ("GET /h", "allow"),
        ("HEAD /h", "allow"),
        ("OPTIONS /h", "403 denied"),
        ("POST /y", "allow"),
    ] {
        assert_eq!(verdict(&policy, &world, None, request), expected, "{request}");
    }
}

#[test]
fn a_public_route_knows_nobody() {
    let world = World::new();
    let policy = policy(
        "version: 1\ndefaults: { inject: { X-User: user.id, X-Fixed: { literal: 'a, b' }, X-Id: request.id } }\nroutes: { /p: public }\n",
    );
    let bob = world.user("bob", &[]);
    assert_eq!(ask(&policy, &world, Some(&bob), "GET /p").unwrap(), "x-fixed=a, b x-id=req-1");
    assert!(policy.strip().contains("X_User") && policy.strip().contains("x-fixed"));
}

#[test]
fn variables_of_the_path_are_told_decoded_once_and_encoded_for_a_header() {
    let world = World::new();
    let policy =
        policy("version: 1\nroutes:\n  /a/{x}/{y:int}: { level: public, inject: { X-X: path.x, X-Y: path.y } }\n");
    assert_eq!(ask(&policy, &world, None, "GET /a/%41%20%C3%A9/7").unwrap(), "x-x=A %C3%A9 x-y=7");
}

#[test]
fn what_is_forwarded_after_a_rewrite_is_judged_again() {
    let world = World::new();
    let names = Names::new(["a", "b"]);
    let text = "
version: 1
upstream: a
routes:
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /v2/**: { level: public, rewrite: { strip_prefix: /v2, add_prefix: /api/v1, unmatched: allow } }
  /other/**: { level: public, rewrite: { strip_prefix: /other, unmatched: allow }, upstream: b }
  /{name}: authenticated
  /: authenticated
  /admin/**: superuser
  /ro: { GET: public }
  /closed/**: deny
";
    let policy = load(&[("r", text)], Some(&names)).unwrap();
    let (bob, root) = (world.user("bob", &[]), world.user("root", &[]));
    for (caller, request, expected) in [
        (Some(&bob), "GET /ext/x?q=1", "/x?q=1"),
        (Some(&bob), "GET /ext", "/"),
        (Some(&bob), "GET /ext/", "/"),
        (Some(&bob), "GET /%65xt/%41", "/%41"),
        (None, "GET /v2", "/api/v1"),
        (None, "GET /v2/x/", "/api/v1/x/"),
        (Some(&root), "GET /ext/admin/x", "/admin/x"),
        // Another upstream's paths are not these.
        (None, "GET /other/admin/x", "/admin/x"),
    ] {
        assert_eq!(ask(&policy, &world, caller, request).unwrap(), expected, "{request}");
    }
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /ext/admin/x"), "403 superuser_only");
    assert_eq!(verdict(&policy, &world, Some(&bob), "GET /ext/admin"), "403 superuser_only");
    assert_eq!(verdict(&policy, &world, Some(&bob), "POST /ext/ro"), "405 method_not_allowed");
    assert_eq!(verdict(&policy, &world, Some(&root), "GET /ext/closed/x"), "403 denied");
    assert_eq!(verdict(&policy, &world, Some(&root), "GET /ext/nowhere/x"), "404 no_route");
    // Nobody can write a rule for postern's own paths, so none can be missing there.
    let names = names.with_identity_api(Some("/api/v1/users/".into()));
    let policy = load(&[("r", text)], Some(&names)).unwrap();
    assert_eq!(verdict(&policy, &world, None, "GET /other/api/v1/users/token/"), "404 no_route");
}

/// The most specific route of all upstreams may belong to another one, on the same host or on a wider one: it must not
/// stand before the rule of the upstream that the request goes to.
#[test]
fn a_rewritten_target_is_judged_by_the_routes_of_its_own_upstream() {
    let world = World::new();
    let names = Names::new(["app", "docs"]);
    let (bob, root) = (world.user("bob", &[]), world.user("root", &[]));
    let ext = "  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }\n";
    let evaluate = |files: &[(&str, &str)], caller, request: &str| {
        verdict(
            &load(files, Some(&names)).unwrap_or_else(|f| panic!("{}", f.to_lines())),
            &world,
            Some(caller),
            request,
        )
    };
    let one = |level: &str, other: &str| {
        format!(
            "version: 1\nupstream: app\nroutes:\n{ext}  /admin/**: {level}\n  {other}: {{ read: public, upstream: docs }}\n"
        )
    };
    for other in ["/admin/docs/**", "/admin/{page}/x", "/admin/docs/x", "/admin/{page:slug}/{part}"] {
        let files = one("superuser", other);
        let files = [("r", files.as_str())];
        assert_eq!(evaluate(&files, &bob, "GET /ext/admin/docs/x"), "403 superuser_only", "{other}");
        assert_eq!(evaluate(&files, &root, "GET /ext/admin/docs/x"), "allow", "{other}");
        assert_eq!(evaluate(&files, &bob, "GET /admin/docs/x"), "allow", "{other}");
        let files = one("deny", other);
        assert_eq!(evaluate(&[("r", files.as_str())], &root, "GET /ext/admin/docs/x"), "403 denied", "{other}");
        let files = one("{ GET: superuser }", other);
        let files = [("r", files.as_str())];
        assert_eq!(evaluate(&files, &root, "POST /ext/admin/docs/x"), "405 method_not_allowed", "{other}");
    }
    // A file of that very host, of a host pattern, of every host: each is a tier, and the first with a route of the
    // upstream decides.
    let app = |hosts: &str, level: &str| format!("version: 1\nupstream: app\n{hosts}routes:\n  /admin/**: {level}\n");
    let docs =
        |hosts: &str| format!("version: 1\nupstream: docs\n{hosts}routes:\n  /admin/**: public\n  /**: public\n");
    let (exact, wild) = ("hosts: [api.example.com]\n", "hosts: ['{a}.example.com']\n");
    let ext = format!("version: 1\nupstream: app\nhosts: [api.example.com]\nroutes:\n{ext}");
    for (ours, theirs) in [("", exact), (wild, exact), ("", wild), (exact, wild), (exact, "")] {
        for (level, expected) in [("superuser", "403 superuser_only"), ("deny", "403 denied")] {
            let (app, docs) = (app(ours, level), docs(theirs));
            let files = [("ext", ext.as_str()), ("app", &app), ("docs", &docs)];
            assert_eq!(evaluate(&files, &bob, "GET /ext/admin/docs/x"), expected, "{ours:?} {theirs:?}");
        }
    }
    let (first, second) = (app(wild, "deny"), app("", "authenticated"));
    let files = [("ext", ext.as_str()), ("first", &first), ("second", &second), ("docs", &docs(exact))];
    assert_eq!(evaluate(&files, &bob, "GET /ext/admin/x"), "403 denied", "the nearer tier of its upstream counts");
    assert_eq!(
        evaluate(&files, &bob, "GET /ext/other"),
        "404 no_route",
        "the other upstream's `/**` says nothing of it"
    );
}

#[test]
fn a_request_that_is_printed_shows_no_credential() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer secret"));
    let target = Target::parse("/x?token=secret").unwrap();
    let view = RequestView::new(&Method::GET, "h", &target, &headers);
    let shown = format!("{view:?}");
    assert!(shown.contains("/x") && !shown.contains("secret"), "{shown}");
}

#[test]
fn reasons_have_distinct_codes_and_their_manual_s_statuses() {
    let mut codes: Vec<_> = Reason::ALL.iter().map(|r| r.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        assert!(reason.status().is_client_error() || reason.status().is_server_error(), "{reason:?}");
        assert!(reason.detail().ends_with('.') && !reason.title().is_empty(), "{reason:?}");
    }
    let hidden = Denial::new(Reason::OrgForeign).with_status(StatusCode::NOT_FOUND);
    assert_eq!(hidden.problem(), Denial::new(Reason::NoRoute).problem());
}
