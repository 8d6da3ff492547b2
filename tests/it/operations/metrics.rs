//! The metrics: valid OpenMetrics, and every request counted by route, decision and reason.

use crate::support::{Gate, Who, post};
use std::collections::BTreeMap;

#[test]
fn requests_are_counted_by_route_decision_and_reason() {
    let gate = Gate::new();
    for _ in 0..3 {
        gate.get(Who::uA, "/api/v1/org/a/x");
    }
    gate.get(Who::uA, "/api/v1/org/b/x");
    gate.send(post(Who::uA, "/api/v1/org/a/x"));
    gate.get(Who::uA, "/none");
    gate.get(Who::uA, "/public/../x");
    let count = |route: &str, decision: &str, reason: &str| {
        gate.postern
            .metric(&format!("postern_requests_total{{route=\"{route}\",decision=\"{decision}\",reason=\"{reason}\"}}"))
    };
    let org = "/api/v1/org/{org:slug}/**";
    assert_eq!(count(org, "allow", "ok"), 3.0);
    assert_eq!(count(org, "refuse", "org_foreign"), 1.0);
    assert_eq!(count(org, "refuse", "org_level_missing"), 1.0);
    assert_eq!(count("-", "refuse", "no_route"), 1.0);
    assert_eq!(count("-", "refuse", "bad_target"), 1.0);
    assert_eq!(gate.postern.metric(&format!("postern_own_seconds_count{{route=\"{org}\"}}")), 5.0);
    assert_eq!(gate.postern.metric(&format!("postern_upstream_seconds_count{{route=\"{org}\"}}")), 3.0);
    assert_eq!(gate.postern.metric("postern_cache_misses_total"), 1.0);
    assert_eq!(gate.postern.metric("postern_cache_hits_total"), 4.0);
    assert_eq!(gate.postern.metric("postern_connections_total"), 7.0);
}

/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>: each family described once before its samples, `# EOF` last.
#[test]
fn the_text_is_open_metrics() {
    let gate = Gate::new();
    gate.get(Who::uA, "/api/v1/org/a/x");
    gate.get(Who::nobody, "/me/x");
    let answer = gate.postern.admin("/metrics");
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "EOF"] => {}
            ["#", "HELP", ..] => {}
            ["#", "TYPE", name, kind] => {
                family = (*name).to_owned();
                assert!(kinds.insert(family.clone(), (*kind).to_owned()).is_none(), "{name} is described twice");
            }
            _ => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let name = name.split('{').next().unwrap();
                let suffixes: &[&str] = match kinds.get(&family).map(String::as_str) {
                    Some("counter") => &["_total"],
                    Some("gauge") => &[""],
                    Some("histogram") => &["_bucket", "_count", "_sum"],
                    Some("info") => &["_info"],
                    other => panic!("{family}: {other:?}"),
                };
                assert!(suffixes.iter().any(|s| name == format!("{family}{s}")), "{line} belongs to {family}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(name.starts_with("postern_"), "{line}");
            }
        }
    }
    assert!(kinds.len() > 10, "{kinds:?}");
    // Histograms count up to +Inf.
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("postern_own_seconds_bucket") && line.contains("/me/**"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.last() == Some(&1.0), "{buckets:?}");
    assert!(text.contains("le=\"+Inf\""));
}

/// A stranger's words never become labels: the number of series is bounded by the policy.
#[test]
fn strangers_make_no_series() {
    let gate = Gate::new();
    let ask = |number: usize| {
        gate.get(Who::nobody, &format!("/none/{number}"));
        gate.get(Who::nobody, &format!("/public/{number}"));
        gate.send(format!("M{number} /public/{number} HTTP/1.1\r\nHost: h{number}\r\nX{number}: y\r\n\r\n"));
        gate.send(format!("GET /me/{number} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t{number}\r\n\r\n"));
    };
    ask(0);
    // Some are there after the first round of house-keeping only.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let series = || gate.postern.admin("/metrics").text().lines().count();
    let before = series();
    (1..30).for_each(ask);
    assert_eq!(series(), before);
    assert!(!gate.postern.admin("/metrics").text().contains("h7"));
}

#[test]
fn open_connections_are_counted_down_again() {
    let gate = Gate::new();
    let held: Vec<_> = (0..5).map(|_| gate.raw()).collect();
    crate::support::eventually("five are open", || {
        (gate.postern.metric("postern_connections_open") == 5.0).then_some(())
    });
    drop(held);
    crate::support::eventually("none is open", || {
        (gate.postern.metric("postern_connections_open") == 0.0).then_some(())
    });
}
