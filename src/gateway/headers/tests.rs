use super::{Stripped, Trace, clean_answer, is_traceparent};
use crate::gateway::entropy::Entropy;
use http::header::{HeaderMap, HeaderName, HeaderValue};

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    headers.iter().map(pair).fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

fn left(headers: &[(&str, &str)]) -> Vec<String> {
    let stripped = Stripped::new(map(headers), |name| name.contains("postern"), false).into_inner();
    let mut names: Vec<String> = stripped.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn hop_by_hop_headers_and_what_connection_names_do_not_pass() {
    let sent = [
        ("host", "a"),
        ("connection", "keep-alive, X-Mine,cookie , host, content-length"),
        ("x-mine", "1"),
        ("cookie", "a=b"),
        ("keep-alive", "5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "Basic x"),
        ("proxy-anything", "x"),
        ("expect", "100-continue"),
        ("http2-settings", "x"),
        ("content-length", "3"),
        ("accept", "*/*"),
    ];
    assert_eq!(left(&sent), ["accept", "content-length", "host"]);
}

#[test]
fn nobody_speaks_for_the_gate_in_any_spelling() {
    for name in [
        "x-forwarded-for",
        "x_forwarded_for",
        "x.forwarded.host",
        "x-forwarded-prefix",
        "-x-forwarded-for",
        "forwarded",
        "_forwarded",
        "for-warded",
        "x-real-ip",
        "x--real--ip",
        "x-request-id",
        "traceparent",
        "trace_parent",
        "tracestate",
        "x-postern-user",
        "authorization",
    ] {
        assert!(left(&[(name, "1")]).is_empty(), "{name}");
    }
    assert_eq!(left(&[("x-forward", "1"), ("from", "a"), ("x", "1")]), ["from", "x", "x-forward"]);
}

#[test]
fn as_many_as_there_are_are_removed() {
    let names: Vec<String> = (0..90).map(|n| format!("x-forwarded-{n}")).collect();
    let sent: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert!(left(&sent).is_empty());
}

#[test]
fn a_trace_goes_on_behind_a_trusted_proxy_and_begins_anew_for_anybody_else() {
    let entropy = Entropy::seeded().unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = map(&[("traceparent", parent), ("tracestate", "a=b"), ("x-request-id", "mine")]);
    let trusted = Trace::of(&headers, true, &entropy, |_| false);
    assert_eq!(trusted.request_id, "mine");
    assert_eq!(trusted.traceparent.as_bytes().get(..35), parent.as_bytes().get(..35));
    assert_ne!(trusted.traceparent, parent, "the span is ours");
    assert!(trusted.traceparent.as_bytes().ends_with(b"-01"));
    assert!(trusted.tracestate.is_some());
    let stranger = Trace::of(&headers, false, &entropy, |_| false);
    assert_ne!(stranger.request_id, "mine");
    assert_ne!(stranger.traceparent.as_bytes().get(..35), parent.as_bytes().get(..35));
    assert!(stranger.tracestate.is_none());
    assert!(is_traceparent(stranger.traceparent.as_bytes()), "{:?}", stranger.traceparent);
    let broken = Trace::of(&map(&[("traceparent", "00-x"), ("x-request-id", "a b")]), true, &entropy, |_| true);
    assert!(is_traceparent(broken.traceparent.as_bytes()));
    assert_eq!(broken.request_id.len(), 32);
    assert!(broken.traceparent.as_bytes().ends_with(b"-01"), "sampled here");
    assert!(stranger.traceparent.as_bytes().ends_with(b"-00"));
}

#[test]
fn an_answer_keeps_its_own_headers_and_loses_ours() {
    let mut answer = map(&[
        ("content-type", "text/plain"),
        ("connection", "x-private"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("x-postern-user", "ann"),
        ("x_postern-user", "ann"),
        ("server-timing", "secret"),
        ("vary", "Accept"),
    ]);
    clean_answer(&mut answer, true);
    let mut names: Vec<&str> = answer.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "vary"]);
    let vary: Vec<_> = answer.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Authorization"]);
    clean_answer(&mut answer, true);
    assert_eq!(answer.get_all("vary").iter().count(), 2, "said once");
}
