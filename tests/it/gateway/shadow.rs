//! `mode: shadow`: what would be refused goes on as it came and in nobody's name, and is recorded; what protects the gate stays.

use super::websockets;
use crate::support::{
    Gate, H2Upstream, Options, Postern, Upstream, Who, World, eventually, get, get_with, post, request,
};
use crate::tools::run;
use serde_json::Value;
use tokio::runtime::Runtime;

const POLICY: &str = r#"
version: 1
upstream: echo
defaults:
  mode: shadow
  inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug, X-Gate: { literal: open sesame } }
  allow_lint: { shadow_mode: tried }
routes:
  /org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /enforced/{org:slug}: { org: path.org as slug, GET: member, POST: { level: member, mode: enforce } }
  /closed: deny
  /objects: { POST: { level: member, org: body.organization as slug, inspect_limit: 64, body_limit: 100 } }
  /seldom: { level: authenticated, throttle: { rate: 1/hour, by: user } }
  /in/{org:slug}: { org: path.org as slug, GET: member, rewrite: { strip_prefix: /in, add_prefix: /org, unmatched: allow } }
  /out/{org:slug}: { org: path.org as slug, level: member, rewrite: { strip_prefix: /out, add_prefix: /enforced } }
  /ws/{org:slug}: { org: path.org as slug, GET: { level: member, upgrade: [websocket], origins: ["https://app.example.com"] } }
"#;

fn gate() -> Gate {
    Gate::with(&Options::policy(POLICY))
}

fn line(gate: &Gate) -> Value {
    gate.postern.access_lines(1).pop().unwrap()
}

#[test]
fn what_would_be_refused_goes_on_as_it_came_and_in_nobody_s_name() {
    let gate = gate();
    let forged =
        [("X-Postern-User", "root"), ("x_postern_organization", "b"), ("Remote-User", "root"), ("X-Gate", "mine")];
    let sent = gate.forwarded(request(Who::uB, "GET", "/org/a/x?y=1", &forged, ""));
    let token = World::get().token(Who::uB).unwrap();
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {token}").as_str()), "the service may know it");
    assert_eq!(sent.target, "/org/a/x?y=1");
    for name in ["x-postern-user", "x-postern-organization", "remote-user", "x-gate"] {
        assert_eq!(sent.folded(name), Vec::<&str>::new(), "{name}");
    }
    let line = line(&gate);
    assert_eq!((&line["status"], &line["shadow"], &line["code"]), (&200.into(), &"org_foreign".into(), &Value::Null));
    assert_eq!((&line["org"], &line["level"]), (&"a".into(), &Value::Null));
    let counted =
        r#"postern_shadow_total{route="/org/{org:slug}/**",decision="refuse",reason="org_foreign",answer="2xx"}"#;
    assert_eq!(gate.postern.metric(counted), 1.0);
    let requests = r#"postern_requests_total{route="/org/{org:slug}/**",decision="allow",reason="ok"}"#;
    assert_eq!(gate.postern.metric(requests), 1.0);
}

#[test]
fn each_reason_of_a_rule_is_recorded_and_nothing_of_the_answer_changes() {
    let gate = gate();
    let legacy =
        "GET /org/a/x HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Legacy abc\r\nCookie: legacy=1\r\n\r\n";
    for (asked, code) in [
        (get(Who::nobody, "/org/a/x"), "credentials_missing"),
        (legacy.as_bytes().to_vec(), "credentials_invalid"),
        (get_with("nobody-s", "/org/a/x"), "credentials_invalid"),
        (get(Who::off, "/org/a/x"), "user_inactive"),
        (post(Who::uA, "/org/a/x"), "org_level_missing"),
        (get(Who::gone, "/org/gone/x"), "org_foreign"),
        (get(Who::su, "/org/none/x"), "org_foreign"),
    ] {
        let what = String::from_utf8_lossy(&asked).into_owned();
        let authorization = what.lines().find_map(|line| line.strip_prefix("Authorization: ")).map(str::to_owned);
        let sent = gate.forwarded(asked);
        assert_eq!(sent.header("authorization"), authorization.as_deref(), "{what}");
        assert_eq!(sent.header("x-gate"), None, "{what}");
        let line =
            eventually("its line", || gate.postern.access_lines_now().pop().filter(|line| line["shadow"] == code));
        assert_eq!(line["status"], 200, "{what}");
    }
    // A service's own refusal is the answer, with what it says.
    let refusing =
        Upstream::saying("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Legacy\r\nContent-Length: 2\r\n\r\nno");
    let gate = Gate::before(refusing, &Options::policy(POLICY));
    let answer = gate.get(Who::nobody, "/org/a/x");
    assert_eq!((answer.status, answer.header("www-authenticate"), answer.text().as_str()), (401, Some("Legacy"), "no"));
    assert_eq!(line(&gate)["shadow"], "credentials_missing");
}

#[test]
fn what_would_pass_passes_as_it_always_does() {
    let gate = gate();
    let sent = gate.forwarded(get(Who::uA, "/org/a/x"));
    assert_eq!((sent.header("x-postern-user"), sent.header("x-postern-organization")), (Some("uA"), Some("a")));
    assert_eq!((sent.header("x-gate"), sent.header("authorization")), (Some("open sesame"), None));
    let line = line(&gate);
    assert_eq!((&line["shadow"], &line["level"]), (&"allow".into(), &"member".into()));
    let counted = r#"postern_shadow_total{route="/org/{org:slug}/**",decision="allow",reason="ok",answer="2xx"}"#;
    assert_eq!(gate.postern.metric(counted), 1.0);
    assert_eq!(gate.get(Who::uA, "/enforced/a").status, 200);
}

#[test]
fn what_protects_the_gate_stays_in_force() {
    let gate = gate();
    gate.refused(get(Who::uA, "/nowhere"), 404, "no_route");
    gate.refused(get(Who::su, "/closed"), 403, "denied");
    gate.refused(get(Who::uA, "/org/a/%2e%2e/x"), 400, "bad_target");
    gate.refused(post(Who::mA, "/in/a"), 405, "method_not_allowed");
    gate.refused(post(Who::uB, "/enforced/a"), 403, "org_foreign");
    let long = "x".repeat(101);
    gate.refused(request(Who::nobody, "POST", "/objects", &[], &long), 413, "body_too_large");
    let lines = gate.postern.access_lines(6);
    assert!(lines.iter().all(|line| line.get("shadow").is_none()), "{lines:?}");
    assert!(!gate.postern.admin("/metrics").text().contains("postern_shadow_total{"));
}

#[test]
fn a_body_that_decides_goes_on_whole_whatever_it_says() {
    let gate = gate();
    let json = [("Content-Type", "application/json")];
    for (body, code) in [
        (r#"{"organization": "b", "name": "x"}"#, "org_foreign"),
        (r#"{"organization": "a", "organization": "b"}"#, "ambiguous"),
        ("no json at all", "body_invalid"),
        (r#"{"organization": null}"#, "shared_denied"),
    ] {
        let sent = gate.forwarded(request(Who::uA, "POST", "/objects", &json, body));
        assert_eq!(String::from_utf8_lossy(&sent.body), body);
        eventually(code, || gate.postern.access_lines_now().pop().filter(|line| line["shadow"] == code));
    }
    let sent = gate.forwarded(request(Who::uA, "POST", "/objects", &json, r#"{"organization": "a"}"#));
    assert_eq!(sent.header("x-postern-organization"), Some("a"));
}

#[test]
fn who_comes_too_often_is_counted_and_hears_nothing_of_it() {
    let gate = gate();
    assert!(gate.get(Who::uA, "/seldom").header("ratelimit").is_some());
    let answer = gate.get(Who::uA, "/seldom");
    assert_eq!(answer.status, 200);
    for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    eventually("its line", || gate.postern.access_lines_now().pop().filter(|line| line["shadow"] == "throttled"));
    // A crowd whose tokens only the service knows is let through too.
    let mut raw = gate.raw();
    for number in 0..200 {
        raw.send(get_with(&format!("0123456789abcdef0123456789abcdef{number:08x}"), "/org/a/x"));
        assert_eq!(raw.answer().status, 200, "{number}");
    }
}

#[test]
fn both_rules_of_a_rewrite_must_be_in_shadow_mode() {
    let gate = gate();
    let sent = gate.forwarded(get(Who::uB, "/in/a"));
    assert_eq!((sent.target.as_str(), sent.header("x-postern-user")), ("/org/a", None));
    assert_eq!(gate.forwarded(get(Who::uB, "/out/a")).target, "/enforced/a");
    gate.refused(post(Who::uB, "/out/a"), 403, "org_foreign");
}

#[test]
fn it_is_the_same_towards_services_of_http_2() {
    let upstream = H2Upstream::echo();
    let mut options = Options::policy(POLICY);
    options.upstreams = Some(format!("{{ echo: \"h2c://{}\" }}", upstream.address()));
    let postern = Postern::start(upstream.address(), &options);
    let mut raw = postern.raw();
    raw.send(request(Who::uB, "GET", "/org/a/x", &[("X-Postern-User", "root")], ""));
    assert_eq!(raw.answer().status, 200);
    let seen = upstream.last();
    assert!(seen.headers.contains_key("authorization") && !seen.headers.contains_key("x-postern-user"), "{seen:?}");
}

#[test]
fn a_websocket_in_nobody_s_name_stays_and_one_in_somebody_s_ends_with_their_right() {
    let gate = websockets::gate(websockets::echo(), Options::policy(POLICY));
    Runtime::new().unwrap().block_on(async {
        let foreign = websockets::open(&gate, Who::uB, "/ws/a", Some("https://evil.example")).await.unwrap();
        let own = websockets::open(&gate, Who::uA, "/ws/a", None).await.unwrap();
        eventually("both are open", || (gate.postern.metric("postern_websockets_open") == 2.0).then_some(()));
        gate.postern.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
        eventually("one is closed", || (gate.postern.metric("postern_websockets_open") == 1.0).then_some(()));
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert_eq!(gate.postern.metric("postern_websockets_revoked_total"), 1.0);
        assert_eq!(gate.postern.metric("postern_websockets_open"), 1.0);
        drop((foreign, own));
    });
}

#[test]
fn the_log_check_doctor_and_explain_say_that_there_is_a_shadow() {
    let gate = gate();
    let lines = gate.postern.stderr();
    assert!(lines.iter().any(|line| line.contains("shadow mode")), "{lines:?}");
    let told = gate.postern.try_cli(&["doctor"]).unwrap();
    assert!(told.contains("shadow mode") && told.contains("7 of 8 routes"), "{told}");
    let (code, told, _) = run(gate.postern.home(), &["explain", "GET", "/org/a/x", "--as", "uB"]);
    assert!(code == 1 && told.contains("403 org_foreign") && told.contains("would be refused (shadow)"), "{told}");
    let (_, told, _) = run(gate.postern.home(), &["explain", "GET", "/closed", "--as", "uB"]);
    assert!(told.contains("403 denied") && !told.contains("shadow"), "{told}");
}
