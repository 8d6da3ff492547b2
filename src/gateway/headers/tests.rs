use super::{Passing, Stripped, answer_passes, vary_on_authorization};
use crate::policy::{Policy, load};
use crate::upstream::h1::HeadWriter;
use http::Method;
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

/// A policy that injects this header.
fn policy(name: &str) -> Policy {
    let text =
        format!("version: 1\nroutes: {{ /x: {{ level: authenticated, inject: {{ {name}: {{ literal: a }} }} }} }}\n");
    load(&[("routes.yaml", text)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()))
}

fn left(headers: &[(&str, &str)]) -> Vec<String> {
    of(
        headers,
        &Passing { policy: &policy("X-Told"), kept: &[], authorization: false, whole: false, plain_names: false },
    )
}

fn of(headers: &[(&str, &str)], passing: &Passing<'_>) -> Vec<String> {
    let (head, host) = (HeadWriter::new(Vec::new(), &Method::GET, "/"), HeaderValue::from_static("told"));
    let stripped = Stripped::put(head, &map(headers), Some(&host), passing);
    let text = std::str::from_utf8(stripped.0.as_bytes()).unwrap();
    let lines = text.strip_prefix("GET / HTTP/1.1\r\nhost: told\r\n").unwrap().lines();
    let mut names: Vec<String> = lines.map(|line| line.split_once(": ").unwrap().0.to_owned()).collect();
    names.sort();
    names
}

#[test]
fn hop_by_hop_headers_and_what_connection_names_do_not_pass() {
    let sent = [
        ("host", "a"),
        ("connection", "keep-alive, X-Mine,cookie , host, content-type"),
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
        ("content-type", "a/b"),
        ("accept", "*/*"),
    ];
    assert_eq!(left(&sent), ["accept", "content-type"], "host and length are written by us");
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
        "author_ization",
        "authorization_",
        "-authorization",
        "proxy_authorization",
        "keep_alive",
        "x_told",
    ] {
        assert!(left(&[(name, "1")]).is_empty(), "{name}");
    }
    assert_eq!(left(&[("x-forward", "1"), ("from", "a"), ("x", "1")]), ["from", "x", "x-forward"]);
}

#[test]
fn a_credential_passes_where_the_route_says_so_and_in_its_one_spelling() {
    let passing =
        Passing { policy: &policy("X-Other"), kept: &[], authorization: true, whole: false, plain_names: false };
    assert_eq!(of(&[("authorization", "Bearer x"), ("author_ization", "Bearer y")], &passing), ["authorization"]);
    // A policy that injects it has the last word.
    let injected =
        Passing { policy: &policy("Authorization"), kept: &[], authorization: true, whole: false, plain_names: false };
    assert!(of(&[("authorization", "Bearer x")], &injected).is_empty());
}

#[test]
fn what_is_kept_of_a_trusted_proxy_passes_in_its_one_spelling() {
    let kept = ["x-ssl-client-verify", "x-forwarded-client-cert", "x-told"].map(HeaderName::from_static);
    let passing =
        Passing { policy: &policy("X-Told"), kept: &kept, authorization: false, whole: false, plain_names: false };
    let sent = ["x-ssl-client-verify", "x_ssl_client_verify", "x-forwarded-client-cert", "x-ssl-client-dn", "x-told"];
    let left = of(&sent.map(|name| (name, "1")), &passing);
    assert_eq!(left, ["x-forwarded-client-cert", "x-ssl-client-verify"], "what a policy injects is never kept");
}

/// Variables of CGI have one letter for `-` and `_`.
#[test]
fn names_that_could_be_one_variable_do_not_pass_where_headers_become_variables() {
    let kept = [HeaderName::from_static("x_kept")];
    let policy = policy("X-Told");
    let passing = Passing { policy: &policy, kept: &kept, authorization: true, whole: false, plain_names: true };
    let sent =
        ["accept", "x-own", "x_own", "x.own", "x~own", "x-1", "content_type", "x_told", "x_kept", "authorization"];
    assert_eq!(of(&sent.map(|name| (name, "1")), &passing), ["accept", "authorization", "x-1", "x-own", "x_kept"]);
}

#[test]
fn as_many_as_there_are_are_removed() {
    let names: Vec<String> = (0..90).map(|n| format!("x-forwarded-{n}")).collect();
    let sent: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert!(left(&sent).is_empty());
}

#[test]
fn an_answer_loses_what_is_ours_and_says_what_it_depends_on() {
    for (name, passes) in [
        ("content-type", true),
        ("x-post", true),
        ("x-postern-user", false),
        ("x_postern-user", false),
        ("-x-postern", false),
        ("server-timing", false),
    ] {
        assert_eq!(answer_passes(name), passes, "{name}");
    }
    let mut answer = map(&[("vary", "Accept")]);
    for _ in 0..2 {
        vary_on_authorization(&mut answer);
        let vary: Vec<_> = answer.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept", "Authorization"], "said once");
    }
}
