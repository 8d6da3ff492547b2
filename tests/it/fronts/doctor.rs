//! `postern doctor --through`: fronts that keep their word are told from one with a single wrong line, which is named.

use super::Asked;
use super::servers::{Front, RUN};
use crate::support::free_port;
use crate::tools::run;
use serde_json::Value;
use std::net::SocketAddr;

const POLICY: &str = "
version: 1
upstream: echo
defaults: { inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug } }
routes:
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
";

/// What doctor says of a front with this configuration.
fn examine(front: &'static str, change: impl FnOnce(String) -> String) -> (i32, Value) {
    let service = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let asked = Asked::before(service, front, POLICY, "trusted_proxies: [127.0.0.1]\n");
    let front = Front::with(&asked, change);
    let url = format!("http://{}/api/v1/org/a/x", front.address);
    let service = service.to_string();
    let arguments = ["doctor", "--json", "--through", &url, "--as", "mA", "--service", &service];
    let (code, out, err) = run(asked.postern.home(), &arguments);
    assert_eq!(err, "");
    (code, serde_json::from_str(&out).unwrap())
}

fn state<'s>(said: &'s Value, check: &str) -> (&'s str, &'s str) {
    let found = said.as_array().unwrap().iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check}: {said:#}"));
    (found["state"].as_str().unwrap(), found["detail"].as_str().unwrap())
}

const CHECKS: [&str; 10] = [
    "the way",
    "identity headers",
    "credential",
    "targets and methods",
    "the question",
    "refusals",
    "caches",
    "bodies",
    "answers",
    "revocation",
];

#[test]
fn a_front_that_keeps_its_word_has_nothing_to_change() {
    std::thread::scope(|scope| {
        for front in RUN {
            scope.spawn(move || {
                let (code, said) = examine(front, |usual| usual);
                for check in CHECKS {
                    assert_eq!(state(&said, check).0, "ok", "{front}: {said:#}");
                }
                assert_eq!(code, 0, "{front}: {said:#}");
            });
        }
    });
}

/// A front, one of its lines and what stands in its place, the check that finds it, and words of what doctor says to change.
const WRONG: [(&str, &str, &str, &str, &str); 14] = [
    (
        "nginx",
        "proxy_set_header X-Postern-User $told_x_postern_user;",
        "",
        "identity headers",
        "`proxy_set_header NAME",
    ),
    (
        "nginx",
        "proxy_set_header Authorization $told_authorization;",
        "",
        "credential",
        "`proxy_set_header Authorization",
    ),
    (
        "nginx",
        "proxy_pass http://service;",
        "proxy_pass http://service/;",
        "targets and methods",
        "without a path behind the name",
    ),
    ("nginx", "auth_request /_postern;", "", "the question", "`auth_request` in every location"),
    ("nginx", "proxy_set_header X-Original-URI $request_uri;", "", "the way", "is that where the front forwards to"),
    ("nginx", "error_page 401 403 500 = @postern_refusal;", "", "refusals", "`error_page 401 403 500"),
    ("caddy", "\t\t\t\t\t`X-Postern-User`\n", "", "identity headers", "`copy_headers`"),
    (
        "caddy",
        "\t\t\treverse_proxy",
        "\t\t\turi replace /%63af /caf\n\t\t\treverse_proxy",
        "targets and methods",
        "`uri`",
    ),
    ("haproxy", "    http-request lua.postern if !proxied\n", "", "the question", "`http-request lua.postern`"),
    (
        "haproxy",
        "    default_backend service",
        "    http-request replace-path (.*)/%63af(.*) \\1/caf\\2\n    default_backend service",
        "targets and methods",
        "`replace-path`",
    ),
    (
        "envoy",
        "allowed_headers: { patterns: [ { safe_regex: { regex: \".*\" } } ] }",
        "",
        "identity headers",
        "`allowed_headers`",
    ),
    ("envoy", "normalize_path: false", "normalize_path: true", "targets and methods", "`normalize_path: false`"),
    (
        "envoy-grpc",
        "encode_raw_headers: true",
        "disallowed_headers: { patterns: [ { prefix: x_ } ] }",
        "identity headers",
        "`disallowed_headers`",
    ),
    ("envoy-grpc", "merge_slashes: false", "merge_slashes: true", "targets and methods", "`merge_slashes: false`"),
];

#[test]
fn one_wrong_line_is_named() {
    std::thread::scope(|scope| {
        for (front, old, new, check, words) in WRONG {
            scope.spawn(move || {
                let (code, said) = examine(front, |usual| {
                    assert!(usual.contains(old), "{front}: {old}");
                    usual.replacen(old, new, 1)
                });
                let (state, detail) = state(&said, check);
                assert!(state == "failed" && detail.contains(words), "{front}: {old}: {said:#}");
                assert_eq!(code, 1, "{front}: {old}");
            });
        }
    });
}
