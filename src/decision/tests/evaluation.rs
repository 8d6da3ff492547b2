//! What an evaluation asks for, in which order, and that it goes on from there.

use super::*;
use crate::policy::LookupKey;

/// What a step comes to, in a word or two.
fn step(evaluation: &mut Evaluation<&Policy>, view: &RequestView<'_>) -> String {
    match evaluation.step(view) {
        Ok(permit) => format!("permit {:?}", permit.upgrade()),
        Err(Halt::Denied(denial)) => format!("{} {}", denial.status.as_u16(), denial.reason.code()),
        Err(Halt::Need(Need::Credential(schemes))) => format!("credential {schemes}"),
        Err(Halt::Need(Need::Organization(key))) => format!("organization {key:?}"),
        Err(Halt::Need(Need::Lookups(keys))) => {
            let words = |key: &LookupKey| format!("lookup {} {:?}", key.lookup.name, key.args);
            keys.iter().map(words).collect::<Vec<_>>().join(", ")
        }
        Err(Halt::Need(Need::Body(most))) => format!("body {most}"),
        Err(Halt::Need(Need::Throttle(key, _))) => format!("throttle {:?}", key.who),
    }
}

#[test]
fn a_superuser_s_organization_is_asked_for_until_somebody_says_which_it_is() {
    let (world, policy) = (World::new(), policy(TENANTS));
    let root = world.user("root", &[(&world.acme, Member)]);
    let target = format!("/org/{}/x", world.bolt.id);
    let target = Target::parse(&target).unwrap();
    let headers = HeaderMap::new();
    let view = RequestView::new(&Method::GET, "h", &target, &headers);
    let key = OrgKey::Id(world.bolt.id);
    let mut evaluation = Evaluation::new(&policy);
    assert_eq!(step(&mut evaluation, &view), "credential [bearer]");
    assert_eq!(
        (step(&mut evaluation, &view), evaluation.stage()),
        ("credential [bearer]".to_owned(), Stage::Credential)
    );
    evaluation.identify(Caller::of(Some(&root)));
    for _ in 0..2 {
        assert_eq!(step(&mut evaluation, &view), format!("organization {key:?}"));
    }
    let mut unknown = evaluation.clone();
    unknown.learn(key.clone(), None);
    assert_eq!(step(&mut unknown, &view), "403 org_foreign");
    evaluation.learn(OrgKey::Id(world.gone.id), Some(Arc::clone(&world.gone)));
    assert_eq!(step(&mut evaluation, &view), format!("organization {key:?}"), "it is another one");
    evaluation.learn(key, Some(Arc::clone(&world.bolt)));
    assert_eq!(step(&mut evaluation, &view), "permit None");
    assert_eq!(step(&mut evaluation, &view), "403 denied", "there is one permit");
    // Nobody else's organization has to be looked up.
    let mut evaluation = Evaluation::new(&policy);
    evaluation.identify(Caller::default());
    assert_eq!(step(&mut evaluation, &view), "401 credentials_missing");
    evaluation.identify(Caller::of(Some(&world.user("bob", &[]))));
    assert_eq!(step(&mut evaluation, &view), "403 org_foreign");
}

const LIMITED: &str = "version: 1\nroutes:\n  /x:\n    org: query.org as slug\n    level: member\n    \
                       throttle: { rate: 5/m, by: org }\n    \
                       POST: { level: member, strict_source: true, body_limit: 10 }\n    \
                       GET: { level: member, upgrade: [websocket], origins: ['https://a.example'] }\n";

#[test]
fn limits_come_in_the_pipeline_s_order() {
    let (world, policy) = (World::new(), policy(LIMITED));
    let bob = Caller::of(Some(&world.user("bob", &[(&world.acme, Member)])));
    let target = Target::parse("/x?org=acme").unwrap();
    let mut headers = HeaderMap::new();
    let counted = format!("throttle {:?}", crate::limit::Who::Organization(world.acme.id));
    // A body that decides is read first, and counts only where it lets the request pass.
    let post = RequestView { body_length: None, ..RequestView::new(&Method::POST, "h", &target, &headers) };
    let mut evaluation = Evaluation::new(&policy);
    evaluation.identify(bob.clone());
    for _ in 0..2 {
        assert_eq!((step(&mut evaluation, &post), evaluation.stage()), ("body 10".to_owned(), Stage::StrictSource));
    }
    let again = RequestView { body: Some(b"org=bolt"), body_length: Some(8), ..post };
    assert_eq!(step(&mut evaluation.clone(), &again), "400 ambiguous");
    let long = RequestView { body_length: Some(11), ..post };
    assert_eq!(step(&mut evaluation.clone(), &long), "413 body_too_large");
    let other = RequestView { body: Some(b"x=1"), body_length: Some(3), ..post };
    assert_eq!(step(&mut evaluation, &other), counted);
    assert_eq!(evaluation.organization().map(|o| o.id), Some(world.acme.id));
    let mut late = evaluation.clone();
    late.count(Verdict::Wait(Duration::from_secs(1)));
    assert_eq!((step(&mut late, &other), late.stage()), ("429 throttled".to_owned(), Stage::Throttle));
    evaluation.count(PASS);
    assert_eq!(step(&mut evaluation, &other), "permit None");
    // The page of a WebSocket is looked at last.
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "https://b.example"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let origin = |upgrade, headers: &HeaderMap| {
        let get = RequestView { upgrade, ..RequestView::new(&Method::GET, "h", &target, headers) };
        let mut evaluation = Evaluation::new(&policy);
        evaluation.identify(bob.clone());
        assert_eq!(step(&mut evaluation, &get), counted);
        evaluation.count(PASS);
        step(&mut evaluation, &get)
    };
    assert_eq!(origin(Upgrade::Connection, &headers), "403 origin_denied");
    assert_eq!(origin(Upgrade::Stream, &headers), "403 origin_denied");
    assert_eq!(origin(Upgrade::None, &headers), "permit None", "it is a request like others");
    headers.insert("origin", HeaderValue::from_static("https://a.example"));
    assert_eq!(origin(Upgrade::Connection, &headers), "permit Connection");
    assert_eq!(origin(Upgrade::Stream, &headers), "permit Stream");
    headers.append("origin", HeaderValue::from_static("https://a.example"));
    assert_eq!(origin(Upgrade::Connection, &headers), "403 origin_denied");
}

#[test]
fn whoever_has_changed_meanwhile_is_asked_for_again() {
    let (world, policy) = (World::new(), policy(LIMITED));
    let target = Target::parse("/x?org=acme").unwrap();
    let headers = HeaderMap::new();
    let view = RequestView { body_length: None, ..RequestView::new(&Method::POST, "h", &target, &headers) };
    let mut evaluation = Evaluation::new(&policy);
    evaluation.identify(Caller::of(Some(&world.user("bob", &[(&world.acme, Member)]))));
    assert_eq!(step(&mut evaluation, &view), "body 10");
    evaluation.forget_caller();
    assert_eq!(step(&mut evaluation, &view), "credential [bearer]");
    evaluation.identify(Caller::of(Some(&world.user("bob", &[]))));
    assert_eq!(step(&mut evaluation, &view), "403 org_foreign");
}

#[test]
fn a_request_counts_towards_whoever_its_rule_names() {
    let (world, policy) = (
        World::new(),
        policy(
            "version: 1\nroutes:\n  /known: { level: authenticated, throttle: { rate: 5/m, by: user } }\n  \
             /open: { level: public, throttle: { rate: 5/m, by: address } }\n  /free: authenticated\n",
        ),
    );
    let bob = world.user("bob", &[]);
    let headers = HeaderMap::new();
    for (path, who) in [("/known", crate::limit::Who::User(bob.user.id)), ("/open", crate::limit::Who::Crowd)] {
        let target = Target::parse(path).unwrap();
        let view = RequestView::new(&Method::GET, "h", &target, &headers);
        let mut evaluation = Evaluation::new(&policy);
        evaluation.identify(Caller::of(Some(&bob)));
        assert_eq!(step(&mut evaluation, &view), format!("throttle {who:?}"), "{path}");
        evaluation.count(PASS);
        assert!(matches!(evaluation.throttle(), Some((_, Some(Verdict::Pass { .. })))), "{path}");
        assert_eq!(step(&mut evaluation, &view), "permit None");
    }
    let target = Target::parse("/free").unwrap();
    let mut evaluation = Evaluation::new(&policy);
    evaluation.identify(Caller::of(Some(&bob)));
    assert_eq!(step(&mut evaluation, &RequestView::new(&Method::GET, "h", &target, &headers)), "permit None");
    assert!(evaluation.throttle().is_none());
}
