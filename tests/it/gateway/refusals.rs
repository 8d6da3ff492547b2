//! What a refusal looks like, and what caches on the way must know.

use crate::support::h2::{Ask, H2};
use crate::support::{Gate, Upstream, Who, get, post, request};

#[test]
fn a_refusal_is_a_problem_with_a_stable_code() {
    let gate = Gate::new();
    for (bytes, status, code) in [
        (get(Who::uA, "/none"), 404, "no_route"),
        (post(Who::uA, "/readonly"), 405, "method_not_allowed"),
        (get(Who::uA, "/public//x"), 400, "bad_target"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(), 400, "bad_framing"),
        (get(Who::both, "/query/x?organization=a&organization=b"), 400, "ambiguous"),
        (get(Who::nobody, "/me/x"), 401, "credentials_missing"),
        (request(Who::nobody, "GET", "/me/x", &[("Authorization", "Bearer x")], ""), 401, "credentials_invalid"),
        (get(Who::off, "/me/x"), 401, "user_inactive"),
        (get(Who::uA, "/query/x"), 400, "org_missing"),
        (get(Who::uA, "/api/v1/org/b/x"), 403, "org_foreign"),
        (post(Who::uA, "/api/v1/org/a/x"), 403, "org_level_missing"),
        (get(Who::uA, "/admin/x"), 403, "superuser_only"),
        (get(Who::uA, "/closed/x"), 403, "denied"),
    ] {
        let answer = gate.refused(bytes, status, code);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{code}");
        assert!(answer.header("x-request-id").is_some(), "{code}");
        assert_eq!(answer.header("content-length").map(str::parse), Some(Ok(answer.body.len())), "{code}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{code}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{code}");
        let members: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["code", "detail", "status", "title", "type"], "{code}");
    }
}

/// The pipeline's order: target, route, method, credential, organization, level.
#[test]
fn the_first_reason_in_the_order_is_told() {
    let gate = Gate::new();
    gate.refused(post(Who::nobody, "/readonly/../none"), 400, "bad_target");
    gate.refused(post(Who::nobody, "/none"), 404, "no_route");
    gate.refused(post(Who::nobody, "/readonly"), 405, "method_not_allowed");
    gate.refused(get(Who::nobody, "/query/x"), 401, "credentials_missing");
    gate.refused(get(Who::nobody, "/api/v1/org/b/x"), 401, "credentials_missing");
    gate.refused(get(Who::off, "/query/x"), 401, "user_inactive");
    gate.refused(post(Who::uA, "/api/v1/org/b/x"), 403, "org_foreign");
}

#[test]
fn foreign_organizations_may_be_hidden() {
    let policy = "version: 1\nauthenticate: [bearer, session]\nroutes:\n  /o/{org:slug}:\n    org: path.org as slug\n    \
        level: member\n    foreign: 404\n    cors: { origins: [\"https://app.example\"] }\n";
    let mut options = crate::support::Options::policy(policy);
    options.config = "identity: { session: { secure: false } }\n".into();
    let gate = Gate::with(&options);
    // The organization of others, one that there is not, one that is disabled; and no route at all.
    let targets = ["/o/b", "/o/nothing", "/o/gone", "/missing"];
    let told = |answer: &crate::support::Answer| {
        let headers =
            answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.to_lowercase().as_str()));
        (answer.status, headers.cloned().collect::<Vec<_>>(), answer.body.clone())
    };
    let origin = ("Origin", "https://app.example");
    for (method, body) in [("GET", ""), ("POST", "hello"), ("HEAD", ""), ("DELETE", "")] {
        let [foreign @ .., missing] = targets.map(|target| {
            let mut raw = gate.raw();
            raw.send(request(Who::uA, method, target, &[origin], body));
            told(&if method == "HEAD" { raw.answer_to_head() } else { raw.answer() })
        });
        assert_eq!(missing.0, 404);
        assert!(foreign.iter().all(|one| *one == missing), "{method}: {foreign:?} {missing:?}");
    }
    let mut h2 = H2::plain(gate.postern.data);
    let [foreign @ .., missing] = targets.map(|target| {
        let call = Ask::post(target, b"").header("content-type", "application/grpc");
        let mut ask = |ask: Ask<'static>| told(&h2.ask(Who::uA, &ask.header(origin.0, origin.1)));
        (ask(Ask::get(target)), ask(call))
    });
    assert_eq!((missing.0.0, missing.1.0), (404, 200));
    assert!(foreign.iter().all(|one| *one == missing), "{foreign:?} {missing:?}");
    // The operator is told.
    let lines = gate.postern.access_lines(4 * 4 + 4 * 2);
    let codes: Vec<_> = lines.iter().map(|line| line["code"].as_str().unwrap_or_default()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "org_foreign").count(), 18, "{codes:?}");
}

#[test]
fn answers_that_depend_on_who_asks_say_so() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        match exchange.request.target.rsplit('/').next() {
            Some("vary") => exchange.answer("200 OK", &[("Vary", "Accept-Encoding")], b"x"),
            Some("all") => exchange.answer("200 OK", &[("Vary", "*")], b"x"),
            Some("already") => exchange.answer("200 OK", &[("Vary", "accept, authorization")], b"x"),
            _ => exchange.answer("200 OK", &[], b"x"),
        }
    });
    let gate = Gate::to(upstream);
    for (who, target, vary) in [
        (Who::uA, "/me/x", &["Authorization"][..]),
        (Who::uA, "/me/vary", &["Accept-Encoding", "Authorization"]),
        (Who::uA, "/me/all", &["*"]),
        (Who::uA, "/me/already", &["accept, authorization"]),
        (Who::nobody, "/optional/x", &["Authorization"]),
        (Who::nobody, "/public/x", &[]),
        (Who::nobody, "/public/vary", &["Accept-Encoding"]),
    ] {
        let answer = gate.get(who, target);
        assert_eq!((answer.status, answer.all("vary")), (200, vary.to_vec()), "{target}");
    }
}
