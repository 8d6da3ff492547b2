//! What is answered before a rule is asked, and what a refusal says.

use super::*;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};

const CORS: &str = "version: 1\nroutes:\n  /x: { cors: { origins: [https://app.example] }, read: authenticated }\n  /y: authenticated\n";

/// How a request with these headers is taken: a preflight that passes or not, or a request like any other.
fn asked(policy: &Policy, method: &Method, target: &str, headers: &[(HeaderName, &'static str)]) -> Option<bool> {
    let target = Target::parse(target).unwrap();
    let headers: HeaderMap = headers.iter().map(|(k, v)| (k.clone(), HeaderValue::from_static(v))).collect();
    let view = RequestView::new(method, "api.example.com", &target, &headers);
    preflight(policy, &view).map(|preflight| {
        assert_eq!(preflight.route.index, 0);
        match preflight.verdict {
            Ok(origin) => origin == "https://app.example",
            Err(denial) => {
                assert_eq!((denial.reason, denial.route), (Reason::OriginDenied, Some(0)));
                false
            }
        }
    })
}

#[test]
fn only_a_browser_s_question_is_a_preflight() {
    let policy = policy(CORS);
    let (app, other) = ((ORIGIN, "https://app.example"), (ORIGIN, "https://other.example"));
    let asks = (ACCESS_CONTROL_REQUEST_METHOD, "PUT");
    let options = Method::OPTIONS;
    assert_eq!(asked(&policy, &options, "/x", &[app.clone(), asks.clone()]), Some(true));
    assert_eq!(asked(&policy, &options, "/x", &[other, asks.clone()]), Some(false));
    assert_eq!(asked(&policy, &options, "/x", std::slice::from_ref(&app)), None, "OPTIONS of a client");
    assert_eq!(asked(&policy, &Method::GET, "/x", &[app.clone(), asks.clone()]), None);
    assert_eq!(asked(&policy, &options, "/x", std::slice::from_ref(&asks)), None, "from no page");
    assert_eq!(asked(&policy, &options, "/y", &[app.clone(), asks.clone()]), None, "the route says nothing of pages");
    assert_eq!(asked(&policy, &options, "/z", &[app, asks]), None, "there is no route");
}

#[test]
fn a_refusal_says_why_and_never_that_there_is_something_to_find() {
    let problem = |denial: Denial| serde_json::from_str::<serde_json::Value>(&denial.problem()).unwrap();
    let foreign = problem(Denial::new(Reason::OrgForeign));
    assert_eq!((&foreign["status"], &foreign["code"]), (&403.into(), &"org_foreign".into()));
    assert_eq!(foreign["type"], "urn:postern:reason:org_foreign");
    let hidden = Denial::new(Reason::OrgForeign).with_status(StatusCode::NOT_FOUND);
    assert!(hidden.is_hidden() && !Denial::new(Reason::OrgForeign).is_hidden());
    assert!(!Denial::new(Reason::NoRoute).is_hidden());
    assert_eq!(problem(hidden), problem(Denial::new(Reason::NoRoute)), "told like a missing route");
    let faulty = problem(Denial::new(Reason::Ambiguous).with_fault("two places name two organizations"));
    assert_eq!(faulty["detail"], "Two places name two organizations.");
    let plain = problem(Denial::new(Reason::Ambiguous));
    assert_eq!(plain["detail"], Reason::Ambiguous.detail());
    assert!(!Reason::Ambiguous.detail().is_empty() && !Reason::Ambiguous.title().is_empty());
}
