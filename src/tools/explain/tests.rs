//! What a person reads, word for word, and what a machine reads.

use super::Explanation;
use crate::policy::{Names, load};
use crate::tools::ask::{Body, Request};
use crate::tools::suite::read_world;
use crate::tools::world::World;
use crate::yaml::Findings;
use http::{HeaderMap, HeaderName, HeaderValue};

const POLICY: &str = "version: 1
upstream: legacy
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Role: org.level }
routes:
  /**: authenticated
  /o/{org:uuid}/**: { org: path.org, read: member, write: manager }
  /x/: { GET: public }
  /admin/**: superuser
  /hole: deny
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /h: { org: header.X-Org as slug or user.only, level: member }
  /p/**: { level: authenticated, permissions: app.see, when: 'request.path != \"/p/x\"', throttle: { rate: 5/m, by: user } }
";
const GIVEN: &str = "given:
  organizations: { acme: {}, bolt: {}, gone: { active: false } }
  users: { bob: { acme: member }, ann: { permissions: [app.see] }, two: { acme: owner, bolt: member }, narrow: { acme: member, bolt: member, permissions: [app.see], token: { organizations: [acme], permissions: [app.see], read_only: true } }, root: superuser, off: inactive }
";

fn told<T>(user: &str, line: &str, headers: &[(&str, &str)], look: impl FnOnce(&Explanation<'_>) -> T) -> T {
    let names = Names::new(["legacy"]).with_identity_api(Some("/api/v1/users/".into()));
    let policy = load(&[("routes.yaml", POLICY)], Some(&names)).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let mut findings = Findings::new();
    let id = findings.add_source("world.yaml", GIVEN);
    let world = read_world(id, &mut findings).unwrap();
    let (method, target) = line.split_once(' ').unwrap();
    let pair = |(n, v): &(&str, &str)| (HeaderName::try_from(*n).unwrap(), HeaderValue::from_str(v).unwrap());
    let headers: HeaderMap = headers.iter().map(pair).collect();
    let target = world.fill(target).unwrap().into_owned();
    let request = Request { headers, ..Request::new(method.parse().unwrap(), target) };
    let facts = &mut world.facts(&policy);
    let explanation = Explanation::of(&policy, &request, world.user(user), facts);
    look(&explanation.beside(&policy, &request, world.unnarrowed(user), facts))
}

fn text(user: &str, line: &str) -> String {
    told(user, line, &[], |e| e.to_text(false))
}

#[test]
fn a_route_that_a_type_keeps_away_is_named() {
    let told = text("bob", "GET /o/acme/x");
    // `/**` takes it in that policy; in one without it nothing does.
    assert!(told.contains("ok route         /** (routes.yaml:6)"), "{told}");
    let policy = load(
        &[(
            "routes.yaml",
            "version: 1\nroutes:\n  /o/{org:uuid}/{n:int}: { org: path.org, level: member, inject: { X-N: path.n } }\n",
        )],
        None,
    );
    let request = Request::new(http::Method::GET, "/o/acme/seven");
    let policy = policy.unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let told = Explanation::of(&policy, &request, None, &mut World::default().facts(&policy)).to_text(false);
    let note =
        "/o/{org:uuid}/{n:int} (routes.yaml:3) would match, but `acme` is no uuid for `org`, `seven` is no int for `n`";
    assert!(told.contains("NO route         no route matches") && told.contains(note), "{told}");
}

#[test]
fn a_permitted_request_is_told_from_target_to_upstream() {
    assert_eq!(
        text("bob", "GET /o/<acme>/%C3%A9"),
        "\
ok target        GET /o/8a7f9c75-4088-5569-b288-77e876fd8c7b/%C3%A9 on localhost
                 read as /o/8a7f9c75-4088-5569-b288-77e876fd8c7b/\u{e9}
ok route         /o/{org:uuid}/** (routes.yaml:7)
                 org = 8a7f9c75-4088-5569-b288-77e876fd8c7b
                 more specific than /** (routes.yaml:6), which matches too
ok method        GET needs: member
                 org: path.org
ok credential    required, and one was sent
-- identity      bob (fd70271b-f101-5148-937b-28f9d926ae78)
                 member of acme
ok organization  acme (8a7f9c75-4088-5569-b288-77e876fd8c7b)
                 path.org = 8a7f9c75-4088-5569-b288-77e876fd8c7b: acme, where bob is member
ok level         needs member
                 is member
-- forward       /o/8a7f9c75-4088-5569-b288-77e876fd8c7b/%C3%A9 to legacy
                 x-postern-user: bob
                 x-postern-role: member
=> verdict       allow
"
    );
}

#[test]
fn each_refusal_names_its_stage_and_what_was_missing() {
    for (user, line, pieces) in [
        ("bob", "GET /o/../x", vec!["NO target", "a segment of dots", "400 bad_target"]),
        ("bob", "POST /o/<acme>/x", vec!["NO level         needs manager", "org_level_missing", "where bob is member"]),
        ("bob", "GET /o/<bolt>/x", vec!["NO organization  org_foreign", "bolt, to which bob does not belong"]),
        ("bob", "GET /o/<gone>/x", vec!["gone, which is disabled"]),
        (
            "anonymous",
            "GET /o/<acme>/x",
            vec!["NO credential    required, and none is sent", "401 credentials_missing"],
        ),
        ("off", "GET /y", vec!["NO credential", "user_inactive", ", inactive"]),
        ("bob", "POST /x/", vec!["NO method        /x/ (routes.yaml:8) does not have POST", "GET, HEAD", "405"]),
        ("bob", "GET /api/v1/users/token/", vec!["NO route", "own identity API", "404 no_route"]),
        ("root", "GET /hole", vec!["NO method        GET needs: deny", "403 denied"]),
        ("two", "GET /h", vec!["user.only: two does not belong to exactly one organization", "400 org_missing"]),
        (
            "bob",
            "GET /ext/admin/a",
            vec!["rewritten to /admin/a, which must pass /admin/** (routes.yaml:9) too: superuser"],
        ),
        (
            "bob",
            "GET /ext/api/v1/users/x",
            vec![
                "NO method",
                "rewritten to /api/v1/users/x, which is refused: no route of the upstream matches",
                "404 no_route",
            ],
        ),
        (
            "bob",
            "GET /ext/hole",
            vec!["NO method", "rewritten to /hole, which is refused by /hole (routes.yaml:10): denied", "403 denied"],
        ),
    ] {
        let told = text(user, line);
        for piece in pieces {
            assert!(told.contains(piece), "{user} {line}: no {piece:?} in\n{told}");
        }
    }
}

#[test]
fn a_missing_slash_is_hinted_at() {
    let text = "version: 1\nroutes: { /x/: public, /y: public }\n";
    let policy = load(&[("routes.yaml", text)], None).unwrap();
    for (target, other) in [("/x", "`/x/` is a route: /x/ (routes.yaml:2)"), ("/y/", "`/y` is a route")] {
        let request = Request::new(http::Method::GET, target);
        let told = Explanation::of(&policy, &request, None, &mut World::default().facts(&policy)).to_text(false);
        assert!(told.contains(other) && told.contains("404 no_route"), "{told}");
    }
}

#[test]
fn a_machine_reads_verdict_route_and_headers() {
    told("root", "GET /h", &[("X-Org", "gone")], |explanation| {
        let json = explanation.to_json();
        assert_eq!(json["verdict"]["allow"], true);
        assert_eq!((&json["route"]["line"], &json["level"]), (&12.into(), &"superuser".into()));
        assert_eq!((&json["organization"]["slug"], &json["by_superuser"]), (&"gone".into(), &true.into()));
        assert_eq!(json["inject"]["x-postern-role"], "superuser");
    });
    told("bob", "GET /h", &[("X-Org", "bolt")], |explanation| {
        let json = explanation.to_json();
        assert_eq!((&json["verdict"]["status"], &json["verdict"]["code"]), (&403.into(), &"org_foreign".into()));
        assert_eq!(json["inject"], serde_json::json!({}));
    });
}

#[test]
fn what_a_rule_asks_besides_is_told_as_far_as_the_request_came() {
    let besides = |user: &str, line: &str| {
        let steps = told(user, line, &[], |e| {
            e.steps.iter().map(|s| format!("{:?} {} {}", s.mark, s.name, s.text)).collect::<Vec<_>>()
        });
        let names = ["permissions", "when", "throttle"];
        steps
            .into_iter()
            .filter(|step| names.iter().any(|name| step.contains(&format!(" {name} "))))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(besides("bob", "GET /p/x"), "No permissions app.see");
    assert_eq!(besides("ann", "GET /p/x"), "Yes permissions app.see; No when request.path != \"/p/x\"");
    assert_eq!(
        besides("ann", "GET /p/y"),
        "Yes permissions app.see; Yes when request.path != \"/p/x\"; Note throttle 5 in 60 s by user"
    );
}

/// Route and line, as a machine reads them.
fn decided(user: &str, line: &str, headers: &[(&str, &str)]) -> String {
    told(user, line, headers, |e| {
        let json = e.to_json();
        let route = &json["route"];
        match route.is_null() {
            true => "none".to_owned(),
            false => format!(
                "{} ({}:{})",
                route["pattern"].as_str().unwrap(),
                route["file"].as_str().unwrap(),
                route["line"]
            ),
        }
    })
}

/// `test` is asked by the same requests.
fn decided_by_test(user: &str, line: &str, headers: &[(&str, &str)]) -> String {
    let policy = load(&[("routes.yaml", POLICY)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let (method, target) = line.split_once(' ').unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: \"{value}\"")).collect();
    let case =
        format!("{GIVEN}tests:\n- {{ as: {user}, {method}: {target}, headers: {{ {headers} }}, expect: allow }}\n");
    let mut findings = Findings::new();
    let id = findings.add_source("routes_test.yaml", case);
    let suite = crate::tools::suite::read(id, &mut findings).unwrap_or_else(|| panic!("{}", findings.to_lines()));
    let json = suite.run(&policy).to_json();
    json["cases"][0]["route"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn explain_and_test_name_the_route_that_decided() {
    let bad = [("Authorization", "Bearer nobodys")];
    for (user, line, headers, route) in [
        ("bob", "GET /o/<acme>/x", &[][..], "/o/{org:uuid}/** (routes.yaml:7)"),
        ("bob", "POST /o/<acme>/x", &[], "/o/{org:uuid}/** (routes.yaml:7)"),
        ("bob", "POST /x/", &[], "/x/ (routes.yaml:8)"),
        ("bob", "GET /hole", &[], "/hole (routes.yaml:10)"),
        ("anonymous", "GET /other", &[], "/** (routes.yaml:6)"),
        ("anonymous", "GET /other", &bad, "/** (routes.yaml:6)"),
        ("off", "GET /other", &[], "/** (routes.yaml:6)"),
        // After a rewrite: the route that refused, otherwise the one that the request fell under.
        ("bob", "GET /ext/admin/a", &[], "/admin/** (routes.yaml:9)"),
        ("bob", "POST /ext/x/", &[], "/x/ (routes.yaml:8)"),
        ("bob", "GET /ext/hole", &[], "/hole (routes.yaml:10)"),
        ("root", "GET /ext/admin/a", &[], "/ext/** (routes.yaml:11)"),
        ("anonymous", "GET /ext/admin/a", &bad, "/ext/** (routes.yaml:11)"),
        ("bob", "GET /a//b", &[], "none"),
    ] {
        assert_eq!(decided(user, line, headers), route, "{line} of {user}");
        assert_eq!(decided_by_test(user, line, headers), route, "{line} of {user}");
    }
}

#[test]
fn a_credential_that_was_sent_and_is_not_good_is_not_told_as_missing() {
    let bad = [("Authorization", "Bearer nobodys")];
    let told = |line: &str, headers: &[(&str, &str)]| told("anonymous", line, headers, |e| e.to_text(false));
    let text = told("GET /other", &bad);
    assert!(
        text.contains("NO credential    required, and one was sent\n                 Invalid credentials"),
        "{text}"
    );
    let text = told("GET /other", &[]);
    assert!(text.contains("NO credential    required, and none is sent"), "{text}");
    let text = told("POST /ext/x/", &[]);
    assert!(text.contains("NO method"), "{text}");
    let text = told("GET /ext/hole", &[]);
    assert!(text.contains("NO method        GET needs: authenticated\n                 rewritten to /hole, which is refused by /hole (routes.yaml:10): denied"), "{text}");
}

#[test]
fn limits_are_steps_of_the_way() {
    const LIMITED: &str = "version: 1
routes:
  /x: { POST: { level: public, throttle: { rate: 5/m, by: address }, body_limit: 10 } }
  /q: { org: query.o as slug, POST: { level: member, strict_source: true } }
  /live: { GET: { level: public, upgrade: [websocket], origins: ['https://a.example'] } }
";
    let policy = load(&[("routes.yaml", LIMITED)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let told = |request: Request| {
        Explanation::of(&policy, &request, None, &mut World::default().facts(&policy)).to_text(false)
    };
    let post = |body, throttled| told(Request { body, throttled, ..Request::new(http::Method::POST, "/x") });
    let text = post(Body::None, false);
    for line in ["-- throttle      5 in 60 s by address\n", "-- body_limit    10 bytes\n", "=> verdict       allow"] {
        assert!(text.contains(line), "{text}");
    }
    let text = post(Body::Length(10), false);
    assert!(text.contains("ok body          10 bytes, of 10 at most\n") && text.contains("allow"), "{text}");
    let text = post(Body::Bytes(vec![0; 11].into()), false);
    assert!(
        text.contains("NO body          11 bytes, of 10 at most\n") && text.contains("413 body_too_large"),
        "{text}"
    );
    let text = post(Body::Length(11), true);
    assert!(text.contains("NO throttle      5 in 60 s by address\n=> verdict       429 throttled"), "{text}");
    let live = |origin: Option<&'static str>| {
        let mut request = Request::new(http::Method::GET, "/live");
        request.headers.insert("upgrade", HeaderValue::from_static("websocket"));
        if let Some(origin) = origin {
            request.headers.insert("origin", HeaderValue::from_static(origin));
        }
        told(request.as_handshake())
    };
    assert!(live(None).contains("ok origin        none: no page opens the WebSocket\n"), "{}", live(None));
    let listed = live(Some("https://a.example"));
    assert!(listed.contains("ok origin        https://a.example opens the WebSocket\n"), "{listed}");
    let other = live(Some("https://b.example"));
    assert!(other.contains("NO origin        https://b.example opens the WebSocket\n"), "{other}");
    assert!(other.contains("403 origin_denied"), "{other}");
}

#[test]
fn what_a_body_points_at_is_a_step_of_the_way() {
    const POINTING: &str = "version: 1
lookups: { device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] } }
routes: { /x: { POST: { level: member, org: 'body./*/org as slug', fields: { /*/device: { lookup: device } } } } }
";
    let policy = load(&[("routes.yaml", POINTING)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let mut findings = Findings::new();
    let given = "given: { organizations: { acme: {}, bolt: {}, core: {} }, users: { bob: { acme: member, bolt: member } }, lookups: { device: { d1: acme, d2: core } } }";
    let id = findings.add_source("world.yaml", given);
    let world = read_world(id, &mut findings).unwrap();
    let told = |body: &str| {
        let mut request = Request::new(http::Method::POST, "/x");
        request.headers.insert("content-type", HeaderValue::from_static("application/json"));
        request.body = Body::Bytes(body.as_bytes().into());
        Explanation::of(&policy, &request, world.user("bob"), &mut world.facts(&policy)).to_text(false)
    };
    let text = told(r#"[{"org": "acme", "device": "d1"}, {"org": "bolt"}]"#);
    assert!(text.contains("ok fields        /*/device by device\n") && text.contains("verdict       allow"), "{text}");
    for name in ["acme", "bolt"] {
        let line = format!("body./*/org as slug = {name}: {name}, where bob is member");
        assert!(text.contains(&line), "{text}");
    }
    let text = told(r#"[{"org": "acme", "device": "d2"}]"#);
    let step = "NO fields        /*/device by device\n                 a field points at what is another's\n";
    assert!(text.contains(step) && text.contains("403 field_foreign"), "{text}");
}

#[test]
fn a_target_that_the_route_does_not_take_is_refused_by_the_route() {
    let told = text("bob", "GET /a//b");
    assert!(told.contains("NO route         /** (routes.yaml:6)") && told.contains("empty segment"), "{told}");
    assert!(!told.contains("method"), "{told}");
}

#[test]
fn a_refusal_says_whether_it_is_the_scope_of_the_token() {
    let refused = |line: &str| {
        let told = text("narrow", line);
        assert!(told.contains("the token is narrowed to organizations acme; permissions app.see; reading"), "{told}");
        let mut lines = told.lines().skip_while(|line| !line.starts_with("NO"));
        let step = lines.next().unwrap().split_whitespace().nth(1).unwrap();
        format!("{step} | {}", lines.take_while(|line| line.starts_with(' ')).last().unwrap().trim())
    };
    const SCOPE: &str = "it is the scope of the token that refuses: without it, the request would pass";
    const BOTH: &str = "it is not the scope of the token alone: without it, the request would be refused too";
    for (line, expected) in [
        ("GET /o/<bolt>/x", format!("level | {SCOPE}")),
        ("GET /o/<acme>/x", format!("level | {SCOPE}")),
        ("POST /p/y", format!("credential | {SCOPE}")),
        ("GET /admin/x", format!("level | {BOTH}")),
        ("GET /p/x", format!("when | {BOTH}")),
    ] {
        assert_eq!(refused(line), expected, "{line}");
    }
    assert!(text("narrow", "GET /p/y").contains("=> verdict       allow"));
}
