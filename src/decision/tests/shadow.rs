//! Shadow mode: an evaluation says what the policy says, and makes a permit of a refusal only where all its rules are in shadow mode.

use super::*;

const SHADOW: &str = "version: 1\ndefaults: { inject: { X-User: user.username, X-Gate: { literal: ours } } }\nroutes:\n  \
    /tried/{org:slug}: { org: path.org as slug, level: member, mode: shadow, body_limit: 10 }\n  \
    /kept/{org:slug}: { org: path.org as slug, level: member }\n  \
    /from/{org:slug}: { org: path.org as slug, level: member, mode: shadow, rewrite: { strip_prefix: /from, add_prefix: /kept } }\n  \
    /closed: { read: { level: member, mode: shadow }, POST: deny }\n";

/// The names that a permit has injected.
fn injected(permit: &Permit<&Policy>) -> Vec<String> {
    let mut names = Vec::new();
    let told = RequestContext { request_id: "r", client_name: None, signing: None };
    permit.inject(told, |name, _| names.push(name.to_string())).unwrap();
    names
}

#[test]
fn a_refusal_becomes_a_permit_in_nobody_s_name_where_all_rules_are_in_shadow_mode() {
    let (world, policy) = (World::new(), policy(SHADOW));
    let bob = world.user("bob", &[(&world.acme, Member)]);
    let headers = HeaderMap::new();
    let step = |method: &Method, target: &str, length: u64| {
        let target = Target::parse(target).unwrap();
        let view = RequestView { body_length: Some(length), ..RequestView::new(method, "h", &target, &headers) };
        let mut evaluation = Evaluation::new(&policy);
        evaluation.identify(Caller::of(Some(&bob)));
        let denial = match evaluation.step(&view) {
            Ok(permit) => return Ok(permit),
            Err(Halt::Denied(denial)) => denial,
            Err(Halt::Need(need)) => panic!("{need:?}"),
        };
        let made = evaluation.shadow(&view, denial.clone());
        // There is one permit.
        assert!(evaluation.shadow(&view, denial).is_err() || made.is_err());
        made
    };
    let permit = step(&Method::GET, "/tried/bolt", 0).unwrap();
    assert_eq!(permit.shadowed().map(|denial| denial.reason), Some(Reason::OrgForeign));
    assert!(permit.user().is_none() && permit.organization().is_none() && permit.forwards_credential());
    assert_eq!(injected(&permit), Vec::<String>::new());
    assert!(!permit.strips(&http::header::AUTHORIZATION) && permit.strips(&HeaderName::from_static("x-user")));

    let permit = step(&Method::GET, "/tried/acme", 0).unwrap();
    assert!(matches!(permit.shadow(), Some(ShadowVerdict::Allowed)) && permit.shadowed().is_none());
    assert_eq!(injected(&permit), ["x-user", "x-gate"]);
    assert!(permit.strips(&http::header::AUTHORIZATION));
    assert!(step(&Method::GET, "/kept/acme", 0).unwrap().shadow().is_none());
    assert!(step(&Method::GET, "/from/acme", 0).unwrap().shadow().is_none(), "one of its rules is enforced");

    for (method, target, reason) in [
        (Method::GET, "/kept/bolt", Reason::OrgForeign),
        (Method::GET, "/from/bolt", Reason::OrgForeign),
        (Method::GET, "/nowhere", Reason::NoRoute),
        (Method::POST, "/closed", Reason::Denied),
        (Method::from_bytes(b"PURGE").unwrap(), "/closed", Reason::MethodNotAllowed),
    ] {
        assert_eq!(step(&method, target, 0).map(drop).unwrap_err().reason, reason, "{target}");
    }
    assert!(step(&Method::POST, "/tried/bolt", 10).is_ok());
    assert_eq!(step(&Method::POST, "/tried/bolt", 11).map(drop).unwrap_err().reason, Reason::BodyTooLarge);
}

#[test]
fn a_refusal_that_shadow_mode_is_not_about_makes_no_permit_whoever_brings_it() {
    let (world, policy) = (World::new(), policy(SHADOW));
    let target = Target::parse("/tried/bolt").unwrap();
    let headers = HeaderMap::new();
    let view = RequestView::new(&Method::GET, "h", &target, &headers);
    for reason in Reason::ALL {
        let mut evaluation = Evaluation::new(&policy);
        assert!(evaluation.shadow(&view, Denial::new(reason)).is_err(), "nothing was looked at yet");
        evaluation.identify(Caller::of(Some(&world.user("bob", &[]))));
        assert!(evaluation.step(&view).is_err());
        assert_eq!(evaluation.shadow(&view, Denial::new(reason)).is_ok(), reason.is_shadowed(), "{reason:?}");
    }
}
