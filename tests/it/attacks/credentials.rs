//! Forged, borrowed and repeated credentials, and guessing. What every scheme does with each single
//! mistake is tried in `identity` and `login`; here are the attacks.

use crate::identity::{Keys, ask, python};
use crate::support::{Answer, Gate, Options, Postern, Upstream, eventually};
use serde_json::{Value, json};

const X: &str = "https://x.example";
const Y: &str = "https://y.example";
const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, jwt, sesame]
routes:
  /me/**: authenticated
  /opaque/**: { level: authenticated, authenticate: bearer }
";

fn claims(issuer: &str, more: Value) -> Value {
    let mut claims =
        json!({ "iss": issuer, "sub": "s", "aud": "postern", "exp": postern::clock::unix_seconds() + 600 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token.as_str().unwrap())
}

/// Issuers, by name and address of their keys.
fn two_issuers(x: &Keys, y: &Keys) -> Gate {
    let issuer = |name: &str, keys: &Keys| {
        format!(
            "    - {{ issuer: {name}, audience: postern, jwks: \"http://{}/\", algorithms: [RS256], min_interval: 60s }}\n",
            keys.address
        )
    };
    let config = format!("identity:\n  jwt:\n{}{}", issuer(X, x), issuer(Y, y));
    let gate = Gate::with(&Options { config, ..Options::policy(ROUTES) });
    bind_subjects(&gate.postern);
    gate
}

/// `s` of X is uA, and of Y uB.
pub fn bind_subjects(postern: &Postern) {
    postern.cli(&["user", "bind", "uA", "--issuer", X, "--subject", "s"]);
    postern.cli(&["user", "bind", "uB", "--issuer", Y, "--subject", "s"]);
}

/// Forged JWTs: no signature, the public key as a secret, keys that the token itself brings along or names by a path; and a storm of
/// names.
#[test]
pub(super) fn a_token_does_not_choose_its_key() {
    let evil = Keys::serve(&json!({}));
    let jku = format!("http://{}/jwks.json", evil.address);
    let token = |key: &str, headers: Value| json!({ "key": key, "alg": "RS256", "claims": claims(X, json!({})), "headers": headers });
    let mut confused = token("k", json!({ "kid": "k" }));
    confused["confused"] = json!(true);
    let mut forged = vec![
        json!({ "key": "k", "alg": "none", "claims": claims(X, json!({})), "headers": { "kid": "k" } }),
        confused,
        token("evil", json!({ "kid": "k", "jku": jku })),
        token("evil", json!({ "kid": "evil", "jku": jku })),
        token("evil", json!({ "kid": "k", "x5u": jku })),
        token("k", json!({ "kid": "../../etc/passwd" })),
        token("k", json!({ "kid": "k\u{0}" })),
        token("k", json!({ "kid": "' OR 1=1 --" })),
    ];
    forged.extend((0..100).map(|n| token("evil", json!({ "kid": format!("storm-{n}") }))));
    let keys = json!({ "k": "RS256", "evil": "RS256", "y": "RS256" });
    // With a key of its own inside.
    let evil_key = python("jwt_tokens.py", &json!({ "keys": { "evil": "RS256" }, "tokens": [] }));
    forged.push(token("evil", json!({ "kid": "k", "jwk": evil_key["jwks"]["evil"] })));
    let made = python("jwt_tokens.py", &json!({ "keys": keys, "tokens": forged }));
    let (x, y) =
        (Keys::serve(&json!({ "keys": [made["jwks"]["k"]] })), Keys::serve(&json!({ "keys": [made["jwks"]["y"]] })));
    let gate = two_issuers(&x, &y);
    eventually("the first fetch", || (x.fetched() > 0).then_some(()));
    for token in made["tokens"].as_array().unwrap() {
        let answer = gate.send(ask("GET", "/me/x", &bearer(token)));
        // A stranger who makes up many is slowed down.
        assert!(matches!(answer.status, 401 | 429), "{}: {}", answer.status, answer.text());
    }
    gate.upstream.assert_untouched("forged tokens");
    assert_eq!(evil.fetched(), 0, "nobody asks where a token says");
    assert!(x.fetched() <= 2, "one fetch an interval, not one a token: {}", x.fetched());
}

/// JWTs of others and of other times: for somebody else, from somebody else, not yet, no more.
#[test]
pub(super) fn a_token_is_for_us_and_for_now() {
    let now = postern::clock::unix_seconds();
    let good =
        |more: Value| json!({ "key": "k", "alg": "RS256", "claims": claims(X, more), "headers": { "kid": "k" } });
    let mut endless = good(json!({}));
    endless["claims"].as_object_mut().unwrap().remove("exp");
    let tokens = [
        good(json!({ "aud": "other" })),
        good(json!({ "aud": ["other", "another"] })),
        good(json!({ "aud": [] })),
        good(json!({ "iss": format!("{X}/") })),
        good(json!({ "iss": "HTTPS://X.EXAMPLE" })),
        good(json!({ "nbf": now + 600 })),
        good(json!({ "exp": now - 600 })),
        endless,
        good(json!({})),
    ];
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "RS256", "y": "RS256" }, "tokens": tokens }));
    let (x, y) =
        (Keys::serve(&json!({ "keys": [made["jwks"]["k"]] })), Keys::serve(&json!({ "keys": [made["jwks"]["y"]] })));
    let gate = two_issuers(&x, &y);
    let (good, bad) = made["tokens"].as_array().unwrap().split_last().unwrap();
    for token in bad {
        gate.refused(ask("GET", "/me/x", &bearer(token)), 401, "credentials_invalid");
    }
    assert_eq!(gate.send(ask("GET", "/me/x", &bearer(good))).status, 200);
}

/// A token of another issuer: what is remembered for one issuer counts for no other, and for no other scheme.
#[test]
pub(super) fn what_one_issuer_vouches_for_another_does_not() {
    let token = |key: &str, issuer: &str| json!({ "key": key, "alg": "RS256", "claims": claims(issuer, json!({})), "headers": { "kid": "k" } });
    let tokens = [token("x", X), token("y", Y), token("x", Y), token("y", X)];
    let made = python("jwt_tokens.py", &json!({ "keys": { "x": "RS256", "y": "RS256" }, "tokens": tokens }));
    let named = |key: &str| {
        let mut jwk = made["jwks"][key].clone();
        jwk["kid"] = json!("k");
        json!({ "keys": [jwk] })
    };
    let (x, y) = (Keys::serve(&named("x")), Keys::serve(&named("y")));
    let gate = two_issuers(&x, &y);
    let tokens = made["tokens"].as_array().unwrap();
    // Both subjects have the same name, and both are in memory.
    for _ in 0..2 {
        for token in &tokens[..2] {
            assert_eq!(gate.send(ask("GET", "/me/x", &bearer(token))).status, 200);
        }
    }
    gate.upstream.forget();
    for token in &tokens[2..] {
        gate.refused(ask("GET", "/me/x", &bearer(token)), 401, "credentials_invalid");
    }
    // The same text where opaque tokens alone are taken, or as a link.
    gate.refused(ask("GET", "/opaque/x", &bearer(&tokens[0])), 401, "credentials_invalid");
    gate.refused(ask("GET", "/me/x", &format!("sesame {}", tokens[0].as_str().unwrap())), 401, "credentials_invalid");
}

fn login(gate: &Gate, name: &str, from: &str) -> Answer {
    let body = json!({ "username": name, "password": "guess" }).to_string();
    let head = "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    gate.send(format!("{head}X-Forwarded-For: {from}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// Users with a phone number and an address, behind a proxy that is trusted, and addresses that are not limited.
fn guessed(throttle: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = format!(
        "trusted_proxies: [127.0.0.0/8]\nidentity:\n  api: token\n  login: {{ phone_prefixes: [\"+39\", \"00\"] }}\n  token: {{ throttle: {throttle} }}\n  \
         passwords: {{ memory: 64KiB, passes: 1 }}\n"
    );
    let gate = Gate::with(&options);
    let new =
        ["user", "create", "lena", "--email", "lena@example.org", "--phone", "+39 366 524 3702", "--password-stdin"];
    gate.postern.cli_with(&new, "s3cret-word\n");
    gate
}

/// User enumeration: known, unknown, without a password, inactive: one computation each, and the same words.
#[test]
fn who_exists_cannot_be_told_by_what_a_login_costs_or_says() {
    let gate = guessed("none");
    gate.postern.cli(&["user", "create", "no-password"]);
    gate.postern.cli_with(&["user", "create", "inactive", "--password-stdin"], "s3cret-word\n");
    gate.postern.cli(&["user", "edit", "inactive", "--active=false"]);
    let computed = || gate.postern.metric("postern_password_computations");
    let mut told = Vec::new();
    let names = [
        "lena",
        "nobody",
        "LENA@example.org",
        "no@example.org",
        "+393665243702",
        "+393665243703",
        "no-password",
        "inactive",
    ];
    for (n, name) in names.into_iter().enumerate() {
        let before = computed();
        for round in 0..20 {
            let answer = login(&gate, name, &format!("192.0.{n}.{round}"));
            told.push((answer.status, answer.text(), answer.headers.len()));
        }
        assert!((computed() - before - 20.0).abs() < f64::EPSILON, "{name}");
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

/// Password guessing under many names: one budget for a user, however named and from wherever; one for an address, whomever it guesses.
#[test]
fn neither_spellings_nor_addresses_make_a_second_budget() {
    let gate = guessed("none");
    let names = [
        "lena",
        "lena@example.org",
        "LENA@EXAMPLE.ORG",
        "+393665243702",
        "+39 366.524-3702",
        "366 5243702",
        "03665243702",
    ];
    let tried = (0..210_u32).map(|n| {
        let from = format!("192.0.2.{}", n % 256);
        login(&gate, names[n as usize % names.len()], &from).status
    });
    let statuses: Vec<u16> = tried.collect();
    assert_eq!(statuses.iter().position(|status| *status != 400), Some(100), "{statuses:?}");
    assert!(statuses[100..].iter().all(|status| *status == 429));
    let answer = login(&gate, "lena", "198.51.100.1");
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() <= 36);
    // Names that mean nobody run dry, too.
    let unknown = (0..120).map(|n| login(&gate, ["Nobody", "nobody"][n % 2], &format!("203.0.113.{n}")).status);
    assert_eq!(unknown.filter(|status| *status == 400).count(), 100);
    let gate = guessed("5/day");
    let names = ["lena", "nobody", "+393665243702", "su", "uA", "mA", "uB"];
    // What stands before the proxy's own entry is made up.
    let statuses: Vec<u16> = names
        .iter()
        .enumerate()
        .map(|(n, name)| login(&gate, name, &format!("10.9.8.{n}, 192.0.2.1")).status)
        .collect();
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429, 429]);
}

/// Replayed links: a link that was used, has ended, was cut, is for something else or of somebody who is gone; and where its text may turn up.
#[test]
fn a_link_is_good_once_for_one_thing_and_in_no_log() {
    let config =
        "identity:\n  sesame: { key: { file: django.key }, max_age: 5m, one_time: true, query: sesame }\n".to_owned();
    let options = Options { config, ..Options::policy(ROUTES) };
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), "a secret key of Django's\n").unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, &mut command);
    let gate = Gate { postern, upstream };
    let mint =
        |more: &[&str]| gate.postern.cli(&[&["sesame", "mint", "--user", "uA"], more].concat()).trim().to_owned();
    let mut all = Vec::new();
    let mut tried = |token: String, wanted: u16, what: &str| {
        // In the query, and told on by a page in `Referer`.
        let request = format!(
            "GET /me/x?a=b&sesame={token} HTTP/1.1\r\nHost: a\r\nReferer: https://a/me/x?sesame={token}\r\n\r\n"
        );
        let answer = gate.send(request);
        assert_eq!(answer.status, wanted, "{what}: {}", answer.text());
        all.push(token);
    };
    let used = mint(&[]);
    tried(used.clone(), 200, "good");
    tried(used, 401, "used");
    tried(mint(&["--scope", "report:7"]), 401, "for something else");
    let cut = mint(&[]);
    tried(cut[..cut.len() - 2].to_owned(), 401, "cut");
    let short = mint(&["--max-age", "1s"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    tried(short, 401, "too late");
    let before = mint(&[]);
    gate.postern.cli_with(&["user", "password", "uA", "--password-stdin"], "another one\n");
    tried(before, 401, "of the password before");
    let gone = mint(&[]);
    gate.postern.cli(&["user", "edit", "uA", "--active=false"]);
    eventually("the user is gone", || {
        let bearer = format!("Bearer {}", crate::support::World::get().token_of("uA"));
        (gate.send(ask("GET", "/me/x", &bearer)).status == 401).then_some(())
    });
    tried(gone, 401, "of somebody inactive");
    let said = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    for token in &all {
        assert!(!said.contains(token.as_str()), "a link is in a log");
    }
    // The upstream saw one request, without the link in the target.
    let seen = gate.upstream.recorded();
    assert!(seen.iter().all(|request| request.target == "/me/x?a=b"), "{seen:?}");
}
