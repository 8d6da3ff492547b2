//! JWTs that PyJWT makes: every algorithm, every way to be refused (attacks 64 to 66), keys that rotate.

use super::{Keys, ask, python};
use crate::support::{Gate, Options, PATIENCE, Postern, RedisServer, Upstream, World, eventually};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ISSUER: &str = "https://id.example.com";

const ROUTES: &str = r#"
version: 1
upstream: echo
authenticate: [bearer, jwt]
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug, X-Plan: claim.plan }
routes:
  /me: authenticated
  /opaque: { level: authenticated, authenticate: bearer }
  /org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /tenant: { org: claim.tenant as slug, level: member }
  /safe: { level: authenticated, mfa: 5m }
  /gold: { level: authenticated, when: 'claims.plan == "gold" && "admin" in claims.roles' }
"#;

fn now() -> i64 {
    postern::clock::unix_seconds()
}

fn claims(more: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "sub": "ext-1", "aud": "postern", "exp": now() + 600 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn gate(issuer: &str) -> Gate {
    let options = Options { config: format!("identity:\n  jwt:\n    - {issuer}\n"), ..Options::policy(ROUTES) };
    let gate = Gate::with(&options);
    gate.postern.cli(&["user", "bind", "uA", "--issuer", ISSUER, "--subject", "ext-1"]);
    gate
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token.as_str().unwrap())
}

const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

#[test]
fn every_algorithm_of_another_library_is_verified() {
    let keys: serde_json::Map<String, Value> =
        ["HS512", "RS256", "ES256", "ES384", "ES512", "EdDSA"].iter().map(|a| ((*a).to_owned(), json!(a))).collect();
    let key = |algorithm: &str| match algorithm.get(..2) {
        Some("HS") => "HS512".to_owned(),
        Some("RS" | "PS") => "RS256".to_owned(),
        _ => algorithm.to_owned(),
    };
    let token =
        |a: &&str| json!({ "key": key(a), "alg": a, "claims": claims(json!({})), "headers": { "kid": key(a) } });
    let made =
        python("jwt_tokens.py", &json!({ "keys": keys, "tokens": ALGORITHMS.iter().map(token).collect::<Vec<_>>() }));
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("jwks.json");
    let set: Vec<&Value> = made["jwks"].as_object().unwrap().values().collect();
    std::fs::write(&file, json!({ "keys": set }).to_string()).unwrap();
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"{}\", algorithms: [{}] }}",
        file.display(),
        ALGORITHMS.join(", ")
    ));
    for (algorithm, token) in ALGORITHMS.iter().zip(made["tokens"].as_array().unwrap()) {
        let got = gate.send(ask("GET", "/me", &bearer(token)));
        assert_eq!(got.status, 200, "{algorithm}: {}", got.text());
        // Another signature, another payload: nobody's.
        let text = token.as_str().unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        gate.upstream.forget();
        gate.refused(
            ask("GET", "/me", &format!("Bearer {message}.{other}{}", &signature[1..])),
            401,
            "credentials_invalid",
        );
    }
    let recorded = gate.forwarded(ask("GET", "/org/a/x", &bearer(&made["tokens"][3])));
    assert_eq!(recorded.header("x-postern-user"), Some("uA"));
    assert!(recorded.header("authorization").is_none());
}

/// Whom one replica has looked up by an issuer's word, the others find in Redis, as far as it still stands.
#[test]
fn a_subject_is_looked_up_once_for_all_replicas() {
    let token = json!({ "key": "k", "alg": "RS256", "claims": claims(json!({})), "headers": { "kid": "k" } });
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "RS256" }, "tokens": [token] }));
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("jwks.json");
    std::fs::write(&file, json!({ "keys": [made["jwks"]["k"]] }).to_string()).unwrap();
    let issuer =
        format!("{{ issuer: {ISSUER}, audience: postern, jwks: \"{}\", algorithms: [RS256] }}", file.display());
    let redis = RedisServer::start();
    let config = format!("identity:\n  jwt:\n    - {issuer}\n");
    let options = Options { config, ..Options::policy(ROUTES) }
        .set("redis", format!("{{ url: \"redis://127.0.0.1:{}\", budget: 200ms }}", redis.port));
    let gate = Gate::with(&options);
    let first = &gate.postern;
    first.cli(&["user", "bind", "uA", "--issuer", ISSUER, "--subject", "ext-1"]);
    let store = format!("sqlite:{}", first.home().join("postern.db").display());
    let options = Options { world: false, ..options }.set("database", store);
    let join = || {
        let replica = Postern::start(gate.upstream.address(), &options);
        eventually("Redis serves it", || {
            (replica.metric("postern_degraded{dependency=\"redis\"}") == 0.0).then_some(())
        });
        replica
    };
    let second = join();
    let status = |replica: &Postern| {
        let mut raw = replica.raw();
        raw.send(ask("GET", "/me", &bearer(&made["tokens"][0])));
        raw.answer().status
    };
    eventually("Redis serves the first", || {
        (first.metric("postern_degraded{dependency=\"redis\"}") == 0.0).then_some(())
    });
    assert_eq!(status(first), 200);
    let key = redis.key("postern:u:*");
    assert!(!key.contains("ext-1"), "{key}");
    assert_eq!(status(&second), 200);
    assert_eq!(second.metric("postern_redis_hits_total"), 1.0);
    // Bound to nobody any more: what lies in Redis is believed by nobody, who was there or who comes.
    first.sql("DELETE FROM subjects");
    eventually("it counts", || (status(&second) == 401).then_some(()));
    let late = join();
    assert_eq!((status(&late), late.metric("postern_redis_hits_total")), (401, 0.0));
}

/// Forged JWTs; JWTs of others and of other times.
#[test]
fn what_is_not_for_us_now_and_signed_by_the_issuer_is_refused() {
    let good = |more: Value| json!({ "key": "k", "alg": "RS256", "claims": claims(more), "headers": { "kid": "k" } });
    let without = |name: &str| {
        let mut token = good(json!({}));
        token["claims"].as_object_mut().unwrap().remove(name);
        token
    };
    let header = |more: Value| {
        let mut token = good(json!({}));
        token["headers"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token
    };
    let mut confused = good(json!({}));
    confused["confused"] = json!(true);
    let bad = [
        ("none", json!({ "key": "k", "alg": "none", "claims": claims(json!({})) })),
        ("HS256 with the public key", confused),
        (
            "another's key by the same name",
            json!({ "key": "other", "alg": "RS256", "claims": claims(json!({})), "headers": { "kid": "k" } }),
        ),
        (
            "an algorithm that the issuer does not use",
            json!({ "key": "k", "alg": "PS256", "claims": claims(json!({})), "headers": { "kid": "k" } }),
        ),
        ("kid of a path", header(json!({ "kid": "../../etc/passwd" }))),
        ("crit", header(json!({ "crit": ["x"] }))),
        ("a logout token", header(json!({ "typ": "logout+jwt" }))),
        ("another audience", good(json!({ "aud": "other" }))),
        ("audiences without ours", good(json!({ "aud": ["a", "b"] }))),
        ("no audience", without("aud")),
        ("another issuer", good(json!({ "iss": "https://evil.example" }))),
        ("no issuer", without("iss")),
        ("expired", good(json!({ "exp": now() - 60 }))),
        ("no expiry", without("exp")),
        ("exp is a text", good(json!({ "exp": "9999999999" }))),
        ("not yet", good(json!({ "nbf": now() + 600 }))),
        ("no subject", without("sub")),
        ("a subject that is nobody", good(json!({ "sub": "ext-2" }))),
    ];
    let fine = [
        ("plain", good(json!({}))),
        ("ours among audiences", good(json!({ "aud": ["x", "postern"] }))),
        ("within the leeway", good(json!({ "exp": now() - 5, "nbf": now() - 100 }))),
        ("jku is not looked at", header(json!({ "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/" }))),
    ];
    let tokens: Vec<&Value> = bad.iter().chain(&fine).map(|(_, token)| token).collect();
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "RS256", "other": "RS256" }, "tokens": tokens }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [RS256] }}",
        keys.address
    ));
    let mut tokens = made["tokens"].as_array().unwrap().iter();
    for ((what, _), token) in bad.iter().zip(&mut tokens) {
        let got = gate.send(ask("GET", "/me", &bearer(token)));
        assert_eq!((got.status, got.code().as_str()), (401, "credentials_invalid"), "{what}");
    }
    gate.upstream.assert_untouched("refused tokens");
    for ((what, _), token) in fine.iter().zip(tokens) {
        let got = gate.send(ask("GET", "/me", &bearer(token)));
        assert_eq!(got.status, 200, "{what}: {}", got.text());
    }
    // A scheme that the route does not take: as an opaque token it is nobody's, though it is remembered as a JWT.
    let token = made["tokens"].as_array().unwrap().last().unwrap();
    gate.upstream.forget();
    gate.refused(ask("GET", "/opaque", &bearer(token)), 401, "credentials_invalid");
    // Nothing of a token is in a log.
    let secret = token.as_str().unwrap().rsplit('.').next().unwrap();
    let said = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!said.contains(secret));
}

#[test]
fn the_user_s_state_is_looked_at_every_time() {
    let token = json!({ "key": "k", "alg": "ES256", "claims": claims(json!({})), "headers": { "kid": "k" } });
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": [token] }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [ES256] }}",
        keys.address
    ));
    let bearer = bearer(&made["tokens"][0]);
    let status = |target: &str| gate.send(ask("GET", target, &bearer)).status;
    assert_eq!((status("/me"), status("/org/a/x"), status("/org/b/x")), (200, 200, 403));
    // As soon as the world's own changes have been noted.
    eventually("the signature is remembered", || {
        let hits = gate.postern.metric("postern_cache_hits_total");
        assert_eq!(status("/me"), 200);
        (gate.postern.metric("postern_cache_hits_total") > hits).then_some(())
    });
    gate.postern.cli(&["member", "delete", "--org", "a", "--user", "uA"]);
    eventually("the membership has gone", || (status("/org/a/x") == 403).then_some(()));
    gate.postern.cli(&["user", "edit", "uA", "--active=false"]);
    eventually("the user is inactive", || (status("/me") == 401).then_some(()));
    gate.postern.cli(&["user", "edit", "uA", "--active"]);
    eventually("the user is active", || (status("/me") == 200).then_some(()));
    gate.postern.cli(&["user", "unbind", "uA", "--issuer", ISSUER, "--subject", "ext-1"]);
    eventually("the binding has gone", || (status("/me") == 401).then_some(()));
}

#[test]
fn keys_rotate_and_what_a_dropped_one_signed_goes_with_it() {
    let token =
        |key: &str| json!({ "key": key, "alg": "EdDSA", "claims": claims(json!({})), "headers": { "kid": key } });
    let tokens = [token("one"), token("two"), token("three")];
    let made = python(
        "jwt_tokens.py",
        &json!({ "keys": { "one": "EdDSA", "two": "EdDSA", "three": "EdDSA" }, "tokens": tokens }),
    );
    let set = |names: &[&str]| json!({ "keys": names.iter().map(|name| &made["jwks"][*name]).collect::<Vec<_>>() });
    let keys = Keys::serve(&set(&["one"]));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [EdDSA], refresh: 2s, min_interval: 60s }}",
        keys.address
    ));
    let status = |at: usize| gate.send(ask("GET", "/me", &bearer(&made["tokens"][at]))).status;
    assert_eq!(status(0), 200);
    // A new key is fetched when a token names it.
    keys.publish(&set(&["one", "two"]));
    assert_eq!(status(1), 200);
    // One that is dropped takes along what it signed, remembered or not.
    keys.publish(&set(&["two"]));
    eventually("the old key has gone", || (status(0) == 401).then_some(()));
    assert_eq!(status(1), 200);
    // While nobody answers, the last good keys serve, and a key that may exist is no 401.
    keys.answer_with("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    eventually("the issuer is down", || (status(2) == 503).then_some(()));
    assert_eq!(status(1), 200);
}

#[test]
fn a_storm_of_unknown_keys_is_one_fetch() {
    let token = |n: usize| json!({ "key": "k", "alg": "ES256", "claims": claims(json!({})), "headers": { "kid": format!("k{n}") } });
    let tokens: Vec<Value> = (0..60).map(token).collect();
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": tokens }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [ES256], refresh: 10m, min_interval: 60s }}",
        keys.address
    ));
    eventually("the first fetch", || (keys.fetched() == 1).then_some(()));
    std::thread::scope(|scope| {
        for token in made["tokens"].as_array().unwrap() {
            scope.spawn(|| assert_eq!(gate.send(ask("GET", "/me", &bearer(token))).status, 401));
        }
    });
    assert!(keys.fetched() <= 2, "{}", keys.fetched());
}

#[test]
fn key_sets_that_are_odd_are_no_keys_and_no_harm() {
    let token = json!({ "key": "k", "alg": "RS256", "claims": claims(json!({})), "headers": { "kid": "k" } });
    let made = python(
        "jwt_tokens.py",
        &json!({ "keys": { "k": "RS256", "w": "RS256-weak", "h": "HS256" }, "tokens": [token] }),
    );
    let answer =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let good = json!({ "keys": [made["jwks"]["k"]] }).to_string();
    let odd = [
        ("empty", answer("")),
        ("not JSON", answer("<html>")),
        ("no keys", answer("{\"keys\":[]}")),
        ("a list", answer("[1]")),
        ("too weak", answer(&json!({ "keys": [made["jwks"]["w"]] }).to_string())),
        ("a published secret", answer(&json!({ "keys": [made["jwks"]["h"]] }).to_string())),
        ("huge", answer(&format!("{{\"x\":\"{}\",\"keys\":[]}}", "a".repeat(600_000)))),
        (
            "elsewhere",
            format!(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{good}",
                good.len()
            ),
        ),
        ("broken off", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n{".to_owned()),
        ("no HTTP", "hello".to_owned()),
    ];
    let keys = Keys::serve(&json!({}));
    keys.answer_with(&odd[0].1);
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [RS256], refresh: 1s, min_interval: 1s }}",
        keys.address
    ));
    let token = bearer(&made["tokens"][0]);
    for (what, bytes) in &odd {
        keys.answer_with(bytes);
        let before = keys.fetched();
        eventually("another fetch", || (keys.fetched() > before).then_some(()));
        assert_eq!(gate.send(ask("GET", "/me", &token)).status, 503, "{what}");
    }
    keys.answer_with(&answer(&good));
    eventually("good keys", || (gate.send(ask("GET", "/me", &token)).status == 200).then_some(()));
    let said = gate.postern.stderr().iter().filter(|line| line.contains("cannot be fetched")).count();
    assert_eq!(said, 1, "said once, not once a fetch");
}

#[test]
fn a_principal_may_be_named_by_a_claim_or_be_in_the_claims_alone() {
    let token = |more: Value| json!({ "key": "k", "alg": "ES256", "claims": claims(more) });
    let tokens = [
        token(json!({ "email": "ma@a.example", "email_verified": true })),
        token(json!({ "email": "ma@a.example" })),
        token(json!({ "email": "su@a.example", "email_verified": true })),
        token(
            json!({ "orgs": { "a": "manager", "gone": "manager", "nowhere": "member" }, "plan": "gold", "roles": ["admin"], "tenant": "a" }),
        ),
        token(json!({ "orgs": ["b"], "plan": "silver", "roles": [], "tenant": "a" })),
    ];
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": tokens }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let issuer = |user: &str| {
        format!(
            "{{ issuer: {ISSUER}, audience: any, jwks: \"http://{}/\", algorithms: [ES256], {user} }}",
            keys.address
        )
    };
    let by_email = gate(&issuer("user: email"));
    by_email.postern.cli(&["user", "edit", "su", "--email", "su@a.example"]);
    let status = |at: usize| by_email.send(ask("GET", "/org/a/x", &bearer(&made["tokens"][at]))).status;
    assert_eq!((status(0), status(1), status(2)), (200, 401, 401), "verified; not verified; never a superuser");

    let alone = gate(&issuer("user: claims, memberships: { claim: orgs, by: slug }"));
    let ask =
        |method: &str, target: &str, at: usize| alone.send(ask(method, target, &bearer(&made["tokens"][at]))).status;
    assert_eq!((ask("POST", "/org/a/x", 3), ask("GET", "/org/gone/x", 3), ask("GET", "/org/b/x", 3)), (200, 403, 403));
    assert_eq!((ask("GET", "/org/b/x", 4), ask("POST", "/org/b/x", 4)), (200, 403));
    assert_eq!(
        (ask("GET", "/tenant", 3), ask("GET", "/tenant", 4)),
        (200, 403),
        "the claim names it, membership decides"
    );
    assert_eq!((ask("GET", "/gold", 3), ask("GET", "/gold", 4)), (200, 403));
    let recorded = alone.forwarded(super::ask("GET", "/me", &bearer(&made["tokens"][3])));
    assert_eq!((recorded.header("x-plan"), recorded.header("x-postern-user")), (Some("gold"), None));
    // The organization's end reaches those who are in no directory.
    alone.postern.cli(&["org", "edit", "b", "--active=false"]);
    eventually("the organization is disabled", || (ask("GET", "/org/b/x", 4) == 403).then_some(()));
}

/// Whoever is in the claims alone has no name and no address that a service could take for those of the directory's users, unless
/// the configuration says from which claims.
#[test]
fn a_principal_of_claims_cannot_pose_as_a_user_of_the_directory() {
    let token = |more: Value| json!({ "key": "k", "alg": "ES256", "claims": claims(more) });
    let tokens = [
        token(json!({
            "sub": "uA", "preferred_username": "uA", "username": "uA", "name": "uA", "email": "ma@a.example",
            "email_verified": true, "external_id": "uA", "groups": ["ops"], "is_staff": true, "is_superuser": true,
        })),
        token(json!({ "preferred_username": "uA", "email": "ma@a.example", "email_verified": false })),
        token(json!({ "sub": "uA", "preferred_username": 7, "email": "ma@a.example" })),
    ];
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": tokens }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let gate = |more: &str| {
        let config = format!(
            "identity:\n  jwt:\n    - {{ issuer: {ISSUER}, audience: any, jwks: \"http://{}/\", algorithms: [ES256], user: claims{more} }}\n",
            keys.address
        );
        let routes = r#"
version: 1
upstream: echo
authenticate: [bearer, jwt]
defaults:
  inject:
    X-Id: user.id
    X-Name: user.username
    X-Email: user.email
    X-External: user.external_id
    X-Staff: user.is_staff
    X-Superuser: user.is_superuser
    X-Issuer: user.issuer
routes:
  /me: authenticated
  /staff: staff
  /root: superuser
  /named: { level: authenticated, when: 'user.username == "uA" || user.email == "ma@a.example"' }
  /group: { level: authenticated, when: '"ops" in user.groups' }
  /issued: { level: authenticated, when: 'user.issuer == "https://id.example.com"' }
"#;
        Gate::with(&Options { config, ..Options::policy(routes) })
    };
    let told = |gate: &Gate, at: usize| {
        let recorded = gate.forwarded(ask("GET", "/me", &bearer(&made["tokens"][at])));
        assert_eq!((recorded.header("x-staff"), recorded.header("x-superuser")), (Some("false"), Some("false")));
        assert_eq!((recorded.header("x-external"), recorded.header("x-issuer")), (None, Some(ISSUER)));
        ["x-name", "x-email"].map(|name| recorded.header(name).map(str::to_owned))
    };
    let status =
        |gate: &Gate, target: &str, at: usize| gate.send(ask("GET", target, &bearer(&made["tokens"][at]))).status;
    let nameless = gate("");
    for at in 0..3 {
        assert_eq!(told(&nameless, at), [None, None]);
        for target in ["/staff", "/root", "/named", "/group"] {
            assert_eq!(status(&nameless, target, at), 403, "{target}");
        }
        assert_eq!(status(&nameless, "/issued", at), 200);
    }
    // The directory's own have names, and nobody vouches for them.
    let opaque = format!("Bearer {}", World::get().token_of("uA"));
    let recorded = nameless.forwarded(ask("GET", "/me", &opaque));
    assert_eq!((recorded.header("x-name"), recorded.header("x-issuer")), (Some("uA"), None));
    let posing = nameless.forwarded(ask("GET", "/me", &bearer(&made["tokens"][0])));
    assert_ne!(recorded.header("x-id"), posing.header("x-id"));
    nameless.refused(ask("GET", "/issued", &opaque), 403, "condition_false");

    let named = gate(", username: preferred_username, username_prefix: \"id:\", email: email");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told(&named, 0), [text("id:uA"), text("ma@a.example")]);
    assert_eq!(told(&named, 1), [text("id:uA"), None], "the issuer says that the address is not verified");
    assert_eq!(told(&named, 2), [None, text("ma@a.example")], "a number is no name");
}

/// An issuer that takes connections and says a byte now and then, for ever.
fn dribbling() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                // An answer to nothing would not be waited for.
                let _ = stream.read(&mut [0; 1024]);
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
                for byte in head.iter().chain(b" ".iter().cycle()) {
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    (address, count)
}

#[test]
fn an_issuer_that_is_slow_holds_up_nobody_but_its_own() {
    let token = json!({ "key": "k", "alg": "ES256", "claims": claims(json!({})), "headers": { "kid": "k" } });
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": [token] }));
    let (address, count) = dribbling();
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{address}/\", algorithms: [ES256], min_interval: 60s }}"
    ));
    let began = postern::clock::monotonic();
    let (slow, others) = std::thread::scope(|scope| {
        let slow: Vec<_> =
            (0..20).map(|_| scope.spawn(|| gate.send(ask("GET", "/me", &bearer(&made["tokens"][0]))).status)).collect();
        let opaque = format!("Bearer {}", World::get().token_of("uA"));
        let mut others = 0;
        while !slow.iter().all(|thread| thread.is_finished()) && began.elapsed() < PATIENCE {
            assert_eq!(gate.send(ask("GET", "/me", &opaque)).status, 200);
            others += 1;
        }
        (slow.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>(), others)
    });
    // Nothing is known of the key, so nobody is told that theirs is wrong.
    assert!(slow.iter().all(|status| *status == 503), "{slow:?}");
    assert!(others > 10 && began.elapsed() < Duration::from_secs(15), "{others} others in {:?}", began.elapsed());
    assert!(count.load(Ordering::SeqCst) <= 2, "one fetch at a time");
}

#[test]
fn keys_that_are_swapped_under_the_same_name_end_what_the_old_ones_signed() {
    let token =
        |key: &str| json!({ "key": key, "alg": "EdDSA", "claims": claims(json!({})), "headers": { "kid": "k" } });
    let made = python(
        "jwt_tokens.py",
        &json!({ "keys": { "old": "EdDSA", "new": "EdDSA" }, "tokens": [token("old"), token("new")] }),
    );
    let set = |key: &str| {
        let mut jwk = made["jwks"][key].clone();
        jwk["kid"] = json!("k");
        json!({ "keys": [jwk] })
    };
    let keys = Keys::serve(&set("old"));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [EdDSA], refresh: 1s, min_interval: 1s }}",
        keys.address
    ));
    let status = |at: usize| gate.send(ask("GET", "/me", &bearer(&made["tokens"][at]))).status;
    assert_eq!((status(0), status(1)), (200, 401));
    keys.publish(&set("new"));
    eventually("the old signature is worth nothing", || (status(0) == 401).then_some(()));
    assert_eq!(status(1), 200);
    // And what is no set at all changes nothing.
    keys.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    let before = keys.fetched();
    eventually("it is fetched twice more", || (keys.fetched() > before + 2).then_some(()));
    assert_eq!((status(0), status(1)), (401, 200));
}

/// What is public never verifies as a secret, in whatever form it stands in the file (RFC 8725, 2.1).
#[test]
fn a_public_key_with_words_before_it_is_no_secret() {
    let bag = "Bag Attributes\n    friendlyName: signing\n";
    let token = |more: Value| {
        let mut token = json!({ "key": "k", "alg": "RS256", "claims": claims(json!({})) });
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token
    };
    for before in [bag, "\u{feff}", "\n\n"] {
        let tokens = [token(json!({})), token(json!({ "confused": before }))];
        let made = python("jwt_tokens.py", &json!({ "keys": { "k": "RS256" }, "tokens": tokens }));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("{before}{}", made["pem"]["k"].as_str().unwrap())).unwrap();
        let place = file.path().display();
        let gate = gate(&format!(
            "{{ issuer: {ISSUER}, audience: postern, key: {{ file: {place} }}, algorithms: [RS256, HS256] }}"
        ));
        let status = |at: usize| gate.send(ask("GET", "/me", &bearer(&made["tokens"][at]))).status;
        assert_eq!((status(0), status(1)), (200, 401), "{before:?}");
    }
}

#[test]
fn keys_that_are_none_are_refused_at_the_start_or_by_name() {
    let keys = json!({ "good": "RS256", "weak": "RS256-weak", "ed": "EdDSA" });
    let made = python("jwt_tokens.py", &json!({ "keys": keys, "tokens": [] }));
    let text = |place: &str, name: &str| made[place][name].as_str().unwrap().to_owned();
    let upstream = Upstream::echo();
    for (what, key, algorithms, told) in [
        ("a weak key", text("pem", "weak"), "[RS256]", "RSA needs 2048 bits"),
        ("OpenSSH's", text("ssh", "good"), "[HS256]", "give it in PEM"),
        ("OpenSSH's, of another curve", text("ssh", "ed"), "[HS256]", "give it in PEM"),
        ("a JWK", made["jwks"]["good"].to_string(), "[HS256]", "give it in PEM"),
        ("PEM for a secret", text("pem", "good"), "[HS256]", "algorithms"),
        ("a short secret", "seventeen letters".to_owned(), "[HS256]", "too short"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, key).unwrap();
        let place = file.path().display();
        let config = format!(
            "identity:\n  jwt: [{{ issuer: {ISSUER}, audience: postern, key: {{ file: {place} }}, algorithms: {algorithms} }}]\n"
        );
        let options =
            Options { config, ..Options::policy("version: 1\nupstream: echo\nroutes:\n  /me: authenticated\n") };
        let home = Postern::prepare(Some(upstream.address()), &options);
        let output = Postern::serve(home.path(), &options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(told), "{what}: {said}");
    }
    // Whoever reads a private key can sign with it.
    let keys = Keys::serve(&json!({ "keys": [made["private"]["good"]] }));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: postern, jwks: \"http://{}/\", algorithms: [RS256] }}",
        keys.address
    ));
    eventually("it is told", || {
        gate.postern.stderr().iter().any(|line| line.contains("a secret or private key was published")).then_some(())
    });
}

/// `amr` lists `mfa` and `auth_time` is lately (OpenID Connect Core 1.0, RFC 8176, RFC 9470).
#[test]
fn a_jwt_says_when_a_second_factor_was_shown() {
    let token = |more: Value| json!({ "key": "k", "alg": "ES256", "claims": claims(more) });
    let tokens = [
        token(json!({ "auth_time": now() - 60, "amr": ["pwd", "mfa"] })),
        token(json!({ "auth_time": now() - 600, "amr": ["pwd", "mfa"] })),
        token(json!({ "auth_time": now(), "amr": ["pwd"] })),
        token(json!({ "amr": ["mfa"] })),
    ];
    let made = python("jwt_tokens.py", &json!({ "keys": { "k": "ES256" }, "tokens": tokens }));
    let keys = Keys::serve(&json!({ "keys": [made["jwks"]["k"]] }));
    let gate = gate(&format!(
        "{{ issuer: {ISSUER}, audience: any, jwks: \"http://{}/\", algorithms: [ES256] }}",
        keys.address
    ));
    let send = |at: usize| gate.send(ask("GET", "/safe", &bearer(&made["tokens"][at])));
    assert_eq!(send(0).status, 200);
    for at in 1..4 {
        let refused = send(at);
        assert_eq!((refused.status, refused.code().as_str()), (401, "second_factor_stale"), "{at}");
        let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"300\"";
        assert_eq!(refused.header("www-authenticate"), Some(challenge));
        assert_eq!(gate.send(ask("GET", "/me", &bearer(&made["tokens"][at]))).status, 200);
    }
}
